"""What an operator does to an account from outside. Each act is on the record, and ends sessions where it must."""

from contextlib import suppress
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, or_, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.auth import throttle
from user_service.auth.identifiers import email_key, username_key
from user_service.auth.models import CloseReason, User
from user_service.auth.service import check_new_password
from user_service.auth.sessions import close_all_sessions
from user_service.database import fetch_all, retried, transaction
from user_service.errors import UserNotFound
from user_service.mail import one_time_tokens
from user_service.mail.kinds import Kind
from user_service.mail.outbox import enqueue
from user_service.runtime import runtime

NOBODY = "There is no such user. Name one by username, e-mail address or id."
_USERS = User.__table__
_SHOWN = (
    _USERS.c.id,
    _USERS.c.username,
    _USERS.c.email,
    _USERS.c.email_verified_at,
    _USERS.c.disabled_at,
    _USERS.c.created_at,
    _USERS.c.password_changed_at,
)


def list_users(*, after: UUID | None, limit: int, disabled: bool = False) -> list[Row[Any]]:
    """Users in order of registration, from the one after the given id on; `disabled` shows those alone."""
    query = select(*_SHOWN).order_by(_USERS.c.id).limit(limit)
    if after is not None:
        query = query.where(_USERS.c.id > after)
    if disabled:
        query = query.where(_USERS.c.disabled_at.is_not(None))
    return fetch_all(query)


def get_user_by_name(name: str) -> Row[Any]:
    """The user of this id, e-mail address or username. Raises UserNotFound."""
    users = fetch_all(select(*_SHOWN).where(_is_named(name)).limit(2))
    if len(users) == 1:
        return users[0]
    # Somebody may have registered what is another's id as a username; whom to delete is not guessed then.
    raise UserNotFound(detail="Two users answer to this. Name one by e-mail address." if users else NOBODY)


@retried
def disable_user(user_id: UUID) -> bool:
    """Refuse the user from now on and end every session, on every node; false when it was disabled already.

    Raises UserNotFound.
    """
    with transaction() as session:
        user = _lock(session, user_id)
        if user.is_disabled:
            return False
        user.disabled_at = user.updated_at = clock.now()
        record(Action.DISABLED, user_id=user_id)
        close_all_sessions(user_id=user_id, reason=CloseReason.ACCOUNT_DISABLED)
        return True


@retried
def enable_user(user_id: UUID) -> bool:
    """Let the user log in again; what was ended stays ended. False when it was enabled already.

    Raises UserNotFound.
    """
    with transaction() as session:
        user = _lock(session, user_id)
        if not user.is_disabled:
            return False
        user.disabled_at, user.updated_at = None, clock.now()
        record(Action.ENABLED, user_id=user_id)
        return True


@retried
def set_password(user_id: UUID, new_password: str) -> None:
    """Replace the password, by the rules of registration, end every session, and forget who guessed or logged in.

    The user is told by mail, as after every other change.

    Raises UserNotFound, PasswordRefused.
    """
    user = get_user_by_name(str(user_id))
    check_new_password(new_password, pointer="/password", username=user.username, email=user.email)
    password_hash, scheme = runtime().key_ring.get().hasher.hash(new_password)
    with transaction() as session:
        locked, now = _lock(session, user_id), clock.now()
        locked.password_hash, locked.password_scheme = password_hash, scheme
        locked.password_changed_at = locked.updated_at = now
        throttle.forget(user_id)
        locked.pending_email = None
        one_time_tokens.void_all(session, user_id=user_id)
        record(Action.PASSWORD_SET, user_id=user_id)
        close_all_sessions(user_id=user_id, reason=CloseReason.PASSWORD_CHANGED)
        enqueue(Kind.PASSWORD_CHANGED, user_id=user_id, by_mail=False, device=None, ip=None)


def _is_named(name: str) -> ColumnElement[bool]:
    if "@" in name:  # no username has one
        return _USERS.c.email_key == email_key(name)
    by_username = _USERS.c.username_key == username_key(name)
    with suppress(ValueError):
        return or_(_USERS.c.id == UUID(name), by_username)
    return by_username


def _lock(session: Session, user_id: UUID) -> User:
    user = session.scalars(select(User).where(User.id == user_id).with_for_update()).one_or_none()
    if user is None:
        raise UserNotFound
    return user
