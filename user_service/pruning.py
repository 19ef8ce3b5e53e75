"""Housekeeping: removes what has expired or outlived its retention. Safe on every node at any time.

It deletes in small batches and steps over rows that somebody holds, so requests do not notice; what it deletes
was dead already, so nothing comes back to life by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, or_, select

from user_service import clock
from user_service.audit.models import AuditEvent
from user_service.auth.attempts import MEMORY
from user_service.auth.erasure import erase_unverified
from user_service.auth.models import BlockedSession, LoginSession, LoginThrottle
from user_service.database import Base, retried, transaction
from user_service.keys.models import SealedSigningKey
from user_service.mail.models import OneTimeToken, OutboxMessage

BATCH = 1_000
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
    _Rule(
        LoginSession,
        LoginSession.id,
        lambda now: or_(LoginSession.ends_at < now - MARGIN, LoginSession.refresh_expires_at < now - MARGIN),
    ),
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
    return {**removed, "users": erase_unverified()}


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
