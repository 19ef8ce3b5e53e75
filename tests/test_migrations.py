"""RELIABILITY 34 and 36: migrations go up and down on both databases, agree with the models, and take turns."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from flask import Flask
from flask_migrate import downgrade, upgrade
from sqlalchemy import Engine, MetaData, inspect, make_url, select

from tests.conftest import running_app
from tests.support.commands import empty_database, start_flask
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from user_service.connections import ANSWER_SECONDS
from user_service.database import MIGRATIONS, _superseded_revisions, is_migrated
from user_service.extensions import db, metadata

MIGRATION_LOCK = 0x757365725F6D6967  # as migrations/env.py takes it
WAITING = (
    "SELECT count(*) FROM pg_stat_activity WHERE (datname, application_name) = (current_database(), 'user-service')"
)
ALEMBIC = {"alembic_version"}
BROKEN_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "20991231_01"
down_revision = "HEAD"


def upgrade() -> None:
    op.create_table("half_made", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("DELETE FROM users")
    raise ArithmeticError("the disk of the author caught fire")
"""
REBUILDING_MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "20991231_01"
down_revision = "HEAD"


def upgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.add_column(sa.Column("nickname", sa.String(64), nullable=True))
        batch.create_unique_constraint("uq_users_nickname", ["nickname"])


def downgrade() -> None:
    with op.batch_alter_table("users") as batch:
        batch.drop_constraint("uq_users_nickname", type_="unique")
        batch.drop_column("nickname")
