"""Addresses that are proven: the one of the registration, and the one that is to take its place."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.auth.identifiers import email_key
from user_service.auth.models import User
from user_service.auth.password_service import lock_proven_user, prove_password
from user_service.database import retried, transaction
from user_service.errors import EmailTaken, Fault
from user_service.mail import one_time_tokens
from user_service.mail.kinds import Kind, Purpose
from user_service.mail.outbox import enqueue, enqueue_for_address
from user_service.principal import Principal

PROOFS = (Purpose.VERIFY_EMAIL, Purpose.CHANGE_EMAIL)


@retried
def request_verification(*, email: str) -> None:
    """Have a new link sent to the account of this address, if there is one that is not verified yet.

    Looked up at delivery, so that the answer tells nothing.
    """
    with transaction():
        record(Action.VERIFICATION_REQUESTED, user_id=None)
        enqueue_for_address(Kind.VERIFY_EMAIL, email_key=email_key(email))


@retried
def prove_email(*, token: str) -> User:
    """Verify the address that the token was mailed to; a pending one takes the place of the one before.

    Raises OneTimeTokenInvalid, and EmailTaken where another account has proven or taken the address meanwhile.
    """
    try:
        with transaction() as session:
            spent = one_time_tokens.spend(session, token, PROOFS)
            if spent.purpose is Purpose.CHANGE_EMAIL:
                _take_new_address(session, spent.user)
            else:
                _verify(spent.user)
            session.flush()
            return spent.user
    except IntegrityError:
        raise _taken() from None


@retried
def request_email_change(*, principal: Principal, email: str, password: str) -> str | None:
    """Have a link sent to the new address, and tell the old one. Returns the address that waits to be proven.

    The present address, given again, takes back a change that waits. Raises WrongPassword, TokenRevoked, EmailTaken.
    """
    proven = prove_password(principal=principal, password=password)
    with transaction() as session:
        user = lock_proven_user(session, proven)
        _check_free(session, user, email_key(email))
        user.pending_email, user.updated_at = (email if email != user.email else None), clock.now()
        record(
            Action.EMAIL_CHANGE_REQUESTED if user.pending_email else Action.EMAIL_CHANGE_CANCELLED,
            user_id=user.id,
            session_id=principal.session_id,
        )
        if user.pending_email:
            enqueue(Kind.CHANGE_EMAIL, user_id=user.id, recipient=email)
            enqueue(Kind.EMAIL_CHANGE_REQUESTED, user_id=user.id, recipient=user.email)
        return user.pending_email


def _check_free(session: Session, user: User, key: str) -> None:
    """Early, for people; the constraint decides when the address is proven. Registration tells the same."""
    holder = session.scalars(select(User.id).where(User.email_key == key)).one_or_none()
    if holder not in (None, user.id):
        raise _taken()


def _verify(user: User) -> None:
    now = clock.now()
    user.email_verified_at, user.verify_by, user.updated_at = now, None, now
    record(Action.EMAIL_VERIFIED, user_id=user.id)


def _take_new_address(session: Session, user: User) -> None:
    """Sessions stay: the password was given for the change, and who fears for it changes it. Links to the old address
    are dead.
    """
    assert user.pending_email is not None, "a token of the change is bound to it"
    before, now = user.email, clock.now()
    user.email, user.email_key = user.pending_email, email_key(user.pending_email)
    user.email_verified_at = user.updated_at = now
    user.pending_email = user.verify_by = None
    one_time_tokens.void_all(session, user_id=user.id)
    record(Action.EMAIL_CHANGED, user_id=user.id)
    enqueue(Kind.EMAIL_CHANGED, user_id=user.id, recipient=before)


def _taken() -> EmailTaken:
    return EmailTaken([Fault("/email", EmailTaken.code, EmailTaken.detail)])
