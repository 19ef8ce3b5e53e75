"""The outbox: a mail is a row first, in the transaction of what it tells about. No request waits for a mail server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, func, or_, select, update

from user_service import clock
from user_service.database import fetch_all, fetch_one, retried, transaction
from user_service.extensions import db
from user_service.mail.kinds import Kind
from user_service.mail.models import OutboxMessage

FIRST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in the outbox. `oldest_at` is when the mail that waits longest was written."""

    waiting: int
    oldest_at: datetime | None
    gave_up: int


def enqueue(kind: Kind, *, user_id: UUID, recipient: str | None = None, **context: Any) -> None:
    """Add a mail to the open transaction. Without a `recipient` it goes to the user's address of that time.

    `context` is what its template tells; never a secret, and only words that a stranger cannot choose.
    """
    _add(kind, user_id=user_id, recipient=recipient, context=context)


def enqueue_for_address(kind: Kind, *, email_key: str, **context: Any) -> None:
    """The same for whoever has this address, which is looked up at delivery: known and unknown ones cost the same."""
    _add(kind, sought_email_key=email_key, context=context)


def _add(kind: Kind, **columns: Any) -> None:
    now = clock.now()
    db.session.add(OutboxMessage(kind=kind.value, created_at=now, next_attempt_at=now, **columns))


def discard(*, user_id: UUID, email_key: str) -> None:
    """Remove all mail of the user in the open transaction: the account is leaving, and its addresses with it."""
    db.session.execute(
        delete(OutboxMessage)
        .where(or_(OutboxMessage.user_id == user_id, OutboxMessage.sought_email_key == email_key))
        .execution_options(synchronize_session=False)
    )


def list_messages(*, user_id: UUID) -> list[Row[Any]]:
    """The user's own mail that is still remembered, newest first."""
    table = OutboxMessage.__table__
    return fetch_all(select(table).where(table.c.user_id == user_id).order_by(table.c.id.desc()))


def list_unsent() -> list[Row[Any]]:
    """What waits and what was given up, oldest first, the first thousand."""
    table = OutboxMessage.__table__
    return fetch_all(select(table).where(table.c.sent_at.is_(None)).order_by(table.c.id).limit(FIRST_LISTED))


def backlog() -> Backlog:
    """For health checks and metrics."""
    table = OutboxMessage.__table__
    waits = table.c.next_attempt_at.is_not(None)
    row = fetch_one(
        select(
            func.count(table.c.next_attempt_at),
            func.min(table.c.created_at).filter(waits),
            func.count(table.c.gave_up_at),
        )
    )
    assert row is not None
    return Backlog(*tuple(row))


@retried
def retry(message_ids: Sequence[UUID] | None) -> int:
    """Let what was given up be tried again, from the first attempt on; None means all. Returns how many."""
    now = clock.now()
    with transaction() as session:
        query = update(OutboxMessage).where(OutboxMessage.gave_up_at.is_not(None))
        if message_ids is not None:
            query = query.where(OutboxMessage.id.in_(message_ids))
        values = {"gave_up_at": None, "attempts": 0, "next_attempt_at": now}
        again = session.scalars(query.values(**values).returning(OutboxMessage.id))
        return len(again.all())
