"""Registration and log-in."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, or_, select
from sqlalchemy.exc import IntegrityError

from user_service import clock
from user_service.audit.events import Action, Outcome
from user_service.audit.service import record
from user_service.auth import sessions, throttle
from user_service.auth.attempts import Account, Attempt
from user_service.auth.devices import is_new_device, whereabouts
from user_service.auth.erasure import TIME_TO_VERIFY, free_names
from user_service.auth.grants import Grant
from user_service.auth.identifiers import email_key, username_key
from user_service.auth.models import User
from user_service.database import fetch_all, fetch_one, new_id, retried, transaction
from user_service.errors import (
    AccountDisabled,
    DomainError,
    EmailNotVerified,
    EmailTaken,
    Fault,
    InvalidCredentials,
    PasswordRefused,
    TokenRevoked,
    UsernameTaken,
)
from user_service.keys.service import create_data_key
from user_service.mail.kinds import Kind
from user_service.mail.outbox import enqueue
from user_service.runtime import runtime
from user_service.security.password_policy import problems_of

NAME_TRIES = 3  # who held a name may be gone by the time that somebody looks


def register_user(*, username: str, email: str, password: str) -> User:
    """Create a user with a data key of their own.

    Raises PasswordRefused, UsernameTaken, EmailTaken.
    """
    check_new_password(password, pointer="/password", username=username, email=email)
    password_hash, scheme = runtime().key_ring.get().hasher.hash(password)
    names = {"username_key": username_key(username), "email_key": email_key(email)}
    columns = {"username": username, "email": email, "password_hash": password_hash, "password_scheme": scheme}
    for _ in range(NAME_TRIES):
        try:
            return _add_user(**names, **columns)
        except IntegrityError as error:
            lost = error
        # The constraints decide who was first; looking comes after, and only to explain.
        if not free_names(**names) and (taken := _explain_taken(**names)):
            raise taken
    raise lost


@retried
def _add_user(**columns: str) -> User:
    now = clock.now()
    is_required = runtime().settings.require_email_verification
    user = User(
        id=new_id(),
        password_changed_at=now,
        created_at=now,
        updated_at=now,
        verify_by=now + TIME_TO_VERIFY if is_required else None,
        **columns,
    )
    with transaction() as session:
        session.add(user)
        session.flush()
        create_data_key(user.id)
        record(Action.REGISTERED, user_id=user.id)
        enqueue(Kind.VERIFY_EMAIL, user_id=user.id)
    return user


def log_in(*, username: str, password: str) -> Grant:
    """Open a session. `username` is the username or the e-mail address.

    Raises InvalidCredentials, the same and after the same work for an unknown user and a wrong password;
    AccountDisabled or EmailNotVerified after the right one; TooManyAttempts, whatever the password.
    """
    user = _find_by_login(username)
    with throttle.counted(_account_of(user, username)) as attempt:
        hasher = runtime().key_ring.get().hasher
        if user is None:
            hasher.verify_decoy(password)
            raise _refuse(None, attempt, InvalidCredentials())
        if not hasher.verify(password, user.password_hash, user.password_scheme):
            raise _refuse(user, attempt, InvalidCredentials())
        if user.disabled_at is not None:
            raise _refuse(user, attempt, AccountDisabled())
        if user.email_verified_at is None and runtime().settings.require_email_verification:
            raise _refuse(user, attempt, EmailNotVerified())
        rehashed = None
        if hasher.needs_rehash(user.password_hash, user.password_scheme):
            rehashed = hasher.hash(password)
        return _open_session(user, attempt, rehashed)


def list_users(*, after: Any, limit: int) -> list[Row[Any]]:
    """Users in order of registration, from the one after the given id on. For development."""
    table = User.__table__
    query = select(table.c.id, table.c.username, table.c.email, table.c.created_at)
    if after is not None:
        query = query.where(table.c.id > after)
    return fetch_all(query.order_by(table.c.id).limit(limit))


def get_user(user_id: UUID) -> Row[Any]:
    """The user's row. Raises TokenRevoked where the account was deleted after the token was checked."""
    table = User.__table__
    user = fetch_one(select(table).where(table.c.id == user_id))
    if user is None:
        raise TokenRevoked
    return user


def check_new_password(password: str, *, pointer: str, username: str, email: str) -> None:
    min_length = runtime().settings.password_min_length
    problems = problems_of(password, min_length=min_length, username=username, email=email)
    if problems:
        raise PasswordRefused([Fault(pointer, code, message) for code, message in problems])


def _login_key(login: str) -> str:
    """What is looked for: an address when there is an @ in it (no username has one), a username otherwise."""
    return email_key(login) if "@" in login else username_key(login)


def _account_of(user: Row[Any] | None, login: str) -> Account:
    return throttle.account_of(user.id) if user is not None else throttle.account_of_nobody(_login_key(login))


def _find_by_login(login: str) -> Row[Any] | None:
    users = User.__table__
    column = users.c.email_key if "@" in login else users.c.username_key
    return fetch_one(
        select(
            users.c.id,
            users.c.password_hash,
            users.c.password_scheme,
            users.c.password_changed_at,
            users.c.disabled_at,
            users.c.email_verified_at,
        ).where(column == _login_key(login))
    )


@retried
def _open_session(user: Row[Any], attempt: Attempt, rehashed: tuple[str, str] | None) -> Grant:
    """Open the session, unless the password or the account changed while the password was being checked."""
    with transaction() as session:
        current = session.scalars(select(User).where(User.id == user.id).with_for_update(key_share=True)).one_or_none()
        if current is None or current.password_changed_at != user.password_changed_at or current.is_disabled:
            raise InvalidCredentials
        if rehashed is not None:
            current.password_hash, current.password_scheme = rehashed
        current.verify_by = None  # an account that was let in is never erased for want of a proof
        if is_new_device(user.id):
            enqueue(Kind.NEW_DEVICE, user_id=user.id, **whereabouts())
        grant = sessions.open_session(user.id)
        record(Action.LOGGED_IN, user_id=user.id, session_id=grant.session_id)
        throttle.succeed(attempt)  # last, for whoever tries at the same time waits for this row
        return grant


@retried
def _refuse(user: Row[Any] | None, attempt: Attempt, refusal: DomainError) -> DomainError:
    """Leave a trace of the refusal. What was typed is not written down: it may be a password."""
    with transaction():
        if isinstance(refusal, InvalidCredentials):
            throttle.fail(attempt, user_id=user.id if user is not None else None)
        else:
            throttle.succeed(attempt)
        record(
            Action.LOGIN_REFUSED,
            user_id=user.id if user is not None else None,
            outcome=Outcome.REFUSED,
            code=refusal.code,
        )
    return refusal


def _explain_taken(*, username_key: str, email_key: str) -> DomainError | None:
    users = User.__table__
    rows = fetch_all(
        select(users.c.username_key, users.c.email_key).where(
            or_(users.c.username_key == username_key, users.c.email_key == email_key)
        )
    )
    is_name_taken = any(row.username_key == username_key for row in rows)
    faults = []
    if is_name_taken:
        faults.append(Fault("/username", UsernameTaken.code, UsernameTaken.detail))
    if any(row.email_key == email_key for row in rows):
        faults.append(Fault("/email", EmailTaken.code, EmailTaken.detail))
    if not faults:
        return None
    return UsernameTaken(faults) if is_name_taken else EmailTaken(faults)
