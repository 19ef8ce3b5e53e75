"""The password asked for again, and its change, which ends every earlier session."""

from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action, Outcome
from user_service.audit.service import record
from user_service.auth import throttle
from user_service.auth.attempts import Attempt
from user_service.auth.devices import whereabouts
from user_service.auth.grants import Grant
from user_service.auth.models import CloseReason, User
from user_service.auth.service import check_new_password, get_user
from user_service.auth.sessions import close_all_sessions, open_session
from user_service.database import retried, transaction
from user_service.errors import WrongPassword
from user_service.mail import one_time_tokens
from user_service.mail.kinds import Kind
from user_service.mail.outbox import enqueue
from user_service.principal import Principal
from user_service.runtime import runtime


@retried
def change_password(*, principal: Principal, current_password: str, new_password: str) -> Grant:
    """Set the new password, end every session and open a new one, all or nothing. Mailed links are dead, and so is a
    change of the address that waits.

    Raises WrongPassword, also when another change was faster; PasswordRefused; TooManyAttempts; TokenRevoked.
    """
    user = prove_password(principal=principal, password=current_password)
    check_new_password(new_password, pointer="/new_password", username=user.username, email=user.email)
    password_hash, scheme = runtime().key_ring.get().hasher.hash(new_password)
    with transaction() as session:
        locked = lock_proven_user(session, user)
        now = clock.now()
        locked.password_hash, locked.password_scheme = password_hash, scheme
        locked.password_changed_at = locked.updated_at = now
        locked.pending_email = None
        one_time_tokens.void_all(session, user_id=user.id)
        close_all_sessions(user_id=user.id, reason=CloseReason.PASSWORD_CHANGED)
        grant = open_session(user.id)
        record(Action.PASSWORD_CHANGED, user_id=user.id, session_id=grant.session_id)
        enqueue(Kind.PASSWORD_CHANGED, user_id=user.id, by_mail=False, **whereabouts())
        return grant


def prove_password(*, principal: Principal, password: str) -> Row[Any]:
    """The user's row, once the password is proven. It counts as an attempt, on the counter that a log-in counts on.

    Raises WrongPassword, TooManyAttempts, TokenRevoked.
    """
    user = get_user(principal.user_id)
    with throttle.counted(throttle.account_of(user.id)) as attempt:
        hasher = runtime().key_ring.get().hasher
        if not hasher.verify(password, user.password_hash, user.password_scheme):
            raise _refuse(principal, attempt)
        throttle.succeed(attempt)
    return user


def lock_proven_user(session: Session, user: Row[Any]) -> User:
    """Lock the user's row for what the password was proven for.

    Raises WrongPassword where the password has changed since.
    """
    locked = session.scalars(select(User).where(User.id == user.id).with_for_update()).one_or_none()
    if locked is None or locked.password_changed_at != user.password_changed_at:
        raise WrongPassword
    return locked


@retried
def _refuse(principal: Principal, attempt: Attempt) -> WrongPassword:
    with transaction():
        throttle.fail(attempt, user_id=principal.user_id)
        record(
            Action.PASSWORD_REFUSED,
            user_id=principal.user_id,
            session_id=principal.session_id,
            outcome=Outcome.REFUSED,
        )
    return WrongPassword()
