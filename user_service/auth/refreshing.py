"""Refreshes: one compare-and-set on the generation decides who wins.

Of all who present the same refresh token, one advances the session, by one statement that is a transaction of its
own. The token that was replaced last gets the same successor again inside the grace window, or while nobody has used
the successor's access token; any other used token closes the session (RFC 9700, 4.14.2).
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, bindparam, case, exists, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from user_service import metrics
from user_service.audit.events import Action, Outcome
from user_service.audit.service import origin, record
from user_service.auth.devices import whereabouts
from user_service.auth.grants import Grant, access_expiry, grant_of, whole_second
from user_service.auth.models import BlockedSession, CloseReason, LoginSession, User
from user_service.auth.sessions import close
from user_service.compiled import Compiled
from user_service.database import UtcDateTime, change_one, on_commit, retried, transaction
from user_service.errors import DomainError, RefreshTokenReused, TokenExpired, TokenRevoked
from user_service.mail.kinds import Kind
from user_service.mail.outbox import enqueue
from user_service.runtime import runtime
from user_service.security.networks import network_of


@dataclass(frozen=True, slots=True)
class RefreshClaims:
    """What a verified refresh token says."""

    user_id: UUID
    session_id: UUID
    generation: int


@retried
def rotate(claims: RefreshClaims) -> Grant:
    """Exchange a refresh token for its successor.

    Raises TokenRevoked, TokenExpired, and RefreshTokenReused, which has closed the session.
    """
    advanced = _advance(claims)
    if advanced is not None:
        metrics.count_refresh("rotated")
        return grant_of(advanced, is_fresh=False, now=advanced.issued_at)
    with transaction() as session:
        verdict = _judge(session, claims)
    # Raised out here: what the refusal did to the session must be committed, not rolled back.
    if isinstance(verdict, DomainError):
        metrics.count_refresh(verdict.code)
        raise verdict
    metrics.count_refresh("replayed")
    return grant_of(verdict, is_fresh=False, now=whole_second())


@retried
def renew(claims: RefreshClaims) -> Grant:
    """A new access token for a refresh token that stays valid (REFRESH_TOKEN_ROTATION=false).

    Raises TokenRevoked, TokenExpired.
    """
    now = whole_second()
    with transaction() as session:
        row = session.scalars(
            update(LoginSession)
            .where(*_is_alive(claims, now), LoginSession.generation == claims.generation)
            .values(last_used_at=now)
            .returning(LoginSession)
        ).one_or_none()
        if row is None:
            refusal = _absence(session, claims, now)
            metrics.count_refresh(refusal.code)
            raise refusal
        on_commit(lambda: metrics.count_refresh("renewed"))
        return replace(
            grant_of(row, is_fresh=False, now=now),
            access_jti=uuid4(),
            access_issued_at=now,
            access_expires_at=access_expiry(now, row.ends_at),
        )


def _is_alive(claims: RefreshClaims, now: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        LoginSession.id == claims.session_id,
        LoginSession.user_id == claims.user_id,
        LoginSession.ends_at > now,
        exists().where(User.id == claims.user_id, User.disabled_at.is_(None)),
        ~exists().where(BlockedSession.session_id == claims.session_id),
    )


def _advance(claims: RefreshClaims) -> Any | None:
    """The compare-and-set. None means that somebody was here before, or that there is nothing to refresh.

    It is committed when it returns. Where its answer is lost, the caller's second try is a replay of the first one and
    gets the same successor, as the client's own would (docs/decisions/0025-writes-in-one-statement.md).
    """
    now = whole_second()
    return change_one(
        _ADVANCE,
        may_be_repeated=True,
        the_session=claims.session_id,
        the_user=claims.user_id,
        presented=claims.generation,
        now=now,
        latest=now + timedelta(seconds=runtime().settings.refresh_token_seconds),
        next_refresh_jti=uuid4(),
        next_access_jti=uuid4(),
        network=network_of(origin.get().ip),
    )


def _advance_statement() -> ReturningUpdate[Any]:
    sessions, users, blocklist = LoginSession.__table__, User.__table__, BlockedSession.__table__
    now, latest = bindparam("now", type_=UtcDateTime), bindparam("latest", type_=UtcDateTime)
    return (
        update(LoginSession)
        .where(
            sessions.c.id == bindparam("the_session"),
            sessions.c.user_id == bindparam("the_user"),
            sessions.c.ends_at > now,
            exists().where(users.c.id == bindparam("the_user"), users.c.disabled_at.is_(None)),
            ~exists().where(blocklist.c.session_id == bindparam("the_session")),
            sessions.c.generation == bindparam("presented"),
        )
        .values(
            generation=sessions.c.generation + 1,
            refresh_jti=bindparam("next_refresh_jti"),
            access_jti=bindparam("next_access_jti"),
            issued_at=now,
            refresh_expires_at=case((sessions.c.ends_at < latest, sessions.c.ends_at), else_=latest),
            confirmed_at=None,
            refreshed_from=bindparam("network"),
            # Who was handed a copy of the tokens that are replaced now is left with none that works.
            access_floor=case((sessions.c.is_replayed, sessions.c.generation + 1), else_=sessions.c.access_floor),
            is_replayed=False,
        )
        .returning(*(sessions.c[name] for name in _GRANTED))
    )


# What a grant is made from.
_GRANTED = (
    *("id", "user_id", "generation", "refresh_jti", "access_jti"),
    *("issued_at", "refresh_expires_at", "ends_at"),
)
_ADVANCE = Compiled(_advance_statement())


def _judge(session: Session, claims: RefreshClaims) -> LoginSession | DomainError:
    """What to do with a refresh token that is not the current one: answer it again, refuse it, or close the session."""
    now = whole_second()
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
    is_in_grace = _is_in_grace(row, now)
    if is_recent and (is_in_grace or row.confirmed_at is None):
        row.is_replayed = row.is_replayed or not is_in_grace
        record(Action.REFRESH_REPLAYED, user_id=row.user_id, session_id=row.id, generation=claims.generation)
        if row.refreshed_from != network_of(origin.get().ip):
            enqueue(Kind.REFRESH_REPLAYED, user_id=row.user_id, **whereabouts())
        return row
    close(session, row.user_id, CloseReason.REFRESH_REUSED, LoginSession.id == row.id)
    record(
        Action.REFRESH_REUSED,
        user_id=row.user_id,
        session_id=row.id,
        outcome=Outcome.REFUSED,
        generation=claims.generation,
        token="recent" if is_recent else "stale",
    )
    enqueue(Kind.SESSION_CLOSED, user_id=row.user_id, **whereabouts())
    return RefreshTokenReused()


def _is_in_grace(row: LoginSession, now: datetime) -> bool:
    grace = runtime().settings.refresh_reuse_grace_seconds
    return grace > 0 and now - row.issued_at <= timedelta(seconds=grace)


def _absence(session: Session, claims: RefreshClaims, now: datetime) -> DomainError:
    """Why there is no living session for these claims."""
    ended = session.scalars(
        select(LoginSession.id).where(LoginSession.id == claims.session_id, LoginSession.ends_at <= now)
    ).first()
    return TokenRevoked() if ended is None else TokenExpired()
