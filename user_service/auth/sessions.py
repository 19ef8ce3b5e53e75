"""Sessions: opened by a log-in, closed once, and what is left of their tokens blocked."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, delete, select, update
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import origin, record
from user_service.auth.grants import Grant, grant_of, refresh_expiry, whole_second
from user_service.auth.models import BlockedSession, CloseReason, LoginSession, User
from user_service.database import fetch_all, new_id, retried, transaction
from user_service.errors import SessionNotFound
from user_service.runtime import runtime

# Past the longest life of a token, so that clocks that disagree revive nothing.
BLOCKLIST_MARGIN = timedelta(minutes=10)
BATCH = 1_000


@retried
def open_session(user_id: UUID) -> Grant:
    """Add a session to the open transaction, which holds the lock of the user's row.

    Where the user has as many sessions as are allowed, the oldest ends.
    """
    settings, came_from, now = runtime().settings, origin.get(), whole_second()
    ends_at = now + timedelta(seconds=settings.session_seconds)
    with transaction() as session:
        row = LoginSession(
            id=new_id(),
            user_id=user_id,
            created_at=now,
            last_used_at=now,
            ends_at=ends_at,
            generation=1,
            refresh_jti=uuid4(),
            access_jti=uuid4(),
            issued_at=now,
            refresh_expires_at=refresh_expiry(now, ends_at),
            confirmed_at=now,  # there is no earlier token whose replay could need an answer
            ip=came_from.ip,
            user_agent=came_from.user_agent,
        )
        session.add(row)
        session.flush()
        _end_the_oldest(session, user_id)
        return grant_of(row, is_fresh=True, now=now)


def _end_the_oldest(session: Session, user_id: UUID) -> None:
    surplus = session.scalars(
        select(LoginSession.id)
        .where(LoginSession.user_id == user_id)
        .order_by(LoginSession.id.desc())
        .offset(runtime().settings.max_sessions_per_user)
    ).all()
    if surplus:
        for session_id in close(session, user_id, CloseReason.TOO_MANY_SESSIONS, LoginSession.id.in_(surplus)):
            reason = CloseReason.TOO_MANY_SESSIONS.value
            record(Action.SESSION_CLOSED, user_id=user_id, session_id=session_id, reason=reason)


@retried
def confirm(session_id: UUID, generation: int) -> None:
    """Note the first use of an access token of the current generation: its predecessor's replay ends here."""
    now = clock.now()
    with transaction() as session:
        session.execute(
            update(LoginSession)
            .where(
                LoginSession.id == session_id,
                LoginSession.generation == generation,
                LoginSession.confirmed_at.is_(None),
            )
            .values(confirmed_at=now, last_used_at=now)
        )


@retried
def close_session(*, user_id: UUID, session_id: UUID, reason: CloseReason) -> bool:
    """End one session of this user; false when there is no such session any more."""
    with transaction() as session:
        if not close(session, user_id, reason, LoginSession.id == session_id):
            return False
        action = Action.LOGGED_OUT if reason is CloseReason.LOGGED_OUT else Action.SESSION_CLOSED
        record(action, user_id=user_id, session_id=session_id, reason=reason.value)
        return True


def close_own_session(*, user_id: UUID, session_id: UUID) -> None:
    """Raises SessionNotFound, also where the session is another user's."""
    if not close_session(user_id=user_id, session_id=session_id, reason=CloseReason.CLOSED_BY_USER):
        raise SessionNotFound


@retried
def close_all_sessions(*, user_id: UUID, reason: CloseReason) -> int:
    """End every session of this user; returns how many.

    The user's row is locked first, so that no log-in slips in between.
    """
    with transaction() as session:
        session.execute(select(User.id).where(User.id == user_id).with_for_update())
        closed = close(session, user_id, reason)
        for session_id in closed:
            record(Action.SESSION_CLOSED, user_id=user_id, session_id=session_id, reason=reason.value)
        return len(closed)


def list_sessions(*, user_id: UUID, before: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """The user's open sessions, newest first, from the one before the given id on."""
    table = LoginSession.__table__
    query = select(table).where(table.c.user_id == user_id, table.c.refresh_expires_at > clock.now())
    if before is not None:
        query = query.where(table.c.id < before)
    return fetch_all(query.order_by(table.c.id.desc()).limit(limit))


def close(session: Session, user_id: UUID, reason: CloseReason, *conditions: ColumnElement[bool]) -> Sequence[UUID]:
    """Delete the sessions and block what is left of their tokens; returns the ids of those that were open."""
    closed = session.scalars(
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, *conditions)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    ).all()
    block(session, closed, reason)
    return closed


def block(session: Session, session_ids: Sequence[UUID], reason: CloseReason) -> None:
    """Refuse what is left of the tokens of these sessions, until none of them can be alive."""
    settings, now = runtime().settings, clock.now()
    longest = timedelta(seconds=max(settings.access_token_seconds, settings.refresh_token_seconds))
    session.add_all(
        BlockedSession(
            session_id=session_id,
            reason=reason.value,
            blocked_at=now,
            expires_at=now + longest + BLOCKLIST_MARGIN,
        )
        for session_id in session_ids
    )


@retried
def close_every_session() -> int:
    """End the sessions of all users, in batches; returns how many. One event in the log stands for all of them."""
    total = 0
    while True:
        with transaction() as session:
            due = session.scalars(select(LoginSession.id).limit(BATCH).with_for_update()).all()
            session.execute(
                delete(LoginSession).where(LoginSession.id.in_(due)).execution_options(synchronize_session=False)
            )
            block(session, due, CloseReason.CLOSED_BY_OPERATOR)
        if not due:
            break
        total += len(due)
    with transaction():
        record(Action.ALL_SESSIONS_CLOSED, user_id=None, count=total)
    return total
