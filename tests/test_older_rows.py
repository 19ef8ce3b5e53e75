"""What older revisions left in the database is there after the upgrade, value for value, and works. RELIABILITY 34.

Each file in tests/rows holds what the service of that revision had written when three people had used it, and what they
still have in their hands. Identifiers and bytes are in hexadecimal, moments in UTC.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Connection, MetaData, insert, select

from tests.conftest import running_app
from tests.support.commands import empty_database
from tests.support.crowd import bearer
from tests.support.databases import Databases
from tests.support.mail import deliver
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from tests.test_migrations import engine_of, flask_db

OLDER = sorted((Path(__file__).parent / "rows").glob("*.json"))
WITH_MAIL = [path for path in OLDER if "outbox_messages" in path.read_text()]
READ = {UUID: UUID, bytes: bytes.fromhex, datetime: lambda text: datetime.fromisoformat(text).replace(tzinfo=UTC)}
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(params=OLDER, ids=lambda path: path.stem)
def left(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """One of the files, at the moment when it was written."""
    left = json.loads(request.param.read_text())
    with time_machine.travel(datetime.fromisoformat(left["taken_at"])):
        yield left


@pytest.fixture
def upgraded(databases: Databases, kind: str, tmp_path: Path, left: dict[str, Any]) -> Iterator[Flask]:
    """The service of today, on the database of that time after the upgrade."""
    with empty_database(databases, kind, tmp_path) as url, running_app(url) as app:
        flask_db(app, "upgrade", left["revision"])
        with engine_of(app) as engine, engine.begin() as connection:
            write(connection, left["rows"])
            assert rows_like(left["rows"], connection) == in_order(left["rows"])
        flask_db(app, "upgrade")
        yield app


def reflected(connection: Connection) -> MetaData:
    tables = MetaData()
    tables.reflect(connection)
    return tables


def write(connection: Connection, rows: Rows) -> None:
    """By what the database says of its tables: the models are those of today."""
    for table in reflected(connection).sorted_tables:
        for row in rows.get(table.name, []):
            readers = {name: READ.get(table.c[name].type.python_type, lambda value: value) for name in row}
            values = {name: None if value is None else readers[name](value) for name, value in row.items()}
            connection.execute(insert(table).values(values))


def rows_like(rows: Rows, connection: Connection) -> Rows:
    """All rows of these tables, in the columns and the spelling of those."""
    tables = reflected(connection).tables
    found = {}
    for name, (first, *_) in rows.items():
        chosen = select(*(tables[name].c[column] for column in first))
        found[name] = [
            {column: spelled(value) for column, value in row._mapping.items()} for row in connection.execute(chosen)
        ]
    return in_order(found)


def spelled(value: Any) -> Any:
    """As the files spell it."""
    if isinstance(value, datetime):
        in_utc = value.astimezone(UTC) if value.tzinfo else value  # SQLite has no time zones
        return in_utc.replace(tzinfo=None).isoformat()
    if isinstance(value, bytes):
        return value.hex()
    return value.hex if isinstance(value, UUID) else value


def in_order(rows: Rows) -> Rows:
    return {name: sorted(of_table, key=str) for name, of_table in rows.items()}


def test_every_value_is_as_it_was(upgraded: Flask, left: dict[str, Any]) -> None:
    with engine_of(upgraded) as engine, engine.connect() as connection:
        assert rows_like(left["rows"], connection) == in_order(left["rows"])


def test_people_find_what_they_left(upgraded: Flask, left: dict[str, Any]) -> None:
    """Sessions go on or stay ended, passwords are right, what was sealed opens."""
    ada, joao = Client(InProcess(upgraded)), Client(InProcess(upgraded))
    ada.refresh_token = left["refresh_token"]
    assert ada.refresh().status == 200
    assert ada.get("/account", headers=bearer(left["ended_token"])).code == "token_revoked"
    account, profile = ada.get("/account").json, ada.get("/profile/me").json
    assert (account["username"], account["email"]) == ("Ada.Lovelace", "Ada@example.com")
    assert {name: profile[name] for name in PROFILE} == PROFILE
    assert len(ada.get("/sessions").json["data"]) == 2
    assert "payment.info.stored" in [event["action"] for event in ada.get("/account/events").json["data"]]
    assert joao.log_in("JOAO@example.com", "caneca de chá às cinco").status == 200
    assert joao.get("/profile/me").json["name"] == "João d'Água 😀"
    assert joao.put("/profile", {"phone": PROFILE["phone"]}).status == 200


def test_a_client_reads_what_was_sealed(upgraded: Flask, left: dict[str, Any]) -> None:
    [ada] = [user["id"] for user in left["rows"]["users"] if user["username"] == "Ada.Lovelace"]
    headers = {**bearer(left["client_secret"]), "X-Reason": "order 4711"}
    answer = Client(InProcess(upgraded)).get(f"/internal/users/{UUID(ada)}/payment_token", headers=headers)
    assert answer.json == {**PAYMENT, "status": "active"}


@pytest.mark.parametrize("left", WITH_MAIL, ids=lambda path: path.stem, indirect=True)
def test_mails_that_waited_go_out_and_links_lead_on(upgraded: Flask, left: dict[str, Any]) -> None:
    grace = Client(InProcess(upgraded))
    assert grace.post("/email/verify", {"token": left["link_token"]}).json["email"] == "grace@example.com"
    assert {mail["To"] for mail in deliver(upgraded)} == {"Ada@example.com", "countess@example.com", "joao@example.com"}
