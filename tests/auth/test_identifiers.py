"""Usernames and e-mail addresses: which are accepted, and that each has one spelling. SECURITY 5-13."""

import unicodedata
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, inspect

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import Client, InProcess
from user_service.auth.identifiers import RESERVED_USERNAMES, check_email, email_key, username_key

PASSWORD = "plum tractor sings low"

# Full width, ligature, superscript, circled, mathematical, roman numeral, long s, dotless and dotted i, kelvin sign.
COMPATIBLE = ["ｂｏｂ", "bob１", "oﬃce", "bob²", "ⓑⓞⓑ", "𝐛𝐨𝐛𝐛𝐲", "bobⅣ", "boſs", "bıll", "BİLL", "\u212aelvin"]
LOOKALIKES = ["аdmin", "аlice", "bоb", "раураl", "αlice", "bοb", "ɑlice", "1аbс", "Ꭺlice"]
INVISIBLE = [
    *("bo\u200bb", "bo\u200db", "bo\u202eb", "bo\u2066b", "bo\u00adb", "\ufeffbob", "bo\u034fb", "bo\u2060b"),
    *("bob\ufe0f", "bo\u3164b", "bo\u115fb", "bo\u180eb", "bo\U000e0041b", "bo\u0301b"),
]
CONTROLS = ["bo\0b", "bob\0", "bo\nb", "bob\n", "bo\rb", "bo\tb", "bo\x1bb", "bo\x7fb", "bo\x85b"]
SPACES = [" bob", "bob ", "bo b", "\u00a0bob", "bob\u3000", "bo\u2003b", "   "]
PUNCTUATION = [
    *(
        "bob@home",
        "@bob",
        "b@b",
        "bob/alice",
        "bob\\",
        "bob'--",
        'bob"',
        "bob;",
        "bob,",
        "<bob>",
        "bob&",
        "bob?",
        "b*b",
    ),
    *("bob%00", "../bob", ".bob", "-bob", "_bob", "bob:", "bob!", "bob#", "bob$", "(bob)", "b+b", "b|b", "~bob", "böb"),
]
TOO_SHORT_OR_LONG = ["", "b", "bo", "b" * 65, "b" * 10_000]

BAD_ADDRESSES = [
    *("plain", "@example.com", "a@", "a@@example.com", "a@b@example.com", "a b@example.com", "a@exam ple.com"),
    *("a@example", "a@localhost", "a@.example.com", "a@example..com", "a@-example.com", "a@example-.com"),
    *("a@example.com.", ".a@example.com", "a.@example.com", "a..b@example.com", "a,b@example.com"),
    *("a@example.com,b@example.com", "a@example.com;b@example.com", "<a@example.com>", "Ann <a@example.com>"),
    *("a@example.com>", '"a b"@example.com', '"a"@example.com', "a@[127.0.0.1]", "a@[IPv6:::1]", "a@127.0.0.1"),
    *("a\r\nBcc: b@example.com", "a@example.com\r\nBcc: b@example.com", "a\n@example.com", "a\0@example.com"),
    *("a@exa\0mple.com", "a(comment)@example.com", "a:b@example.com", "a\\@example.com", "a@exam_ple.com"),
    *("a@example.123", "mailto:a@example.com", "a\u200b@example.com", "a\u202e@example.com", "a\u00ad@example.com"),
    *("ａ@example.com", "ﬁ@example.com", "²@example.com", "a@xn--.com", "x" * 65 + "@example.com"),
    *("a@" + "x" * 64 + ".com", "a@" + "x." * 130 + "com", "a@example.invalid", "a@example.local", "a@host.onion"),
]
GOOD_ADDRESSES = [
    *("a@example.com", "A.B+tag@Example.COM", "user_name@sub.example.co.uk", "o'brien@example.com", "1@example.org"),
    *("josé@example.com", "用户@例子.公司", "a@bücher.example", "!#$%&'*+-/=?^_`{|}~@example.com"),
    *("a@xn--mnchen-3ya.example", "x" * 64 + "@example.com"),
]


def register(client: Client, username: str, email: str = "free@example.com") -> Any:
    return client.post("/register", {"username": username, "email": email, "password": PASSWORD}, auth=False)


def accepted_as(client: Client, pointer: str, bodies: list[tuple[str, str]]) -> list[tuple[str, int]]:
    """Those that were not refused with 422 for this member alone."""
    wrong = []
    for username, email in bodies:
        answer = register(client, username, email)
        if answer.status != 422 or list(answer.fault_codes()) != [pointer]:
            wrong.append((ascii((username, email)), answer.status))
    return wrong


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "names",
    [COMPATIBLE, LOOKALIKES, INVISIBLE, CONTROLS, SPACES, PUNCTUATION, TOO_SHORT_OR_LONG],
    ids=["compatible", "lookalikes", "invisible", "controls", "spaces", "punctuation", "length"],
)
def test_usernames_that_people_or_programs_would_confuse_are_refused(client: Client, names: list[str]) -> None:
    """SECURITY 6-8, 10."""
    assert accepted_as(client, "/username", [(name, "free@example.com") for name in names]) == []


@ON_ONE_DATABASE
def test_a_half_surrogate_pair_is_refused_as_unreadable(client: Client) -> None:
    """SECURITY 7."""
    body = b'{"username": "bo\\ud800b", "email": "free@example.com", "password": "plum tractor sings low"}'
    assert client.post("/register", body).code == "invalid_json"


