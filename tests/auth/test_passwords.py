"""Passwords through the API: what may be one, that every character counts, how they are kept. SECURITY 18-26, 28-32."""

import time
import unicodedata
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Row, select

from tests.auth.test_registration import hash_calls
from tests.security.test_password_policy import most_common_passwords
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PASSWORD, Client, InProcess
from user_service import Settings, clock
from user_service.auth.models import User
from user_service.database import fetch_one, transaction
from user_service.keys.models import ServiceSecret
from user_service.keys.ring import PEPPER
from user_service.runtime import runtime
from user_service.security.vault import binding

MakeApp = Callable[..., Flask]


def refusal_of(client: Client, password: Any, **changes: str) -> str | None:
    """Why this password is refused at registration; None where it is accepted."""
    answer = client.register(password=password, **changes)
    if answer.status == 201:
        return None
    assert (answer.status, answer.code) == (422, "validation_failed"), answer
    [(pointer, code)] = answer.fault_codes().items()
    assert pointer == "/password"
    return code


def stored(app: Flask, username: str) -> Row[Any]:
    users = User.__table__
    with app.app_context():
        row = fetch_one(select(users).where(users.c.username == username))
    assert row is not None
    return row


@ON_ONE_DATABASE
def test_the_minimum_is_eight_characters_whatever_their_bytes(client: Client) -> None:
    """SECURITY 18."""
    assert refusal_of(client, "q7#Vz!m") == "password_too_short"
    assert refusal_of(client, "😀🚜🍑🎺🧊🪁🦔") == "password_too_short"
    assert refusal_of(client, "") == "password_too_short"
    for password in ("q7#Vz!mK", "😀🚜🍑🎺🧊🪁🦔🛶"):
        assert refusal_of(client, password) is None
        assert client.log_in().status == 200


@ON_ONE_DATABASE
def test_the_minimum_is_a_setting(make_app: MakeApp) -> None:
    client = Client(InProcess(make_app(password_min_length=15)))
    assert refusal_of(client, "plum tractor x") == "password_too_short"
    assert refusal_of(client, "plum tractor xy") is None


@ON_ONE_DATABASE
@pytest.mark.parametrize("password", ["x y " * 16, "😀" * 64, "😀" * 256, "ab cd" * 204 + "efgh"])
def test_long_passwords_are_accepted(client: Client, password: str) -> None:
    """SECURITY 19."""
    assert refusal_of(client, password) is None
    assert client.log_in().status == 200


@ON_ONE_DATABASE
@pytest.mark.parametrize("password", ["ab cd" * 205, "😀" * 257, "é" * 1024, "e\u0301" * 513, "n" * 60_000])
def test_a_password_of_more_than_1024_bytes_is_refused_everywhere(client: Client, password: str) -> None:
    assert refusal_of(client, password) == "password_too_long"
    client.register(password=PASSWORD)
    assert client.log_in(password=password).status == 422


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("password", "wrong"),
    [
        ("x" * 71 + "yz", ["x" * 71 + "ya", "x" * 71 + "y", "x" * 72]),
        ("é" * 36 + "a tail", ["é" * 36 + "b tail", "é" * 36]),
        ("😀" * 18 + "a tail", ["😀" * 18 + "b tail", "😀" * 18]),
        ("  plum tractor  ", ["plum tractor", " plum tractor ", "  plum tractor", "plum tractor  "]),
        ("Plum Tractor Low", ["plum tractor low", "PLUM TRACTOR LOW", "PlumTractorLow"]),
        ("plum ﬁddle tractor", ["plum fiddle tractor"]),
    ],
    ids=["ASCII tail", "two-byte tail", "four-byte tail", "spaces", "case", "ligature"],
)
def test_every_character_counts(client: Client, password: str, wrong: list[str]) -> None:
    """SECURITY 20, 23."""
    assert refusal_of(client, password) is None
    assert client.log_in().status == 200
    accepted = [each for each in wrong if client.log_in(password=each).code != "invalid_credentials"]
    assert accepted == []


@ON_ONE_DATABASE
def test_nul_and_control_characters_are_refused(client: Client) -> None:
    """SECURITY 21: the part before a NUL is not the password."""
    for password in ("longenough\0secret", "line\nbreak inside", "bell \x07 inside", "delete \x7f inside"):
        assert refusal_of(client, password) == "control_character"
    client.register(password="longenough secret")
    assert client.log_in(password="longenough\0secret").status == 422


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "password",
    ["aaaa bbbb cccc dddd", "only lowercase letters", "90417 28836 11507", "пароль из леса", "🎺 🧊 🪁 🦔 🛶"],
)
def test_there_are_no_rules_of_composition(client: Client, password: str) -> None:
    """SECURITY 22."""
    assert refusal_of(client, password) is None
    assert client.log_in().status == 200


