"""A forgotten password: a link by mail, and the new password that it is good for."""

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.auth import throttle
from user_service.auth.devices import whereabouts
from user_service.auth.identifiers import email_key
from user_service.auth.models import CloseReason
from user_service.auth.service import check_new_password
from user_service.auth.sessions import close_all_sessions
from user_service.database import retried, transaction
from user_service.mail import one_time_tokens
from user_service.mail.kinds import Kind, Purpose
from user_service.mail.outbox import enqueue, enqueue_for_address
from user_service.runtime import runtime

RESET = (Purpose.RESET_PASSWORD,)


@retried
def request_reset(*, email: str) -> None:
    """Have a link sent to the account of this address, if there is one.

    Who that is, is looked up at delivery: here known and unknown addresses are one and the same work.
    """
    with transaction():
        record(Action.RESET_REQUESTED, user_id=None)
        enqueue_for_address(Kind.RESET_PASSWORD, email_key=email_key(email), **whereabouts())


@retried
def complete_reset(*, token: str, new_password: str) -> None:
    """Set the new password. Whoever was in the account before is out: sessions, links, a pending address.

    The token came by mail, so the address is proven with it. Raises OneTimeTokenInvalid, and PasswordRefused, which
    leaves the token as it is.
    """
    owner = one_time_tokens.find_user(token, RESET)
    check_new_password(new_password, pointer="/new_password", username=owner.username, email=owner.email)
    password_hash, scheme = runtime().key_ring.get().hasher.hash(new_password)
    with transaction() as session:
        user = one_time_tokens.spend(session, token, RESET).user
        now = clock.now()
        user.password_hash, user.password_scheme = password_hash, scheme
        user.password_changed_at = user.updated_at = now
        user.email_verified_at = user.email_verified_at or now
        user.pending_email = user.verify_by = None
        throttle.unlock(user.id)
        one_time_tokens.void_all(session, user_id=user.id)
        close_all_sessions(user_id=user.id, reason=CloseReason.PASSWORD_RESET)
        record(Action.PASSWORD_RESET, user_id=user.id)
        enqueue(Kind.PASSWORD_CHANGED, user_id=user.id, by_mail=True, **whereabouts())
