"""The profile: created once, changed in part, deleted with what hangs on it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Protocol
from uuid import UUID

import orjson
from sqlalchemy import Row, Select, bindparam, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import event_of, record, recorded, tell
from user_service.compiled import Compiled
from user_service.database import change_one, retried, takes_changes_with_their_record, transaction
from user_service.errors import ProfileExists, ProfileNotFound, TokenRevoked
from user_service.keys.models import SealedDataKey
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
        fields = _completed({"name": name, "phone": phone, "shipping_address": shipping_address})
        columns = _sealed(principal.user_id, data_key, fields)
        profile = Profile(user_id=principal.user_id, created_at=now, updated_at=now, **columns)
        session.add(profile)
        try:
            session.flush()
        except IntegrityError:
            raise ProfileExists from None
        record(Action.PROFILE_CREATED, user_id=principal.user_id, session_id=principal.session_id)
        return _view(principal, profile, data_key)


@retried
def update_profile(*, principal: Principal, seen: Any, changes: dict[str, Any], check: Check) -> ProfileView:
    """Change what is in `changes`. `check` sees the present state and may refuse.

    `seen` is the profile as it was read with the principal. Where it is still that when the change arrives, one
    statement does it; else, and on SQLite, the present state is locked first.
    Raises ProfileNotFound, and what `check` raises.
    """
    fields = _completed(changes)
    if takes_changes_with_their_record() and seen.profile_id is not None and seen.key_id is not None:
        changed = _change_seen(principal, seen, fields, check)
        if changed is not None:
            return changed
    with transaction() as session:
        profile, data_key = _lock(session, principal)
        check(_view(principal, profile, data_key))
        now = _later_than(profile.updated_at)
        values = {**_sealed(principal.user_id, data_key, fields), "updated_at": now}
        session.execute(
            update(Profile)
            .where(Profile.user_id == principal.user_id)
            .values(**values)
            .execution_options(synchronize_session=False)
        )
        record(
            Action.PROFILE_UPDATED,
            user_id=principal.user_id,
            session_id=principal.session_id,
            fields=sorted(changes),
        )
        return _view(principal, SimpleNamespace(**{**profile._mapping, **values}), data_key)


def _change_seen(principal: Principal, seen: Any, fields: dict[str, Any], check: Check) -> ProfileView | None:
    """Change the profile that was seen; None where it is another one by now."""
    user_id = principal.user_id
    data_key = open_data_key(user_id, seen.key_id, seen.master_key_id, seen.wrapped_key)
    present = _view(principal, seen, data_key)
    check(present)
    now = _later_than(seen.updated_at)
    values: dict[str, Any] = {name: getattr(seen, name) for name in _CHANGEABLE}
    values |= {**_sealed(user_id, data_key, fields), "updated_at": now}
    names = sorted(fields.keys() - {"phone_e164"})
    event = event_of(Action.PROFILE_UPDATED, user_id=user_id, session_id=principal.session_id, fields=names)
    parameters = {f"new_{name}": value for name, value in values.items()}
    parameters |= {f"event_{name}": value for name, value in event.items()}
    if change_one(_CHANGE, may_be_repeated=False, the_user=user_id, seen_at=seen.updated_at, **parameters) is None:
        return None
    tell(event)
    return replace(present, **fields, updated_at=now)


def _later_than(moment: datetime) -> datetime:
    """Now, and later than that: no two states of a profile have the same time, whatever the clocks say."""
    return max(clock.now(), moment + timedelta.resolution)


@retried
def delete_profile(*, principal: Principal, check: Check) -> None:
    """Delete the profile; what depends on it is the caller's to delete in the same transaction.

    Raises ProfileNotFound, and what `check` raises.
    """
    with transaction() as session:
        check(_view(principal, *_lock(session, principal)))
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


_CHANGEABLE = ("name", "sealed_phone", "sealed_phone_e164", "sealed_shipping_address", "updated_at")


def _change_statement() -> ReturningInsert[Any]:
    profiles = Profile.__table__
    seen = (profiles.c.user_id == bindparam("the_user"), profiles.c.updated_at == bindparam("seen_at"))
    values: dict[str, Any] = {name: bindparam(f"new_{name}") for name in _CHANGEABLE}
    return recorded(update(Profile).where(*seen).values(values).returning(profiles.c.user_id).cte("changed"))


_CHANGE = Compiled(_change_statement())


def _locked_statement() -> Select[Any]:
    profiles, data_keys = Profile.__table__, SealedDataKey.__table__
    return (
        select(profiles, data_keys.c.key_id, data_keys.c.master_key_id, data_keys.c.wrapped_key)
        .outerjoin(data_keys, data_keys.c.user_id == profiles.c.user_id)
        .where(profiles.c.user_id == bindparam("user_id"))
        .with_for_update(of=profiles)
    )


_LOCKED = _locked_statement()


def _lock(session: Session, principal: Principal) -> tuple[Row[Any], DataKey]:
    """Raises ProfileNotFound, and TokenRevoked where the account was deleted after the token was checked."""
    row = session.execute(_LOCKED, {"user_id": principal.user_id}).one_or_none()
    if row is None:
        raise ProfileNotFound
    if row.key_id is None:
        raise TokenRevoked
    return row, open_data_key(row.user_id, row.key_id, row.master_key_id, row.wrapped_key)


def _completed(fields: dict[str, Any]) -> dict[str, Any]:
    """With what follows from them."""
    if "phone" not in fields:
        return fields
    return {**fields, "phone_e164": phone_e164(fields["phone"], runtime().settings.default_region)}


def _sealed(user_id: UUID, data_key: DataKey, fields: dict[str, Any]) -> dict[str, Any]:
    """The columns that hold these fields."""
    columns: dict[str, Any] = {}
    if "name" in fields:
        columns["name"] = fields["name"]
    if "phone" in fields:
        normal = fields["phone_e164"]
        columns["sealed_phone"] = data_key.seal(fields["phone"], binding("profiles", "phone", user_id))
        columns["sealed_phone_e164"] = (
            data_key.seal(normal, binding("profiles", "phone_e164", user_id)) if normal else None
        )
    if "shipping_address" in fields:
        text = orjson.dumps(fields["shipping_address"]).decode()
        columns["sealed_shipping_address"] = data_key.seal(text, binding("profiles", "shipping_address", user_id))
    return columns


def _view(principal: Owner, profile: Any, data_key: DataKey) -> ProfileView:
    row_id = str(principal.user_id)

    def opened(column: str, envelope: bytes) -> str:
        return data_key.open(envelope, binding("profiles", column, row_id))

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
