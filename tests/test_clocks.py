"""Clocks that disagree: a little changes nothing, a lot is refused aloud. SECURITY 63; RELIABILITY 26.

The clock of a node is set wrong by libfaketime, as the operating system would have it; the database's is right.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import time_machine
from flask import Flask

from tests.conftest import running_app
from tests.support.crowd import Cluster, bearer, claims_of
from tests.support.databases import POSTGRESQL, PUBLIC_URL, Databases, require_postgres
from tests.support.people import PROFILE, Client, InProcess, OverSocket
from tests.support.server import serving
from tests.test_startup import failed_checks, starting, wait_until_listening
from user_service import clock, database_clock

ENVIRONMENT = {"PUBLIC_URL": PUBLIC_URL, "RATELIMIT_ENABLED": "false"}
MINUTES = 60


def wrong_by(seconds: float) -> dict[str, str]:
    """The variables that set a process's clock wrong: the time of day alone, not durations and not files."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
    if library is None:
        message = "libfaketime is not installed, so no clock was set wrong: apt install faketime"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)  # not installed
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+}s",
        "NO_FAKE_STAT": "1",
    }


@contextmanager
def apart(databases: Databases, seconds: float) -> Iterator[Cluster]:
    """Two nodes on one database; the second one's clock is wrong."""
    require_postgres()
    wrong = wrong_by(seconds)
    with (
        databases.copy(POSTGRESQL) as url,
        serving(url, workers=1, **ENVIRONMENT) as right,
        serving(url, workers=1, **ENVIRONMENT, **wrong) as off,
    ):
        yield Cluster(url, [right, off])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [-5, 5])
def test_a_clock_that_is_off_by_five_seconds_changes_nothing(databases: Databases, seconds: int) -> None:
    """Whatever one node hands out, the other takes at once; what one has ended, the other refuses at once."""
    with apart(databases, seconds) as cluster:
        for here, there in ((0, 1), (1, 0)):
            person = cluster.client(here).join()
            twin = cluster.twin(person, there)
            assert twin.post("/profile", PROFILE).status == 201
            assert person.get("/profile/me").status == 200
            for client, other in ((twin, person), (person, twin)):
                assert client.refresh().status == 200
                assert other.get("/account", headers=bearer(client.access_token)).status == 200
                other.refresh_token = client.refresh_token
            assert_a_lost_answer_comes_again(person, twin)
            assert twin.post("/logout").status == 204
            assert {person.get("/account").code, twin.get("/account").code} == {"token_revoked"}
        for node in cluster.nodes:
            assert "clock.wrong" not in node.log()


def assert_a_lost_answer_comes_again(person: Client, twin: Client) -> None:
    """Asked for at the other node too, where it is another time."""
    spent = person.refresh_token
    answers = [client.refresh(spent) for client in (person, twin, person)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({claims_of(answer.json["refresh_token"])["jti"] for answer in answers}) == 1
    twin.access_token = answers[1].json["access_token"]


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [-5, 5])
def test_a_clock_that_is_off_by_five_minutes_is_refused_aloud(databases: Databases, minutes: int) -> None:
    """The node is never ready, and its log says by how much its clock is wrong; it is alive meanwhile.

    A proxy that asks it all the same gets 503: no good token is refused there, and none is signed that others refuse.
    """
    require_postgres()
    wrong = wrong_by(minutes * MINUTES)
    with databases.copy(POSTGRESQL) as url, running_app(url) as right, starting(url, **wrong) as node:
        client = wait_until_listening(node)
        person = Client(InProcess(right)).join()
        visitor = Client(OverSocket(node.url))
        visitor.access_token, visitor.refresh_token = person.access_token, person.refresh_token
        assert {visitor.get("/profile/me").status, visitor.get("/account").status, visitor.refresh().status} == {503}
        assert visitor.log_in(person.username, person.password).status == 503
        assert visitor.post("/logout", {"refresh_token": person.refresh_token}, auth=False).status == 503
        assert person.refresh().status == person.get("/account").status == 200
        assert failed_checks(client) == {"/clock"}
        assert client.get("/healthz").status == 200
        told = [json.loads(line) for line in node.log().splitlines() if "clock.wrong" in line]
        assert told
        assert all(abs(line["seconds_ahead"] - minutes * MINUTES) < 30 for line in told), told


@pytest.mark.parametrize("off_by", [-11, -9, 9, 11])
def test_ten_seconds_are_as_far_as_a_clock_may_be_off(client: Client, kind: str, off_by: int) -> None:
    """As far as a token may come from the future. A process and its SQLite file have one clock, whatever it says."""
    with time_machine.travel(clock.now() + timedelta(seconds=off_by)):
        answer = client.get("/readyz")
    is_refused = kind == POSTGRESQL and abs(off_by) > 10
    assert answer.status == (503 if is_refused else 200)
    if is_refused:
        assert answer.fault_codes() == {"/clock": "service_unavailable"}


@pytest.mark.parametrize("kind", [POSTGRESQL], indirect=True)
def test_an_answer_that_is_long_under_way_makes_no_clock_wrong(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database told the time at some moment between question and answer; nobody knows at which."""
    now = clock.now()
    moments = iter([now - timedelta(minutes=1), now + timedelta(minutes=1)])
    monkeypatch.setattr("user_service.database_clock.clock", SimpleNamespace(now=lambda: next(moments)))
    with app.app_context():
        assert database_clock.seconds_ahead() == 0