"""


@pytest.fixture
def empty_url(databases: Databases, kind: str, tmp_path: Path) -> Iterator[str]:
    with empty_database(databases, kind, tmp_path) as url:
        yield url


@pytest.fixture
def empty_app(empty_url: str) -> Iterator[Flask]:
    with running_app(empty_url) as app:
        yield app


def flask_db(app: Flask, *arguments: str) -> None:
    result = app.test_cli_runner().invoke(args=["db", *arguments])
    assert result.exit_code == 0, (arguments, result.output, result.exception)


@contextmanager
def engine_of(app: Flask) -> Iterator[Engine]:
    with app.app_context():
        yield db.engine


def tables_of(app: Flask) -> set[str]:
    with engine_of(app) as engine:
        return set(inspect(engine).get_table_names())


def schema_of(app: Flask) -> dict[str, Any]:
    """What the database says of its tables, in an order that does not depend on chance."""
    with engine_of(app) as engine:
        inspector = inspect(engine)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
                inspector.get_pk_constraint(name),
                sorted(map(str, inspector.get_foreign_keys(name))),
                sorted(map(str, inspector.get_unique_constraints(name))),
                sorted(map(str, inspector.get_indexes(name))),
            )
            for name in sorted(inspector.get_table_names())
        }


def rows_of(app: Flask) -> dict[str, list[str]]:
    with engine_of(app) as engine, engine.connect() as connection:
        reflected = MetaData()
        reflected.reflect(connection)
        tables = reflected.sorted_tables
        return {table.name: sorted(str(tuple(row)) for row in connection.execute(select(table))) for table in tables}


def is_current(app: Flask) -> bool:
    with app.app_context():
        return is_migrated()


def settled_person(app: Flask) -> Client:
    """Somebody with rows in every table that a person has rows in."""
    client = Client(InProcess(app)).join()
    assert client.post("/profile", PROFILE).status == 201
    assert client.post("/profile/payment_info", PAYMENT).status == 201
    return client


def test_an_empty_database_comes_to_the_newest_schema_and_serves(empty_app: Flask) -> None:
    assert not is_current(empty_app)
    flask_db(empty_app, "upgrade")
    assert is_current(empty_app)
    assert tables_of(empty_app) == set(metadata.tables) | ALEMBIC
    assert settled_person(empty_app).get("/profile/me").json["name"] == PROFILE["name"]


def test_models_and_migrations_agree(app: Flask) -> None:
    """`flask db check`, and the check would notice: without a table it fails."""
    flask_db(app, "check")
    with engine_of(app) as engine:
        metadata.tables["payment_infos"].drop(engine)
    assert app.test_cli_runner().invoke(args=["db", "check"]).exit_code == 1


def test_every_constraint_has_a_name_of_the_convention(app: Flask) -> None:
    """Names that differ between the databases would break the first migration that drops one."""
    with engine_of(app) as engine:
        inspector = inspect(engine)
        names = []
        for table in metadata.tables:
            names.append((table, inspector.get_pk_constraint(table)["name"], "pk_"))
            names += [(table, key["name"], "fk_") for key in inspector.get_foreign_keys(table)]
            names += [(table, one["name"], "uq_") for one in inspector.get_unique_constraints(table)]
    assert not [entry for entry in names if not (entry[1] or "").startswith(f"{entry[2]}{entry[0]}")]


def test_going_down_to_nothing_and_up_again_gives_the_same_schema(app: Flask) -> None:
    before = schema_of(app)
    flask_db(app, "downgrade", "base")
    assert tables_of(app) == ALEMBIC
    assert not is_current(app)
    flask_db(app, "upgrade")
    assert schema_of(app) == before
    flask_db(app, "check")


def test_after_going_down_and_up_the_service_begins_anew(make_app: Callable[..., Flask]) -> None:
    """Nothing survives the way down to the base: old tokens are refused, not stumbled over, and names are free."""
    app = make_app()
    client = settled_person(app)
    flask_db(app, "downgrade", "base")
    flask_db(app, "upgrade")
    newcomer = client.another_device()
    newcomer.transport = client.transport = InProcess(make_app())
    assert client.get("/profile/me").code == "invalid_token"
    assert client.refresh().code == "invalid_token"
    assert newcomer.log_in().code == "invalid_credentials"
    assert newcomer.register(client.username, client.email).status == 201
    assert newcomer.log_in().status == 200
    assert newcomer.post("/profile", PROFILE).status == 201


def test_upgrading_twice_changes_nothing(app: Flask) -> None:
    client = settled_person(app)
    schema, rows = schema_of(app), rows_of(app)
    flask_db(app, "upgrade")
    flask_db(app, "upgrade")
    assert schema_of(app) == schema
    assert rows_of(app) == rows
    assert client.get("/profile/me").json["shipping_address"] == PROFILE["shipping_address"]
    assert client.refresh().status == 200


def test_rows_keep_their_meaning_when_a_table_is_rebuilt_and_on_the_way_back(app: Flask, tmp_path: Path) -> None:
    """SQLite changes a table by making it anew; what refers to its rows must not go with the old one."""
    client = settled_person(app)
    rows, schema = rows_of(app), schema_of(app)
    directory = with_one_more(tmp_path, rows, REBUILDING_MIGRATION)
    for step in ("up", "down", "up", "down"):
        with app.app_context():
            upgrade(directory) if step == "up" else downgrade(directory, "-1")
        assert {name: len(found) for name, found in rows_of(app).items()} == {n: len(r) for n, r in rows.items()}, step
        assert client.get("/profile/me").json["phone"] == PROFILE["phone"]
        assert client.get("/profile/payment_info").json["token_hint"] == PAYMENT["payment_token"][-4:]
    assert (rows_of(app), schema_of(app)) == (rows, schema)


def test_a_migration_that_fails_half_way_leaves_everything_as_it_was(app: Flask, tmp_path: Path) -> None:
    client = settled_person(app)
    rows, schema = rows_of(app), schema_of(app)
    with app.app_context(), pytest.raises(ArithmeticError):
        upgrade(with_one_more(tmp_path, rows, BROKEN_MIGRATION))
    assert (rows_of(app), schema_of(app)) == (rows, schema)
    assert client.get("/profile/me").json["name"] == PROFILE["name"]
    flask_db(app, "upgrade")


def with_one_more(directory: Path, rows: dict[str, list[str]], migration: str) -> str:
    """A copy of the migrations, with another one after the last."""
    copy = directory / "migrations"
    shutil.copytree(MIGRATIONS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (head,) = rows["alembic_version"]
    (copy / "versions" / "20991231_one_more.py").write_text(migration.replace("HEAD", head.strip("(',)")))
    return str(copy)


@pytest.mark.slow
def test_nodes_that_upgrade_at_once_all_succeed(empty_url: str) -> None:
    nodes = [start_flask("db", "upgrade", database_url=empty_url) for _ in range(2)]
    outputs = [node.communicate(timeout=60)[0] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], outputs
    with running_app(empty_url) as app:
        assert is_current(app)
        assert tables_of(app) == set(metadata.tables) | ALEMBIC
        assert len(rows_of(app)["alembic_version"]) == 1


@pytest.mark.slow
def test_nodes_wait_for_the_one_whose_turn_it_is_however_long_it_takes(databases: Databases, tmp_path: Path) -> None:
    """Both stand in the queue before either begins, and for longer than other statements may wait for a lock."""
    with empty_database(databases, POSTGRESQL, tmp_path) as url, ExitStack() as running:
        with databases.postgres.connect(make_url(url).database) as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (MIGRATION_LOCK,))
            nodes = [running.enter_context(start_flask("db", "upgrade", database_url=url)) for _ in range(2)]
            wait_until(nodes, lambda: connection.execute(WAITING).fetchone() == (2,))
            with suppress(subprocess.TimeoutExpired):
                nodes[0].wait(ANSWER_SECONDS + 0.5)
        outputs = [node.communicate(timeout=60)[0] for node in nodes]
        assert [node.returncode for node in nodes] == [0, 0], outputs
        with running_app(url) as app:
            assert is_current(app)
            assert len(rows_of(app)["alembic_version"]) == 1


def wait_until(nodes: list[subprocess.Popen[str]], condition: Callable[[], bool]) -> None:
    """Look again and again, but no longer than the nodes run."""
    for _ in range(1_000):
        if condition():
            return
        with suppress(subprocess.TimeoutExpired):
            nodes[0].wait(0.05)
            break
    pytest.fail("the nodes never stood in the queue: " + "".join(str(node.poll()) for node in nodes))


def test_the_revisions_are_read_from_the_files_as_alembic_reads_them() -> None:
    directory = ScriptDirectory(str(MIGRATIONS))
    known = {script.revision for script in directory.walk_revisions()}
    assert _superseded_revisions() == known - set(directory.get_heads())
