"""What the tests stand on: real databases, an application in process, and servers over sockets."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete

from tests.support.databases import POSTGRESQL, SETTINGS, SQLITE, Databases
from tests.support.people import Client, InProcess
from tests.support.postgres import MEMORY, PostgresServer, throwaway_server
from user_service import create_app, database_clock
from user_service.extensions import db, metadata
from user_service.keys.models import SealedSigningKey, ServiceSecret

BEHIND_THE_API = {"app", "make_app", "database_url", "databases", "time", "monkeypatch"}


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    with ExitStack() as stack:
        started: list[PostgresServer] = []

        def start_postgres() -> PostgresServer:
            if not started:
                started.append(stack.enter_context(throwaway_server()))
            return started[0]

        directory = stack.enter_context(TemporaryDirectory(prefix="sqlite-", dir=MEMORY))
        made = Databases(Path(directory), start_postgres)
        made.make_templates()
        yield made


@pytest.fixture(autouse=True)
def one_clock(request: pytest.FixtureRequest) -> Iterator[None]:
    """Who travels in time takes the database along, but for the tests of clocks that disagree."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.name != "test_clocks.py":
            patch.setattr(database_clock, "report", lambda: True)
        yield


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def kind(request: pytest.FixtureRequest) -> str:
    """Which database. A test that asks for it, or for what needs it, runs on both."""
    return request.param


@pytest.fixture
def database_url(databases: Databases, kind: str) -> Iterator[str]:
    with databases.copy(kind) as url:
        yield url


@contextmanager
def running_app(url: str, **changes: Any) -> Iterator[Flask]:
    app = create_app(replace(SETTINGS, database_url=url, **changes))
    try:
        yield app
    finally:
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


@pytest.fixture
def make_app(database_url: str) -> Iterator[Callable[..., Flask]]:
    """Applications on one database, each with settings of its own."""
    with ExitStack() as stack:
        yield lambda **changes: stack.enter_context(running_app(database_url, **changes))


@pytest.fixture(scope="session")
def shared_app(databases: Databases) -> Iterator[Callable[[str], Flask]]:
    """One application on each kind of database."""
    with ExitStack() as stack:
        yield cache(lambda kind: stack.enter_context(running_app(stack.enter_context(databases.copy(kind)))))


@pytest.fixture
def app(request: pytest.FixtureRequest, kind: str, shared_app: Callable[[str], Flask]) -> Flask:
    """Its own for each test. Those that do no more than talk to it, as clients do, share one that knows nobody yet."""
    if not is_client_alone(request):
        return request.getfixturevalue("make_app")()
    shared = shared_app(kind)
    forget_everybody(shared)
    return shared


def is_client_alone(request: pytest.FixtureRequest) -> bool:
    """Whether nothing that the test asks for reaches behind the API, and its module never sets the clock."""
    wanted = request.node._fixtureinfo
    others = set(wanted.names_closure) - {"app", "client", "person", "newcomer", "shared_app"}
    found = (fixture for other in others for fixture in wanted.name2fixturedefs.get(other, ()))
    needed = {name for fixture in found for name in fixture.argnames}
    if hasattr(request.module, "time_machine"):
        return False
    return BEHIND_THE_API.isdisjoint({*wanted.initialnames, *needed})


def forget_everybody(app: Flask) -> None:
    """Leave nothing in the database but its keys, so that no test finds what another one left."""
    with app.app_context(), db.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table not in (SealedSigningKey.__table__, ServiceSecret.__table__):
                connection.execute(delete(table))


@pytest.fixture
def client(app: Flask) -> Client:
    return Client(InProcess(app))


@pytest.fixture
def person(client: Client) -> Client:
    """Somebody registered and logged in."""
    return client.join()


@pytest.fixture
def newcomer(app: Flask) -> Callable[[], Client]:
    """As many clients as a story needs."""
    return lambda: Client(InProcess(app))
