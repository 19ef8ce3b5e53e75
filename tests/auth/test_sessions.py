"""Sessions: listed, used, ended one by one or all at once, and over for good in time. SECURITY 82, 85, 89-93."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import claims_of, trail
from tests.support.people import Client, InProcess
from user_service.audit.events import Action

MINUTES, DAYS = timedelta(minutes=1), timedelta(days=1)
PAST_LEEWAY = timedelta(seconds=11)
SHOWN = {"id", "current", "created_at", "last_used_at", "expires_at", "ip", "user_agent"}


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


def moment(text: str) -> datetime:
    assert text.endswith("Z"), text
    return datetime.fromisoformat(text)


def session_id(client: Client) -> str:
    return claims_of(client.access_token)["sid"]


def listed(client: Client) -> list[dict[str, Any]]:
    answer = client.get("/sessions")
    assert answer.status == 200, answer
    return answer.json["data"]


def is_closed(client: Client) -> bool:
    return client.get("/sessions").code == client.refresh(client.refresh_token).code == "token_revoked"


def device(person: Client) -> Client:
    """The same person, logged in once more."""
    other = person.another_device()
    assert other.log_in().status == 200
    return other


def test_the_list_shows_every_session_of_ones_own_newest_first(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 90."""
    time.shift(1 * MINUTES)
    phone = device(person)
    stranger = Client(person.transport).join()
    rows = listed(person)
    assert [row["id"] for row in rows] == [session_id(phone), session_id(person)]
    assert [row["current"] for row in rows] == [False, True]
    assert session_id(stranger) not in {row["id"] for row in rows}


