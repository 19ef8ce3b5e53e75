"""Every string has a maximum in characters that fits its column on both databases (SECURITY 136)."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.support.hostile import Inspector
from tests.support.people import PASSWORD, PAYMENT, PROFILE, Client
from user_service.auth.models import User
from user_service.extensions import db

ALPHABETS = ("a", "é", "漢", "😀", "\u0301", "ﷺ", "'", "\\", '"', "<", "\u200b", "İ")
# The United Arab Emirates know no postal codes, so that letters and digits of any length may stand there.
ANYWHERE = {"line1": "1", "line2": "2", "city": "c", "region": "r", "postal_code": "1", "country": "AE"}
OF_ADDRESS = {"line1": 200, "line2": 200, "city": 100, "region": 100}
OF_PAYMENT = {"payment_token": 512, "provider": 64, "brand": 64}


def text_of(alphabet: str, length: int) -> str:
    """A letter at either end, so that nothing is cut off as white space."""
    return "x" + alphabet * (length - 2) + "y"


def profile_changes(alphabet: str, more: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each string of the profile at its maximum, or `more` above it, with the pointer to it."""
    yield "/name", {"name": text_of(alphabet, 200 + more)}
    yield "/shipping_address", {"shipping_address": text_of(alphabet, 500 + more)}
    for name, length in OF_ADDRESS.items():
        address = {**ANYWHERE, name: text_of(alphabet, length + more)}
        yield f"/shipping_address/{name}", {"shipping_address": address}


def test_every_string_of_a_profile_is_kept_up_to_its_maximum(person: Client) -> None:
    person.post("/profile", PROFILE)
    inspector = Inspector(person)
    for alphabet in ALPHABETS:
        for pointer, change in profile_changes(alphabet, 0):
            inspector.send("PUT", "/profile", change, expect=200, label=f"{alphabet} {pointer}")
            read = inspector.send("GET", "/profile/me").json
            inspector.check(change.items() <= read.items(), f"{alphabet!r} {pointer} came back as {read}")
        for pointer, change in profile_changes(alphabet, 1):
            answer = inspector.send("PUT", "/profile", change, expect=422, label=f"{alphabet} {pointer}")
            inspector.check(answer.fault_codes() == {pointer: "too_long"}, f"{alphabet!r} {pointer}: {answer.text}")
    assert not inspector.failures, inspector.report()


def test_all_of_a_profile_may_be_at_its_maximum_at_once(person: Client) -> None:
    address = {**ANYWHERE, **{name: text_of("😀", length) for name, length in OF_ADDRESS.items()}}
    longest = {"name": text_of("😀", 200), "phone": "-1" * 20, "shipping_address": address}
    assert person.post("/profile", longest).status == 201
    assert longest.items() <= person.get("/profile/me").json.items()


def test_a_postal_code_is_kept_up_to_its_maximum(person: Client) -> None:
    person.post("/profile", PROFILE)
    for longest in ("1" * 20, "A" * 20, "１" * 20, "1-" * 9 + "12", "a b c d e f g h i jk"):
        address = {**ANYWHERE, "postal_code": longest}
        assert person.put("/profile", {"shipping_address": address}).json["shipping_address"] == address
        answer = person.put("/profile", {"shipping_address": {**address, "postal_code": longest + "1"}})
        assert answer.fault_codes() == {"/shipping_address/postal_code": "too_long"}


def test_a_phone_number_is_kept_up_to_its_maximum(person: Client) -> None:
    person.post("/profile", PROFILE)
    for longest in ("-1" * 20, "(1)" + " " * 32 + "23456", "1" * 20, "１" * 20):
        assert person.put("/profile", {"phone": longest}).json["phone"] == longest
    assert person.put("/profile", {"phone": "-1" * 20 + "-"}).fault_codes() == {"/phone": "too_long"}
    assert person.put("/profile", {"phone": "1" * 21}).fault_codes() == {"/phone": "invalid_format"}


def test_every_string_of_payment_information_is_kept_up_to_its_maximum(person: Client) -> None:
    person.post("/profile/payment_info", PAYMENT)
    inspector = Inspector(person)
    for alphabet in ALPHABETS:
        for name, length in OF_PAYMENT.items():
            longest = {**PAYMENT, name: text_of(alphabet, length)}
            shown = inspector.send("PUT", "/profile/payment_info", longest, expect=200).json["payment_info"]
            kept = longest[name] if name in shown else longest[name][-4:]
            seen = shown.get(name, shown["token_hint"])
            inspector.check(seen == kept, f"{alphabet!r} {name} came back as {seen!r}")
            longer = {**PAYMENT, name: text_of(alphabet, length + 1)}
            answer = inspector.send("PUT", "/profile/payment_info", longer, expect=422)
            inspector.check(answer.fault_codes() == {f"/{name}": "too_long"}, f"{alphabet!r} {name}: {answer.text}")
    assert not inspector.failures, inspector.report()


