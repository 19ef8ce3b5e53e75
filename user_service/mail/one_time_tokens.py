"""One-time tokens: 256 bits that go out by mail, once, for one purpose and one state of the account.

Whoever issues or spends one locks the user's row first, so the newest and the fastest are well defined.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, select
from sqlalchemy.orm import Session

from user_service import clock
from user_service.auth.models import User
from user_service.database import fetch_one
from user_service.errors import OneTimeTokenInvalid
from user_service.mail.kinds import Purpose
from user_service.mail.models import OneTimeToken
from user_service.runtime import runtime
from user_service.security.digests import keyed_digest

LIFE = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a token was good for. The user's row is locked."""

    user: User
    purpose: Purpose


def issue(session: Session, *, user: User, purpose: Purpose, message_id: UUID) -> str:
    """Make a token in the open transaction, which holds the user's lock. Those of older messages are void."""
    token, now = secrets.token_urlsafe(32), clock.now()
    older = OneTimeToken.message_id != message_id
    _void(session, OneTimeToken.user_id == user.id, OneTimeToken.purpose == purpose.value, older)
    session.add(
        OneTimeToken(
            digest=_digest(purpose, token),
            user_id=user.id,
            purpose=purpose.value,
            message_id=message_id,
            bound_to=_state_of(user, purpose),
            created_at=now,
            expires_at=now + LIFE,
        )
    )
    return token


def find_user(token: str, purposes: Sequence[Purpose]) -> Row[Any]:
    """Whose token it is; nothing is spent. Raises OneTimeTokenInvalid."""
    users, tokens = User.__table__, OneTimeToken.__table__
    query = select(users).join(tokens, tokens.c.user_id == users.c.id)
    user = fetch_one(query.where(tokens.c.digest.in_(_digests(purposes, token)), tokens.c.expires_at > clock.now()))
    if user is None:
        raise OneTimeTokenInvalid
    return user


def spend(session: Session, token: str, purposes: Sequence[Purpose]) -> Spent:
    """Take the token in the open transaction: of many who try at once, one gets it. Raises OneTimeTokenInvalid."""
    is_meant = OneTimeToken.digest.in_(_digests(purposes, token))
    owner = select(OneTimeToken.user_id).where(is_meant).scalar_subquery()
    user = session.scalars(
        select(User).where(User.id == owner).with_for_update(of=User).execution_options(populate_existing=True)
    ).one_or_none()
    taken = session.execute(
        delete(OneTimeToken)
        .where(is_meant, OneTimeToken.expires_at > clock.now())
        .returning(OneTimeToken.purpose, OneTimeToken.bound_to)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if user is None or taken is None or user.is_disabled:
        raise OneTimeTokenInvalid
    purpose = Purpose(taken.purpose)
    if not secrets.compare_digest(taken.bound_to, _state_of(user, purpose)):
        raise OneTimeTokenInvalid
    _void(session, OneTimeToken.user_id == user.id, OneTimeToken.purpose == purpose.value)
    return Spent(user, purpose)


def void_all(session: Session, *, user_id: UUID) -> None:
    """Make every token of the user worthless, in the open transaction."""
    _void(session, OneTimeToken.user_id == user_id)


def _void(session: Session, *conditions: Any) -> None:
    session.execute(delete(OneTimeToken).where(*conditions).execution_options(synchronize_session=False))


def _digests(purposes: Sequence[Purpose], token: str) -> list[bytes]:
    return [_digest(purpose, token) for purpose in purposes]


def _digest(purpose: Purpose, token: str) -> bytes:
    return keyed_digest(runtime().key_ring.get().digest_key, f"one_time_token:{purpose.value}", token)


def _state_of(user: User, purpose: Purpose) -> bytes:
    """Dead as soon as the password changes, or the address that it was mailed to is another one."""
    address = user.pending_email if purpose is Purpose.CHANGE_EMAIL else user.email
    parts = (user.id.hex, user.password_changed_at.isoformat(), user.email_key, address or "")
    return keyed_digest(runtime().key_ring.get().digest_key, "one_time_token_state", "|".join(parts))
