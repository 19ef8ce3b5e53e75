"""Use cases that span features."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import list_events, record
from user_service.auth.erasure import erase
from user_service.auth.models import User
from user_service.auth.password_service import lock_proven_user, prove_password
from user_service.auth.sessions import list_sessions
from user_service.database import retried, transaction
from user_service.errors import PaymentInfoNotFound, UserNotFound
from user_service.mail.outbox import list_messages
from user_service.payment import service as payment
from user_service.principal import Principal
from user_service.profile import service as profile
from user_service.reads import find_user_with_profile

# How long backups of `data_keys` may be kept (docs/backup.md): after it nobody can open what older dumps hold.
DATA_KEY_BACKUP_RETENTION = timedelta(days=30)
EVERYTHING = 1_000_000
ERASED = ("account", "profile", "payment_info", "sessions", "data_key", "mails", "identity in the security log")


@dataclass(frozen=True, slots=True)
class Export:
    """All that is held about one person."""

    exported_at: datetime
    account: Row[Any]
    profile: profile.ProfileView | None
    payment_info: payment.PaymentInfoView | None
    sessions: Sequence[Row[Any]]
    security_events: Sequence[Row[Any]]
    mails: Sequence[Row[Any]]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The proof of an erasure. The security log keeps the event under `id`, a pseudonym."""

    id: UUID
    erased_at: datetime
    erased: tuple[str, ...]
    backups_unreadable_after: datetime


@dataclass(frozen=True, slots=True)
class Customer:
    """A user as fulfilment needs them."""

    user: Row[Any]
    profile: profile.ProfileView | None


@retried
def delete_profile(*, principal: Principal, check: profile.Check) -> None:
    """Delete the profile and the payment information with it, or neither.

    Raises ProfileNotFound, and what `check` raises.
    """
    with transaction():
        profile.delete_profile(principal=principal, check=check)
        payment.discard_payment_info(principal=principal)


@retried
def export_account(*, principal: Principal, password: str) -> Export:
    """Everything that is held about the caller. Raises WrongPassword, TooManyAttempts, TokenRevoked."""
    user = prove_password(principal=principal, password=password)
    with transaction():
        record(Action.ACCOUNT_EXPORTED, user_id=user.id, session_id=principal.session_id)
    customer = read_customer(user.id)
    return Export(
        exported_at=clock.now(),
        account=user,
        profile=customer.profile,
        payment_info=_payment_info(principal),
        sessions=list_sessions(user_id=user.id, before=None, limit=EVERYTHING),
        security_events=list_events(user_id=user.id, before=None, limit=EVERYTHING),
        mails=list_messages(user_id=user.id),
    )


@retried
def delete_account(*, principal: Principal, password: str) -> Receipt:
    """Erase the caller for good: the data key first, so that what is sealed stays sealed, then the rest.

    Raises WrongPassword, TooManyAttempts, TokenRevoked.
    """
    user = prove_password(principal=principal, password=password)
    with transaction() as session:
        return _erase(session, lock_proven_user(session, user))


@retried
def erase_user(user_id: UUID) -> Receipt:
    """The same for an operator, who knows no password. Raises UserNotFound."""
    with transaction() as session:
        user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
        if user is None:
            raise UserNotFound
        return _erase(session, user, by="operator")


def _erase(session: Session, user: User, **detail: Any) -> Receipt:
    pseudonym, now = erase(session, user, Action.ACCOUNT_DELETED, **detail), clock.now()
    return Receipt(pseudonym, now, ERASED, now + DATA_KEY_BACKUP_RETENTION)


def read_customer(user_id: UUID) -> Customer:
    """Raises UserNotFound."""
    row = find_user_with_profile(user_id)
    if row is None:
        raise UserNotFound
    return Customer(row, profile.view_or_none(row))


@retried
def read_customer_for_client(*, user_id: UUID, client: str, reason: str | None) -> Customer:
    """The same for a service client, on the record. Raises UserNotFound."""
    customer = read_customer(user_id)
    with transaction():
        record(Action.PROFILE_READ_BY_CLIENT, user_id=user_id, client=client, reason=reason)
    return customer


@retried
def reveal_payment_token_to_client(*, user_id: UUID, client: str, reason: str) -> payment.PaymentToken:
    """The payment token for the checkout; nobody gets it off the record.

    Raises PaymentInfoNotFound.
    """
    token = payment.reveal_payment_token(user_id=user_id)
    with transaction():
        record(Action.PAYMENT_TOKEN_READ_BY_CLIENT, user_id=user_id, client=client, reason=reason)
    return token


def _payment_info(principal: Principal) -> payment.PaymentInfoView | None:
    try:
        return payment.get_payment_info(principal=principal)
    except PaymentInfoNotFound:
        return None