def test_a_username_has_64_characters_at_most(newcomer: Callable[[], Client]) -> None:
    longest = "A-z_9." * 10 + "last"
    client = newcomer()
    assert client.register(longest, "longest@example.com").json["user"]["username"] == longest
    assert client.log_in(longest.swapcase()).status == 200
    assert newcomer().register(longest + "x", "longer@example.com").fault_codes() == {"/username": "too_long"}


def test_an_email_address_has_254_characters_at_most(newcomer: Callable[[], Client]) -> None:
    domain = ".".join(["d" * 61] * 3) + ".com"
    longest = "l" * (254 - len(domain) - 1) + "@" + domain
    assert len(longest) == 254
    client = newcomer()
    assert client.register("longest", longest).json["user"]["email"] == longest
    assert client.log_in(longest.upper()).status == 200
    assert newcomer().register("longer", "l" + longest).fault_codes() == {"/email": "too_long"}


def test_an_address_whose_normal_form_is_longer_than_itself_is_kept_or_refused(
    newcomer: Callable[[], Client], app: Flask
) -> None:
    """Lower case, compatibility forms and Punycode all make text longer, and it is they that fill the column."""
    names = ["İ" * 64, "é" * 60, "ﷺ" * 40, "ß" * 64, "ŉ" * 64]
    domains = ["example.com", "é" * 40 + ".com", ".".join(["漢" * 14] * 12) + ".com", "İ" * 30 + ".com"]
    inspector = Inspector(newcomer())
    for number, (name, domain) in enumerate((name, domain) for name in names for domain in domains):
        body = {"username": f"normal{number}", "email": f"{name}@{domain}", "password": PASSWORD}
        inspector.send("POST", "/register", body, expect=(201, 422), auth=False)
        inspector.send("POST", "/token", {"username": body["email"], "password": PASSWORD}, expect=(200, 401, 422))
    assert not inspector.failures, inspector.report()
    with app.app_context():
        assert all(len(key) <= 254 for key in db.session.scalars(select(User.email_key)))


def test_a_password_has_1024_bytes_at_most(newcomer: Callable[[], Client]) -> None:
    for number, longest in enumerate(("plum tractor 1 " * 68 + "last", "😀🎈" * 128, "é" * 512)):
        client = newcomer()
        assert len(longest.encode()) == 1024
        assert client.register(f"longest{number}", password=longest).status == 201
        assert client.log_in().status == 200
        assert client.log_in(password=unicodedata.normalize("NFD", longest)).status == 200
        assert client.log_in(password=longest[:-1]).code == "invalid_credentials"
        answer = newcomer().register(f"longer{number}", password=longest + "x")
        assert answer.fault_codes()["/password"] == "password_too_long"


def test_what_is_asked_at_log_in_has_a_maximum_too(newcomer: Callable[[], Client]) -> None:
    inspector = Inspector(newcomer())
    for alphabet in ALPHABETS:
        for length, status in ((254, 401), (255, 422)):
            for login in (text_of(alphabet, length), text_of(alphabet, length - 2) + "@b"):
                inspector.send("POST", "/token", {"username": login, "password": "x"}, expect=status)
    inspector.send("POST", "/token", {"username": "a", "password": "x" * 1024}, expect=401)
    inspector.send("POST", "/token", {"username": "a", "password": "x" * 1025}, expect=422)
    for length, status in ((8192, 401), (8193, 401), (60_000, 401)):
        inspector.send("POST", "/token/refresh", {"old_refresh_token": "a." * (length // 2)}, expect=status)
    assert not inspector.failures, inspector.report()


def test_what_headers_leave_in_the_database_fits_it(newcomer: Callable[[], Client]) -> None:
    client = newcomer()
    client.register()
    agent = "Agent/" + "ü" * 5000
    body = {"username": client.username, "password": client.password}
    headers = {"User-Agent": agent.encode().decode("latin-1"), "X-Request-ID": "r" * 128}
    answer = client.send("POST", "/token", body, headers=headers)
    assert (answer.status, answer.headers["X-Request-ID"]) == (200, "r" * 128)
    client.access_token = answer.json["access_token"]
    (session,) = client.get("/sessions").json["data"]
    assert 6 < len(session["user_agent"]) <= 256
    assert session["user_agent"].startswith("Agent/")


def test_the_document_tells_the_maxima(client: Client) -> None:
    schemas = client.get("/openapi.json").json["components"]["schemas"]
    documented = {
        name: schema["properties"][name]["maxLength"]
        for schema in (schemas["RegisterRequest"], schemas["ProfileRequest"], schemas["PaymentInfoRequest"])
        for name in schema["properties"]
        if schema["properties"][name].get("type") == "string"
    }
    expected = {"username": 64, "email": 254, "password": 3072, "name": 200, "phone": 40, "last4": 4, **OF_PAYMENT}
    assert documented == expected
