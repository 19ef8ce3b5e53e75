"""Payment information: stored once, replaced as a whole, described, never shown. SECURITY 97, 101, 120, 122."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.support.crowd import claims_of
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PAYMENT, PROFILE, Client
from tests.support.server import ROOT
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.database import fetch_all
from user_service.payment.models import PaymentInfo

PATH = "/profile/payment_info"
DESCRIPTION = {name: PAYMENT[name] for name in ("provider", "brand", "last4", "exp_month", "exp_year")}
NOTHING = dict.fromkeys(DESCRIPTION)
TOKEN = PAYMENT["payment_token"]
UNKNOWN = "cvv cvc cvv2 cid security_code card_number pan number expiry track track_data pin holder user_id id status"


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime(2026, 11, 23, 9, 30, tzinfo=UTC), tick=False) as traveller:
        yield traveller


def described(client: Client) -> dict[str, Any]:
    return {name: client.get(PATH).json[name] for name in DESCRIPTION}


def count_rows(app: Flask) -> int:
    with app.app_context():
        return len(fetch_all(select(PaymentInfo.__table__)))


def test_a_token_is_stored_and_described_and_needs_no_profile(time: time_machine.Traveller, person: Client) -> None:
    answer = person.post(PATH, PAYMENT)
    assert answer.status == 201
    assert set(answer.json) == {"message", "payment_info"}
    moment = "2026-11-23T09:30:00.000Z"
    assert answer.json["payment_info"] == {
        "token_hint": "aMtr",
        **DESCRIPTION,
        "status": "active",
        "created_at": moment,
        "updated_at": moment,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    read = person.get(PATH)
    assert (read.status, read.json, read.headers["ETag"]) == (200, answer.json["payment_info"], answer.headers["ETag"])
    assert person.get("/profile/me").code == "profile_not_found"


def test_no_answer_ever_shows_the_token(person: Client) -> None:
    """SECURITY 122."""
    answers = [
        person.post(PATH, PAYMENT),
        person.post(PATH, PAYMENT),
        person.get(PATH),
        person.put(PATH, PAYMENT),
        person.put(PATH, {**PAYMENT, "unknown": 1}),
        person.post("/profile", PROFILE),
        person.get("/profile/me"),
    ]
    assert [answer.status for answer in answers] == [201, 409, 200, 200, 422, 201, 200]
    assert not [answer for answer in answers if TOKEN in answer.text or TOKEN[:-4] in answer.text]


@pytest.mark.parametrize(
    ("token", "hint"),
    [
        ("x", None),
        ("tok_1234567", None),
        ("tok_12345678", "5678"),
        ("t" * 508 + "wxyz", "wxyz"),
        ("токен-карты-ё🎺", "ы-ё🎺"),
    ],
)
@ON_ONE_DATABASE
def test_the_hint_is_the_end_of_a_token_that_is_long_enough(person: Client, token: str, hint: str | None) -> None:
    """SECURITY 122: of a token of fewer than twelve characters nothing is shown."""
    assert person.post(PATH, {"payment_token": token}).json["payment_info"]["token_hint"] == hint
    assert person.get(PATH).json["token_hint"] == hint


def test_the_description_is_optional(person: Client) -> None:
    assert person.post(PATH, {"payment_token": TOKEN}).status == 201
    assert described(person) == NOTHING


@ON_ONE_DATABASE
def test_the_description_tells_how_long_the_card_is_good(time: time_machine.Traveller, person: Client) -> None:
    """To the last day of its month; a month before that it is about to expire."""
    dates = {
        (8, 2030): "active",
        (12, 2026): "active",
        (11, 2026): "expiring",
        (10, 2026): "expired",
        (1, 2000): "expired",
    }
    person.post(PATH, PAYMENT)
    shown = {}
    for month, year in dates:
        person.put(PATH, {**PAYMENT, "exp_month": month, "exp_year": year})
        shown[month, year] = person.get(PATH).json["status"]
    assert shown == dates
    person.put(PATH, {"payment_token": TOKEN, "exp_month": 1})
    assert person.get(PATH).json["status"] == "active"
    person.put(PATH, {**PAYMENT, "exp_month": 12, "exp_year": 2026})
    for day, status in ((1, "active"), (2, "expiring"), (31, "expiring")):
        time.move_to(datetime(2026, 12, day, tzinfo=UTC))
        person.log_in()
        assert person.get(PATH).json["status"] == status, day
    time.move_to(datetime(2027, 1, 1, tzinfo=UTC))
    person.log_in()
    assert person.get(PATH).json["status"] == "expired"


def test_storing_twice_is_a_conflict_and_the_first_stays(person: Client) -> None:
    person.post(PATH, PAYMENT)
    answer = person.post(PATH, {"payment_token": "pm_another_token_of_mine"})
    assert (answer.status, answer.code) == (409, "payment_info_exists")
    assert person.get(PATH).json["token_hint"] == "aMtr"


def test_replacing_replaces_all_of_it(time: time_machine.Traveller, person: Client) -> None:
    person.post(PATH, PAYMENT)
    time.shift(timedelta(minutes=1))
    answer = person.put(PATH, {"payment_token": "pm_another_token_of_mine", "brand": "amex"})
    assert answer.status == 200
    assert set(answer.json) == {"message", "payment_info"}
    info = person.get(PATH).json
    assert info == answer.json["payment_info"]
    assert {name: info[name] for name in DESCRIPTION} == {**NOTHING, "brand": "amex"}
    assert info["token_hint"] == "mine"
    assert (info["created_at"], info["updated_at"]) == ("2026-11-23T09:30:00.000Z", "2026-11-23T09:31:00.000Z")


def test_a_replacement_needs_the_token(person: Client) -> None:
    person.post(PATH, PAYMENT)
    answer = person.put(PATH, {"brand": "amex"})
    assert (answer.status, answer.fault_codes()) == (422, {"/payment_token": "required"})
    assert described(person) == DESCRIPTION


def test_what_is_not_there_is_not_found(person: Client) -> None:
    answers = [person.get(PATH), person.put(PATH, PAYMENT), person.delete(PATH)]
    assert [(answer.status, answer.code) for answer in answers] == [(404, "payment_info_not_found")] * 3


def test_deleted_is_gone_and_can_be_stored_again(person: Client, app: Flask) -> None:
    person.post(PATH, PAYMENT)
    answer = person.delete(PATH)
    assert (answer.status, answer.body) == (204, b"")
    assert count_rows(app) == 0
    assert person.get(PATH).code == person.delete(PATH).code == "payment_info_not_found"
    assert person.post(PATH, PAYMENT).status == 201


def test_a_change_can_be_made_to_depend_on_what_was_read(person: Client) -> None:
    tag = person.post(PATH, PAYMENT).headers["ETag"]
    assert person.get(PATH, headers={"If-None-Match": tag}).status == 304
    changed = person.put(PATH, {**PAYMENT, "brand": "amex"}, headers={"If-Match": tag})
    assert changed.status == 200
    for answer in (
        person.put(PATH, PAYMENT, headers={"If-Match": tag}),
        person.delete(PATH, headers={"If-Match": tag}),
    ):
        assert (answer.status, answer.code) == (412, "precondition_failed")
    assert described(person)["brand"] == "amex"
    assert person.delete(PATH, headers={"If-Match": changed.headers["ETag"]}).status == 204


@ON_ONE_DATABASE
def test_every_member_is_checked(person: Client) -> None:
    """SECURITY 14, 101, 120: there is no member for a card, its code or its holder."""
    refused: dict[str, list[Any]] = {
        "payment_token": ["", " ", "x" * 513, 1, True, None, [], {}, "a\0b", "a\nb"],
        "provider": ["", "x" * 65, 1, None, [], "a\x1bb"],
        "brand": ["", "x" * 65, 1, None, {}],
        "last4": ["", "123", "12345", "12a4", "１２３４", " 1 4", 4242, None],
        "exp_month": [0, 13, -1, 1.0, "8", True, None, [], 10**30],
        "exp_year": [0, 99, 1999, 2100, 2030.0, "2030", True, None, {}],
    }
    bodies = [({**PAYMENT, name: value}, name) for name, values in refused.items() for value in values]
    bodies += [({**PAYMENT, name: "123"}, name) for name in UNKNOWN.split()]
    answers = [(ascii(body), name, person.post(PATH, body)) for body, name in bodies]
    wrong = [
        body for body, name, answer in answers if answer.status != 422 or list(answer.fault_codes()) != [f"/{name}"]
    ]
    assert wrong == []
    assert person.get(PATH).status == 404


def test_the_feature_works_whichever_module_is_imported_first() -> None:
    """A column's type must not hang on whether the table that its foreign key names is known already."""
    code = (
        "from user_service.payment.service import _WITH_DATA_KEY as statement\n"
        "print(statement.compile().binds['user_id'].type.python_type.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "UUID", run.stderr[-200:]


def test_everybody_has_their_own(newcomer: Callable[[], Client]) -> None:
    """SECURITY 97: another's id in body, query or header changes nothing."""
    one, other = newcomer().join(), newcomer().join()
    one.post(PATH, PAYMENT)
    one_id = claims_of(one.access_token)["sub"]
    headers = {"X-User-Id": one_id, "X-Forwarded-User": one.username}
    assert other.get(f"{PATH}?user_id={one_id}", headers=headers).code == "payment_info_not_found"
    assert other.put(f"{PATH}?id={one_id}", PAYMENT, headers=headers).code == "payment_info_not_found"
    assert other.delete(f"{PATH}?username={one.username}", headers=headers).code == "payment_info_not_found"
    assert other.put(PATH, {**PAYMENT, "user_id": one_id}).fault_codes() == {"/user_id": "unknown_field"}
    assert other.post(PATH, {"payment_token": "pm_the_others_own_token"}).status == 201
    assert one.get(PATH).json["token_hint"] == "aMtr"


def test_every_change_is_an_event_without_the_token(person: Client, app: Flask) -> None:
    """SECURITY 149."""
    for send in (person.post, person.put):
        assert send(PATH, PAYMENT).status in (200, 201)
    person.delete(PATH)
    with app.app_context():
        events = fetch_all(select(AuditEvent.__table__).order_by(AuditEvent.__table__.c.id))
    wanted = [Action.PAYMENT_INFO_STORED, Action.PAYMENT_INFO_REPLACED, Action.PAYMENT_INFO_DELETED]
    assert [event.action for event in events if event.action.startswith("payment")] == [each.value for each in wanted]
    assert TOKEN not in repr(events)
