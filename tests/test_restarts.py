"""After a crash of database and service, dead tokens stay dead and live ones live. SECURITY 82; RELIABILITY 15.

Nothing is asked to stop: everything is killed, with everybody's tokens in some state, and started again. Once a node is
ready again no request of anybody fails.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

import pytest

from tests.support.crowd import bearer, claims_of
from tests.support.databases import SQLITE, Databases, migrate, require_postgres
from tests.support.people import Client, OverSocket
from tests.support.postgres import PostgresServer, throwaway_server
from tests.support.server import Node
from tests.test_startup import starting

PATIENCE_SECONDS = 30


class Stayed:
    """Somebody whose session goes on."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def check(self) -> None:
        assert self.client.get("/account").status == 200
        assert self.client.refresh().status == 200
        assert self.client.get("/account").status == 200


class LostTheAnswer(Stayed):
    """Who never saw the successor gets that one, and no other, after the restart too."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.successor = jti(client.refresh(client.refresh_token).json["refresh_token"])

    def check(self) -> None:
        assert self.client.refresh().status == 200
        assert jti(self.client.refresh_token) == self.successor
        super().check()


class Rotated(Stayed):
    """A token that was replaced twice is as dead as before: who brings it ends the session."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.spent = client.refresh_token
        for _ in range(2):
            assert client.refresh().status == client.get("/account").status == 200

    def check(self) -> None:
        super().check()
        assert self.client.refresh(self.spent).code == "refresh_token_reused"
        assert_dead(self.client)


class Ended:
    """Somebody whose session was ended by themselves."""

    def __init__(self, client: Client) -> None:
        self.client, self.access_token, self.refresh_token = client, client.access_token, client.refresh_token
        self.end()

    def end(self) -> None:
        assert self.client.post("/logout").status == 204

    def check(self) -> None:
        self.client.access_token, self.client.refresh_token = self.access_token, self.refresh_token
        assert_dead(self.client)


class EndedEverywhere(Ended):
    def end(self) -> None:
        assert self.client.delete("/sessions").status == 204


class Refreshed(Ended):
    """The tokens from before a refresh, of a session that was ended after it."""

    def end(self) -> None:
        assert self.client.refresh().status == 200
        super().end()


class ChangedThePassword(Ended):
    """The session before the change has ended, and the one after it goes on."""

    def end(self) -> None:
        body = {"current_password": self.client.password, "new_password": "staple ember window tide"}
        self.new = self.client.put("/account/password", body).json

    def check(self) -> None:
        super().check()
        assert self.client.get("/account", headers=bearer(self.new["access_token"])).status == 200
        assert self.client.refresh(self.new["refresh_token"]).status == 200
        assert self.client.log_in().code == "invalid_credentials"


class Left(Ended):
    """Somebody who is no longer there."""

    def end(self) -> None:
        assert self.client.delete("/account", body={"password": self.client.password}).status == 200

    def check(self) -> None:
        super().check()
        assert self.client.log_in().code == "invalid_credentials"


STATES: tuple[Callable[[Client], Stayed | Ended], ...] = (
    *(Stayed, LostTheAnswer, Rotated),
    *(Ended, EndedEverywhere, Refreshed, ChangedThePassword, Left),
)


def jti(token: str | None) -> str:
    assert token
    return str(claims_of(token)["jti"])


def assert_dead(client: Client) -> None:
    for answer in (client.get("/account"), client.refresh(client.refresh_token)):
        assert (answer.status, answer.code) == (401, "token_revoked")


def people_at(node: Node) -> list[Stayed | Ended]:
    """One in each state."""
    return [state(Client(OverSocket(node.url)).join()) for state in STATES]


def check_all(people: list[Stayed | Ended], node: Node) -> None:
    for person in people:
        person.client.transport = OverSocket(node.url)
        person.check()


@contextmanager
def running(url: str) -> Iterator[Node]:
    """A node that nobody asks to stop: at the end it is killed."""
    with starting(url, RATELIMIT_ENABLED="false", WEB_CONCURRENCY="1") as node:
        assert node.wait_until_ready(), node.log()
        yield node


def crash(server: PostgresServer) -> None:
    """SIGKILL to the postmaster. Its children notice, and leave; no checkpoint is written."""
    assert server.process is not None
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait(PATIENCE_SECONDS)


def start_again(server: PostgresServer) -> None:
    """As soon as the last child of the one that was killed is gone."""
    deadline = monotonic() + PATIENCE_SECONDS
    while True:
        try:
            server.start()
        except RuntimeError:
            assert monotonic() < deadline
        else:
            break
    assert "automatic recovery in progress" in (server.directory / "log").read_text()


@pytest.mark.slow
def test_a_crash_of_the_service_revives_no_token_and_ends_none(databases: Databases) -> None:
    with databases.copy(SQLITE) as url:
        with running(url) as node:
            people = people_at(node)
        with running(url) as node:
            check_all(people, node)


@pytest.mark.slow
def test_a_crash_of_the_database_revives_no_token_and_ends_none() -> None:
    """First the database alone, under a service that goes on; then all of it, under a new one."""
    require_postgres()
    with throwaway_server() as server, ExitStack() as stack:
        url = server.url(server.create_database())
        migrate(url)
        node = stack.enter_context(running(url))
        first, second = people_at(node), people_at(node)
        crash(server)
        start_again(server)
        assert node.wait_until_ready()
        check_all(first, node)
        crash(server)
        node.kill()
        start_again(server)
        check_all(second, stack.enter_context(running(url)))