def test_both_spellings_of_an_accent_log_in(client: Client) -> None:
    """SECURITY 24."""
    composed, decomposed = (unicodedata.normalize(form, "crème brûlée à Orléans") for form in ("NFC", "NFD"))
    for registered in (composed, decomposed):
        assert refusal_of(client, registered) is None
        assert client.log_in(password=composed).status == client.log_in(password=decomposed).status == 200


@ON_ONE_DATABASE
def test_common_passwords_are_refused(client: Client) -> None:
    """SECURITY 25: a sample of the 3,000; the whole list is gone through in tests/security."""
    sample = [*most_common_passwords()[::100], "password1234567", "qwertyuiopasdfgh", "PASSWORD123"]
    assert {password: refusal_of(client, password) for password in sample} == dict.fromkeys(sample, "password_common")


@ON_ONE_DATABASE
def test_a_password_that_holds_a_name_is_refused(client: Client) -> None:
    """SECURITY 26."""
    who = {"username": "grace.hopper", "email": "admiral@example.com"}
    for password in ("grace.hopper", "xx GRACE.HOPPER xx", "my admiral 1944", "admiral@example.com", "user service 1"):
        assert refusal_of(client, password, **who) == "password_contains_identity", password
    assert refusal_of(client, "plum tractor sings low", **who) is None


def test_a_password_neither_expires_nor_comes_with_hints(client: Client, app: Flask) -> None:
    """SECURITY 28."""
    client.register()
    with time_machine.travel(clock.now() + timedelta(days=3650), tick=False):
        assert client.log_in().status == 200
    columns = {column.name for column in User.__table__.columns}
    assert {name for name in columns if "password" in name} == {
        "password_hash",
        "password_scheme",
        "password_changed_at",
    }
    assert not [name for name in columns if "hint" in name or "question" in name or "answer" in name]


def test_one_password_of_two_people_has_two_hashes_of_bcrypt(make_app: MakeApp) -> None:
    """SECURITY 29: and the cost is 12 where nothing else is set."""
    app = make_app(bcrypt_rounds=10)
    client = Client(InProcess(app))
    for name in ("ada", "bob"):
        assert client.register(name, password=PASSWORD).status == 201
    ada, bob = stored(app, "ada"), stored(app, "bob")
    assert ada.password_hash.startswith("$2b$10$")
    assert bob.password_hash.startswith("$2b$10$")
    assert ada.password_hash != bob.password_hash
    assert Settings.__dataclass_fields__["bcrypt_rounds"].default == 12


def test_a_log_in_renews_a_hash_of_another_cost_and_troubles_nobody(make_app: MakeApp) -> None:
    """SECURITY 30."""
    before = make_app(bcrypt_rounds=4)
    client = Client(InProcess(before)).join()
    first = stored(before, client.username)
    after = make_app(bcrypt_rounds=5)
    assert Client(InProcess(after)).log_in(client.username, "not the password").status == 401
    assert stored(after, client.username).password_hash == first.password_hash
    assert Client(InProcess(after)).log_in(client.username, client.password).status == 200
    second = stored(after, client.username)
    assert (first.password_hash[:7], second.password_hash[:7]) == ("$2b$04$", "$2b$05$")
    assert second.password_changed_at == first.password_changed_at
    assert client.get("/sessions").status == 200
    assert Client(InProcess(after)).log_in(client.username, client.password).status == 200
    assert stored(after, client.username).password_hash == second.password_hash


def test_a_log_in_renews_a_hash_of_an_older_pepper(make_app: MakeApp) -> None:
    """SECURITY 30."""
    before = make_app()
    client = Client(InProcess(before)).join()
    add_pepper(before)
    after = make_app()
    assert Client(InProcess(after)).log_in(client.username, client.password).status == 200
    assert stored(after, client.username).password_scheme.endswith(":young-pepper")
    assert Client(InProcess(after)).log_in(client.username, client.password).status == 200
    assert Client(InProcess(after)).log_in(client.username, "not the password").status == 401


def add_pepper(app: Flask) -> None:
    bound_to = binding("service_secrets", "sealed_secret", "young-pepper")
    with app.app_context(), transaction() as session:
        key_id, envelope = runtime().key_ring.master_keys.seal(b"y" * 48, bound_to)
        session.add(
            ServiceSecret(
                id="young-pepper",
                purpose=PEPPER,
                master_key_id=key_id,
                sealed_secret=envelope,
                created_at=clock.now() + timedelta(seconds=1),
            )
        )


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "door",
    [
        *("POST /register", "POST /token", "POST /password/reset", "PUT /account/password"),
        *("PUT /account/email", "POST /account/export", "DELETE /account"),
    ],
)
def test_a_password_of_a_megabyte_is_refused_at_once(
    client: Client, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 32: refused by its size, without a hash."""
    client.join()
    calls = hash_calls(monkeypatch)
    started = time.process_time()
    answer = client.send(*door.split(), {"password": "x" * 1_000_000})
    assert time.process_time() - started < 0.2
    assert (answer.status, answer.code) == (413, "request_too_large")
    assert calls == []
