"""Runs the migrations on the service's own engine, one node at a time."""

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
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})


def run_migrations() -> None:
    db = current_app.extensions["migrate"].db
    options = current_app.extensions["migrate"].configure_args
    with db.engine.connect() as connection:
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


if context.is_offline_mode():
    raise SystemExit("The migrations run on a database; --sql is not supported.")
run_migrations()
