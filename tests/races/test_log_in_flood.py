"""A flood of log-ins: reads go on at their pace, and who cannot be served in time is told so. RELIABILITY 39 (c)."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.resilience.test_hostile_load import P99_SECONDS, p99
from tests.support.crowd import at_once
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import PROFILE, Answer, Client, OverSocket
from tests.support.server import serving

FLOOD = 64  # at once: one runs, 24 wait, the others are too many


@contextmanager
def flood(url: str, answers: list[Answer]) -> Iterator[None]:
    """Log-ins of so many names that the throttle of an account has no part in it, until the reads are done."""
    over = threading.Event()

    def knock(index: int) -> None:
        client, number = Client(OverSocket(url)), 0
        while not over.is_set():
            number += 1
            answers.append(client.log_in(f"nobody.{index}.{number}", "not the password of anybody"))

    threads = threading.Thread(target=at_once, args=(FLOOD, knock))
    threads.start()
    try:
        yield
    finally:
        over.set()
        threads.join()


@pytest.mark.slow
def test_reads_are_served_while_log_ins_flood_in(databases: Databases) -> None:
    """PEERS: elsewhere reads wait a second beside a few log-ins, and seconds in a flood."""
    with databases.copy(POSTGRESQL) as url, serving(url, workers=1, BCRYPT_ROUNDS="11") as node:
        person = Client(OverSocket(node.url)).join()
        assert person.post("/profile", PROFILE).status == 201
        alone = p99(person)
        answers: list[Answer] = []
        with flood(node.url, answers):
            while not any(answer.status == 503 for answer in answers):  # the queue is full from here on
                assert person.get("/profile/me").status == 200
            seconds = p99(person)
        sys.stdout.write(f"p99 alone {alone:.3f} s, and beside {len(answers)} log-ins {seconds:.3f} s\n")
        assert seconds < P99_SECONDS + 10 * alone
        assert {answer.status for answer in answers} == {401, 503}
        refused = [answer for answer in answers if answer.status == 503]
        assert {answer.code for answer in refused} == {"service_unavailable"}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
        assert person.log_in().status == 200
