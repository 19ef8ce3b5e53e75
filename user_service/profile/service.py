"""The profile: created once, changed in part, deleted with what hangs on it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

import orjson
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.database import retried, transaction
from user_service.errors import ProfileExists, ProfileNotFound
from user_service.keys.service import get_data_key, open_data_key
from user_service.principal import Principal
from user_service.profile.formats import phone_e164
from user_service.profile.models import Profile
from user_service.runtime import runtime
from user_service.security.vault import DataKey, binding

Address = str | dict[str, str]


@dataclass(frozen=True, slots=True)
class ProfileView:
    """A profile in clear, as its owner sees it."""

    id: UUID
    username: str
    email: str
    name: str
    phone: str
    phone_e164: str | None
    shipping_address: Address
    created_at: datetime
    updated_at: datetime


class Owner(Protocol):
    """Whose profile it is: a principal, or a row of a user."""

    @property
    def user_id(self) -> UUID: ...
    @property
    def username(self) -> str: ...
    @property
    def email(self) -> str: ...


Check = Callable[[ProfileView], None]


@retried
def create_profile(*, principal: Principal, name: str, phone: str, shipping_address: Address) -> ProfileView:
    """Raises ProfileExists."""
    now = clock.now()
    with transaction() as session:
        data_key = get_data_key(principal.user_id)
        profile = Profile(user_id=principal.user_id, name=name, created_at=now, updated_at=now)
        _seal_phone(profile, data_key, phone)
        _seal_address(profile, data_key, shipping_address)
        session.add(profile)
        try:
            session.flush()
        except IntegrityError:
            raise ProfileExists from None
        record(Action.PROFILE_CREATED, user_id=principal.user_id, session_id=principal.session_id)
        return _view(principal, profile, data_key)


@retried
def update_profile(*, principal: Principal, changes: dict[str, Any], check: Check) -> ProfileView:
    """Change what is in `changes`. `check` sees the present state under the lock and may refuse.

    Raises ProfileNotFound, and what `check` raises.
    """
    with transaction() as session:
        profile = _lock(session, principal)
        data_key = get_data_key(principal.user_id)
        check(_view(principal, profile, data_key))
        if "name" in changes:
            profile.name = changes["name"]
        if "phone" in changes:
            _seal_phone(profile, data_key, changes["phone"])
        if "shipping_address" in changes:
            _seal_address(profile, data_key, changes["shipping_address"])
        profile.updated_at = clock.now()
        record(
            Action.PROFILE_UPDATED,
            user_id=principal.user_id,
            session_id=principal.session_id,
            fields=sorted(changes),
        )
        return _view(principal, profile, data_key)


@retried
def delete_profile(*, principal: Principal, check: Check) -> None:
    """Delete the profile; what depends on it is the caller's to delete in the same transaction.

    Raises ProfileNotFound, and what `check` raises.
    """
    with transaction() as session:
        profile = _lock(session, principal)
        check(_view(principal, profile, get_data_key(principal.user_id)))
        session.execute(delete(Profile).where(Profile.user_id == principal.user_id))
        record(Action.PROFILE_DELETED, user_id=principal.user_id, session_id=principal.session_id)


def view_or_none(row: Any) -> ProfileView | None:
    """The profile from one row of a user, read with the data key; None where there is no profile."""
    return None if row.profile_id is None else view_of(row, row)


def view_of(principal: Owner, row: Any) -> ProfileView:
    """The profile from one row that was read with its data key. Raises ProfileNotFound."""
    if row.profile_id is None:
        raise ProfileNotFound
    data_key = open_data_key(row.user_id, row.key_id, row.master_key_id, row.wrapped_key)
    return _view(principal, row, data_key)


def _lock(session: Session, principal: Principal) -> Profile:
    profile = session.scalars(
        select(Profile).where(Profile.user_id == principal.user_id).with_for_update()
    ).one_or_none()
    if profile is None:
        raise ProfileNotFound
    return profile


def _seal_phone(profile: Profile, data_key: DataKey, phone: str) -> None:
    normal = phone_e164(phone, runtime().settings.default_region)
    profile.sealed_phone = data_key.seal(phone, binding("profiles", "phone", profile.user_id))
    profile.sealed_phone_e164 = (
        data_key.seal(normal, binding("profiles", "phone_e164", profile.user_id)) if normal else None
    )


def _seal_address(profile: Profile, data_key: DataKey, address: Address) -> None:
    text = orjson.dumps(address).decode()
    profile.sealed_shipping_address = data_key.seal(text, binding("profiles", "shipping_address", profile.user_id))


def _view(principal: Owner, profile: Any, data_key: DataKey) -> ProfileView:
    def opened(column: str, envelope: bytes) -> str:
        return data_key.open(envelope, binding("profiles", column, principal.user_id))

    return ProfileView(
        id=principal.user_id,
        username=principal.username,
        email=principal.email,
        name=profile.name,
        phone=opened("phone", profile.sealed_phone),
        phone_e164=opened("phone_e164", profile.sealed_phone_e164) if profile.sealed_phone_e164 else None,
        shipping_address=orjson.loads(opened("shipping_address", profile.sealed_shipping_address)),
        created_at=profile.created_at,
        updated_at=profile.updated_at,
    )
