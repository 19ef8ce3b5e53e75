"""Sessions: opened by a log-in, carried on by refreshes, closed once.

A refresh is one compare-and-set on the generation: of all who present the same token, one wins. The token
that was replaced last gets the same successor again inside the grace window, or while nobody has used the
successor's access token; any other used token closes the session (RFC 9700, 4.14.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, case, delete, exists, literal, select, update
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action, Outcome
from user_service.audit.service import origin, record
from user_service.auth.models import BlockedSession, CloseReason, LoginSession, User
from user_service.database import UtcDateTime, fetch_all, new_id, transaction
from user_service.errors import DomainError, RefreshTokenReused, SessionNotFound, TokenExpired, TokenRevoked
from user_service.runtime import runtime

# Past the longest life of a token, so that clocks that disagree revive nothing.
BLOCKLIST_MARGIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Grant:
    """The claims of one pair of tokens. The same grant is minted into the same pair, whenever and wherever."""

    user_id: UUID
    session_id: UUID
    generation: int
    refresh_jti: UUID
    access_jti: UUID
    access_issued_at: datetime
    access_expires_at: datetime
    refresh_issued_at: datetime
    refresh_expires_at: datetime
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says."""

    user_id: UUID
    session_id: UUID
    generation: int


def open_session(user_id: UUID) -> Grant:
    """Add a session to the open transaction."""
    settings, came_from, now = runtime().settings, origin.get(), _now()
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
            refresh_expires_at=_refresh_expiry(now, ends_at),
            confirmed_at=now,  # there is no earlier token whose replay could need an answer
            ip=came_from.ip,
            user_agent=came_from.user_agent,
        )
        session.add(row)
        session.flush()
        return _grant(row, is_fresh=True)


def rotate(claims: RefreshClaims) -> Grant:
    """Exchange a refresh token for its successor.

    Raises TokenRevoked, TokenExpired, and RefreshTokenReused, which has closed the session.
    """
    with transaction() as session:
        verdict = _advance(session, claims) or _judge(session, claims)
    # Raised out here: what the refusal did to the session must be committed, not rolled back.
    if isinstance(verdict, DomainError):
        raise verdict
    return _grant(verdict, is_fresh=False)


def renew(claims: RefreshClaims) -> Grant:
    """A new access token for a refresh token that stays valid (REFRESH_TOKEN_ROTATION=false).

    Raises TokenRevoked, TokenExpired.
    """
    now = _now()
    with transaction() as session:
        row = session.scalars(
            update(LoginSession)
            .where(*_is_alive(claims, now), LoginSession.generation == claims.generation)
            .values(last_used_at=now)
            .returning(LoginSession)
        ).one_or_none()
        if row is None:
            raise _absence(session, claims, now)
        return replace(
            _grant(row, is_fresh=False),
            access_jti=uuid4(),
            access_issued_at=now,
            access_expires_at=_access_expiry(now, row.ends_at),
        )


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


def close_session(*, user_id: UUID, session_id: UUID, reason: CloseReason) -> bool:
    """End one session of this user; false when there is no such session any more."""
    with transaction() as session:
        if not _close(session, user_id, reason, LoginSession.id == session_id):
            return False
        action = Action.LOGGED_OUT if reason is CloseReason.LOGGED_OUT else Action.SESSION_CLOSED
        record(action, user_id=user_id, session_id=session_id, reason=reason.value)
        return True


def close_own_session(*, user_id: UUID, session_id: UUID) -> None:
    """Raises SessionNotFound, also where the session is another user's."""
    if not close_session(user_id=user_id, session_id=session_id, reason=CloseReason.CLOSED_BY_USER):
        raise SessionNotFound


def close_all_sessions(*, user_id: UUID, reason: CloseReason) -> None:
    """End every session of this user. The user's row is locked first, so that no log-in slips in between."""
    with transaction() as session:
        session.execute(select(User.id).where(User.id == user_id).with_for_update())
        for session_id in _close(session, user_id, reason):
            record(Action.SESSION_CLOSED, user_id=user_id, session_id=session_id, reason=reason.value)


