"""Values that are well-formed JSON and meant to hurt.

SECURITY 14 (types), 15 and 102 (unknown members), 133 (control characters), 136 (lengths), 137 (payloads),
140 (expressions that backtrack).
"""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from tests.support.hostile import (
    CHANGE_PROFILE,
    LOG_IN,
    ON_ONE_DATABASE,
    ONE_OF_EACH,
    PLACES,
    QUICK_SECONDS,
    REGISTER,
    REPLACE_PAYMENT,
    Inspector,
    Place,
    fields_of,
)
from tests.support.people import PAYMENT, PROFILE, Client

WRONG_TYPES: list[Any] = [
    *(None, True, False, 0, 1, -1, 10**18, 10**30, 1.0, 1.5, -0.0, 1e308),
    *([], [""], ["a"], ["a", "b"], [None], [1, 2, 3], [[]], [{"a": "b"}]),
    *({}, {"": ""}, {"$ne": None}, {"$gt": ""}, {"$regex": ".*"}, {"a": 1}, {"0": "a"}, {"length": 1}),
    *({"toString": 1}, {"__class__": "str"}),
]
UNKNOWN_MEMBERS = """
    id user_id sub sid jti uid _id is_admin isAdmin admin role roles scope scopes permissions is_superuser is_staff
    is_active email_verified email_verified_at verified disabled_at balance credit password_hash password_changed_at
    created_at updated_at username_key email_key phone_e164 token_hint cvv card_number pan expiry __proto__
    constructor __class__ Name PHONE
""".split  # fmt: skip  # a table


def is_right_type(pointer: str, value: Any) -> bool:
    return pointer in ("/exp_month", "/exp_year") and type(value) is int


@ON_ONE_DATABASE
def test_no_type_is_taken_for_another(person: Client) -> None:
    """SECURITY 14: each type at each field of each body."""
    inspector = Inspector(person)
    for place in PLACES:
        for pointer in fields_of(place):
            for value in (value for value in WRONG_TYPES if not is_right_type(pointer, value)):
                answer = inspector.post_to(place, place.with_value(pointer, value), expect=422)
                pointers = answer.fault_codes() if answer.status == 422 else []
                is_named = any(found.startswith(pointer) for found in pointers)
                inspector.check(is_named, f"{place} {pointer} {value!r}: {answer.text[:200]}")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_a_member_that_does_not_exist_is_refused_and_changes_nothing(person: Client) -> None:
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    paths = ("/profile/me", "/profile/payment_info")
    before = [person.get(path).json for path in paths]
    inspector = Inspector(person)
    for place in PLACES:
        for name in UNKNOWN_MEMBERS():
            answer = inspector.post_to(place, {**place.body, name: True}, expect=422)
            is_named = answer.fault_codes() == {f"/{name}": "unknown_field"}
            inspector.check(is_named, f"{place} {name}: {answer.text[:200]}")
    assert not inspector.failures, inspector.report()
    assert [person.get(path).json for path in paths] == before
    assert person.log_in(REGISTER.body["username"], REGISTER.body["password"]).code == "invalid_credentials"


@ON_ONE_DATABASE
def test_a_profile_changes_neither_username_nor_email_nor_password(person: Client) -> None:
    person.post("/profile", PROFILE)
    before = person.get("/profile/me").json
    for name, value in (("username", "other"), ("email", "other@example.com"), ("password", "other password 1")):
        answer = person.put("/profile", {"name": "Other", name: value})
        assert answer.fault_codes() == {f"/{name}": "unknown_field"}
    assert person.get("/profile/me").json == before
    assert person.log_in().status == 200


@ON_ONE_DATABASE
def test_a_pointer_leads_to_the_member_whatever_its_name(person: Client) -> None:
    for name, pointer in {"a/b": "/a~1b", "~": "/~0", "": "/", "é": "/é", "a b": "/a b", "_schema": "/_schema"}.items():
        answer = person.put("/profile", {"name": "Ada", name: "x"})
        assert answer.fault_codes() == {pointer: "unknown_field"}, answer.text


