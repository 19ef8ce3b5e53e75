"""The security log as its owner reads it: complete, newest first, free of secrets. SECURITY 33, 81, 149, 151."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from tests.support.crowd import bearer, claims_of
from tests.support.people import PAYMENT, PROFILE, Client
from user_service.web.paging import DEFAULT_LIMIT

SHOWN = {"id", "occurred_at", "action", "outcome", "session_id", "ip", "user_agent", "detail"}
SECOND = timedelta(seconds=1)
PAST_GRACE = 31 * SECOND
NEW = "staple ember window tide"


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


def events(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/account/events{query}")
    assert answer.status == 200, answer
    return answer.json["data"]


def actions(client: Client) -> list[str]:
    return [event["action"] for event in events(client)]


def walk(client: Client, limit: int) -> list[dict[str, Any]]:
    """All events, page by page, as the Link header leads."""
    seen, path = [], f"/account/events?limit={limit}"
    while path:
        answer = client.get(path)
        seen += answer.json["data"]
        link = answer.headers.get("Link", "")
        assert (
            bool(link)
            is answer.json["pagination"]["has_more"]
            is (answer.json["pagination"]["next_cursor"] is not None)
        )
        path = link.partition(">")[0].removeprefix("<http://users.test")
    return seen


def change(client: Client, current: str) -> int:
    answer = client.put("/account/password", {"current_password": current, "new_password": NEW})
    if answer.status == 200:
        client.access_token, client.refresh_token = answer.json["access_token"], answer.json["refresh_token"]
    return answer.status


def test_the_log_tells_what_happened_to_the_account_newest_first(time: time_machine.Traveller, client: Client) -> None:
    """SECURITY 149."""
    phone = client.another_device()
    steps: list[tuple[str, str, Callable[[], Any]]] = [
        ("auth.user.registered", "success", client.register),
        ("auth.login.refused", "refused", lambda: client.log_in(password="not the password")),
        ("auth.login.succeeded", "success", client.log_in),
        ("profile.created", "success", lambda: client.post("/profile", PROFILE)),
        ("profile.updated", "success", lambda: client.put("/profile", {"name": "Ada King"})),
        ("payment.info.stored", "success", lambda: client.post("/profile/payment_info", PAYMENT)),
        ("payment.info.deleted", "success", lambda: client.delete("/profile/payment_info")),
        ("auth.password.refused", "refused", lambda: change(client, "not the password")),
        ("auth.login.succeeded", "success", lambda: phone.log_in(client.username, client.password)),
        ("auth.session.logged_out", "success", lambda: phone.post("/logout")),
    ]
    expected = []
    for action, outcome, step in steps:
        step()
        expected.append((action, outcome, f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z"))
        time.shift(1 * SECOND)
    shown = [(event["action"], event["outcome"], event["occurred_at"]) for event in events(client)]
    assert shown == expected[::-1]


def test_an_event_tells_the_session_the_address_and_the_device(person: Client) -> None:
    agent = "Mozilla/5.0 (Ada's tablet)"
    body = {"username": person.email, "password": person.password}
    opened = person.post("/token", body, headers={"User-Agent": agent}, auth=False).json
    [event, *_] = events(person)
    assert set(event) >= SHOWN
    assert event["session_id"] == claims_of(opened["access_token"])["sid"]
    assert (event["action"], event["ip"], event["user_agent"]) == ("auth.login.succeeded", "127.0.0.1", agent)


def test_a_change_of_the_password_logs_every_session_that_it_ends(person: Client) -> None:
    """SECURITY 33, 34."""
    phone = person.another_device()
    phone.log_in()
    ended = {claims_of(client.access_token)["sid"] for client in (person, phone)}
    assert change(person, person.password) == 200
    log = events(person)
    assert [event["action"] for event in log].count("auth.password.changed") == 1
    closed = [event for event in log if event["action"] == "auth.session.closed"]
    assert {event["session_id"] for event in closed} == ended
    assert {event["detail"]["reason"] for event in closed} == {"password_changed"}
    [changed] = [event for event in log if event["action"] == "auth.password.changed"]
    assert changed["session_id"] == claims_of(person.access_token)["sid"]


def test_a_reused_refresh_token_is_named_recent_or_stale(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 81: the one that was replaced last may be an honest client's old copy, so the two are told apart."""
    for generations, name in ((1, "recent"), (2, "stale")):
        device = person.another_device()
        device.log_in()
        used, session_id = device.refresh_token, claims_of(device.access_token)["sid"]
        for _ in range(generations):
            device.refresh()
        assert device.get("/account").status == 200
        time.shift(PAST_GRACE)
        assert device.refresh(used).code == "refresh_token_reused"
        [event] = [event for event in events(person) if event["action"] == "auth.refresh.reused"][:1]
        assert (event["session_id"], event["outcome"]) == (session_id, "refused")
        assert event["detail"]["token"] == name


