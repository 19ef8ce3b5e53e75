"""Users, their sessions, and what is refused before its end."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from user_service.database import Base, UtcDateTime, new_id


class User(Base):
    """Who can log in. The `…_key` columns are the normal forms that uniqueness and look-ups go by.

    `pending_email` waits to be proven and blocks nobody. `verify_by` is when the account makes room for others unless
    its address is verified; it is set where verification was required at registration, and never later.
    """

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    username: Mapped[str] = mapped_column(String(64))
    username_key: Mapped[str] = mapped_column(String(64), unique=True)
    email: Mapped[str] = mapped_column(String(254))
    email_key: Mapped[str] = mapped_column(String(254), unique=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    pending_email: Mapped[str | None] = mapped_column(String(254))
    verify_by: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    password_scheme: Mapped[str] = mapped_column(String(64))
    password_changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def is_email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def is_disabled(self) -> bool:
        return self.disabled_at is not None


class LoginSession(Base):
    """One log-in and everything refreshed from it: a family of tokens. The row lives while the session does.

    `generation` counts the refreshes. The tokens of the current generation can be minted again from
    `refresh_jti`, `access_jti`, `issued_at` and `refresh_expires_at`. `confirmed_at` is when an access token of
    the current generation was first used. `is_replayed` says that the current generation was handed out again
    after the grace window: to an owner who lost an answer, or to a thief. Access tokens of a generation below
    `access_floor` are refused. `refreshed_from` is the network that the last refresh came from.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user_id_id", "user_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    generation: Mapped[int] = mapped_column(Integer)
    refresh_jti: Mapped[UUID]
    access_jti: Mapped[UUID]
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    refresh_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_replayed: Mapped[bool] = mapped_column(default=False)
    access_floor: Mapped[int] = mapped_column(Integer, default=0)
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(256))
    refreshed_from: Mapped[str | None] = mapped_column(String(45))


class CloseReason(StrEnum):
    LOGGED_OUT = "logged_out"
    CLOSED_BY_USER = "closed_by_user"
    REFRESH_REUSED = "refresh_reused"
    TOO_MANY_SESSIONS = "too_many_sessions"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a reason, not a password
    PASSWORD_RESET = "password_reset"  # noqa: S105  # a reason, not a password
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_DISABLED = "account_disabled"
    CLOSED_BY_OPERATOR = "closed_by_operator"


class BlockedSession(Base):
    """A session whose tokens are refused although they have not expired. Kept until none of them can be alive."""

    __tablename__ = "token_blocklist"

    session_id: Mapped[UUID] = mapped_column(primary_key=True)
    reason: Mapped[str] = mapped_column(String(32))
    blocked_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class LoginThrottle(Base):
    """How often in a row the password of one account was tried in vain, from one place (`auth/throttle.py`).

    `subject` is a keyed digest of the account, or of what was typed where there is no such account. `network` is
    a keyed digest of a network from which the owner logged in, and the owner's until `trusted_until`; one row with
    an empty `network` counts for all other places together. `failures` counts an attempt from its beginning on,
    and `in_flight` those of them that are not decided yet.
    """

    __tablename__ = "login_throttles"
    __table_args__ = (UniqueConstraint("subject", "network"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    subject: Mapped[bytes] = mapped_column(LargeBinary(32))
    network: Mapped[bytes] = mapped_column(LargeBinary(32))
    failures: Mapped[int] = mapped_column(Integer)
    in_flight: Mapped[int] = mapped_column(Integer)
    blocked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    trusted_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