@ON_ONE_DATABASE
def test_control_characters_are_refused_in_every_string(person: Client) -> None:
    inspector = Inspector(person)
    for place, pointer in fields_everywhere():
        # A free-form address has lines.
        kept = "\n\r\t" if pointer == "/shipping_address" else ""
        for character in (
            code for code in "\x00\x01\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9f\n\r\t" if code not in kept
        ):
            for value in around(character):
                inspector.post_to(place, place.with_value(pointer, value), expect=422)
    assert not inspector.failures, inspector.report()


def around(character: str) -> Iterator[str]:
    """The character inside a text; those that trimming and C stumble over stand at its ends as well."""
    yield f"ab{character}cd"
    if character in "\0\n":
        yield f"{character}abcd"
        yield f"abcd{character}"


PAYLOADS = """
    ' OR '1'='1|'; DROP TABLE users; --|" OR ""="|') OR ('a'='a|1; SELECT pg_sleep(20)|'||pg_sleep(20)--
    ' UNION SELECT password_hash FROM users --|' AND 1=CAST((SELECT version()) AS int)--|\\'; --|%27%20OR%201=1
    1); ATTACH DATABASE 'FILE' AS x; --|'; COPY users TO PROGRAM 'touch FILE'; --|admin'--|`id`|$(touch FILE)
    ; touch FILE ;|&& touch FILE|\\| touch FILE|> FILE|{{7*7}}|${7*7}|#{7*7}|<%= 7*7 %>|{% debug %}|{{config}}
    {{''.__class__.__mro__[1].__subclasses__()}}|${jndi:ldap://127.0.0.1:9/a}|%s%s%s%n|%(password)s|{0.__class__}
    {settings}|%x%x%x|../../../../etc/passwd|..\\..\\windows\\win.ini|/etc/passwd|file:///etc/passwd|php://input
    *)(uid=*))(|(uid=*|*)(&|admin)(!(&(1=0|<script>alert(1)</script>|"><img src=x onerror=alert(1)>|javascript:alert(1)
    <!ENTITY x SYSTEM "file:///etc/passwd">|<?xml version="1.0"?>|=cmd!A1|=1+1|@SUM(1)|__import__('os').system('id')
    O:8:"stdClass":0:{}|!!python/object/apply:os.system ['id']|constructor[prototype]|\u202eevil
    \u2028|\ufeff|Ω≈ç√∫˜µ|ﷺ|İıſK|𝕒𝖉𝖒𝖎𝖓|👩‍👩‍👧‍👦|n̷̛̲|%00|%0d%0aSet-Cookie:a=b|\\u0000|\\x00|&#0;|::1|[::]
"""


WORDS_OF_PROGRAMS = ("null", "undefined", "NaN", "None", "true", "0", "-1", "1e9", "127.0.0.1")


def payloads(file: Path) -> list[str]:
    found = PAYLOADS.replace("\\|", "\0").replace("\n", "|").replace("FILE", str(file)).split("|")
    return [text for text in (payload.replace("\0", "|").strip(" ") for payload in found) if text]


def test_payloads_are_text_and_nothing_else(person: Client) -> None:
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    bystander = person.another_device().join()
    bystander.post("/profile", PROFILE)
    before = bystander.get("/profile/me").json
    inspector = Inspector(person)
    with TemporaryDirectory(prefix="p") as directory:  # a short path, so that it fits into every field
        texts = payloads(Path(directory) / "pwn")
        for text in texts:
            try_to_get_in(inspector, text)
        for text in (*texts, *WORDS_OF_PROGRAMS):
            store_and_read_back(inspector, text)
        assert not list(Path(directory).iterdir()), "a payload was run"
    assert len(texts) >= 50
    assert not inspector.failures, inspector.report()
    assert bystander.get("/profile/me").json == before
    assert bystander.log_in().status == 200


