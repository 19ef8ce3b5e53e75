"""A database that is frozen: nobody waits without end. RELIABILITY 22."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crowd import at_once
from tests.support.databases import migrate, require_postgres
from tests.support.people import Client, OverSocket
from tests.support.postgres import PostgresServer, throwaway_server
from tests.support.server import Node, serving
from user_service.connections import ANSWER_SECONDS, CONNECT_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LIVENESS_SECONDS = 20  # of a machine that does much else


@pytest.fixture
def freezer() -> Iterator[PostgresServer]:
    require_postgres()
    with throwaway_server() as server:
        yield server


def processes_of(server: PostgresServer) -> list[int]:
    assert server.process is not None
    pid = server.process.pid
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def signal_all(server: PostgresServer, number: signal.Signals) -> None:
    for pid in processes_of(server):
        os.kill(pid, number)


def test_a_frozen_database_is_503_in_bounded_time_and_the_process_stays_alive(freezer: PostgresServer) -> None:
    """RELIABILITY 22: more requests than threads wait; `/healthz` answers all the same, and afterwards all is well."""
    url = freezer.url(freezer.create_database())
    migrate(url)
    with serving(url, workers=1) as node:
        people = [Client(OverSocket(node.url)).join() for _ in range(4)]
        crowd = [twin(people[index % 4], node) for index in range(40)]
        assert at_once(40, lambda index: crowd[index].get("/sessions").status) == [200] * 40
        signal_all(freezer, signal.SIGSTOP)
        try:
            since = time.monotonic()
            answers = at_once(41, lambda i: crowd[i].get("/sessions").status if i < 40 else liveness(node))
            assert time.monotonic() - since < 8 * (ANSWER_SECONDS + CONNECT_SECONDS)
        finally:
            signal_all(freezer, signal.SIGCONT)
        assert set(answers[:40]) == {503}
        assert answers[40] < LIVENESS_SECONDS
        assert at_once(40, lambda index: crowd[index].get("/sessions").status) == [200] * 40
        assert "WORKER TIMEOUT" not in node.log()


def twin(person: Client, node: Node) -> Client:
    other = Client(OverSocket(node.url))
    other.access_token = person.access_token
    return other


def liveness(node: Node) -> float:
    """The longest that one of several looks took, in seconds."""
    longest = 0.0
    for _ in range(5):
        since = time.monotonic()
        assert Client(OverSocket(node.url)).get("/healthz").status == 200
        longest = max(longest, time.monotonic() - since)
    return longest
