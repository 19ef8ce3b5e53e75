"""Limits on doors: counted by address, told on every answer, and never off while Redis is away."""

from collections.abc import Callable

import pytest
import time_machine
from flask import Flask

from tests.support.people import Answer, Client, InProcess
from user_service.web.limits import Door


@pytest.fixture(autouse=True)
def _time_stands_still():
    """A window must not move on while a busy machine works through it."""
    with time_machine.travel("2026-11-23T12:00:00Z", tick=False):
        yield


def knock(client: Client, address: str = "203.0.113.7") -> Answer:
    return client.transport.app.test_client().get("/revocations", environ_base={"REMOTE_ADDR": address})


def statuses(client: Client, count: int, address: str) -> list[int]:
    return [knock(client, address).status_code for _ in range(count)]


def test_one_address_knocks_so_often_and_another_is_not_told_off_for_it(client: Client) -> None:
    allowed = int(Door.REVOCATIONS.value.split()[0])
    assert set(statuses(client, allowed, "203.0.113.7")) == {401}
    refused = knock(client)
    assert refused.status_code == 429
    assert refused.json["code"] == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 61
    assert knock(client, "203.0.113.8").status_code == 401


def test_an_ipv6_customer_is_one_address(client: Client) -> None:
    allowed = int(Door.REVOCATIONS.value.split()[0])
    for number in range(allowed):
        knock(client, f"2001:db8:1:1::{number:x}")
    assert knock(client, "2001:db8:1:1:ffff::1").status_code == 429
    assert knock(client, "2001:db8:1:2::1").status_code == 401


def test_every_limited_answer_says_what_is_left(client: Client) -> None:
    answer = knock(client)
    assert answer.headers["RateLimit-Policy"] == '"default";q=120;w=60'
    assert answer.headers["RateLimit"].startswith('"default";r=119;t=')
    assert "RateLimit" not in client.get("/healthz").headers


def test_the_limits_can_be_switched_off(make_app: Callable[..., Flask]) -> None:
    client = Client(InProcess(make_app(ratelimit_enabled=False)))
    assert set(statuses(client, 125, "203.0.113.7")) == {401}
    assert "RateLimit" not in knock(client).headers


def test_without_its_redis_each_process_counts_by_itself(make_app: Callable[..., Flask]) -> None:
    client = Client(InProcess(make_app(redis_url="redis://127.0.0.1:1/0")))
    assert set(statuses(client, 120, "203.0.113.7")) == {401}
    assert knock(client).status_code == 429