def test_a_replay_that_is_answered_is_in_the_log_with_its_address(person: Client) -> None:
    used = person.refresh_token
    person.refresh()
    assert person.another_device().refresh(used).status == 200
    [event, *_] = events(person)
    assert (event["action"], event["outcome"], event["ip"]) == ("auth.refresh.replayed", "success", "127.0.0.1")


def test_the_log_is_ones_own(person: Client, newcomer: Callable[[], Client]) -> None:
    stranger = newcomer().join()
    assert stranger.log_in("nobody.of.this.name").status == 401
    assert actions(stranger) == ["auth.login.succeeded", "auth.user.registered"]
    before = actions(person)
    assert stranger.another_device().log_in(person.username, "not the password").status == 401
    assert actions(stranger) == ["auth.login.succeeded", "auth.user.registered"]
    assert actions(person) == ["auth.login.refused", *before]
    named = f"?user_id={claims_of(person.access_token)['sub']}"
    assert events(stranger, named) == events(stranger)


def test_the_log_comes_in_pages(person: Client) -> None:
    for number in range(6):
        person.put("/profile", {"name": f"Ada {number}"})
        person.another_device().log_in()
    whole = events(person)
    ids = [event["id"] for event in whole]
    assert len(ids) == len(set(ids)) == 8
    for limit in (1, 3, len(ids) - 1, len(ids), len(ids) + 1):
        assert walk(person, limit) == whole


def test_a_page_holds_fifty_unless_more_are_asked_for(person: Client) -> None:
    for _ in range(DEFAULT_LIMIT):
        person.post("/profile", PROFILE)
        person.delete("/profile")
    assert len(events(person)) == DEFAULT_LIMIT == 50
    assert len(events(person, "?limit=200")) == 2 * DEFAULT_LIMIT + 2


def test_what_is_added_meanwhile_does_not_shift_the_pages(person: Client) -> None:
    for _ in range(3):
        person.another_device().log_in()
    whole = events(person)
    cursor = person.get("/account/events?limit=2").json["pagination"]["next_cursor"]
    person.another_device().log_in()
    assert events(person, f"?limit=2&cursor={cursor}") == whole[2:4]


def test_a_page_that_makes_no_sense_is_refused(person: Client, newcomer: Callable[[], Client]) -> None:
    stranger = newcomer().join()
    foreign = stranger.get("/account/events?limit=1").json["pagination"]["next_cursor"]
    person.another_device().log_in()
    sessions = person.get("/sessions?limit=1").json["pagination"]["next_cursor"]
    own = person.get("/account/events?limit=1").json["pagination"]["next_cursor"]
    failures = []
    for value in (
        foreign,
        sessions,
        own[:-1],
        own.swapcase(),
        "",
        "x" * 5000,
        "0",
        claims_of(person.access_token)["sid"],
    ):
        answer = person.get(f"/account/events?cursor={value}")
        if answer.status != 422 or answer.fault_codes() != {"/cursor": "invalid_cursor"}:
            failures.append(f"cursor {value[:40]!r}: {answer.status} {answer.text[:120]}")
    for value in ("0", "201", "-1", "1.5", "many", "", "٣"):
        answer = person.get(f"/account/events?limit={value}")
        if answer.status != 422 or set(answer.fault_codes()) != {"/limit"}:
            failures.append(f"limit {value!r}: {answer.status} {answer.text[:120]}")
    assert not failures


def test_no_secret_stands_in_the_log(person: Client) -> None:
    """SECURITY 151: neither what was typed as a password nor any token, address or number."""
    secrets = {"wrong-canary-one", "wrong-canary-two", NEW, person.password, person.email, PAYMENT["payment_token"]}
    person.another_device().log_in(password="wrong-canary-one")
    person.another_device().log_in(username=person.email, password="wrong-canary-two")
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    change(person, "wrong-canary-one")
    pairs = [(person.access_token, person.refresh_token)]
    assert change(person, person.password) == 200
    person.refresh()
    pairs.append((person.access_token, person.refresh_token))
    person.put("/account/password", {}, headers=bearer("canary.of.token"))
    answer = person.get("/account/events?limit=200")
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = {token for pair in pairs for token in pair}
    told = secrets | tokens | {claims_of(token)["jti"] for token in tokens} | {"canary.of.token"}
    told |= {PROFILE["name"], PROFILE["phone"], PROFILE["shipping_address"]["line1"]}
    assert not [secret for secret in told if secret in answer.text]
    assert "auth.password.changed" in answer.text
