"""Runs the migrations on the service's own engine, one node at a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection, Engine, text
from sqlalchemy.types import TypeDecorator

LOCK_MILLISECONDS = 3_000  # for so long requests may queue up behind a migration that waits for a busy table
MIGRATION_LOCK = 0x757365725F6D6967  # a PostgreSQL advisory lock: nodes that start together take turns
POLL_SECONDS = 0.2


def _render_plain_types(kind, thing, _autogen_context):
    """Write a type decorator's plain column type into a migration: migrations import nothing of the service."""
    if kind == "type" and isinstance(thing, TypeDecorator):
        return f"sa.{thing.impl!r}"
    return False


@contextmanager
def _turn(engine: Engine) -> Iterator[None]:
    """However long another node's turn takes. The lock is held on a connection of its own, which nothing commits.

    Nobody waits inside a statement: CREATE INDEX CONCURRENTLY waits for every statement that is under way.
    """
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as keeper:
        while True:
            keeper.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            # Without parameters: a prepared statement would keep its snapshot, and that is waited for, too.
            if keeper.scalar(text(f"SELECT pg_try_advisory_xact_lock({MIGRATION_LOCK})")):
                break
            keeper.rollback()
            time.sleep(POLL_SECONDS)
        yield


@contextmanager
def _patience(connection: Connection) -> Iterator[None]:
    """A change may take its time; who waits for a table in use makes everybody queue behind, so that is bounded.

    Set for the connection, as a migration may leave its transaction; so it is closed at the end and not used again.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    driver = connection.connection.driver_connection
    driver.answer_seconds = None
    driver.autocommit = True
    driver.execute("SET statement_timeout = 0")
    driver.execute("SET idle_in_transaction_session_timeout = 0")
    driver.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
    driver.autocommit = False
    try:
        yield
    finally:
        connection.invalidate()


@contextmanager
def _foreign_keys_at_rest(connection: Connection) -> Iterator[None]:
    """On SQLite a table is changed by making it anew; dropping the old one must not cascade to its children."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.driver_connection
    driver.execute("PRAGMA foreign_keys=OFF")  # has no effect inside a transaction
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _check_foreign_keys(connection: Connection) -> None:
    if connection.dialect.name == "sqlite" and connection.execute(text("PRAGMA foreign_key_check")).first():
        raise RuntimeError("The migration left rows that refer to nothing; everything is as it was.")


def run_migrations() -> None:
    db = current_app.extensions["migrate"].db
    options = current_app.extensions["migrate"].configure_args
    with _turn(db.engine), db.engine.connect() as connection, _patience(connection), _foreign_keys_at_rest(connection):
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=_render_plain_types,
            transactional_ddl=True,
            **options,
        )
        with context.begin_transaction():
            context.run_migrations()
            _check_foreign_keys(connection)


if context.is_offline_mode():
    raise SystemExit("The migrations run on a database; --sql is not supported.")
run_migrations()
