"""Reading the profile is one statement in one round trip: no BEGIN, no ROLLBACK, no second question.

Listened to below SQLAlchemy: at SQLite itself, and on the wire to PostgreSQL.
"""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

import pytest
from flask import Flask
from psycopg import Connection, pq
from sqlalchemy import event

from tests.support.databases import POSTGRESQL
from tests.support.people import PROFILE, Client
from user_service.extensions import db

WARM_UP = 10  # until psycopg has prepared the statement, which it does at the fifth time


class RoundTrips:
    """What an application asks of its database, through either engine, while a request runs."""

    def __init__(self, app: Flask, log: IO[str]) -> None:
        self.log = log
        self.traced: dict[int, Any] = {}
        with app.app_context():
            for engine in db.engines.values():
                event.listen(engine, "checkout", self._listen)

    def _listen(self, connection: Any, *_: Any) -> None:
        if id(connection) in self.traced:
            return
        self.traced[id(connection)] = connection
        if isinstance(connection, Connection):
            connection.pgconn.trace(self.log.fileno())
            connection.pgconn.set_trace_flags(pq.Trace.SUPPRESS_TIMESTAMPS)
        else:
            connection.set_trace_callback(lambda statement: self.log.write(f"F\t0\tQuery\t{statement!r}\n"))

    def stop(self) -> None:
        """Before the file is closed: its number may be another's afterwards."""
        for connection in self.traced.values():
            if isinstance(connection, Connection):
                connection.pgconn.untrace()
            else:
                connection.set_trace_callback(None)

    def of(self, request: Callable[[], Any]) -> list[str]:
        """The request's round trips, in order: the text of a plain statement, `execute` for a prepared one."""
        self.log.seek(0)
        self.log.truncate()
        request()
        self.log.seek(0)
        sent = [line.rstrip("\n").split("\t") for line in self.log if line.startswith("F\t")]
        return ["execute" if line[2] == "Sync" else line[3] for line in sent if line[2] in ("Sync", "Query")]


@pytest.fixture
def reader(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    for _ in range(WARM_UP):
        assert person.get("/profile/me").status == 200
    return person


@pytest.fixture
def round_trips(app: Flask) -> Iterator[RoundTrips]:
    with tempfile.TemporaryFile("w+", buffering=1) as log:
        listener = RoundTrips(app, log)
        yield listener
        listener.stop()


def read(client: Client) -> None:
    assert client.get("/profile/me").status == 200


def has_transaction(asked: list[str]) -> bool:
    text = " ".join(asked).upper()
    return "BEGIN" in text and "COMMIT" in text


def test_reading_the_profile_asks_the_database_once(reader: Client, round_trips: RoundTrips) -> None:
    for _ in range(3):
        asked = round_trips.of(lambda: read(reader))
        assert len(asked) == 1, asked
        assert asked[0] == "execute" or "SELECT" in asked[0]


def test_a_refused_token_costs_no_more(reader: Client, round_trips: RoundTrips) -> None:
    """The access token after log-out is refused at no extra query."""
    assert reader.post("/logout").status == 204
    asked = round_trips.of(lambda: reader.get("/profile/me"))
    assert reader.get("/profile/me").code == "token_revoked"
    assert len(asked) == 1, asked


def test_the_first_read_after_a_refresh_alone_writes(reader: Client, round_trips: RoundTrips) -> None:
    """It confirms the new generation, and the next one is plain again."""
    assert reader.refresh().status == 200
    assert has_transaction(round_trips.of(lambda: read(reader)))
    assert len(round_trips.of(lambda: read(reader))) == 1


def test_a_change_and_its_event_are_one_statement_or_one_transaction(
    reader: Client, round_trips: RoundTrips, kind: str
) -> None:
    for number in range(WARM_UP):
        asked = round_trips.of(lambda number=number: reader.put("/profile", {"name": f"Ada {number}"}))  # type: ignore[misc]  # a default
    if kind == POSTGRESQL:
        assert asked == ["execute", "execute"], "who asks, and the change"
    else:
        assert has_transaction(asked)


def test_a_refresh_is_one_statement(reader: Client, round_trips: RoundTrips) -> None:
    for _ in range(WARM_UP):
        asked = round_trips.of(reader.refresh)
    assert len(asked) == 1
    assert asked[0] == "execute" or asked[0].lstrip("'\"").startswith("UPDATE")


def test_a_deletion_is_one_transaction(reader: Client, round_trips: RoundTrips) -> None:
    """What would be heard if a read began a transaction is heard here."""
    asked = round_trips.of(lambda: reader.delete("/profile"))
    assert has_transaction(asked)
    assert sum("BEGIN" in statement.upper() for statement in asked) == 1
