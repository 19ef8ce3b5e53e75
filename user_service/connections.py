"""How the engines reach the database. Every wait is bounded: to connect, for a connection, a lock, an answer."""

import select
import time
from typing import Any

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

SQLITE_BUSY_SECONDS = 5
CONNECT_SECONDS = 3
POOL_SECONDS = 8
STALL_SECONDS = 5  # as long as a lock is waited for: all connections may queue at one row
SLICE_SECONDS = 0.25
STATEMENT_MILLISECONDS = 8_000
LOCK_MILLISECONDS = 5_000
IDLE_IN_TRANSACTION_MILLISECONDS = 10_000
# The server's own limits come first; this one is for a server that is frozen, or gone without a word.
ANSWER_SECONDS = STATEMENT_MILLISECONDS / 1000 + 2
RECYCLE_SECONDS = 1800
READ_ONLY = "25006"  # SQLSTATE read_only_sql_transaction: this was the primary once


class AnswerTimeout(psycopg.OperationalError):
    """The server did not answer in time; what became of the statement is unknown."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that gives up, and closes, when an answer takes longer than `answer_seconds` (None: never)."""

    answer_seconds: float | None = ANSWER_SECONDS

    def wait(self, gen: Any, interval: float = SLICE_SECONDS, timeout: float | None = None) -> Any:
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds)
        except psycopg.errors._WaitTimeout:
            self.pgconn.finish()
            raise AnswerTimeout("no answer in time") from None


class StallingPool(QueuePool):
    """A pool that nobody waits for while it stands still: no connection has come or gone for STALL_SECONDS.

    Without this a frozen database would hold every thread, and with them the answers that need no database.
    """

    _moved_at = float("inf")

    def _do_get(self) -> ConnectionPoolEntry:
        deadline = time.monotonic() + POOL_SECONDS
        while True:
            try:
                entry = super()._do_get()
            except PoolTimeout:
                now = time.monotonic()
                if now >= deadline or now - self._moved_at > STALL_SECONDS:
                    raise
            else:
                self._moved_at = time.monotonic()
                return entry

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        self._moved_at = time.monotonic()
        super()._do_return_conn(record)


def engine_options(url: str, *, pool_size: int, prepare: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options of the writing engine and of the reading one."""
    if url.startswith("sqlite"):
        common: dict[str, Any] = {"connect_args": {"timeout": SQLITE_BUSY_SECONDS, "check_same_thread": False}}
    else:
        common = {
            "connect_args": _connect_args(prepare),
            "poolclass": StallingPool,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": SLICE_SECONDS,
            "pool_recycle": RECYCLE_SECONDS,
            "pool_use_lifo": True,
        }
    reading = {"isolation_level": "AUTOCOMMIT", "pool_reset_on_return": None}
    return common, {**common, **reading}


def _connect_args(prepare: bool) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "user-service",
        "prepare_threshold": 5 if prepare else None,
        # A peer that vanished without a word is noticed by the kernel, also while nothing is asked of it.
        "keepalives_idle": 10,
        "keepalives_interval": 3,
        "keepalives_count": 3,
        "tcp_user_timeout": int(ANSWER_SECONDS * 1000),
    }
    if prepare:  # a transaction-pooling PgBouncer refuses start-up options: there the role has them
        arguments["options"] = (
            f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout={LOCK_MILLISECONDS}"
            f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MILLISECONDS}"
        )
    return arguments


def prepare(*engines: Engine) -> None:
    """Hang what each kind of database needs on the engines, before their first connection. The writer comes first."""
    if engines[0].dialect.name == "sqlite":
        for engine in engines:
            event.listen(engine, "connect", _set_pragmas)
        event.listen(engines[0], "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        return
    for engine in engines:
        event.listen(engine, "do_connect", _connect)
        event.listen(engine, "handle_error", _leave_a_demoted_primary)


def _connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
    return BoundedConnection.connect(*arguments, **parameters)


def _leave_a_demoted_primary(context: ExceptionContext) -> None:
    """Connections to a server that became a standby are as good as dead: the next ones find the new primary."""
    if is_read_only(context.original_exception):
        context.is_disconnect = True


def has_hung_up(connection: Any) -> bool:
    """Whether an idle connection has something to read, though nothing was asked: a farewell, or its end."""
    if not isinstance(connection, psycopg.Connection) or connection.closed:
        return getattr(connection, "closed", False)
    listener = select.poll()
    listener.register(connection.pgconn.socket, select.POLLIN)
    return bool(listener.poll(0))


def is_read_only(error: Any) -> bool:
    """Whether a driver's error says that the server takes no writes: nothing was done."""
    return getattr(error, "sqlstate", None) == READ_ONLY


def is_dead(error: DBAPIError) -> bool:
    """Whether a fresh connection may do better at once: not where the server took its time and did not answer."""
    return error.connection_invalidated and not isinstance(error.orig, AnswerTimeout)


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
