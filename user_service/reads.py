"""The statements that span features: who a request acts as, alone and together with the profile.

Built once, run in autocommit. Each asks in one round trip whether the session was closed, whether the user
may act, and for what the answer needs.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from user_service.auth.models import BlockedSession, LoginSession, User
from user_service.compiled import Compiled
from user_service.database import fetch_one, read_one
from user_service.keys.models import SealedDataKey
from user_service.profile.models import Profile

_PROFILE_COLUMNS: tuple[ColumnElement[Any], ...] = (
    Profile.__table__.c.user_id.label("profile_id"),
    Profile.__table__.c.name,
    Profile.__table__.c.sealed_phone,
    Profile.__table__.c.sealed_phone_e164,
    Profile.__table__.c.sealed_shipping_address,
    Profile.__table__.c.created_at,
    Profile.__table__.c.updated_at,
    SealedDataKey.__table__.c.key_id,
    SealedDataKey.__table__.c.master_key_id,
    SealedDataKey.__table__.c.wrapped_key,
)


_PRINCIPAL_COLUMNS: tuple[ColumnElement[Any], ...] = (
    User.__table__.c.id.label("user_id"),
    User.__table__.c.username,
    User.__table__.c.email,
    User.__table__.c.disabled_at,
    LoginSession.__table__.c.generation,
    LoginSession.__table__.c.confirmed_at,
    LoginSession.__table__.c.access_floor,
    BlockedSession.__table__.c.session_id.label("blocked_session_id"),
)


def _principal_statement(*columns: ColumnElement[Any]) -> Select[Any]:
    sessions, blocklist, users = LoginSession.__table__, BlockedSession.__table__, User.__table__
    session_id: ColumnElement[UUID] = bindparam("session_id")
    user_id: ColumnElement[UUID] = bindparam("user_id")
    return (
        select(*_PRINCIPAL_COLUMNS, *columns)
        .select_from(users)
        .join(sessions, (sessions.c.user_id == users.c.id) & (sessions.c.id == session_id))
        .outerjoin(blocklist, blocklist.c.session_id == session_id)
        .where(users.c.id == user_id)
    )


def _profile_statement() -> Select[Any]:
    profiles, data_keys = Profile.__table__, SealedDataKey.__table__
    return (
        _principal_statement(*_PROFILE_COLUMNS)
        .outerjoin(profiles, profiles.c.user_id == bindparam("user_id"))
        .outerjoin(data_keys, data_keys.c.user_id == bindparam("user_id"))
    )


def _user_statement() -> Select[Any]:
    users, profiles, data_keys = User.__table__, Profile.__table__, SealedDataKey.__table__
    return (
        select(
            users.c.id.label("user_id"),
            users.c.username,
            users.c.email,
            users.c.email_verified_at,
            users.c.disabled_at,
            users.c.created_at.label("registered_at"),
            *_PROFILE_COLUMNS,
        )
        .select_from(users)
        .outerjoin(profiles, profiles.c.user_id == users.c.id)
        .outerjoin(data_keys, data_keys.c.user_id == users.c.id)
        .where(users.c.id == bindparam("user_id"))
    )


_USER_WITH_PROFILE = _user_statement()
_PRINCIPAL = Compiled(_principal_statement())
_PRINCIPAL_WITH_PROFILE = Compiled(_profile_statement())


def find_principal(session_id: UUID, user_id: UUID) -> Any | None:
    """The row of the user and the open session; None when either is gone."""
    return read_one(_PRINCIPAL, session_id=session_id, user_id=user_id)


def find_principal_with_profile(session_id: UUID, user_id: UUID) -> Any | None:
    """The same, with the profile (`profile_id` is None without one) and the wrapped data key."""
    return read_one(_PRINCIPAL_WITH_PROFILE, session_id=session_id, user_id=user_id)


def find_user_with_profile(user_id: UUID) -> Row[Any] | None:
    """The user and the profile with the wrapped data key, whoever asks. Both have their own `created_at`."""
    return fetch_one(_USER_WITH_PROFILE, user_id=user_id)
