"""The blocklist as other services follow it: nothing is missed, nothing told for ever. SECURITY 86."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import claims_of
from tests.support.people import Client, InProcess
from user_service import clock
from user_service.auth.models import BlockedSession, CloseReason
from user_service.clients.service import Scope, create_client
from user_service.database import new_id, transaction

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WEEK = timedelta(days=7)
PAST_GRACE = 31 * SECOND


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def service(app: Flask) -> Client:
    """Another service of the company, which may follow."""
    return service_of(app)


def service_of(app: Flask) -> Client:
    client = Client(InProcess(app))
    with app.app_context():
        client.access_token = create_client(name="gateway", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
    return client


class Follower:
    """A service that follows: it keeps the cursor, and the set of sessions that it was told of."""

    def __init__(self, service: Client, limit: int = 200) -> None:
        self.service = service
        self.limit = limit
        self.cursor: str | None = None
        self.refused: set[str] = set()

    def poll(self) -> list[str]:
        """One call; the sessions that it told of, in order."""
        since = f"&since={self.cursor}" if self.cursor else ""
        answer = self.service.get(f"/revocations?limit={self.limit}{since}")
        assert answer.status == 200, answer
        told = [row["sid"] for row in answer.json["data"]]
        assert len(told) <= self.limit
        self.cursor, self.has_more = answer.json["cursor"], answer.json["has_more"]
        self.refused.update(told)
        return told

    def catch_up(self) -> list[str]:
        """Call until there is no more."""
        told = self.poll()
        while self.has_more:
            told += self.poll()
        return told


def block(app: Flask, blocked_at: datetime | None = None) -> str:
    """Add a row as if the session had been closed at that moment, by a node that commits only now."""
    moment = blocked_at or clock.now()
    row = BlockedSession(session_id=new_id(), reason="logged_out", blocked_at=moment, expires_at=moment + WEEK)
    with app.app_context(), transaction() as session:
        session.add(row)
    return str(row.session_id)


def block_many(app: Flask, count: int, step: timedelta, time: time_machine.Traveller) -> list[str]:
    blocked = []
    for _ in range(count):
        blocked.append(block(app))
        time.shift(step)
    return blocked


def session_id(client: Client) -> str:
    return claims_of(client.access_token)["sid"]


def reuse_a_refresh_token(person: Client, time: time_machine.Traveller) -> None:
    used = person.refresh_token
    person.refresh()
    person.refresh()
    time.shift(PAST_GRACE)
    assert person.refresh(used).code == "refresh_token_reused"


def log_in_elsewhere(person: Client, times: int, time: time_machine.Traveller) -> None:
    for _ in range(times):
        time.shift(SECOND)
        assert person.another_device().log_in().status == 200


def ways_to_end(time: time_machine.Traveller) -> dict[CloseReason, Callable[[Client], Any]]:
    change = {"current_password": "plum tractor sings low", "new_password": "staple ember window tide"}
    return {
        CloseReason.LOGGED_OUT: lambda person: person.post("/logout"),
        CloseReason.CLOSED_BY_USER: lambda person: person.delete(f"/sessions/{session_id(person)}"),
        CloseReason.PASSWORD_CHANGED: lambda person: person.put("/account/password", change),
        CloseReason.REFRESH_REUSED: lambda person: reuse_a_refresh_token(person, time),
        CloseReason.TOO_MANY_SESSIONS: lambda person: log_in_elsewhere(person, 3, time),
    }


def test_every_session_that_is_closed_appears_however_it_was(
    time: time_machine.Traveller, make_app: Callable[..., Flask]
) -> None:
    app = make_app(max_sessions_per_user=3)
    service, expected = service_of(app), {}
    for reason, end in ways_to_end(time).items():
        person = Client(InProcess(app)).join()
        end(person)
        expected[session_id(person)] = reason.value
    by_body, everywhere = Client(InProcess(app)).join(), Client(InProcess(app)).join()
    assert by_body.post("/logout", {"refresh_token": by_body.refresh_token}, auth=False).status == 204
    assert everywhere.delete("/sessions").status == 204
    expected |= {session_id(by_body): "logged_out", session_id(everywhere): "closed_by_user"}
    rows = service.get("/revocations").json["data"]
    assert {row["sid"]: row["reason"] for row in rows} == expected


def test_a_revocation_tells_until_when_it_matters(
    time: time_machine.Traveller, service: Client, newcomer: Callable[[], Client]
) -> None:
    person = newcomer().join()
    person.post("/logout")
    answer = service.get("/revocations")
    [row] = answer.json["data"]
    assert set(row) == {"sid", "reason", "blocked_at", "expires_at"}
    assert datetime.fromisoformat(row["blocked_at"]) == clock.now()
    dead = max(claims_of(token)["exp"] for token in (person.access_token, person.refresh_token))
    assert datetime.fromisoformat(row["expires_at"]).timestamp() >= dead
    assert answer.headers["Cache-Control"] == "no-store"
    time.shift(datetime.fromisoformat(row["expires_at"]) - clock.now())
    assert service.get("/revocations").json["data"] == []


def test_a_walk_in_the_smallest_steps_meets_every_session_once_and_in_order(
    time: time_machine.Traveller, app: Flask, service: Client
) -> None:
    blocked = block_many(app, 5, 2 * MINUTE, time)
    together = sorted((block(app) for _ in range(3)), key=lambda sid: UUID(sid).hex)
    time.shift(2 * MINUTE)
    follower = Follower(service, limit=1)
    assert follower.catch_up() == [*blocked, *together]
    assert Follower(service, limit=3).catch_up() == [*blocked, *together]
    assert Follower(service, limit=8).poll() == [*blocked, *together]


def test_sessions_that_were_closed_together_are_all_met(service: Client, newcomer: Callable[[], Client]) -> None:
    """They have one and the same moment, so a page may end in the midst of them."""
    person = newcomer().join()
    devices = [person.another_device() for _ in range(4)]
    assert {device.log_in().status for device in devices} == {200}
    person.delete("/sessions")
    told = Follower(service, limit=2).catch_up()
    assert sorted(told) == sorted(session_id(client) for client in (person, *devices))


def test_what_comes_later_is_told_by_the_cursor_at_the_end(
    time: time_machine.Traveller, app: Flask, service: Client
) -> None:
    follower = Follower(service)
    assert follower.catch_up() == []
    for _ in range(3):
        time.shift(5 * MINUTE)
        new = block(app)
        assert new in follower.catch_up()


@pytest.mark.parametrize("limit", [1, 200])
def test_a_row_that_was_committed_late_is_not_missed(
    time: time_machine.Traveller, app: Flask, service: Client, limit: int
) -> None:
    """A row is stamped before it is committed, so one with an earlier moment may come after one with a later."""
    follower = Follower(service, limit)
    blocked = block_many(app, 3, 10 * SECOND, time)
    follower.poll()
    late = block(app, clock.now() - 55 * SECOND)
    time.shift(1 * SECOND)
    follower.catch_up()
    follower.catch_up()
    assert follower.refused == {*blocked, late}


def test_a_quiet_blocklist_is_not_told_again_and_again(
    time: time_machine.Traveller, app: Flask, service: Client
) -> None:
    """The last minute may come twice; a thousand sessions that were closed in it must not come for a week."""
    block_many(app, 5, SECOND, time)
    follower = Follower(service)
    assert len(follower.poll()) == 5
    time.shift(2 * MINUTE)
    follower.poll()
    time.shift(2 * MINUTE)
    assert follower.poll() == []


def test_the_cursor_at_the_end_stays_usable_for_days(time: time_machine.Traveller, app: Flask, service: Client) -> None:
    follower = Follower(service)
    block(app)
    follower.catch_up()
    for _ in range(10):
        time.shift(timedelta(days=1))
        follower.catch_up()
    assert follower.poll() == []
    new = block(app)
    assert follower.poll() == [new]


def test_a_cursor_that_is_none_is_refused(app: Flask, service: Client, newcomer: Callable[[], Client]) -> None:
    block(app)
    foreign = newcomer().join().get("/account/events?limit=1").json["pagination"]["next_cursor"]
    genuine = service.get("/revocations").json["cursor"]
    body, _, signature = genuine.rpartition(".")
    altered = [genuine[:-1], genuine + "A", genuine.swapcase(), body, f".{signature}"]
    failures = []
    for value in ("", "x", "x" * 5000, "2026-11-23", foreign, *altered):
        answer = service.get(f"/revocations?since={value}")
        if answer.status != 422 or answer.fault_codes() != {"/since": "invalid_cursor"}:
            failures.append(f"{value[:40]!r}: {answer.status} {answer.text[:120]}")
    assert not failures
    assert service.get(f"/revocations?since={genuine}").status == 200


def test_a_cursor_works_on_every_node(time: time_machine.Traveller, make_app: Callable[..., Flask]) -> None:
    here, there = make_app(), make_app()
    blocked = block_many(here, 4, 2 * MINUTE, time)
    follower, told = Follower(service_of(here), limit=1), []
    for app in (here, there, here, there):
        follower.service.transport = InProcess(app)
        told += follower.poll()
    assert told == blocked
