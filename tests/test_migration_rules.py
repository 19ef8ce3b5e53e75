"""No migration blocks a table in use, nor takes away what the release before needs. RELIABILITY 35, 36."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, make_url

from tests.conftest import running_app
from tests.support.commands import empty_database, start_flask
from tests.support.databases import POSTGRESQL, Databases
from tests.support.migration_rules import faults_of
from tests.test_migrations import rows_of, with_one_more
from user_service.database import MIGRATIONS
from user_service.extensions import db

REFUSED = [
    "CREATE INDEX ix_users_created_at ON users (created_at)",
    "CREATE UNIQUE INDEX uq ON public.users (lower(email))",
    "CREATE INDEX CONCURRENTLY ix_users_created_at ON users (created_at)",
    "ALTER TABLE users ADD COLUMN nickname VARCHAR(64) NOT NULL",
    "ALTER TABLE users ADD COLUMN lucky UUID DEFAULT gen_random_uuid()",
    "ALTER TABLE users ADD COLUMN nickname VARCHAR(64) UNIQUE",
    "ALTER TABLE sessions ADD COLUMN user UUID REFERENCES users (id)",
    "ALTER TABLE users ALTER COLUMN email TYPE TEXT",
    "ALTER TABLE users ALTER email SET DATA TYPE TEXT",
    "ALTER TABLE users ALTER COLUMN email SET NOT NULL",
    "ALTER TABLE users ADD CONSTRAINT ck CHECK (length(email) > 3)",
    "ALTER TABLE users ADD CONSTRAINT fk FOREIGN KEY (x) REFERENCES y (id)",
    "ALTER TABLE users ADD UNIQUE (email)",
    "ALTER TABLE users DROP COLUMN email",
    "ALTER TABLE users RENAME COLUMN email TO mail",
    "ALTER TABLE users RENAME TO people",
    "DROP TABLE users",
    "UPDATE users SET email = lower(email)",
    "DELETE FROM sessions",
    "LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
    "TRUNCATE sessions",
    "VACUUM FULL users",
    "REINDEX TABLE users",
]
ALLOWED = [
    ["CREATE TABLE pets (id UUID NOT NULL)", "CREATE INDEX ix_pets ON pets (id)", "ALTER TABLE pets ADD UNIQUE (id)"],
    ["DROP INDEX CONCURRENTLY IF EXISTS ix", "CREATE INDEX CONCURRENTLY ix ON users (created_at)"],
    ["ALTER TABLE users ADD COLUMN nickname VARCHAR(64)"],
    ["ALTER TABLE users ADD COLUMN pets INTEGER DEFAULT 0 NOT NULL"],
    ["ALTER TABLE users ADD COLUMN kind VARCHAR DEFAULT 'person' NOT NULL"],
    ["ALTER TABLE users ADD COLUMN since TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL"],
    [
        "ALTER TABLE users ADD CONSTRAINT ck CHECK (length(email) > 3) NOT VALID",
        "ALTER TABLE users VALIDATE CONSTRAINT ck",
    ],
    ["ALTER TABLE users ALTER COLUMN email DROP NOT NULL"],
    ["UPDATE alembic_version SET version_num = 'x'", "SELECT 1"],
]
CONCURRENT_MIGRATION = """
from alembic import op

revision = "20991231_01"
down_revision = "HEAD"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS ix_users_created_at")
        op.execute("CREATE INDEX CONCURRENTLY ix_users_created_at ON users (created_at)")


def downgrade() -> None:
    op.drop_index("ix_users_created_at", "users")
"""
MAKING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('ix_users_created_at')"


@pytest.mark.parametrize("statement", REFUSED)
def test_what_would_stop_a_busy_table_is_noticed(statement: str) -> None:
    assert faults_of([statement])


@pytest.mark.parametrize("statements", ALLOWED)
def test_what_harms_nobody_is_let_through(statements: list[str]) -> None:
    assert faults_of(statements) == []


@pytest.fixture
def empty_app(databases: Databases, tmp_path: Path) -> Iterator[Flask]:
    with empty_database(databases, POSTGRESQL, tmp_path) as url, running_app(url) as app:
        yield app


def test_no_migration_stops_a_busy_table(empty_app: Flask) -> None:
    """RELIABILITY 35: by the statements that PostgreSQL is sent, migration by migration."""
    revisions = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
    sent: dict[str, list[str]] = {}
    with empty_app.app_context():
        for revision in revisions:
            statements = sent[revision] = []
            listener = lambda *arguments, into=statements: into.append(arguments[2])  # noqa: E731  # one line
            event.listen(db.engine, "before_cursor_execute", listener)
            upgrade(revision=revision)
            event.remove(db.engine, "before_cursor_execute", listener)
    assert all(sent.values())
    assert {revision: faults for revision, found in sent.items() if (faults := faults_of(found))} == {}


@pytest.mark.slow
def test_an_index_is_made_beside_whatever_runs_by_two_nodes_at_once(databases: Databases, tmp_path: Path) -> None:
    """RELIABILITY 36: the second waits for the first, and the making of the index waits for nobody who waits for it."""
    with databases.copy(POSTGRESQL) as url, running_app(url) as app:
        directory = with_one_more(tmp_path, rows_of(app), CONCURRENT_MIGRATION)
        nodes = [start_flask("db", "upgrade", "--directory", directory, database_url=url) for _ in range(2)]
        outputs = [node.communicate(timeout=90)[0] for node in nodes]
        assert [node.returncode for node in nodes] == [0, 0], outputs
        with databases.postgres.connect(make_url(url).database or "") as connection:
            assert connection.execute(VALID).fetchone() == (True,)


@pytest.mark.slow
def test_a_migration_that_was_killed_half_way_can_be_run_again(databases: Databases, tmp_path: Path) -> None:
    """RELIABILITY 36: SIGKILL while the index is made; the service goes on, and the next run finishes."""
    with databases.copy(POSTGRESQL) as url, running_app(url) as app:
        directory = with_one_more(tmp_path, rows_of(app), CONCURRENT_MIGRATION)
        name = make_url(url).database or ""
        with databases.postgres.connect(name) as connection, connection.transaction():
            connection.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
            with start_flask("db", "upgrade", "--directory", directory, database_url=url) as node:
                with databases.postgres.connect(name) as observer:
                    for _ in range(600):
                        if observer.execute(MAKING).fetchone() == (1,):
                            break
                        with suppress(subprocess.TimeoutExpired):
                            node.wait(0.05)
                node.kill()
        again = start_flask("db", "upgrade", "--directory", directory, database_url=url)
        output, _ = again.communicate(timeout=90)
        assert again.returncode == 0, output
        with databases.postgres.connect(name) as connection:
            assert connection.execute(VALID).fetchone() == (True,)
