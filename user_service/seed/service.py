"""Fills a database with invented people, in batches, sealed as the services seal what people send."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import orjson
from sqlalchemy import Table, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from user_service import clock
from user_service.auth.identifiers import email_key, username_key
from user_service.auth.models import User
from user_service.database import fetch_all, is_migrated, new_id, retried, transaction
from user_service.keys.models import SealedDataKey
from user_service.payment.models import PaymentInfo
from user_service.profile.formats import phone_e164
from user_service.profile.models import Profile
from user_service.runtime import runtime
from user_service.security.password_policy import problems_of
from user_service.security.vault import DataKey, MasterKeyMissing, binding
from user_service.seed.people import PaymentMethod, Person, person

BATCH = 500  # small enough that a server on the same SQLite file waits for less than a second
DEVELOPMENT_PASSWORD = "umbrella sings for seagulls"  # noqa: S105  # no secret: the command prints it
Row = dict[str, Any]


class CannotSeed(Exception):
    """The message says what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """The rows of one person."""

    user: Row
    data_key: Row
    profile: Row
    payment_info: Row | None


def check_target() -> None:
    """Raises CannotSeed where people must not, or cannot, be invented."""
    if runtime().settings.app_env == "production":
        raise CannotSeed(
            "These people are invented and share one password, so they are never added under APP_ENV=production. "
            "Set APP_ENV=development (or testing) and a DATABASE_URL of its own, and run the command again."
        )
    try:
        is_ready = is_migrated()
    except OperationalError as error:
        raise CannotSeed(f"The database does not answer; check DATABASE_URL. It said: {error.orig}") from None
    if not is_ready:
        raise CannotSeed("The database lacks this release's tables. Run `flask db upgrade` first.")
    try:
        runtime().key_ring.get()
    except MasterKeyMissing as error:
        raise CannotSeed(f"MASTER_KEYS does not open the keys of this database: {error}.") from None


def check_password(password: str) -> None:
    """Raises CannotSeed for a password that nobody could register or log in with."""
    problems = problems_of(password, min_length=runtime().settings.password_min_length, username="", email="")
    messages = [message for _, message in problems]
    if not password.isprintable():
        messages.append("Use no control characters and no line breaks.")
    if messages:
        raise CannotSeed("The password cannot be used. " + " ".join(messages))


def seed_users(*, count: int, password: str, advance: Callable[[int], None]) -> list[str]:
    """Make sure that the people numbered 1 to `count` exist, and tell `advance` how many more are done.

    Whoever exists is left alone, and so is an account of somebody else with the same username or address.
    Returns the usernames that were added. A batch is added whole or not at all.
    """
    password_hash = runtime().key_ring.get().hasher.hash(password)
    added: list[str] = []
    for people in _batches(count):
        accounts = [_account(one, password_hash, clock.now()) for one in _without_existing(people)]
        added += _insert(accounts)
        advance(len(people))
    return added


def _batches(count: int) -> Iterator[list[Person]]:
    for first in range(1, count + 1, BATCH):
        yield [person(number) for number in range(first, min(first + BATCH, count + 1))]


def _without_existing(people: Sequence[Person]) -> list[Person]:
    keys = [username_key(one.username) for one in people]
    column = User.__table__.c.username_key
    existing = {row.username_key for row in fetch_all(select(column).where(column.in_(keys)))}
    return [one for one, key in zip(people, keys, strict=True) if key not in existing]


@retried
def _insert(accounts: Sequence[Account]) -> list[str]:
    """Returns the usernames. What was taken between the look and the insert, the constraints skip."""
    if not accounts:
        return []
    with transaction() as session:
        added = _insert_users(session, [account.user for account in accounts])
        kept = [account for account in accounts if account.user["id"] in added]
        _insert_rows(session, SealedDataKey, (account.data_key for account in kept))
        _insert_rows(session, Profile, (account.profile for account in kept))
        _insert_rows(session, PaymentInfo, (account.payment_info for account in kept if account.payment_info))
    return [account.user["username"] for account in kept]


def _insert_users(session: Session, rows: list[Row]) -> set[UUID]:
    table = cast(Table, User.__table__)
    dialect = session.get_bind().dialect.name
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return set(session.scalars(statement.on_conflict_do_nothing().returning(table.c.id), rows))


def _insert_rows(session: Session, model: Any, rows: Iterable[Row]) -> None:
    present = list(rows)
    if present:
        session.execute(insert(model.__table__), present)


def _account(one: Person, password_hash: tuple[str, str], now: datetime) -> Account:
    user_id, key_id = new_id(), new_id()
    data_key, master_key_id, wrapped_key = runtime().key_ring.master_keys.new_data_key(key_id, user_id)
    stamps = {"created_at": now, "updated_at": now}
    return Account(
        user=_user_row(user_id, one, password_hash, now) | stamps,
        data_key={
            "user_id": user_id,
            "key_id": key_id,
            "master_key_id": master_key_id,
            "wrapped_key": wrapped_key,
            "created_at": now,
        },
        profile=_profile_row(user_id, one, data_key) | stamps,
        payment_info=_payment_row(user_id, one.payment, data_key) | stamps if one.payment else None,
    )


def _user_row(user_id: UUID, one: Person, password_hash: tuple[str, str], now: datetime) -> Row:
    """Their addresses count as verified, so that they can log in where that is required."""
    return {
        "id": user_id,
        "username": one.username,
        "username_key": username_key(one.username),
        "email": one.email,
        "email_key": email_key(one.email),
        "email_verified_at": now,
        "password_hash": password_hash[0],
        "password_scheme": password_hash[1],
        "password_changed_at": now,
    }


def _profile_row(user_id: UUID, one: Person, data_key: DataKey) -> Row:
    def seal(column: str, text: str) -> bytes:
        return data_key.seal(text, binding("profiles", column, user_id))

    normal = phone_e164(one.phone, runtime().settings.default_region)
    return {
        "user_id": user_id,
        "name": one.name,
        "sealed_phone": seal("phone", one.phone),
        "sealed_phone_e164": seal("phone_e164", normal) if normal else None,
        "sealed_shipping_address": seal("shipping_address", orjson.dumps(one.shipping_address).decode()),
    }


def _payment_row(user_id: UUID, payment: PaymentMethod, data_key: DataKey) -> Row:
    return {
        "user_id": user_id,
        "sealed_payment_token": data_key.seal(payment.token, binding("payment_infos", "payment_token", user_id)),
        "provider": payment.provider,
        "brand": payment.brand,
        "last4": payment.last4,
        "exp_month": payment.exp_month,
        "exp_year": payment.exp_year,
    }
