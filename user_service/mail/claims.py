"""Who may send a message, and what became of it: one message is one worker's for LEASE, longer than sending takes."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update

from user_service import clock
from user_service.audit.events import Action, Outcome
from user_service.audit.service import record
from user_service.database import fetch_one, retried, transaction
from user_service.mail.models import OutboxMessage

LEASE = timedelta(minutes=3)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)
MAX_ATTEMPTS = 32  # spread over about a day

log = structlog.get_logger("mail")


@dataclass(frozen=True, slots=True)
class Claim:
    """A message that is this worker's. `attempts` counts this one; another worker's claim has a higher number."""

    id: UUID
    kind: str
    user_id: UUID | None
    attempts: int


@retried
def claim() -> Claim | None:
    """Take the message that is due longest, and count the attempt before it is made. None when nothing is due."""
    now = clock.now()
    is_due = OutboxMessage.next_attempt_at <= now
    if fetch_one(select(OutboxMessage.__table__.c.id).where(is_due).limit(1)) is None:
        return None  # the common case writes nothing
    with transaction() as session:
        message = session.scalars(
            select(OutboxMessage)
            .where(is_due)
            .order_by(OutboxMessage.next_attempt_at)
            .limit(1)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).one_or_none()
        if message is None:
            return None
        message.attempts += 1
        message.next_attempt_at = now + LEASE
        return Claim(message.id, message.kind, message.user_id, message.attempts)


def finish(taken: Claim) -> None:
    """It was handed over. The address it went to is not needed any more."""
    _settle(taken, sent_at=clock.now(), next_attempt_at=None, recipient=None, last_error=None)
    log.info("mail.sent", message_id=str(taken.id), kind=taken.kind, attempts=taken.attempts)


def put_off(taken: Claim, reason: str) -> bool:
    """Try again after a pause that doubles, up to LONGEST_PAUSE; false where it was the last attempt."""
    if taken.attempts >= MAX_ATTEMPTS:
        give_up(taken, reason)
        return False
    next_attempt_at = clock.now() + pause_after(taken.attempts)
    _settle(taken, next_attempt_at=next_attempt_at, last_error=reason)
    log.warning("mail.put_off", message_id=str(taken.id), kind=taken.kind, attempts=taken.attempts, reason=reason)
    return True


def pause_after(attempts: int) -> timedelta:
    doublings = min(attempts - 1, MAX_ATTEMPTS)
    return min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)


@retried
def give_up(taken: Claim, reason: str) -> None:
    """Stop trying, where everybody can see it: in the outbox, in the log and in the user's security log."""
    with transaction():
        if _settle(taken, gave_up_at=clock.now(), next_attempt_at=None, last_error=reason):
            record(
                Action.MAIL_NOT_DELIVERED,
                user_id=taken.user_id,
                outcome=Outcome.REFUSED,
                kind=taken.kind,
                reason=reason,
            )
    log.error("mail.gave_up", message_id=str(taken.id), kind=taken.kind, attempts=taken.attempts, reason=reason)


@retried
def _settle(taken: Claim, **values: Any) -> bool:
    """Write how it went, unless the message is gone, or another worker's by now."""
    with transaction() as session:
        settled = session.scalars(
            update(OutboxMessage)
            .where(OutboxMessage.id == taken.id, OutboxMessage.attempts == taken.attempts)
            .values(**values)
            .returning(OutboxMessage.id)
            .execution_options(synchronize_session=False)
        )
        return settled.one_or_none() is not None
