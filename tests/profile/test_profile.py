"""The profile: made once, changed in part, shown to its owner, deleted with what hangs on it. SECURITY 97, 101-102."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.support.crowd import claims_of
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import ADDRESS, PASSWORD, PAYMENT, PROFILE, Client
from user_service.audit.models import AuditEvent
from user_service.database import fetch_all
from user_service.payment.models import PaymentInfo
from user_service.profile.models import Profile

SHOWN = {
    *("id", "username", "email", "name", "phone", "phone_e164", "shipping_address", "created_at", "updated_at"),
}
PAYMENT_PATH = "/profile/payment_info"


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 11, 23, 9, 30, tzinfo=UTC), tick=False) as traveller:
        yield traveller


@pytest.fixture
def owner(person: Client) -> Client:
    """Somebody with a profile."""
    assert person.post("/profile", PROFILE).status == 201
    return person


def rows(app: Flask, model: Any) -> list[Any]:
    with app.app_context():
        return fetch_all(select(model.__table__))


def test_a_created_profile_is_answered_as_it_is_read(time: time_machine.Traveller, person: Client) -> None:
    created = person.post("/profile", PROFILE)
    assert (created.status, created.headers["Location"]) == (201, "/profile/me")
    profile = created.json
    assert set(profile) == SHOWN
    assert profile["id"] == claims_of(person.access_token)["sub"]
    assert (profile["username"], profile["email"]) == (person.username, person.email)
    assert {name: profile[name] for name in PROFILE} == PROFILE
    assert profile["phone_e164"] == "+16502530000"
    assert profile["created_at"] == profile["updated_at"] == "2026-11-23T09:30:00.000Z"
    read = person.get("/profile/me")
    assert (read.status, read.json, read.headers["ETag"]) == (200, profile, created.headers["ETag"])
    assert created.headers["Cache-Control"] == read.headers["Cache-Control"] == "no-store"


def test_there_is_one_profile_and_the_first_stays(owner: Client) -> None:
    answer = owner.post("/profile", {**PROFILE, "name": "Somebody Else"})
    assert (answer.status, answer.code) == (409, "profile_exists")
    assert owner.get("/profile/me").json["name"] == PROFILE["name"]


def test_without_a_profile_there_is_nothing_to_read_change_or_delete(person: Client) -> None:
    answers = [person.get("/profile/me"), person.put("/profile", {"name": "Ada"}), person.delete("/profile")]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "profile_not_found")] * 3


@ON_ONE_DATABASE
def test_all_three_members_are_needed_to_create(person: Client) -> None:
    assert person.post("/profile", {}).fault_codes() == {f"/{name}": "required" for name in PROFILE}
    for name in PROFILE:
        body = {other: value for other, value in PROFILE.items() if other != name}
        assert person.post("/profile", body).fault_codes() == {f"/{name}": "required"}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Ada King"},
        {"phone": "+44 20 7946 0018"},
        {"shipping_address": "12 St James's Square\nLondon SW1Y 4JH"},
        {"shipping_address": {**ADDRESS, "line2": "Building 43"}},
        {"name": "Countess", "phone": "020 7946 0018"},
        PROFILE,
    ],
    ids="+".join,
)
def test_what_is_left_out_keeps_its_value(owner: Client, changes: dict[str, Any]) -> None:
    """SECURITY 141."""
    before = owner.get("/profile/me").json
    answer = owner.put("/profile", changes)
    assert answer.status == 200
    assert {name: answer.json[name] for name in PROFILE} == {**PROFILE, **changes}
    assert answer.json == owner.get("/profile/me").json
    assert answer.json["created_at"] == before["created_at"]


def test_a_change_moves_the_time_of_the_last_change(time: time_machine.Traveller, owner: Client) -> None:
    time.shift(timedelta(minutes=2))
    changed = owner.put("/profile", {"name": "Ada King"}).json
    assert (changed["created_at"], changed["updated_at"]) == ("2026-11-23T09:30:00.000Z", "2026-11-23T09:32:00.000Z")


def test_the_normal_form_of_the_phone_follows_it(owner: Client) -> None:
    assert owner.put("/profile", {"phone": "+44 20 7946 0018"}).json["phone_e164"] == "+442079460018"
    assert owner.put("/profile", {"phone": "12345"}).json["phone_e164"] is None
    assert owner.get("/profile/me").json["phone"] == "12345"


@ON_ONE_DATABASE
def test_an_empty_change_and_nulls_are_refused_and_wipe_nothing(owner: Client) -> None:
    """SECURITY 141."""
    empty = owner.put("/profile", {})
    assert (empty.status, empty.code) == (422, "validation_failed")
    for name in PROFILE:
        assert owner.put("/profile", {name: None}).fault_codes() == {f"/{name}": "null"}
        assert owner.put("/profile", {name: ""}).status == 422
    assert {name: owner.get("/profile/me").json[name] for name in PROFILE} == PROFILE


@ON_ONE_DATABASE
def test_account_data_cannot_be_changed_through_the_profile(owner: Client) -> None:
    """SECURITY 101, 102."""
    before = owner.get("/profile/me").json
    members = ["id", "user_id", "username", "email", "password", "email_verified", "phone_e164", "created_at", "role"]
    for name in members:
        answers = [owner.put("/profile", {"name": "Eve", name: "eve@example.com"}), owner.put("/profile", {name: "x"})]
        assert [answer.fault_codes().get(f"/{name}") for answer in answers] == ["unknown_field"] * 2
        assert {answer.status for answer in answers} == {422}
    assert owner.get("/profile/me").json == before
    assert owner.log_in(password=PASSWORD).status == 200


@ON_ONE_DATABASE
def test_no_type_is_coerced(owner: Client) -> None:
    """SECURITY 14."""
    values: list[Any] = [1, 1.5, True, False, [], ["x"]]
    for name in PROFILE:
        for value in values if name == "shipping_address" else [*values, {}, {"x": 1}]:
            assert owner.put("/profile", {name: value}).fault_codes() == {f"/{name}": "invalid_type"}, (name, value)


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "name",
    ["Ada", "李小龍", "Þórður Ægisson", "O'Brien-Núñez", "Ada 🎺", "x" * 200, "😀" * 200, "a\u2028b", "<b>&amp;</b>"],
)
def test_names_come_back_as_they_were_sent(owner: Client, name: str) -> None:
    assert owner.put("/profile", {"name": f"  {name}\u00a0"}).json["name"] == name


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "name", ["", "   ", "x" * 201, "a\0b", "a\nb", "a\tb", "a\x1bb", "a\x85b", "4111 1111 1111 1111"]
)
def test_names_that_are_none_are_refused(owner: Client, name: str) -> None:
    assert owner.put("/profile", {"name": name}).status == 422
    assert owner.get("/profile/me").json["name"] == PROFILE["name"]


def test_a_deleted_profile_takes_the_payment_information_along_and_says_so(owner: Client, app: Flask) -> None:
    owner.post(PAYMENT_PATH, PAYMENT)
    answer = owner.delete("/profile")
    assert (answer.status, set(answer.json)) == (200, {"message"})
    assert "payment information" in answer.json["message"]
    assert (rows(app, Profile), rows(app, PaymentInfo)) == ([], [])
    assert owner.get("/profile/me").code == owner.delete("/profile").code == "profile_not_found"
    assert owner.get(PAYMENT_PATH).code == "payment_info_not_found"
    assert owner.post("/profile", PROFILE).status == 201


def test_a_profile_without_payment_information_is_deleted_alike(owner: Client) -> None:
    assert owner.delete("/profile").status == 200
    assert owner.log_in().status == 200, "the account stays"


def test_without_a_profile_payment_information_is_left_alone(person: Client) -> None:
    person.post(PAYMENT_PATH, PAYMENT)
    assert person.delete("/profile").code == "profile_not_found"
    assert person.get(PAYMENT_PATH).status == 200


def test_a_change_can_be_made_to_depend_on_what_was_read(owner: Client) -> None:
    tag = owner.get("/profile/me").headers["ETag"]
    assert owner.get("/profile/me", headers={"If-None-Match": tag}).status == 304
    changed = owner.put("/profile", {"name": "Ada King"}, headers={"If-Match": tag})
    assert changed.status == 200
    stale = {"If-Match": tag}
    for answer in (owner.put("/profile", {"name": "Eve"}, headers=stale), owner.delete("/profile", headers=stale)):
        assert (answer.status, answer.code) == (412, "precondition_failed")
    assert owner.get("/profile/me").json == changed.json
    assert owner.delete("/profile", headers={"If-Match": changed.headers["ETag"]}).status == 200


def test_everybody_sees_and_changes_their_own(newcomer: Callable[[], Client]) -> None:
    """SECURITY 97: another's id in body, query or header changes nothing."""
    one, other = newcomer().join(), newcomer().join()
    one.post("/profile", PROFILE)
    one_id = claims_of(one.access_token)["sub"]
    headers = {"X-User-Id": one_id, "Cookie": f"user_id={one_id}"}
    assert other.get(f"/profile/me?user_id={one_id}", headers=headers).code == "profile_not_found"
    assert other.put(f"/profile?id={one_id}", {"name": "Eve"}, headers=headers).code == "profile_not_found"
    assert other.delete(f"/profile?username={one.username}", headers=headers).code == "profile_not_found"
    assert other.post("/profile", {**PROFILE, "name": "Eve", "id": one_id}).fault_codes() == {"/id": "unknown_field"}
    assert other.post("/profile", {**PROFILE, "name": "Eve"}).status == 201
    assert (one.get("/profile/me").json["name"], other.get("/profile/me").json["name"]) == (PROFILE["name"], "Eve")


def test_every_change_is_an_event_that_names_members_and_no_values(owner: Client, app: Flask) -> None:
    """SECURITY 149."""
    owner.put("/profile", {"name": "Ada King", "phone": "+44 20 7946 0018"})
    owner.delete("/profile")
    events = [event for event in rows(app, AuditEvent) if event.action.startswith("profile.")]
    assert sorted(event.action for event in events) == ["profile.created", "profile.deleted", "profile.updated"]
    [updated] = [event for event in events if event.action == "profile.updated"]
    assert updated.detail == {"fields": ["name", "phone"]}
    assert not [value for value in ("Ada", "7946 0018", "Amphitheatre") if value in repr(events)]