def store_and_read_back(inspector: Inspector, text: str) -> None:
    kept = text.strip()
    parts = {**PROFILE["shipping_address"], "line1": text, "line2": text, "city": text, "region": text}
    for address, shown in ((parts, {name: value.strip() for name, value in parts.items()}), (text, kept)):
        inspector.send("PUT", "/profile", {"name": text, "shipping_address": address}, expect=200 if kept else 422)
        read = inspector.send("GET", "/profile/me", expect=200).json
        inspector.check(not kept or (read["name"], read["shipping_address"]) == (kept, shown), f"{text!r}: {read}")
    info = {"payment_token": text, "provider": text[:64], "brand": text[:64]}
    stored = inspector.send("PUT", "/profile/payment_info", info, expect=200 if kept else 422)
    if kept:
        brand = stored.json["payment_info"]["brand"]
        inspector.check(brand == text[:64].strip(), f"{text!r}: {brand!r}")


def try_to_get_in(inspector: Inspector, text: str) -> None:
    for login in (text, f"{text}@example.com"):
        inspector.send("POST", "/token", {"username": login, "password": text}, expect=401)
    inspector.send("POST", "/token/refresh", {"old_refresh_token": text}, expect=401)
    for place, pointers in ((REGISTER, ("/username", "/email")), (CHANGE_PROFILE, ("/phone",))):
        for pointer in pointers:
            inspector.post_to(place, place.with_value(pointer, text), expect=422)
    for path in (f"/sessions/{quote(text, safe='')}", f"/errors/{quote(text, safe='')}"):
        inspector.send("DELETE" if "sessions" in path else "GET", path, expect=404)
    for name in ("limit", "cursor"):
        inspector.send("GET", f"/sessions?{name}={quote(text)}", expect=422)


BOMBS = [
    *("a" * 200 + "!", "a." * 100, "-" * 200, "1 " * 100, "1-" * 100, "(" * 200, ")" * 200, "." * 200, "@" * 200),
    *("a@" + "a." * 100, "a@" + "-" * 190 + ".com", "a@" + "a-" * 90 + "!", '"' + "\\" * 198 + '"', "a+" * 99 + "@b.c"),
    *("1" * 20 + "ext" * 40, "1" + " " * 150 + "ext 1x", "1" * 15 + " " * 24 + "x", "+" * 100, "＋" * 60, "١" * 60),
    *("\u0301" * 200, "ﷺ" * 200, "İ" * 100, "ß" * 100, "xn--" * 40, "é" * 60 + "@é.com", "\u00a0" * 200 + "x"),
    *("9" * 200, "4111 " * 40, "4111-" * 40, "0" * 4299, "a" * 60 + "@" + "b" * 180, "," * 200, "\u200b" * 200),
    *("1 " * 10_000, "a " * 10_000, "@a" * 10_000),
]


def cpu_seconds(inspector: Inspector, place: Place, body: Any, label: str) -> float:
    """The better of two, so that what happens once in a process does not count."""
    seconds = []
    while len(seconds) < 2 and (not seconds or seconds[0] > QUICK_SECONDS):
        before = time.thread_time()
        inspector.post_to(place, body, label=label)
        seconds.append(time.thread_time() - before)
    return min(seconds)


@ON_ONE_DATABASE
def test_no_value_makes_a_regular_expression_or_a_scan_run_long(person: Client) -> None:
    inspector = Inspector(person)
    for place, pointer in fields_everywhere():
        for bomb in BOMBS:
            label = f"{place} {pointer} {bomb[:12]!r} × {len(bomb)}"
            seconds = cpu_seconds(inspector, place, place.with_value(pointer, bomb), label)
            inspector.check(seconds < QUICK_SECONDS, f"{label}: {seconds:.3f} s")
    for place in (LOG_IN, REPLACE_PAYMENT):
        seconds = cpu_seconds(inspector, place, {**place.body, "1 " * 10_000: "x"}, "a long name")
        inspector.check(seconds < QUICK_SECONDS, f"{place} with a long name: {seconds:.3f} s")
    assert not inspector.failures, inspector.report()
    assert person.get("/sessions").status == 200, "the bombs did not reach what only members reach"


def fields_everywhere() -> Iterator[tuple[Place, str]]:
    return ((place, pointer) for place in ONE_OF_EACH for pointer in fields_of(place))
