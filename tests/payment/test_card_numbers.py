"""Card numbers are refused in whatever dress they come, and leave no trace in databases and logs. SECURITY 119, 120."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.security.test_cards import OTHER_DIGITS, PROVIDER_TOKENS, PUBLISHED, grouped, in_digits
from tests.support.databases import Databases
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import ADDRESS, PAYMENT, PROFILE, Answer, Client, InProcess
from tests.test_canary import disguises, stored
from tests.test_logs import Log, logging_app

PATH = "/profile/payment_info"
REFUSED = "raw_card_number_refused"
VISA, AMEX = "4111111111111111", "378282246310005"
TEXTS = [
    *PUBLISHED,
    *(grouped(VISA, separator) for separator in (" ", "-", ".", "\u00a0", "\u2009", "–", "  ")),
    *(in_digits(VISA, zero) for zero in OTHER_DIGITS.values()),
    *("\u200b".join(VISA), "\u200d".join(AMEX), "4111\ufeff1111\u20601111\u00ad1111"),
    f"%B{VISA}^CANARY/ANN^30121011000000000000?",
    f";{VISA}=30121011000000000?",
    f"{VISA}12301234",
    f"number {VISA}, code 123",
    f"tok_{AMEX}",
]
TEXT_MEMBERS = ("payment_token", "provider", "brand", "last4")
BODIES: list[dict[str, Any]] = [
    *({**PAYMENT, "payment_token": text} for text in TEXTS),
    *({**PAYMENT, name: grouped(VISA, "-")} for name in TEXT_MEMBERS),
    *({**PAYMENT, name: int(VISA)} for name in PAYMENT),
    *({**PAYMENT, name: VISA} for name in ("exp_month", "exp_year", "card_number", "pan", "number", "note")),
    *({**PAYMENT, name: "x"} for name in (VISA, grouped(AMEX, " "), f"card {VISA}", in_digits(VISA, 0xFF10))),
    {"payment_token": f"{VISA}\t12/30"},
    {"card_number": int(VISA)},
]
# What is of the wrong type is refused as that, whatever it holds.
NESTED: list[Any] = [[VISA], {"number": VISA}, {VISA: 1}, [[int(VISA)]], float(VISA), {"card": {"number": [VISA]}}]


def numbers_in_clear() -> set[str]:
    """What must be found nowhere: the numbers without their last digits, together and in groups."""
    numbers = {VISA, AMEX, *PUBLISHED}
    return {form for number in numbers for form in (number[:12], grouped(number[:12], "-"), grouped(number[:12], " "))}


def wrong(answers: list[tuple[Any, Answer]]) -> list[tuple[str, int]]:
    return [
        (ascii(case)[:100], answer.status) for case, answer in answers if (answer.status, answer.code) != (422, REFUSED)
    ]


def test_card_numbers_are_refused_and_stand_in_no_database_and_no_log(
    make_app: Callable[..., Flask], database_url: str, databases: Databases
) -> None:
    """SECURITY 119."""
    app, log = logging_app(make_app)
    client = Client(InProcess(app)).join()
    assert len(BODIES) > 60
    posted = [(body, client.post(PATH, body)) for body in BODIES]
    assert wrong(posted) == []
    assert client.post(PATH, PAYMENT).status == 201
    put = [(body, client.put(PATH, body)) for body in BODIES[::4]]
    assert wrong(put) == []
    nested = [client.put(PATH, {**PAYMENT, name: value}) for value in NESTED for name in PAYMENT]
    assert {answer.status for answer in nested} == {422}
    assert client.get(PATH).json["token_hint"] == "aMtr"
    assert_no_trace(log, stored(database_url, databases))


def assert_no_trace(log: Log, at_rest: bytes) -> None:
    where = log.text.encode() + at_rest
    assert len(log.events("request")) > len(BODIES)
    assert [number for number in numbers_in_clear() if any(form in where for form in disguises(number))] == []
    assert b"CANARY/ANN" not in where


@ON_ONE_DATABASE
def test_the_refusal_names_the_member_and_tells_what_to_do(person: Client) -> None:
    answer = person.post(PATH, {**PAYMENT, "payment_token": VISA})
    assert answer.fault_codes() == {"/payment_token": REFUSED}
    assert "token" in answer.json["detail"]
    assert VISA not in answer.text
    assert person.post(PATH, {**PAYMENT, "brand": AMEX, "exp_month": 13}).code == REFUSED


@ON_ONE_DATABASE
def test_tokens_of_payment_providers_are_accepted(person: Client) -> None:
    assert person.post(PATH, PAYMENT).status == 201
    answers = [(token, person.put(PATH, {"payment_token": token})) for token in PROVIDER_TOKENS]
    assert [(token, answer.status) for token, answer in answers if answer.status != 200] == []


@ON_ONE_DATABASE
@pytest.mark.parametrize("text", [VISA, grouped(VISA, " "), grouped(AMEX, "-"), in_digits(VISA, 0xFF10), f" {VISA} "])
def test_no_name_and_no_line_of_an_address_is_a_card_number(person: Client, text: str) -> None:
    bodies = [
        {**PROFILE, "name": text},
        {**PROFILE, "shipping_address": text},
        {**PROFILE, "shipping_address": f"Ada Lovelace\n{text}\r\nMountain View"},
        *({**PROFILE, "shipping_address": {**ADDRESS, name: text}} for name in ("line1", "line2", "city", "region")),
    ]
    assert wrong([(body, person.post("/profile", body)) for body in bodies]) == []
    assert person.post("/profile", PROFILE).status == 201
    assert wrong([(body, person.put("/profile", body)) for body in bodies]) == []


@ON_ONE_DATABASE
def test_phones_passwords_and_numbers_amid_an_address_are_left_alone(person: Client) -> None:
    profile = {"name": "Unit 4111111111111111 Ltd", "phone": grouped(VISA, " "), "shipping_address": f"PO Box {VISA}"}
    answer = person.post("/profile", profile)
    assert (answer.status, answer.json["phone"]) == (201, profile["phone"])
    other = Client(person.transport)
    assert other.register(password=f"{VISA} and a phrase").status == 201
    assert other.log_in().status == 200