def list_sessions(*, user_id: UUID, before: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """The user's open sessions, newest first, from the one before the given id on."""
    table = LoginSession.__table__
    query = select(table).where(table.c.user_id == user_id, table.c.refresh_expires_at > clock.now())
    if before is not None:
        query = query.where(table.c.id < before)
    return fetch_all(query.order_by(table.c.id.desc()).limit(limit))


def _is_alive(claims: RefreshClaims, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginSession.id == claims.session_id,
        LoginSession.user_id == claims.user_id,
        LoginSession.ends_at > now,
        exists().where(User.id == claims.user_id, User.disabled_at.is_(None)),
    )


def _advance(session: Session, claims: RefreshClaims) -> LoginSession | None:
    """The compare-and-set. None means that somebody was here before, or that there is nothing to refresh."""
    now = _now()
    latest = now + timedelta(seconds=runtime().settings.refresh_token_seconds)
    return session.scalars(
        update(LoginSession)
        .where(*_is_alive(claims, now), LoginSession.generation == claims.generation)
        .values(
            generation=LoginSession.generation + 1,
            refresh_jti=uuid4(),
            access_jti=uuid4(),
            issued_at=now,
            refresh_expires_at=case(
                (LoginSession.ends_at < latest, LoginSession.ends_at), else_=literal(latest, UtcDateTime)
            ),
            confirmed_at=None,
        )
        .returning(LoginSession)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()


def _judge(session: Session, claims: RefreshClaims) -> LoginSession | DomainError:
    """What to do with a refresh token that is not the current one: answer it again, refuse it, or close the session."""
    now = _now()
    row = session.scalars(
        select(LoginSession)
        .where(*_is_alive(claims, now))
        .with_for_update(of=LoginSession)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        return _absence(session, claims, now)
    if claims.generation >= row.generation:
        return TokenRevoked()  # of a generation that this database has not seen: it was restored to an earlier state
    is_recent = claims.generation == row.generation - 1
    if is_recent and _may_be_answered_again(row, now):
        record(Action.REFRESH_REPLAYED, user_id=row.user_id, session_id=row.id, generation=claims.generation)
        return row
    _close(session, row.user_id, CloseReason.REFRESH_REUSED, LoginSession.id == row.id)
    record(
        Action.REFRESH_REUSED,
        user_id=row.user_id,
        session_id=row.id,
        outcome=Outcome.REFUSED,
        generation=claims.generation,
        token="recent" if is_recent else "stale",
    )
    return RefreshTokenReused()


def _may_be_answered_again(row: LoginSession, now: datetime) -> bool:
    grace = runtime().settings.refresh_reuse_grace_seconds
    is_in_grace = grace > 0 and now - row.issued_at <= timedelta(seconds=grace)
    return is_in_grace or row.confirmed_at is None


def _absence(session: Session, claims: RefreshClaims, now: datetime) -> DomainError:
    """Why there is no living session for these claims."""
    ended = session.scalars(
        select(LoginSession.id).where(LoginSession.id == claims.session_id, LoginSession.ends_at <= now)
    ).first()
    return TokenRevoked() if ended is None else TokenExpired()


def _close(session: Session, user_id: UUID, reason: CloseReason, *conditions: ColumnElement[bool]) -> Sequence[UUID]:
    """Delete the sessions and block what is left of their tokens; returns the ids of those that were open."""
    closed = session.scalars(
        delete(LoginSession)
        .where(LoginSession.user_id == user_id, *conditions)
        .returning(LoginSession.id)
        .execution_options(synchronize_session=False)
    ).all()
    settings, now = runtime().settings, clock.now()
    longest = max(settings.access_token_seconds, settings.refresh_token_seconds)
    for session_id in closed:
        session.add(
            BlockedSession(
                session_id=session_id,
                reason=reason.value,
                blocked_at=now,
                expires_at=now + timedelta(seconds=longest) + BLOCKLIST_MARGIN,
            )
        )
    return closed


def _grant(row: LoginSession, *, is_fresh: bool) -> Grant:
    """The grant that the row describes. An access token that has run out meanwhile is given a new life."""
    now = _now()
    issued_at = row.issued_at if _access_expiry(row.issued_at, row.ends_at) > now else now
    return Grant(
        user_id=row.user_id,
        session_id=row.id,
        generation=row.generation,
        refresh_jti=row.refresh_jti,
        access_jti=row.access_jti,
        access_issued_at=issued_at,
        access_expires_at=_access_expiry(issued_at, row.ends_at),
        refresh_issued_at=row.issued_at,
        refresh_expires_at=row.refresh_expires_at,
        is_fresh=is_fresh,
    )


def _access_expiry(issued_at: datetime, ends_at: datetime) -> datetime:
    return min(issued_at + timedelta(seconds=runtime().settings.access_token_seconds), ends_at)


def _refresh_expiry(issued_at: datetime, ends_at: datetime) -> datetime:
    return min(issued_at + timedelta(seconds=runtime().settings.refresh_token_seconds), ends_at)


def _now() -> datetime:
    """Tokens count whole seconds, and so does what they are minted from."""
    return clock.now().replace(microsecond=0)
