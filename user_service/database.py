"""The database as the rest of the package sees it: columns, ids, reads and one kind of transaction.

Reads run on an engine of their own, in autocommit: one statement is one round trip, with no BEGIN and no
ROLLBACK around it. Writes go through `transaction()`, but for those that are one statement: `change_one()`.
"""

import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import structlog
from sqlalchemy import DateTime, Engine, Executable, LargeBinary, Row, inspect, text
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from user_service.compiled import Compiled
from user_service.connections import SQLITE_BUSY_SECONDS, is_dead, is_read_only
from user_service.errors import OutcomeUnknown, ServiceUnavailable
from user_service.extensions import db, metadata
from user_service.security.vault import Envelope

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
READER = "reader"
RETRIES = 3
RETRY_PAUSE_MILLISECONDS = 50
GIVEN_UP = "It was tried again as often as it may be."
# SQLSTATE: serialization_failure, deadlock_detected. The transaction is rolled back, and may well succeed next time.
LOST_AGAINST_ANOTHER = ("40001", "40P01")

log = structlog.get_logger("database")
P = ParamSpec("P")
R = TypeVar("R")


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
        afterwards: list[Callable[[], None]] = []
        session.info["afterwards"] = afterwards
        try:
            yield session
            _commit(session)
        except BaseException:
            session.rollback()
            raise
        finally:
            session.info["is_open"] = False
    for action in afterwards:
        action()


def on_commit(action: Callable[[], None]) -> None:
    """Do this once the open transaction is committed, and never where it is rolled back."""
    db.session().info["afterwards"].append(action)


def _commit(session: Session) -> None:
    """Raises OutcomeUnknown where the connection is lost while the database commits."""
    session.flush()
    try:
        session.commit()
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        log.warning("database.outcome_unknown", error=type(error.orig).__name__)
        raise OutcomeUnknown from error


def retried(use_case: Callable[P, R]) -> Callable[P, R]:
    """Run a use case anew whose transaction lost against another one's, or whose connection was dead before the commit.

    What failed was rolled back, its audit rows and log lines with it. Inside an open transaction nothing is retried:
    that is for the outermost. The third retry's error is the caller's, and no retried use case around it begins anew.
    """

    @wraps(use_case)
    def tried(*args: P.args, **kwargs: P.kwargs) -> R:
        reconnects, retries = 1, RETRIES
        while True:
            try:
                return use_case(*args, **kwargs)
            except DBAPIError as error:
                if db.session().info.get("is_open") or GIVEN_UP in getattr(error, "__notes__", ()):
                    raise
                if is_dead(error) and reconnects:
                    reconnects -= 1
                elif getattr(error.orig, "sqlstate", None) in LOST_AGAINST_ANOTHER and retries:
                    retries -= 1
                    # At once, it may take its locks again before the other one has woken up: the same deadlock.
                    time.sleep((1 + secrets.randbelow(RETRY_PAUSE_MILLISECONDS)) / 1000)
                else:
                    error.add_note(GIVEN_UP)
                    raise
                log.warning("database.retry", error=type(error.orig).__name__)

    return tried


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


def read_one(statement: Compiled, **parameters: Any) -> Any | None:
    """Read one row, or None, as `fetch_one` does, by a statement that was compiled before."""
    return statement.first(db.engines[READER], parameters)


def change_one(statement: Compiled, *, may_be_repeated: bool, **parameters: Any) -> Any | None:
    """Change one row by a statement that is a transaction of its own; what it returns, or None where nothing matched.

    `may_be_repeated` says that a second try recognizes what the first one did; where it does not, OutcomeUnknown is
    raised for a connection that is lost in between.
    """
    assert not db.session().info.get("is_open"), "it would not be part of the open transaction"
    try:
        with _write_turn():
            return statement.once(db.engines[READER], parameters)
    except DBAPIError as error:
        was_sent = error.connection_invalidated and error.statement is not None and not is_read_only(error.orig)
        if may_be_repeated or not was_sent:
            raise
        log.warning("database.outcome_unknown", error=type(error.orig).__name__)
        raise OutcomeUnknown from error


def takes_changes_with_their_record() -> bool:
    """Whether one statement can change a row and write the audit log: PostgreSQL's WITH (7.8.4)."""
    return db.engine.dialect.name == "postgresql"


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
        if not is_dead(error):
            raise
        return _read(reader, statement, parameters)


def _read(reader: Engine, statement: Executable, parameters: dict[str, Any]) -> list[Row[Any]]:
    with reader.connect() as connection:
        return list(connection.execute(statement, parameters).all())


def is_migrated() -> bool:
    """Whether the schema is at the revision that this release needs, or at a later release's."""
    with db.engines[READER].connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        current = set(connection.scalars(text("SELECT version_num FROM alembic_version")))
    return bool(current) and current.isdisjoint(_superseded_revisions())


_PREDECESSORS = re.compile(r"^down_revision\b.*", re.MULTILINE)


@cache
def _superseded_revisions() -> frozenset[str]:
    """Those that another migration builds on, read from the files: alembic would take 10 MB of each worker."""
    lines = [_PREDECESSORS.findall(path.read_text()) for path in (MIGRATIONS / "versions").glob("*.py")]
    return frozenset(name for [line] in lines for name in re.findall(r"[\"']([^\"']+)[\"']", line))
