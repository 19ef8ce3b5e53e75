"""Two nodes with two workers each, one Redis that is frozen, killed, emptied. RELIABILITY 10, 28, 29, 30."""

import itertools
import time
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network

import pytest

from tests.support.crowd import Cluster, at_once, statuses
from tests.support.databases import PUBLIC_URL, SQLITE, Databases
from tests.support.people import Answer, Client
from tests.support.redis import RedisServer, throwaway_redis
from tests.support.server import serving

PATIENCE_SECONDS = 30
WORKERS, SHARED, ALONE = 4, 20, 5
CROWD, WAVE = 48, 6  # a wave is as many at once as two cores answer in the time that Redis is given
NUMBERS = itertools.count()
ADDRESSES = iter(ip_network("10.0.0.0/8"))
LIMITS = f"log-in-address={SHARED}/hour"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with throwaway_redis() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(databases: Databases, redis_server: RedisServer) -> Iterator[Cluster]:
    environment = {"PUBLIC_URL": PUBLIC_URL, "RATELIMIT_ENABLED": "true", "LIMITS": LIMITS}
    environment["TRUSTED_PROXIES"] = "1"  # each test comes from addresses of its own
    with ExitStack() as stack:
        url = stack.enter_context(databases.copy(SQLITE))
        nodes = [stack.enter_context(serving(url, REDIS_URL=redis_server.url, **environment)) for _ in range(2)]
        yield Cluster(url, nodes)
        assert not [sign for node in nodes for sign in ("request.failed", '"status": 5') if sign in node.log()]


def guess(cluster: Cluster, index: int, address: str) -> Answer:
    """At an account that nobody has guessed at, or its own throttle would refuse in the end."""
    body = {"username": f"person-{next(NUMBERS)}", "password": "wrong as can be"}
    return cluster.client(index).post("/token", body, headers={"X-Forwarded-For": address})


def guess_in_waves(cluster: Cluster, address: str) -> list[int]:
    """What a crowd gets that guesses at many accounts, sorted."""
    waves = [
        at_once(WAVE, lambda index, first=first: guess(cluster, first + index, address))
        for first in range(0, CROWD, WAVE)
    ]
    return statuses([answer for wave in waves for answer in wave])


def is_shared(answer: Answer) -> bool:
    return f"q={SHARED};" in answer.headers["RateLimit-Policy"]


def wait_until_shared(cluster: Cluster) -> None:
    """Until every worker asks Redis again: a good many answers in a row say so."""
    deadline, in_a_row = time.monotonic() + PATIENCE_SECONDS, 0
    while in_a_row < 10 * WORKERS:
        assert time.monotonic() < deadline
        answer = guess(cluster, in_a_row, str(next(ADDRESSES)))
        in_a_row = in_a_row + 1 if is_shared(answer) else 0


def test_one_limit_for_all_workers_of_all_nodes(cluster: Cluster) -> None:
    wait_until_shared(cluster)
    assert guess_in_waves(cluster, "192.0.2.1") == [401] * SHARED + [429] * (CROWD - SHARED)
    assert {guess(cluster, index, "192.0.2.1").status for index in range(8)} == {429}
    assert guess(cluster, 0, "192.0.2.9").status == 401


def test_while_redis_is_frozen_nobody_waits_for_it_and_each_worker_is_stricter(
    cluster: Cluster, redis_server: RedisServer
) -> None:
    wait_until_shared(cluster)
    redis_server.freeze()
    try:
        began = time.monotonic()
        answers = guess_in_waves(cluster, "192.0.2.2")
        assert time.monotonic() - began < 15  # one after the other they would have waited for minutes
        assert set(answers) == {401, 429}
        assert answers.count(401) <= WORKERS * ALONE
    finally:
        redis_server.thaw()
    wait_until_shared(cluster)


def test_a_redis_that_died_and_came_back_empty_revives_nobody(cluster: Cluster, redis_server: RedisServer) -> None:
    """RELIABILITY 28, 29."""
    gone, here = cluster.client().join(), cluster.client().join()
    assert gone.post("/logout").status == 204
    redis_server.kill()
    check_tokens(cluster, gone, here)
    assert guess_in_waves(cluster, "192.0.2.3").count(401) <= WORKERS * ALONE
    redis_server.start()
    wait_until_shared(cluster)
    check_tokens(cluster, gone, here)
    with redis_server.client() as client:
        client.flushall()
    check_tokens(cluster, gone, here)


def check_tokens(cluster: Cluster, gone: Client, here: Client) -> None:
    for at_a_node in cluster.everywhere(gone):
        assert at_a_node.get("/account").code == "token_revoked"
        assert at_a_node.refresh().code == "token_revoked"
    for at_a_node in cluster.everywhere(here):
        assert at_a_node.get("/account").status == 200
    assert here.refresh().status == 200