@ON_ONE_DATABASE
def test_usernames_of_letters_digits_dots_underscores_and_hyphens_are_accepted(client: Client) -> None:
    names = ["bob", "Bob.Smith", "b_b", "b-b", "0zero", "9" * 64, "a" * 64, "x..", "a--", "maria.silva_99"]
    answers = [(name, register(client, name, f"n{number}@example.com")) for number, name in enumerate(names)]
    assert [(name, answer.status) for name, answer in answers if answer.status != 201] == []


@ON_ONE_DATABASE
def test_reserved_names_are_refused_in_any_case(client: Client) -> None:
    """SECURITY 9."""
    names = {"admin", "root", "me", "support", "null", "api", *RESERVED_USERNAMES}
    names = {name for name in names if len(name) >= 3}
    answers = {name: register(client, name) for name in [*names, *map(str.upper, names), "Admin", "rOOt"]}
    assert [name for name, answer in answers.items() if answer.fault_codes() != {"/username": "reserved"}] == []
    assert register(client, "me").status == 422


@ON_ONE_DATABASE
def test_bad_addresses_are_refused(client: Client) -> None:
    """SECURITY 11."""
    assert accepted_as(client, "/email", [("fine.name", address) for address in BAD_ADDRESSES]) == []


@ON_ONE_DATABASE
def test_good_addresses_are_accepted_and_given_back_as_they_came(client: Client) -> None:
    for number, address in enumerate(GOOD_ADDRESSES):
        answer = register(client, f"good{number}", address)
        assert (answer.status, address) == (201, answer.json["user"]["email"])


@ON_ONE_DATABASE
def test_addresses_for_tests_are_taken_outside_production_alone(make_app: Any) -> None:
    inside, outside = (Client(InProcess(make_app(app_env=name))) for name in ("production", "development"))
    assert register(inside, "fine.name", "a@shop.test").fault_codes() == {"/email": "invalid_format"}
    assert register(outside, "fine.name", "a@shop.test").status == 201


def test_one_stored_normal_form_decides_on_both_databases(app: Flask, database_url: str) -> None:
    """SECURITY 13: one column each, unique by constraint."""
    engine = create_engine(database_url)
    constraints = inspect(engine).get_unique_constraints("users")
    engine.dispose()
    assert {tuple(each["column_names"]) for each in constraints} >= {("username_key",), ("email_key",)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a@example.com", "A@EXAMPLE.com"),
        ("josé@example.com", unicodedata.normalize("NFD", "josé@example.com")),
        ("JOSÉ@example.com", "josé@example.com"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
        ("a@bücher.com", "a@xn--bcher-kva.com"),
        ("a@BÜCHER.com", "a@bücher.com"),
        ("a@ｅxample.com", "a@example.com"),
        ("a@example。com", "a@example.com"),
        ("a@faß.de", "a@xn--fa-hia.de"),
    ],
    ids=ascii,
)
def test_two_spellings_of_one_address_are_one(one: str, other: str) -> None:
    """SECURITY 12, 13."""
    check_email(one, allow_test_domains=False)
    check_email(other, allow_test_domains=False)
    assert email_key(one) == email_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a.b@example.com", "ab@example.com"),
        ("a+x@example.com", "a@example.com"),
        ("a@example.com", "a@example.org"),
        ("ıan@example.com", "ian@example.com"),
        ("jose@example.com", "josé@example.com"),
        ("аnn@example.com", "ann@example.com"),
        ("a@аpple.com", "a@apple.com"),
        ("a@faß.de", "a@fass.de"),
    ],
    ids=ascii,
)
def test_two_addresses_stay_two(one: str, other: str) -> None:
    assert email_key(one) != email_key(other)


@ON_ONE_DATABASE
def test_spellings_collide_at_registration_and_each_of_them_logs_in(client: Client) -> None:
    """SECURITY 13."""
    composed, decomposed = (unicodedata.normalize(form, "josé@bücher.com") for form in ("NFC", "NFD"))
    assert register(client, "jose", composed).status == 201
    for number, spelling in enumerate((decomposed, "JOSÉ@BÜCHER.com", "josé@xn--bcher-kva.com")):
        assert register(client, f"other{number}", spelling).code == "email_taken"
        assert client.log_in(spelling, PASSWORD).status == 200


@ON_ONE_DATABASE
def test_anything_may_be_asked_for_at_log_in_and_finds_nobody(client: Client) -> None:
    register(client, "bob", "bob@example.com")
    logins = [
        "ｂｏｂ",
        "bob ",
        " bob",
        "b\u200bob",
        "Вob",
        "@",
        "@@",
        "a@" + "x" * 252,
        "%",
        "bob%",
        "b_b",
        "",
        "ß@ß",
        "x" * 254,
    ]
    answers = [(name, client.post("/token", {"username": name, "password": PASSWORD})) for name in logins]
    assert [(name, answer.status) for name, answer in answers if answer.status != 401] == []


def test_a_normal_form_is_its_own_normal_form() -> None:
    for text in [*GOOD_ADDRESSES, *BAD_ADDRESSES, *COMPATIBLE, *LOOKALIKES, *INVISIBLE]:
        assert email_key(email_key(text)) == email_key(text), ascii(text)
        assert username_key(username_key(text)) == username_key(text), ascii(text)
