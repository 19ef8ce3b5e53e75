"""What is measured: the service, the same endpoint written naively, and a bare Flask, each behind the same gunicorn."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import requests
from flask import Flask

from bench.naive import app as naive_app
from tests.support.databases import SETTINGS, migrate
from tests.support.people import PASSWORD, PROFILE, Client, InProcess
from tests.support.postgres import throwaway_server
from tests.support.server import free_port, serving
from user_service import create_app
from user_service.auth import tokens
from user_service.auth.sessions import open_session
from user_service.database import transaction
from user_service.extensions import db

ROOT = Path(__file__).resolve().parent.parent
READERS = 64
PEOPLE_WHO_LOG_IN = 16
POSTGRESQL, SQLITE = "PostgreSQL", "SQLite"
HELLO, SERVICE, NAIVE = "bare Flask", "service", "naive"
DURABLE = {"fsync": "on", "max_connections": "200", "shared_buffers": "256MB"}
SECRET = "a-secret-of-the-naive-version-alone"  # noqa: S105  # it protects nothing
MASTER_KEY = "bench:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="  # gunicorn.conf.py wants one; nothing is sealed by it
START_SECONDS = 60


@dataclass(frozen=True)
class Contestant:
    """One running server. `variables` gives the scripts of wrk what they need, with tokens that nobody has used."""

    name: str
    database: str
    url: str
    pid: int
    database_pid: int | None
    variables: Callable[[], Mapping[str, str]]

    @property
    def label(self) -> str:
        return f"{self.name}, {self.database}" if self.database else self.name


@contextmanager
def contestants(
    names: Collection[str], directory: Path, *, rounds: int, databases: Collection[str]
) -> Iterator[list[Contestant]]:
    """Start those of these names, on databases of their own; at the end nothing is left."""
    with ExitStack() as stack:
        found = [stack.enter_context(_hello(directory))] if HELLO in names else []
        for database in databases:
            urls, database_pid = stack.enter_context(_databases(database, directory))
            if SERVICE in names:
                found.append(stack.enter_context(_service(database, urls[0], database_pid, directory, rounds)))
            if NAIVE in names:
                found.append(stack.enter_context(_naive(database, urls[1], database_pid, directory)))
        yield found


@contextmanager
def _databases(kind: str, directory: Path) -> Iterator[tuple[tuple[str, str], int | None]]:
    """A database for the service and one for the naive version."""
    if kind == SQLITE:
        yield (f"sqlite:///{directory}/service.sqlite3", f"sqlite:///{directory}/naive.sqlite3"), None
        return
    with throwaway_server(**DURABLE) as server:
        assert server.process is not None
        names = server.create_database(), server.create_database()
        yield (server.url(names[0]), server.url(names[1])), server.process.pid


@contextmanager
def _service(database: str, url: str, database_pid: int | None, directory: Path, rounds: int) -> Iterator[Contestant]:
    migrate(url)
    app = create_app(replace(SETTINGS, database_url=url, access_token_seconds=3600))
    crowd = Crowd(app, directory / f"service-{database}", rounds)
    environment = {
        "PUBLIC_URL": SETTINGS.public_url,
        "BCRYPT_ROUNDS": str(rounds),
        "ACCESS_TOKEN_SECONDS": "3600",
        "DATABASE_POOL_SIZE": "8",
    }
    with serving(url, workers=_workers(), **environment) as node:
        yield Contestant(SERVICE, database, node.url, node.pid, database_pid, crowd.variables)
    crowd.dispose()


class Crowd:
    """The users of one service, and what they hold. Tokens are issued in this process, under the same keys."""

    def __init__(self, app: Flask, directory: Path, rounds: int) -> None:
        directory.mkdir()
        self._app, self._directory, self._runs = app, directory, 0
        self._readers = [self._join(number) for number in range(READERS)]
        costly = create_app(replace(app.extensions["user_service"].settings, bcrypt_rounds=rounds))
        people = [Client(InProcess(costly)) for _ in range(PEOPLE_WHO_LOG_IN)]
        for number, person in enumerate(people):
            assert person.register(f"login{number}").status == 201
        self._usernames = [person.username for person in people]

    def variables(self) -> dict[str, str]:
        """Files with an access and a refresh token of each reader, from sessions that were opened just now."""
        self._runs += 1
        pairs = self._issue()
        files = {
            "ACCESS_TOKENS": [pair["access_token"] for pair in pairs],
            "REFRESH_TOKENS": [pair["refresh_token"] for pair in pairs],
            "USERNAMES": self._usernames,
        }
        for name, lines in files.items():
            (self._directory / name).write_text("\n".join(lines))
        paths = {name: str(self._directory / name) for name in files}
        return {**paths, "PASSWORD": PASSWORD, "RUN": str(self._runs)}

    def dispose(self) -> None:
        with self._app.app_context():
            for engine in db.engines.values():
                engine.dispose()

    def _join(self, number: int) -> UUID:
        person = Client(InProcess(self._app))
        registered = person.register(f"reader{number}")
        assert registered.status == 201, registered
        person.log_in()
        assert person.post("/profile", PROFILE).status == 201
        return UUID(registered.json["user"]["id"])

    def _issue(self) -> list[dict[str, str]]:
        with self._app.app_context():
            with transaction():
                grants = [open_session(user_id) for user_id in self._readers]
            return [tokens.issue(grant) for grant in grants]


@contextmanager
def _naive(database: str, url: str, database_pid: int | None, directory: Path) -> Iterator[Contestant]:
    variables = {"NAIVE_DATABASE_URL": url, "NAIVE_SECRET": SECRET}
    os.environ.update(variables)
    access_tokens = naive_app.populate(naive_app.create_app(), READERS, PROFILE)
    path = directory / f"naive-{database}"
    path.write_text("\n".join(access_tokens))
    with _gunicorn("bench.naive.app:create_app()", directory / f"naive-{database}.log", variables) as (address, pid):
        yield Contestant(NAIVE, database, address, pid, database_pid, lambda: {"ACCESS_TOKENS": str(path)})


@contextmanager
def _hello(directory: Path) -> Iterator[Contestant]:
    with _gunicorn("bench.hello:app", directory / "hello.log", {}) as (address, pid):
        yield Contestant(HELLO, "", address, pid, None, dict)


@contextmanager
def _gunicorn(application: str, log_path: Path, variables: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """An application behind the service's own gunicorn settings."""
    port = free_port()
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "APP_ENV": "testing",
        "MASTER_KEYS": MASTER_KEY,
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "WEB_CONCURRENCY": str(_workers()),
        **variables,
    }
    command = [Path(sys.executable).parent / "gunicorn", "-c", "python:bench.gunicorn_settings", application]
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # our own words
            command, cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}", log_path)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], address: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            requests.get(address, timeout=5)
            return
        except requests.RequestException:
            time.sleep(0.05)
    raise RuntimeError(f"It did not start:\n{log_path.read_text()}")


def _workers() -> int:
    """A worker per core, as the service is served by default."""
    return os.cpu_count() or 2
