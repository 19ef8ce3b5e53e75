"""The account as its owner reads it, and how many sessions it may have. SECURITY 93, 96."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import Cluster, at_once, claims_of, statuses, trail
from tests.support.databases import PUBLIC_URL, Databases
from tests.support.people import Answer, Client, InProcess
from tests.support.server import serving
from user_service.audit.events import Action

SHOWN = {"id", "username", "email", "email_verified", "pending_email", "created_at", "password_changed_at"}
CAP = 3
CROWD = 24


@pytest.fixture
def capped(make_app: Callable[..., Flask]) -> Client:
    """Somebody who may have three sessions and has one."""
    return Client(InProcess(make_app(max_sessions_per_user=CAP))).join()


@pytest.fixture
def cluster(databases: Databases, kind: str) -> Iterator[Cluster]:
    """Two workers, which allow three sessions."""
    with (
        databases.copy(kind) as url,
        serving(url, MAX_SESSIONS_PER_USER=str(CAP), PUBLIC_URL=PUBLIC_URL) as node,
    ):
        yield Cluster(url, [node])


def device(person: Client) -> Client:
    other = person.another_device()
    assert other.log_in().status == 200
    return other


def session_id(client: Client) -> str:
    return claims_of(client.access_token or "")["sid"]


def listed(client: Client) -> list[str]:
    return [row["id"] for row in client.get("/sessions").json["data"]]


def test_the_account_says_who_one_is(client: Client) -> None:
    with time_machine.travel(datetime(2026, 11, 23, 9, 30, tzinfo=UTC), tick=False):
        registered = client.register("Maria.Silva", "Maria@Example.com").json["user"]
        client.log_in()
        answer = client.get("/account")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json == {
        "id": claims_of(client.access_token)["sub"],
        "username": "Maria.Silva",
        "email": "Maria@Example.com",
        "email_verified": False,
        "pending_email": None,
        "created_at": "2026-11-23T09:30:00.000Z",
        "password_changed_at": "2026-11-23T09:30:00.000Z",
    }
    assert registered.items() <= answer.json.items()


def test_the_account_is_ones_own_and_nobody_elses(person: Client, newcomer: Callable[[], Client]) -> None:
    stranger = newcomer().join()
    mine, theirs = person.get("/account").json, stranger.get("/account").json
    assert set(mine) == set(theirs) == SHOWN
    assert (mine["username"], theirs["username"]) == (person.username, stranger.username)
    named = stranger.get(f"/account?id={mine['id']}&user_id={mine['id']}&username={person.username}")
    assert named.json == theirs


def test_the_account_needs_an_access_token(person: Client) -> None:
    """SECURITY 96."""
    for path in ("/account", "/account/events"):
        unknown = person.get(path, auth=False)
        assert (unknown.status, unknown.code) == (401, "token_required")
        assert unknown.headers["WWW-Authenticate"].startswith("Bearer ")
        refused = person.get(path, headers={"Authorization": f"Bearer {person.refresh_token}"})
        assert (refused.status, refused.code) == (401, "invalid_token")


def test_the_account_can_be_read_only(person: Client) -> None:
    for method in ("POST", "PUT", "PATCH"):
        answer = person.send(method, "/account", {"email_verified": True})
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert "GET" in answer.headers["Allow"]


def test_a_change_of_the_password_is_dated(person: Client) -> None:
    before = person.get("/account").json
    changed_at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    with time_machine.travel(changed_at, tick=False):
        person.log_in()
        body = {"current_password": person.password, "new_password": "staple ember window tide"}
        person.access_token = person.put("/account/password", body).json["access_token"]
        after = person.get("/account").json
    assert datetime.fromisoformat(after["password_changed_at"]) == changed_at
    assert after == {**before, "password_changed_at": after["password_changed_at"]}


def test_one_log_in_too_many_ends_the_oldest_session(capped: Client, database_url: str) -> None:
    """SECURITY 93."""
    second, third = device(capped), device(capped)
    assert capped.get("/sessions").status == 200
    fourth = device(capped)
    assert capped.get("/sessions").code == capped.refresh().code == "token_revoked"
    assert listed(fourth) == [session_id(client) for client in (fourth, third, second)]
    assert second.refresh().status == third.refresh().status == 200
    [row] = trail(database_url, claims_of(fourth.access_token)["sub"], Action.SESSION_CLOSED)
    assert (str(row.session_id), row.detail["reason"]) == (session_id(capped), "too_many_sessions")


def test_a_refreshed_session_is_no_younger_than_its_log_in(capped: Client) -> None:
    """SECURITY 93: what counts is when a session was opened, so a refresh neither adds one nor keeps one."""
    for _ in range(CAP + 1):
        assert capped.refresh().status == 200
    others = [device(capped) for _ in range(CAP - 1)]
    assert capped.refresh().status == 200
    device(capped)
    assert capped.get("/sessions").code == "token_revoked"
    assert {client.get("/sessions").status for client in others} == {200}


def test_the_cap_is_each_persons_own(capped: Client) -> None:
    stranger = Client(capped.transport).join()
    for _ in range(CAP):
        device(capped)
    assert listed(stranger) == [session_id(stranger)]


@pytest.mark.slow
def test_log_ins_at_once_leave_no_more_sessions_than_are_allowed(cluster: Cluster) -> None:
    """SECURITY 93: over sockets, two workers; those that are over are refused, those that are left work."""
    person = cluster.client().join()
    answers = cluster.at_the_last_byte([lambda client: client.log_in(person.username, person.password)] * CROWD)
    assert statuses(answers) == [200] * CROWD
    alive = [
        index for index, works in enumerate(at_once(len(answers), lambda i: works_at(cluster, answers[i]))) if works
    ]
    assert len(alive) == CAP
    opened = {claims_of(answers[index].json["access_token"])["sid"] for index in alive}
    survivor = cluster.client()
    survivor.access_token = answers[alive[0]].json["access_token"]
    assert set(listed(survivor)) == opened
    closed = trail(cluster.database_url, claims_of(survivor.access_token)["sub"], Action.SESSION_CLOSED)
    assert len({row.session_id for row in closed}) == len(closed) == CROWD + 1 - CAP


def works_at(cluster: Cluster, answer: Answer) -> bool:
    """Whether both tokens of a log-in work; they must agree."""
    client = cluster.client()
    client.access_token, client.refresh_token = answer.json["access_token"], answer.json["refresh_token"]
    seen = [client.get("/sessions").status, client.refresh().status]
    assert seen in ([200, 200], [401, 401])
    return seen == [200, 200]
