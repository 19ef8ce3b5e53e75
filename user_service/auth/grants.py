"""Grants: what a pair of tokens says, worked out from the row of its session."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from user_service import clock
from user_service.auth.models import LoginSession
from user_service.runtime import runtime


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
    granted_at: datetime


def grant_of(row: LoginSession, *, is_fresh: bool, now: datetime) -> Grant:
    """The grant that the row describes. An access token that has run out by `now` is given a new life."""
    issued_at = row.issued_at if access_expiry(row.issued_at, row.ends_at) > now else now
    return Grant(
        user_id=row.user_id,
        session_id=row.id,
        generation=row.generation,
        refresh_jti=row.refresh_jti,
        access_jti=row.access_jti,
        access_issued_at=issued_at,
        access_expires_at=access_expiry(issued_at, row.ends_at),
        refresh_issued_at=row.issued_at,
        refresh_expires_at=row.refresh_expires_at,
        is_fresh=is_fresh,
        granted_at=now,
    )


def access_expiry(issued_at: datetime, ends_at: datetime) -> datetime:
    return min(issued_at + timedelta(seconds=runtime().settings.access_token_seconds), ends_at)


def refresh_expiry(issued_at: datetime, ends_at: datetime) -> datetime:
    return min(issued_at + timedelta(seconds=runtime().settings.refresh_token_seconds), ends_at)


def whole_second() -> datetime:
    """Tokens count whole seconds, and so does what they are minted from."""
    return clock.now().replace(microsecond=0)
