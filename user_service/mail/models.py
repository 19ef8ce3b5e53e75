"""Mail that waits or has gone, and the tokens that it carried."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, ForeignKey, Integer, LargeBinary, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from user_service.database import Base, UtcDateTime, new_id


class OutboxMessage(Base):
    """One mail, written with what it tells about. Neither its text nor its token is here: both are made at delivery.

    It goes to `recipient`, or else to the address that the user has when it is delivered. A mail that a stranger asked
    for has no user yet, only the `sought_email_key`: whose it is, is looked up at delivery. While `next_attempt_at` is
    set the mail waits; a worker that takes it moves that ahead, and whoever then finds it due may take it again. There
    is no foreign key: inserting one would lock the user's row after a session's, against the order of everybody else.
    """

    __tablename__ = "outbox_messages"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(String(32))
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    sought_email_key: Mapped[str | None] = mapped_column(String(254), index=True)
    recipient: Mapped[str | None] = mapped_column(String(254))
    context: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    gave_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(64))


class OneTimeToken(Base):
    """A token that went out by mail, as a keyed digest. `bound_to` digests what it was made for: another state of the
    account has no use for it. A message that was sent twice has two; those of other messages are gone.
    """

    __tablename__ = "one_time_tokens"

    digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[str] = mapped_column(String(32))
    message_id: Mapped[UUID]
    bound_to: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
