"""Runs the migrations on the service's own engine, one node at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text
from sqlalchemy.types import TypeDecorator

MIGRATION_LOCK = 0x757365725F6D6967  # a PostgreSQL advisory lock: nodes that start together take turns


def _render_plain_types(kind, thing, _autogen_context):
    """Write a type decorator's plain column type into a migration: migrations import nothing of the service."""
    if kind == "type" and isinstance(thing, TypeDecorator):
        return f"sa.{thing.impl!r}"
    return False


def _take_turn(connection: Connection) -> None:
    """However long another node's turn takes. Afterwards the waits of statements are bounded again."""
    if connection.dialect.name == "postgresql":
        connection.connection.driver_connection.answer_seconds = None
        for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(text(f"SET LOCAL {name} = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        connection.execute(text("SET LOCAL lock_timeout TO DEFAULT"))


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
    with db.engine.connect() as connection, _foreign_keys_at_rest(connection):
        context.configure(
            connection=connection,
            target_metadata=db.metadata,
            render_item=_render_plain_types,
            transactional_ddl=True,
            **options,
        )
        with context.begin_transaction():
            _take_turn(connection)
            context.run_migrations()
            _check_foreign_keys(connection)


if context.is_offline_mode():
    raise SystemExit("The migrations run on a database; --sql is not supported.")
run_migrations()
