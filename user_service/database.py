"""The database as the rest of the package sees it: columns, ids, reads and one kind of transaction.

Reads run on an engine of their own, in autocommit: one statement is one round trip, with no BEGIN and no
ROLLBACK around it. Writes go through `transaction()`.
"""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import DateTime, Engine, Executable, LargeBinary, Row, event
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from user_service.errors import ServiceUnavailable
from user_service.extensions import db, metadata
from user_service.security.vault import Envelope

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
READER = "reader"
SQLITE_BUSY_SECONDS = 5
CONNECT_SECONDS = 3
STATEMENT_MILLISECONDS = 5_000
LOCK_MILLISECONDS = 3_000


class Base(DeclarativeBase):
    """The models' ancestor. Not `db.Model`, which mypy cannot type."""

    metadata = metadata


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. SQLite has no time zones, so the zone is put back when a value is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Sealed(TypeDecorator[Envelope]):
    """A column that takes nothing but an envelope of the vault: plaintext is a programming error."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is not None and not isinstance(value, Envelope):
            raise TypeError("a sealed column takes an Envelope, never plaintext")
        return value

    def process_result_value(self, value: Any, dialect: Dialect) -> Envelope | None:
        return Envelope(value) if value is not None else None


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562, 5.7): ids made together lie together in an index, and sort by creation."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=number)


# SQLite has one writer at a time; waiting here is fairer, and cheaper, than polling its file lock.
_sqlite_writer = threading.RLock()


@contextmanager
def transaction() -> Iterator[Session]:
    """One unit of work: committed at the end of the outermost block, rolled back by any exception.

    Nested calls join the one that is open.
    """
    session = db.session()
    if session.info.get("is_open"):
        yield session
        return
    with _write_turn():
        session.info["is_open"] = True
        try:
            yield session
            session.commit()
        except BaseException:
            session.rollback()
            raise
        finally:
            session.info["is_open"] = False


@contextmanager
def _write_turn() -> Iterator[None]:
    if db.engine.dialect.name != "sqlite":
        yield
        return
    if not _sqlite_writer.acquire(timeout=SQLITE_BUSY_SECONDS):
        raise ServiceUnavailable
    try:
        yield
    finally:
        _sqlite_writer.release()


def fetch_one(statement: Executable, **parameters: Any) -> Row[Any] | None:
    """Read one row, or None, in one autocommitted statement."""
    rows = fetch_all(statement, **parameters)
    return rows[0] if rows else None


def fetch_all(statement: Executable, **parameters: Any) -> list[Row[Any]]:
    """Read rows in one autocommitted statement; tried once more on a connection that turns out to be dead."""
    reader = db.engines[READER]
    try:
        return _read(reader, statement, parameters)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        return _read(reader, statement, parameters)


def _read(reader: Engine, statement: Executable, parameters: dict[str, Any]) -> list[Row[Any]]:
    with reader.connect() as connection:
        return list(connection.execute(statement, parameters).all())


def is_migrated() -> bool:
    """Whether the schema is at the revision that this release needs, or at a later release's."""
    with db.engines[READER].connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current is not None and current not in _superseded_revisions()


@cache
def _superseded_revisions() -> frozenset[str]:
    directory = ScriptDirectory(str(MIGRATIONS))
    return frozenset(script.revision for script in directory.walk_revisions()) - set(directory.get_heads())


def engine_options(url: str, *, pool_size: int, prepare: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the writing engine and of the reading one. Every wait is bounded."""
    if url.startswith("sqlite"):
        common: dict[str, Any] = {"connect_args": {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}}
    else:
        timeouts = (
            f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout={LOCK_MILLISECONDS}"
            " -c idle_in_transaction_session_timeout=10000"
        )
        connect_args: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": "user-service",
            "prepare_threshold": 5 if prepare else None,
        }
        if prepare:  # a transaction-pooling PgBouncer refuses start-up options
            connect_args["options"] = timeouts
        common = {
            "connect_args": connect_args,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": 5,
            "pool_recycle": 1800,
            "pool_use_lifo": True,
        }
    reading = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    return common, {**common, **reading}


def prepare_sqlite(writer: Engine, reader: Engine) -> None:
    """Make SQLite durable, and its writers queue: they take the write lock when they begin."""
    if writer.dialect.name != "sqlite":
        return
    for engine in (writer, reader):
        event.listen(engine, "connect", _set_pragmas)
    event.listen(writer, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))


def _set_pragmas(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself
    for pragma in (
        "journal_mode=WAL",
        f"busy_timeout={SQLITE_BUSY_SECONDS * 1000}",
        "foreign_keys=ON",
        "secure_delete=ON",
        "synchronous=FULL",
    ):
        connection.execute(f"PRAGMA {pragma}")
