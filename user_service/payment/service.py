"""Payment information: a provider's token that is stored, replaced as a whole, described, and never shown."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.database import fetch_one, retried, transaction
from user_service.errors import PaymentInfoExists, PaymentInfoNotFound
from user_service.keys.models import SealedDataKey
from user_service.keys.service import get_data_key, open_data_key
from user_service.payment.models import PaymentInfo
from user_service.principal import Principal
from user_service.security.vault import DataKey, binding

EXPIRING_WITHIN = timedelta(days=30)
HINT_LENGTH = 4
SHORTEST_TOKEN_WITH_HINT = 12
DESCRIPTION = ("provider", "brand", "last4", "exp_month", "exp_year")


class CardStatus(StrEnum):
    ACTIVE = "active"
    EXPIRING = "expiring"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PaymentToken:
    """What the checkout needs. It leaves the service for a service client alone."""

    payment_token: str = field(repr=False)
    provider: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    status: CardStatus


@dataclass(frozen=True, slots=True)
class PaymentInfoView:
    """What the owner sees: everything but the token."""

    token_hint: str | None
    provider: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    status: CardStatus
    created_at: datetime
    updated_at: datetime


Check = Callable[[PaymentInfoView], None]

_WITH_DATA_KEY = (
    select(
        PaymentInfo.__table__,
        SealedDataKey.__table__.c.key_id,
        SealedDataKey.__table__.c.master_key_id,
        SealedDataKey.__table__.c.wrapped_key,
    )
    .join(SealedDataKey.__table__, SealedDataKey.__table__.c.user_id == PaymentInfo.__table__.c.user_id)
    .where(PaymentInfo.__table__.c.user_id == bindparam("user_id"))
)


@retried
def store_payment_info(*, principal: Principal, payment_token: str, **description: Any) -> PaymentInfoView:
    """Raises PaymentInfoExists."""
    now = clock.now()
    with transaction() as session:
        data_key = get_data_key(principal.user_id)
        info = PaymentInfo(user_id=principal.user_id, created_at=now, updated_at=now)
        _fill(info, data_key, payment_token, description)
        session.add(info)
        try:
            session.flush()
        except IntegrityError:
            raise PaymentInfoExists from None
        record(Action.PAYMENT_INFO_STORED, user_id=principal.user_id, session_id=principal.session_id)
        return _view(info, data_key)


@retried
def replace_payment_info(
    *, principal: Principal, check: Check, payment_token: str, **description: Any
) -> PaymentInfoView:
    """Replace all of it; a part of the description that is left out is gone.

    Raises PaymentInfoNotFound, and what `check` raises.
    """
    with transaction() as session:
        info = _lock(session, principal)
        data_key = get_data_key(principal.user_id)
        check(_view(info, data_key))
        _fill(info, data_key, payment_token, description)
        info.updated_at = clock.now()
        record(Action.PAYMENT_INFO_REPLACED, user_id=principal.user_id, session_id=principal.session_id)
        return _view(info, data_key)


def get_payment_info(*, principal: Principal) -> PaymentInfoView:
    """Raises PaymentInfoNotFound."""
    row = fetch_one(_WITH_DATA_KEY, user_id=principal.user_id)
    if row is None:
        raise PaymentInfoNotFound
    return _view(row, open_data_key(row.user_id, row.key_id, row.master_key_id, row.wrapped_key))


def reveal_payment_token(*, user_id: UUID) -> PaymentToken:
    """The token in clear, for the checkout. Raises PaymentInfoNotFound."""
    row = fetch_one(_WITH_DATA_KEY, user_id=user_id)
    if row is None:
        raise PaymentInfoNotFound
    return PaymentToken(
        payment_token=_open_token(row, open_data_key(row.user_id, row.key_id, row.master_key_id, row.wrapped_key)),
        provider=row.provider,
        brand=row.brand,
        last4=row.last4,
        exp_month=row.exp_month,
        exp_year=row.exp_year,
        status=status_of(row.exp_month, row.exp_year, clock.now()),
    )


def status_of(exp_month: int | None, exp_year: int | None, now: datetime) -> CardStatus:
    """A card is good to the last day of its month (ISO/IEC 7813); one without a date does not expire here."""
    if exp_month is None or exp_year is None:
        return CardStatus.ACTIVE
    ends_at = datetime(exp_year + exp_month // 12, exp_month % 12 + 1, 1, tzinfo=UTC)
    if now >= ends_at:
        return CardStatus.EXPIRED
    return CardStatus.EXPIRING if now >= ends_at - EXPIRING_WITHIN else CardStatus.ACTIVE


@retried
def delete_payment_info(*, principal: Principal, check: Check) -> None:
    """Raises PaymentInfoNotFound, and what `check` raises."""
    with transaction() as session:
        check(_view(_lock(session, principal), get_data_key(principal.user_id)))
        discard_payment_info(principal=principal)


@retried
def discard_payment_info(*, principal: Principal) -> None:
    """Delete it where there is any, in the open transaction."""
    with transaction() as session:
        deleted = session.execute(
            delete(PaymentInfo).where(PaymentInfo.user_id == principal.user_id).returning(PaymentInfo.user_id)
        ).first()
        if deleted is not None:
            record(Action.PAYMENT_INFO_DELETED, user_id=principal.user_id, session_id=principal.session_id)


def _lock(session: Session, principal: Principal) -> PaymentInfo:
    info = session.scalars(
        select(PaymentInfo).where(PaymentInfo.user_id == principal.user_id).with_for_update()
    ).one_or_none()
    if info is None:
        raise PaymentInfoNotFound
    return info


def _fill(info: PaymentInfo, data_key: DataKey, payment_token: str, description: dict[str, Any]) -> None:
    info.sealed_payment_token = data_key.seal(payment_token, binding("payment_infos", "payment_token", info.user_id))
    for name in DESCRIPTION:
        setattr(info, name, description.get(name))


def _open_token(info: Any, data_key: DataKey) -> str:
    return data_key.open(info.sealed_payment_token, binding("payment_infos", "payment_token", info.user_id))


def _view(info: Any, data_key: DataKey) -> PaymentInfoView:
    token = _open_token(info, data_key)
    return PaymentInfoView(
        token_hint=token[-HINT_LENGTH:] if len(token) >= SHORTEST_TOKEN_WITH_HINT else None,
        provider=info.provider,
        brand=info.brand,
        last4=info.last4,
        exp_month=info.exp_month,
        exp_year=info.exp_year,
        status=status_of(info.exp_month, info.exp_year, clock.now()),
        created_at=info.created_at,
        updated_at=info.updated_at,
    )