def test_a_session_tells_when_and_from_where_it_was_opened(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 90: what a person needs to recognise it, and nothing that could be used."""
    agent = {"User-Agent": "Mozilla/5.0 (Ada's tablet)"}
    body = {"username": person.username, "password": person.password}
    opened = person.post("/token", body, headers=agent, auth=False).json
    answer = person.get("/sessions")
    [row] = [row for row in answer.json["data"] if row["id"] == claims_of(opened["access_token"])["sid"]]
    assert set(row) >= SHOWN
    assert (row["ip"], row["user_agent"]) == ("127.0.0.1", agent["User-Agent"])
    assert moment(row["created_at"]) == moment(row["last_used_at"]) == datetime.now(UTC)
    assert answer.headers["Cache-Control"] == "no-store"
    for token in (opened["access_token"], opened["refresh_token"]):
        assert token not in answer.text
        assert claims_of(token)["jti"] not in answer.text


def test_the_first_use_of_a_new_access_token_is_the_sessions_last_use(
    time: time_machine.Traveller, person: Client
) -> None:
    opened_at = datetime.now(UTC)
    time.shift(1 * MINUTES)
    assert moment(listed(person)[0]["last_used_at"]) == opened_at
    person.refresh()
    time.shift(1 * MINUTES)
    first_use = datetime.now(UTC)
    assert moment(listed(person)[0]["last_used_at"]) == first_use
    time.shift(1 * MINUTES)
    assert moment(listed(person)[0]["last_used_at"]) == first_use


def test_a_refresh_carries_the_session_on(time: time_machine.Traveller, person: Client) -> None:
    [before] = listed(person)
    time.shift(1 * DAYS)
    person.refresh()
    [after] = listed(person)
    assert (after["id"], after["created_at"]) == (before["id"], before["created_at"])
    assert moment(after["expires_at"]) - moment(before["expires_at"]) == 1 * DAYS


def test_the_list_comes_in_pages(time: time_machine.Traveller, person: Client) -> None:
    devices = [person]
    for _ in range(2):
        time.shift(1 * MINUTES)
        devices.append(device(person))
    first = person.get("/sessions?limit=2")
    assert first.json["pagination"]["has_more"] is True
    assert first.headers["Link"].endswith('; rel="next"')
    cursor = first.json["pagination"]["next_cursor"]
    second = person.get(f"/sessions?limit=2&cursor={cursor}")
    assert second.json["pagination"] == {"next_cursor": None, "has_more": False}
    shown = [row["id"] for row in first.json["data"] + second.json["data"]]
    assert shown == [session_id(client) for client in reversed(devices)]
    stranger = Client(person.transport).join()
    assert stranger.get(f"/sessions?cursor={cursor}").code == "validation_failed"


def test_ending_one_session_ends_that_one_alone(person: Client, database_url: str) -> None:
    phone = device(person)
    assert person.delete(f"/sessions/{session_id(phone)}").status == 204
    assert is_closed(phone)
    assert [row["id"] for row in listed(person)] == [session_id(person)]
    assert person.refresh().status == 200
    assert person.delete(f"/sessions/{session_id(phone)}").code == "session_not_found"
    [row] = trail(database_url, claims_of(person.access_token)["sub"], Action.SESSION_CLOSED)
    assert (str(row.session_id), row.detail["reason"]) == (session_id(phone), "closed_by_user")


def test_the_current_session_can_be_ended_by_its_id(person: Client) -> None:
    assert person.delete(f"/sessions/{session_id(person)}").status == 204
    assert is_closed(person)


def test_anothers_session_is_not_found_and_goes_on(person: Client, newcomer: Callable[[], Client]) -> None:
    """SECURITY 91: the same answer as for an id that does not exist."""
    stranger = newcomer().join()
    refused = stranger.delete(f"/sessions/{session_id(person)}")
    unknown = stranger.delete(f"/sessions/{uuid4()}")
    assert (refused.status, refused.code) == (unknown.status, unknown.code) == (404, "session_not_found")
    assert refused.json["detail"] == unknown.json["detail"]
    assert listed(person)[0]["id"] == session_id(person)
    assert person.refresh().status == 200


def test_all_sessions_end_together_this_one_included(person: Client, newcomer: Callable[[], Client]) -> None:
    """SECURITY 89; nobody else's."""
    devices = [person, *(device(person) for _ in range(4))]
    stranger = newcomer().join()
    assert devices[2].delete("/sessions").status == 204
    assert all(is_closed(client) for client in devices)
    assert listed(stranger)
    again = device(person)
    assert [row["id"] for row in listed(again)] == [session_id(again)]


def test_every_log_in_opens_a_session_of_its_own(person: Client) -> None:
    """SECURITY 92."""
    devices = [person, *(device(person) for _ in range(5))]
    claims = [claims_of(token) for client in devices for token in (client.access_token, client.refresh_token)]
    assert len({claim["sid"] for claim in claims}) == 6
    assert len({claim["jti"] for claim in claims}) == 12


def test_a_session_that_nobody_refreshed_is_over_after_seven_days(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 85: the idle end; it is no longer listed either."""
    time.shift(7 * DAYS - 1 * MINUTES)
    kept = device(person)
    assert len(listed(kept)) == 2
    assert person.another_device().refresh(person.refresh_token).status == 200
    assert len(listed(kept)) == 2
    time.shift(7 * DAYS - 1 * MINUTES)
    assert len(listed(device(person))) == 3
    time.shift(2 * MINUTES)
    refused = kept.refresh()
    assert (refused.status, refused.code) == (401, "token_expired")
    assert len(listed(device(person))) == 2


def test_a_session_ends_for_good_thirty_days_after_its_log_in(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 85: the absolute end, however often the tokens were rotated."""
    for _ in range(29):
        time.shift(1 * DAYS)
        assert person.refresh().status == 200
    time.shift(1 * DAYS - 5 * MINUTES)
    last = person.refresh()
    assert (last.json["expires_in"], last.json["refresh_expires_in"]) == (300, 300)
    assert len(listed(person)) == 1
    time.shift(5 * MINUTES + PAST_LEEWAY)
    assert person.refresh().code == person.get("/sessions").code == "token_expired"


def test_past_the_most_sessions_allowed_the_oldest_ends(
    time: time_machine.Traveller, make_app: Callable[..., Flask], database_url: str
) -> None:
    """SECURITY 93."""
    devices = [Client(InProcess(make_app(max_sessions_per_user=3))).join()]
    for _ in range(3):
        time.shift(1 * MINUTES)
        devices.append(device(devices[0]))
    assert is_closed(devices[0])
    assert [row["id"] for row in listed(devices[3])] == [session_id(client) for client in devices[:0:-1]]
    [row] = trail(database_url, claims_of(devices[0].access_token)["sub"], Action.SESSION_CLOSED)
    assert (str(row.session_id), row.detail["reason"]) == (session_id(devices[0]), "too_many_sessions")


def test_a_restart_revives_no_token_and_ends_none(make_app: Callable[..., Flask]) -> None:
    """SECURITY 82, RELIABILITY 15. All state is in the database, so a new process knows what the old one knew."""
    before = InProcess(make_app())
    rotated, closed, alive = (Client(before).join() for _ in range(3))
    spent = rotated.refresh_token
    rotated.refresh()
    rotated.refresh()
    assert closed.post("/logout").status == 204

    after = InProcess(make_app())
    for client in (rotated, closed, alive):
        client.transport = after
    assert is_closed(closed)
    assert listed(alive)
    assert alive.refresh().status == 200
    assert listed(rotated)
    assert rotated.refresh(spent).code == "refresh_token_reused"
    assert is_closed(rotated)
