"""The invented people: the same for everybody, accepted by the service's own rules, and able to use it."""

import threading
import unicodedata
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import phonenumbers
import pytest
from flask import Flask
from sqlalchemy import MetaData, select, text
from sqlalchemy.exc import DBAPIError

from tests.support.people import Client, InProcess
from user_service.auth.identifiers import RESERVED_USERNAMES, USERNAME, check_email
from user_service.extensions import db
from user_service.payment.schemas import PaymentInfoRequestSchema
from user_service.profile.schemas import ProfileRequestSchema
from user_service.seed import service
from user_service.seed.people import LOCALES, PaymentMethod, Person, person
from user_service.seed.service import DEVELOPMENT_PASSWORD, seed_users

MANY = 2_000
RESERVED_DOMAINS = (".example", ".test", "@example.com", "@example.org", "@example.net")  # RFC 2606
SEALED_TABLES = ("users", "data_keys", "profiles", "payment_infos")


def seed(app: Flask, count: int) -> list[str]:
    with app.app_context():
        return seed_users(count=count, password=DEVELOPMENT_PASSWORD, advance=lambda _: None)


def rows_of(app: Flask, *names: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that the tables hold, as the database has it."""
    with app.app_context(), db.engine.connect() as connection:
        metadata = MetaData()
        metadata.reflect(connection)
        return {
            name: sorted((tuple(row) for row in connection.execute(select(metadata.tables[name]))), key=str)
            for name in names or metadata.tables
        }


def logged_in(app: Flask, login: str, password: str = DEVELOPMENT_PASSWORD) -> Client:
    client = Client(InProcess(app))
    assert client.log_in(login, password).status == 200, login
    return client


def profile_of(one: Person) -> dict[str, Any]:
    return {"name": one.name, "phone": one.phone, "shipping_address": one.shipping_address}


def payment_of(method: PaymentMethod) -> dict[str, Any]:
    described = {key: value for key, value in asdict(method).items() if value is not None}
    return {"payment_token": described.pop("token"), **described}


def test_a_number_is_the_same_person_on_every_machine() -> None:
    assert person(43) == Person(
        username="roisin-u43",
        email="roisin.uishuilleabhain43@example.org",
        country="IE",
        name="Róisín Uí Shúilleabháin",
        phone="+353 85 220 8912",
        shipping_address="Róisín Uí Shúilleabháin\n42 Bóthar na Trá\nDublin\nD02 R803\nÉire",
        payment=PaymentMethod("CbfB5sGn", "braintree", "mir", "9704", 4, 2036),
    )
    assert [person(number).username for number in (1, 21, 100_000)] == ["ZoeJohnson1", "david-b21", "TanvirIslam100000"]


def test_every_invented_person_is_accepted_by_the_rules_for_real_ones() -> None:
    profiles, payments = ProfileRequestSchema(), PaymentInfoRequestSchema()
    wrong = []
    for one in map(person, range(1, MANY + 1)):
        check_email(one.email, allow_test_domains=True)
        if not USERNAME.fullmatch(one.username) or one.username.lower() in RESERVED_USERNAMES:
            wrong.append(one.username)
        if profiles.load(profile_of(one)) != profile_of(one):
            wrong.append(one)
        if one.payment and payments.load(payment_of(one.payment)) != payment_of(one.payment):
            wrong.append(one.payment)
    assert not wrong


def test_every_phone_is_a_valid_number_of_its_country() -> None:
    people = [person(number) for number in range(1, MANY + 1)]
    numbers = [(one.country, one.phone, phonenumbers.parse(one.phone, one.country)) for one in people]
    assert not [(country, phone) for country, phone, number in numbers if not phonenumbers.is_valid_number(number)]
    assert not [
        (country, phone)
        for country, phone, number in numbers
        if country not in phonenumbers.region_codes_for_country_code(number.country_code)
    ]


def test_no_mail_to_an_invented_person_reaches_anybody() -> None:
    addresses = [person(number).email for number in range(1, MANY + 1)]
    assert not [address for address in addresses if not address.endswith(RESERVED_DOMAINS)]


def test_usernames_and_addresses_never_repeat() -> None:
    people = [person(number) for number in range(1, MANY + 1)]
    assert len({one.username.lower() for one in people}) == MANY
    assert len({one.email.lower() for one in people}) == MANY


def test_any_few_people_are_of_many_countries_and_scripts() -> None:
    people = [person(number) for number in range(1, len(LOCALES) + 1)]
    assert len({one.country for one in people}) >= 24
    scripts = {unicodedata.name(letter).split()[0] for one in people for letter in one.name if letter.isalpha()}
    assert scripts >= {"LATIN", "GREEK", "CYRILLIC", "GEORGIAN", "ARMENIAN", "HEBREW", "ARABIC", "DEVANAGARI"}
    assert scripts >= {"TAMIL", "BENGALI", "THAI", "CJK", "HANGUL", "ETHIOPIC"}
    assert any("\u200c" in person(number).name for number in range(1, 200))


def test_half_of_the_addresses_are_free_form_and_some_people_pay() -> None:
    people = [person(number) for number in range(1, MANY + 1)]
    assert 0.45 < sum(isinstance(one.shipping_address, str) for one in people) / MANY < 0.55
    assert 0.35 < sum(one.payment is not None for one in people) / MANY < 0.45
    assert {one.country for one in people if "\n" in str(one.shipping_address)} == {one.country for one in people}


def test_seeded_people_log_in_and_find_what_is_theirs(app: Flask) -> None:
    count = len(LOCALES)
    seed(app, count)
    for one in map(person, range(1, count + 1)):
        client = logged_in(app, one.username)
        shown = client.get("/profile/me").json
        assert shown | profile_of(one) == shown
        assert (shown["username"], shown["email"]) == (one.username, one.email)
        paid = client.get("/profile/payment_info")
        if one.payment is None:
            assert paid.code == "payment_info_not_found"
        else:
            described = payment_of(one.payment)
            token = described.pop("payment_token")
            assert paid.json | described == paid.json
            assert paid.json["token_hint"] == (token[-4:] if len(token) >= 12 else None)


def test_a_seeded_person_lives_like_any_other(app: Flask) -> None:
    seed(app, 3)
    one = person(3)
    client = logged_in(app, one.email.upper())
    assert client.post("/profile", profile_of(one)).code == "profile_exists"
    moved = client.put("/profile", {"shipping_address": "Av. Juárez 12\n06050 Ciudad de México"})
    assert moved.json["shipping_address"] == "Av. Juárez 12\n06050 Ciudad de México"
    assert client.delete("/profile").status == 200
    assert client.get("/profile/me").code == "profile_not_found"
    assert client.post("/logout").status == 204


def test_seeding_again_adds_nobody_twice_and_leaves_everybody_alone(app: Flask) -> None:
    assert len(seed(app, 20)) == 20
    before = rows_of(app, *SEALED_TABLES)
    assert seed(app, 20) == []
    assert rows_of(app, *SEALED_TABLES) == before
    assert seed(app, 30) == [person(number).username for number in range(21, 31)]


def test_an_account_of_somebody_else_is_left_alone(app: Flask, newcomer: Callable[[], Client]) -> None:
    namesake, neighbour = newcomer(), newcomer()
    assert namesake.register(person(1).username.upper(), "namesake@example.com").status == 201
    assert neighbour.register("neighbour", person(2).email.upper()).status == 201
    assert seed(app, 5) == [person(number).username for number in (3, 4, 5)]
    assert namesake.log_in().status == neighbour.log_in().status == 200
    assert namesake.get("/profile/me").code == neighbour.get("/profile/me").code == "profile_not_found"
    counts = {name: len(rows) for name, rows in rows_of(app, "users", "data_keys", "profiles").items()}
    assert counts == {"users": 5, "data_keys": 5, "profiles": 3}


def test_two_seedings_at_once_share_the_work(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 10)
    added: list[list[str]] = []
    together = threading.Barrier(2)

    def run() -> None:
        together.wait(30)
        added.append(seed(app, 60))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(name for names in added for name in names) == sorted(person(n).username for n in range(1, 61))
    assert len(rows_of(app, "profiles")["profiles"]) == 60


def test_a_batch_is_added_whole_or_not_at_all(app: Flask) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DROP TABLE payment_infos"))
    with pytest.raises(DBAPIError):
        seed(app, 20)
    assert rows_of(app, "users", "data_keys", "profiles") == {"users": [], "data_keys": [], "profiles": []}


def test_what_was_added_before_an_interruption_stays(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "BATCH", 10)

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with app.app_context(), pytest.raises(KeyboardInterrupt):
        seed_users(count=30, password=DEVELOPMENT_PASSWORD, advance=interrupt)
    assert len(rows_of(app, "users")["users"]) == 10
    assert len(seed(app, 30)) == 20


def test_the_password_is_hashed_once_for_everybody(app: Flask) -> None:
    seed(app, 20)
    with app.app_context(), db.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(DISTINCT password_hash) FROM users")) == 1
        assert connection.scalar(text("SELECT count(DISTINCT wrapped_key) FROM data_keys")) == 20


def test_what_is_sealed_of_invented_people_cannot_be_read_in_the_database(app: Flask) -> None:
    """SECURITY: as for real people, phone, address and payment token lie in envelopes alone."""
    seed(app, 80)
    held = b"".join(
        value if isinstance(value, bytes) else str(value).encode()
        for rows in rows_of(app).values()
        for row in rows
        for value in row
    )
    people = [person(number) for number in range(1, 81)]
    secrets = [one.phone for one in people]
    secrets += [one.payment.token for one in people if one.payment]
    secrets += [line for one in people for line in _address_lines(one)]
    assert person(1).email.encode() in held
    assert not [secret for secret in secrets if secret.encode() in held]


def _address_lines(one: Person) -> list[str]:
    if isinstance(one.shipping_address, str):
        return [line for line in one.shipping_address.splitlines() if line != one.name and len(line) > 8]
    return [one.shipping_address["line1"]]
