"""Changes of keys while the service runs: signing keys by publish-then-activate, master keys by re-wrapping."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, func, select, update

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.database import Base, fetch_all, fetch_one, retried, transaction
from user_service.errors import KeyNotFound, LastKey
from user_service.keys.models import SealedDataKey, SealedSigningKey, ServiceSecret
from user_service.keys.ring import RELOAD_SECONDS, add_signing_key
from user_service.runtime import runtime
from user_service.security.vault import Binding, IntegrityFailure, MasterKeyMissing, MasterKeyWrong, binding

# Other services cache the JWKS for five minutes, our own nodes their keys for half a minute.
PUBLISH_BEFORE_ACTIVE = timedelta(seconds=300 + 2 * RELOAD_SECONDS)
EXPIRY_MARGIN = timedelta(minutes=10)
BATCH = 500
SOME = 10


def list_signing_keys() -> list[Row[Any]]:
    """Newest first."""
    table = SealedSigningKey.__table__
    columns = (table.c.kid, table.c.master_key_id, table.c.created_at, table.c.activates_at, table.c.expires_at)
    return fetch_all(select(*columns).order_by(table.c.activates_at.desc()))


@retried
def rotate_signing_key(*, at_once: bool = False) -> tuple[str, datetime]:
    """Publish a new key, which signs once every cache has seen it; returns its id and when that is.

    The keys before it expire when the longest token that they can have signed has. `at_once` skips the wait:
    other services may refuse new tokens until they fetch the JWKS again.
    """
    runtime().key_ring.get()  # a new database gets its first key before its second
    now = clock.now()
    activates_at = now if at_once else now + PUBLISH_BEFORE_ACTIVE
    with transaction() as session:
        session.execute(
            update(SealedSigningKey)
            .where(SealedSigningKey.expires_at.is_(None))
            .values(expires_at=activates_at + _longest_token_life() + EXPIRY_MARGIN)
        )
        key = add_signing_key(session, runtime().key_ring.master_keys, activates_at=activates_at)
        record(Action.KEY_ROTATED, user_id=None, kid=key.kid)
        return key.kid, activates_at


@retried
def retire_signing_key(*, kid: str) -> None:
    """Refuse every token of this key from now on: it is compromised. Nodes follow within half a minute.

    Raises KeyNotFound, and LastKey where nothing would be left to sign with.
    """
    with transaction() as session:
        keys = session.scalars(select(SealedSigningKey).order_by(SealedSigningKey.kid).with_for_update()).all()
        now = clock.now()  # of after the wait for the lock, or two who retire at once would spare each other's key
        key = next((key for key in keys if key.kid == kid), None)
        if key is None:
            raise KeyNotFound
        if not any(_can_sign(other, now) for other in keys if other is not key):
            raise LastKey
        key.expires_at = now
        record(Action.KEY_RETIRED, user_id=None, kid=kid)


def _can_sign(key: SealedSigningKey, now: datetime) -> bool:
    return key.activates_at <= now and (key.expires_at is None or key.expires_at > now)


def _longest_token_life() -> timedelta:
    settings = runtime().settings
    return timedelta(seconds=max(settings.access_token_seconds, settings.refresh_token_seconds))


@dataclass(frozen=True, slots=True)
class _Wrapped:
    """A table whose rows hold something sealed by a master key, and what the seal is bound to."""

    model: type[Base]
    sealed_column: str
    binding_column: str


_DATA_KEYS = _Wrapped(SealedDataKey, "wrapped_key", "user_id")
_TABLES = (
    _Wrapped(ServiceSecret, "sealed_secret", "id"),
    _Wrapped(SealedSigningKey, "sealed_private_key", "kid"),
    _DATA_KEYS,
)


@retried
def rewrap(report: Callable[[int], None]) -> int:
    """Seal every key anew under the current master key, in small transactions; returns how many.

    It may be killed and run again, and may run while the service serves. `report` is told of each batch.
    """
    total = 0
    for table in _TABLES:
        for count in _rewrap_table(table):
            total += count
            report(count)
    with transaction():
        record(Action.MASTER_KEY_ROTATED, user_id=None, master_key_id=_current(), rewrapped=total)
    return total


def count_to_rewrap() -> int:
    """How many rows lie under another master key than the current one."""
    return sum(_count(table) for table in _TABLES)


def find_unusable_master_key() -> MasterKeyMissing | None:
    """What is wrong with MASTER_KEYS: an id that rows name and it lacks, or another key under that id.

    The key ring opens all that lies beside the data keys.
    """
    try:
        runtime().key_ring.get()
        _open_some_data_keys()
    except MasterKeyMissing as unusable:
        return unusable
    return None


def _open_some_data_keys() -> None:
    """Steps from id to id, so size does not matter. One of the first rows of each id has to open: a single one that was
    altered is its owner's trouble alone.
    """
    rows, last = SealedDataKey.__table__, ""
    while some := fetch_all(select(rows).where(rows.c.master_key_id > last).order_by(rows.c.master_key_id).limit(SOME)):
        last = str(some[0].master_key_id)
        if not any(map(_opens, (row for row in some if row.master_key_id == last))):
            raise MasterKeyWrong(last)


def _opens(data_key: Any) -> bool:
    try:
        return bool(_secret_of(_DATA_KEYS, data_key))
    except IntegrityFailure:
        return False


@retried
def _rewrap_table(table: _Wrapped) -> Iterator[int]:
    while True:
        with transaction() as session:
            rows = session.scalars(
                select(table.model)
                .where(table.model.__table__.c.master_key_id != _current())
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            for row in rows:
                _rewrap_row(table, row)
            session.flush()
            session.expunge_all()
        if not rows:
            return
        yield len(rows)


def _rewrap_row(table: _Wrapped, row: Any) -> None:
    secret = _secret_of(table, row)
    row.master_key_id, envelope = runtime().key_ring.master_keys.seal(secret, _binding_of(table, row))
    setattr(row, table.sealed_column, envelope)


def _secret_of(table: _Wrapped, row: Any) -> bytes:
    """Raises MasterKeyMissing, IntegrityFailure."""
    sealed = getattr(row, table.sealed_column)
    return runtime().key_ring.master_keys.open(row.master_key_id, sealed, _binding_of(table, row))


def _binding_of(table: _Wrapped, row: Any) -> Binding:
    return binding(table.model.__tablename__, table.sealed_column, getattr(row, table.binding_column))


def _count(table: _Wrapped) -> int:
    from_table = table.model.__table__
    statement = select(func.count()).select_from(from_table).where(from_table.c.master_key_id != _current())
    row = fetch_one(statement)
    return int(row[0]) if row is not None else 0


def _current() -> str:
    return runtime().key_ring.master_keys.current_id
