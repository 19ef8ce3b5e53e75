"""Erasing a user, and those who have to make room for others."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, or_, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import pseudonymize, record_anonymously
from user_service.auth import throttle
from user_service.auth.models import CloseReason, User
from user_service.auth.sessions import close_all_sessions
from user_service.database import retried, transaction
from user_service.keys.service import destroy_data_key
from user_service.mail.outbox import discard
from user_service.runtime import runtime

TIME_TO_VERIFY = timedelta(hours=72)
BATCH = 100


def erase(session: Session, user: User, action: Action, **detail: Any) -> UUID:
    """Remove the user, whose row is locked: the data key first, then the rest. Returns the pseudonym in the log."""
    pseudonym = uuid4()
    destroy_data_key(user.id)
    throttle.forget(user.id)
    close_all_sessions(user_id=user.id, reason=CloseReason.ACCOUNT_DELETED)
    session.flush()
    pseudonymize(user_id=user.id, pseudonym=pseudonym)
    discard(user_id=user.id, email_key=user.email_key)
    session.execute(delete(User).where(User.id == user.id).execution_options(synchronize_session=False))
    session.expunge(user)
    record_anonymously(action, user_id=pseudonym, **detail)
    return pseudonym


def erase_unverified() -> int:
    """Erase those whose time to verify has passed, where verification is required; returns how many."""
    total = 0
    while count := _erase_due():
        total += count
    return total


def free_names(*, username_key: str, email_key: str) -> bool:
    """Erase who holds one of these names and had to verify it by now."""
    return _erase_due(or_(User.username_key == username_key, User.email_key == email_key)) > 0


@retried
def _erase_due(*conditions: ColumnElement[bool]) -> int:
    """Who is verifying at this moment holds the row, and is stepped over."""
    if not runtime().settings.require_email_verification:
        return 0
    with transaction() as session:
        due = session.scalars(
            select(User)
            .where(User.email_verified_at.is_(None), User.verify_by < clock.now(), *conditions)
            .limit(BATCH)
            .with_for_update(skip_locked=True)
            .execution_options(populate_existing=True)
        ).all()
        for user in due:
            erase(session, user, Action.UNVERIFIED_ERASED)
        return len(due)
