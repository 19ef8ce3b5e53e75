"""Limits that nodes share through Redis, and what holds while it is away. RELIABILITY 10, 28, 29, 30.

Two applications in this process stand for two nodes.
"""

import time
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from tests.support.crowd import at_once
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PROFILE
from tests.support.redis import DribblingLink, RedisServer, throwaway_redis
from tests.support.visitors import Visitor, check_refused
from user_service import windows
from user_service.doors import Rate

pytestmark = ON_ONE_DATABASE
PATIENCE_SECONDS = 15
# Ten times what a request may wait for Redis: a busy machine is no proof of anything.
BOUND_SECONDS = 3
SHARED, ALONE = 20, 5
Node = Callable[..., Visitor]


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with throwaway_redis() as server:
        yield server


@pytest.fixture
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test counts to the last one, a machine that is busy must not look like a Redis that is slow."""
    monkeypatch.setattr(windows, "CONNECT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(windows, "ANSWER_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def node(make_app: Callable[..., Flask], redis_server: RedisServer) -> Node:
    """A visitor of another node: 20 log-ins a minute by address, 5 where the node counts alone."""

    def start(*, redis_url: str = redis_server.url) -> Visitor:
        limits = {"log-in-address": Rate(SHARED, 60)}
        return Visitor(make_app(ratelimit_enabled=True, redis_url=redis_url, limits=limits))

    return start


def guesses(visitor: Visitor, count: int) -> list[int]:
    return [visitor.guess(f"person-{number}").status for number in range(count)]


def wait_until_shared(visitor: Visitor) -> None:
    """Until Redis counts again, asked at a door that nothing else here is counted at."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "q=600" not in visitor.refresh("e30.e30.e30").headers["RateLimit-Policy"]:
        assert time.monotonic() < deadline


def policy(visitor: Visitor) -> str:
    return visitor.guess().headers["RateLimit-Policy"].partition(",")[0]


@pytest.mark.usefixtures("_patience")
def test_nodes_share_their_limits(node: Node) -> None:
    one, other = node(), node()
    assert guesses(one, 12) + guesses(other, 8) == [401] * SHARED
    check_refused(one.guess())
    check_refused(other.guess())
    assert one.at("198.51.100.1").guess().status == 401


@pytest.mark.usefixtures("_patience")
def test_all_who_come_at_once_get_in_as_often_as_the_limit_says(node: Node) -> None:
    nodes = [node(), node()]
    answers = at_once(48, lambda index: nodes[index % 2].guess(f"person-{index}").status)
    assert sorted(answers) == [401] * SHARED + [429] * (48 - SHARED)


def test_redis_holds_no_name_no_address_and_nothing_for_good(node: Node, redis_server: RedisServer) -> None:
    visitor = node()
    visitor.register("maria.silva")
    visitor.log_in()
    with redis_server.client() as client:
        keys = client.keys("*")
        held = keys + [entry for key in keys for entry in client.lrange(key, 0, -1)]
        assert len(keys) == 5
        assert all(0 < client.ttl(key) <= 3600 for key in keys)
    assert not [text for text in held for secret in ("maria", "203.0.113", "example.com") if secret in text]


def test_what_is_not_limited_does_not_ask_redis(node: Node, redis_server: RedisServer) -> None:
    visitor = node()
    visitor.join().post("/profile", PROFILE)
    with redis_server.client() as client:
        before = client.info("stats")["total_commands_processed"]
        assert [visitor.get("/profile/me").status for _ in range(5)] == [200] * 5
        assert client.info("stats")["total_commands_processed"] == before + 1


def test_while_redis_is_down_each_node_counts_by_itself_and_more_strictly(
    node: Node, redis_server: RedisServer
) -> None:
    one, other = node(), node()
    redis_server.kill()
    for visitor in (one, other):
        assert guesses(visitor, ALONE + 1) == [401] * ALONE + [429]
        assert policy(visitor) == f'"log-in-address";q={ALONE};w=60'
    assert one.get("/revocations").headers["RateLimit-Policy"] == '"revocations-address";q=120;w=60'
    redis_server.start()
    wait_until_shared(one)
    assert guesses(one, SHARED) == [401] * SHARED
    check_refused(one.guess())


def test_a_node_starts_without_redis_and_finds_it_later(make_app: Callable[..., Flask]) -> None:
    with throwaway_redis() as server:
        server.kill()
        visitor = Visitor(make_app(ratelimit_enabled=True, redis_url=server.url))
        assert visitor.guess().headers["RateLimit-Policy"].startswith('"log-in-address";q=15;')
        server.start()
        wait_until_shared(visitor)
        assert visitor.guess().headers["RateLimit-Policy"].startswith('"log-in-address";q=60;')


def test_a_frozen_redis_holds_nobody_up_and_lets_nobody_in(node: Node, redis_server: RedisServer) -> None:
    visitor = node()
    assert visitor.guess().status == 401
    redis_server.freeze()
    began = time.monotonic()
    answers = at_once(24, lambda index: visitor.guess(f"person-{index}").status)
    assert time.monotonic() - began < BOUND_SECONDS
    assert sorted(answers) == [401] * ALONE + [429] * (24 - ALONE)
    redis_server.thaw()
    wait_until_shared(visitor)


def test_a_redis_that_answers_bit_by_bit_holds_nobody_up(node: Node, redis_server: RedisServer) -> None:
    """No single wait is long, so no timeout of a socket ends it; the whole would take minutes."""
    with DribblingLink(redis_server, pause_seconds=0.09) as link:
        visitor = node(redis_url=link.url)
        began = time.monotonic()
        assert guesses(visitor, ALONE + 1) == [401] * ALONE + [429]
        visitor.refresh("e30.e30.e30")
        assert time.monotonic() - began < BOUND_SECONDS


@pytest.mark.parametrize("fault", [{"maxmemory": "1"}, {"min-replicas-to-write": "1"}], ids=["full", "takes no writes"])
def test_a_redis_that_takes_no_writes_counts_as_away_until_it_does(
    node: Node, redis_server: RedisServer, fault: dict[str, str]
) -> None:
    visitor = node()
    wait_until_shared(visitor)
    with redis_server.client() as client:
        (name,) = fault
        healthy = client.config_get(name)[name]
        client.config_set(name, fault[name])
        assert guesses(visitor, ALONE + 1) == [401] * ALONE + [429]
        assert client.ping()
        client.config_set(name, healthy)
    wait_until_shared(visitor)
    assert policy(visitor).endswith(f"q={SHARED};w=60")


def test_when_redis_loses_all_no_token_lives_again_and_none_dies(node: Node, redis_server: RedisServer) -> None:
    """RELIABILITY 29."""
    visitor = node()
    gone, here = visitor.at("198.51.100.1").join(), visitor.at("198.51.100.2").join()
    revoked = gone.access_token
    assert gone.post("/logout").status == 204
    with redis_server.client() as client:
        client.flushall()
    for lose in (lambda: None, redis_server.kill, redis_server.start):
        lose()
        assert gone.get("/account", headers={"Authorization": f"Bearer {revoked}"}).code == "token_revoked"
        assert gone.refresh().code == "token_revoked"
        assert here.get("/account").status == 200
        assert here.refresh().status == 200
