"""Housekeeping: removes what has expired or outlived its retention. Safe on every node at any time.

It deletes in small batches and steps over rows that somebody holds, so requests do not notice; what it deletes
was dead already, so nothing comes back to life by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select, true

from user_service import clock
from user_service.audit.models import AuditEvent
from user_service.auth.attempts import MEMORY
from user_service.auth.erasure import erase_unverified
from user_service.auth.models import BlockedSession, LoginSession, LoginThrottle
from user_service.database import Base, fetch_one, retried, transaction
from user_service.keys.models import SealedSigningKey
from user_service.mail.models import OneTimeToken, OutboxMessage

BATCH = 1_000
STRIDE = 50_000
# A session's tokens are dead when its end has passed; the margin is for clocks that disagree.
MARGIN = timedelta(minutes=10)
AUDIT_RETENTION = timedelta(days=365)
SENT_MAIL_RETENTION, UNSENT_MAIL_RETENTION = timedelta(days=7), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Rule:
    model: type[Base]
    id: Any
    is_dead: Callable[[datetime], ColumnElement[bool]]


RULES = (
    _Rule(BlockedSession, BlockedSession.session_id, lambda now: BlockedSession.expires_at < now),
    _Rule(LoginSession, LoginSession.id, lambda now: LoginSession.ends_at < now - MARGIN),
    _Rule(LoginThrottle, LoginThrottle.id, lambda now: LoginThrottle.updated_at < now - MEMORY),
    _Rule(SealedSigningKey, SealedSigningKey.kid, lambda now: SealedSigningKey.expires_at < now - MARGIN),
    _Rule(
        OutboxMessage,
        OutboxMessage.id,
        lambda now: or_(
            OutboxMessage.sent_at < now - SENT_MAIL_RETENTION, OutboxMessage.gave_up_at < now - UNSENT_MAIL_RETENTION
        ),
    ),
    _Rule(OneTimeToken, OneTimeToken.digest, lambda now: OneTimeToken.expires_at < now),
    _Rule(AuditEvent, AuditEvent.id, lambda now: AuditEvent.occurred_at < now - AUDIT_RETENTION),
)


def prune() -> dict[str, int]:
    """Remove everything that is due; returns how many rows of each table went."""
    removed = {rule.model.__tablename__: _prune(rule) for rule in RULES}
    removed[LoginSession.__tablename__] += _prune_idle_sessions()
    return {**removed, "users": erase_unverified()}


def _prune_idle_sessions() -> int:
    """Remove the sessions that were not refreshed in time.

    No index finds them: each refresh would have to keep it. So the table is walked through in the order of its ids, and
    no statement looks at more than STRIDE rows, however many there are.
    """
    total = 0
    after: UUID | None = UUID(int=0)
    while after is not None:
        last = _end_of_stride(after)
        within = and_(LoginSession.id > after, LoginSession.id <= last if last else true())
        total += _prune(_Rule(LoginSession, LoginSession.id, partial(_is_idle, within)))
        after = last
    return total


def _is_idle(within: ColumnElement[bool], now: datetime) -> ColumnElement[bool]:
    return and_(within, LoginSession.refresh_expires_at < now - MARGIN)


def _end_of_stride(after: UUID) -> UUID | None:
    """The id of the last session of this stride; None where it reaches to the end."""
    ids = LoginSession.__table__.c.id
    row = fetch_one(select(ids).where(ids > after).order_by(ids).offset(STRIDE - 1).limit(1))
    return row.id if row is not None else None


def _prune(rule: _Rule) -> int:
    total = 0
    while count := _prune_batch(rule):
        total += count
    return total


@retried
def _prune_batch(rule: _Rule) -> int:
    with transaction() as session:
        due = session.scalars(
            select(rule.id).where(rule.is_dead(clock.now())).limit(BATCH).with_for_update(skip_locked=True)
        ).all()
        if due:
            session.execute(delete(rule.model).where(rule.id.in_(due)).execution_options(synchronize_session=False))
        return len(due)
