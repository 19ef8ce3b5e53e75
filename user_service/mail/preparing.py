"""What a message becomes at delivery: whose it is, whether it still holds, and its text."""

from email.message import EmailMessage
from typing import Any

import structlog
from sqlalchemy import func, literal, or_, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import Origin, origin, record
from user_service.auth.models import User
from user_service.database import UtcDateTime, retried, transaction
from user_service.mail import one_time_tokens
from user_service.mail.claims import Claim
from user_service.mail.composing import compose
from user_service.mail.kinds import PERIOD, SPACING, Kind
from user_service.mail.models import OutboxMessage
from user_service.runtime import runtime

log = structlog.get_logger("mail")


@retried
def prepare(taken: Claim) -> EmailMessage | None:
    """The mail; None where there is nothing to send any more, which removes the message.

    The user's row is locked before the message's, as everywhere.
    """
    kind = Kind(taken.kind)
    with transaction() as session:
        user = _lock_user(session, taken)
        message = _lock_message(session, taken)
        if message is None:
            return None
        reason = _reason_to_drop(session, kind, user, message)
        if reason is not None or user is None:
            session.delete(message)
            log.info("mail.dropped", message_id=str(taken.id), kind=taken.kind, reason=reason)
            return None
        message.user_id, message.sought_email_key = user.id, None
        context = {**message.context, **_link(session, kind, user, message)}
        recipient, username, happened_at = message.recipient or user.email, user.username, message.created_at
    return compose(
        kind, message_id=taken.id, recipient=recipient, username=username, happened_at=happened_at, **context
    )


def _link(session: Session, kind: Kind, user: User, message: OutboxMessage) -> dict[str, Any]:
    """The link with a token that is made here and now. Its host is the operator's word, never a request's."""
    if kind.purpose is None:
        return {}
    settings = runtime().settings
    token = one_time_tokens.issue(session, user=user, purpose=kind.purpose, message_id=message.id)
    asked_from = origin.set(Origin(ip=message.context.get("ip")))
    record(Action.LINK_MAILED, user_id=user.id, purpose=kind.purpose.value)
    origin.reset(asked_from)
    base = settings.link_base_url or f"{settings.public_url}/links"
    minutes = int(one_time_tokens.LIFE.total_seconds() // 60)
    return {"link": f"{base}/{kind.purpose.value}#{token}", "minutes": minutes}


def _lock_user(session: Session, taken: Claim) -> User | None:
    sought = select(OutboxMessage.sought_email_key).where(OutboxMessage.id == taken.id).scalar_subquery()
    is_theirs = User.id == taken.user_id if taken.user_id is not None else User.email_key == sought
    query = select(User).where(is_theirs).with_for_update(key_share=True, of=User)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def _lock_message(session: Session, taken: Claim) -> OutboxMessage | None:
    """None where the account was erased meanwhile, or where another worker has it by now."""
    query = select(OutboxMessage).where(OutboxMessage.id == taken.id, OutboxMessage.attempts == taken.attempts)
    return session.scalars(query.with_for_update().execution_options(populate_existing=True)).one_or_none()


def _reason_to_drop(session: Session, kind: Kind, user: User | None, message: OutboxMessage) -> str | None:
    if user is None:
        return "nobody"
    if user.is_disabled:
        return "disabled"
    if _is_pointless(kind, user, message):
        return "pointless"
    if kind.purpose is not None and _is_superseded(session, kind, user, message):
        return "superseded"
    return "too_many" if _are_too_many(session, kind, user, message) else None


def _is_pointless(kind: Kind, user: User, message: OutboxMessage) -> bool:
    """Whether the account has changed since, so that the link would lead nowhere, or to where it must not."""
    if kind is Kind.VERIFY_EMAIL:
        return user.is_email_verified
    if kind is Kind.CHANGE_EMAIL:
        return message.recipient != user.pending_email
    return kind is Kind.RESET_PASSWORD and user.password_changed_at > message.created_at


def _is_superseded(session: Session, kind: Kind, user: User, message: OutboxMessage) -> bool:
    """Whether the user has asked again since: the newer link is the one that is to work."""
    newer = select(OutboxMessage.id).where(
        or_(OutboxMessage.user_id == user.id, OutboxMessage.sought_email_key == user.email_key),
        OutboxMessage.kind == kind.value,
        OutboxMessage.created_at > message.created_at,
        OutboxMessage.gave_up_at.is_(None),
    )
    return session.scalars(newer.limit(1)).first() is not None


def _are_too_many(session: Session, kind: Kind, user: User, message: OutboxMessage) -> bool:
    """Whether the user has had enough of this kind. A mail that another worker is sending counts as sent.

    Past the number, one more goes out every SPACING, which is shorter than a link lives: whoever sets off mails to keep
    the owner from recovering the account leaves the owner with a link that works.
    """
    now = clock.now()
    sent_at = func.coalesce(OutboxMessage.sent_at, literal(now, UtcDateTime))
    count, latest = session.execute(
        select(func.count(), func.max(sent_at)).where(
            OutboxMessage.user_id == user.id,
            OutboxMessage.kind == kind.value,
            OutboxMessage.id != message.id,
            OutboxMessage.attempts > 0,
            OutboxMessage.gave_up_at.is_(None),
            sent_at > now - PERIOD,
        )
    ).one()
    return bool(count >= kind.per_hour and latest > now - SPACING)
