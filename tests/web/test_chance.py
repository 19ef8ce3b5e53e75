"""Requests that were right once, broken by chance: thousands of them, and no 5xx.

SECURITY 129; the row "malformed input" of the comparison with other services. With the tables of the modules beside
this one, where every answer is inspected in the same way, that makes more than 10,000 requests.
"""

import json
import random
from typing import Any

import pytest

from tests.support.hostile import BODILESS, PLACES, Inspector, Place, fields_of
from tests.support.people import PROFILE, Client

REQUESTS = 800
SEED = 9457  # fixed, so that a failure can be seen again
VALUES: list[Any] = [
    *(None, True, 0, -1, 2**63, 10**400, 1.5, 1e308, "", " ", "a" * 300, "\x00", "\u202e", "😀" * 70, "é", "'", '"'),
    *("4111 1111 1111 1111", "../..", "%s", "{{1}}", "\ufffe", "\U0010ffff", "a@b", "@", "+", "US", "zz", "2030-01-01"),
    *([], {}, [[]], [None], {"": None}, {"line1": "x"}, {"country": "US"}, {"a": {"b": {"c": []}}}, [0] * 2000),
]
PIECES = [
    b"{",
    b"}",
    b"[",
    b"]",
    b'"',
    b":",
    b",",
    b"\\",
    b"\x00",
    b"\xff",
    rb"\ud800",
    b"null",
    b"1e999",
    b"\n",
    b"NaN",
]
HEADERS = {
    "Content-Type": ["text/plain", "application/json;charset=\xff", "", "application/json"],
    "Content-Encoding": ["gzip", "identity", "\xff"],
    "Authorization": ["Bearer", "Bearer  ", "Bearer a.b.c", "Basic eA==", "\xff", "Bearer " + "a" * 9000],
    "If-Match": ["*", '"x"', '"', "W/"],
    "If-None-Match": ["*", '"x"', ","],
    "X-Request-ID": ["ok", "\xff", "a" * 200],
    "Host": ["a b", "[", "x:y", "\xff"],
}


def fuzzed(chance: random.Random) -> tuple[str, str, bytes | None, dict[str, str]]:
    """A request that was right once, with one to three things about it changed."""
    place = chance.choice(PLACES)
    method, path, data = place.method, place.path, json.dumps(place.body).encode()
    headers: dict[str, str] = {}
    for _ in range(chance.randint(1, 3)):
        kind = chance.random()
        if kind < 0.5:
            data = with_other_value(chance, place)
        elif kind < 0.75:
            data = broken(chance, data)
        elif kind < 0.9:
            name = chance.choice(sorted(HEADERS))
            headers[name] = chance.choice(HEADERS[name])
        elif kind < 0.95:
            method, path = chance.choice(BODILESS)
        else:
            path += chance.choice(["/", "//", "?limit=0", "?cursor=%ff", "/%00", "%", "?" + "a" * 3000, "/../x"])
    return method, path, data, headers


def with_other_value(chance: random.Random, place: Place) -> bytes:
    return json.dumps(place.with_value(chance.choice(fields_of(place)), chance.choice(VALUES))).encode()


def broken(chance: random.Random, data: bytes) -> bytes:
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.choice([0, 0, 1, 2, 20]))
    return data[:start] + chance.choice([b"", data[start:end] * 2, *PIECES]) + data[end:]


@pytest.mark.slow
def test_no_request_that_chance_makes_breaks_anything(person: Client) -> None:
    chance = random.Random(SEED)
    person.post("/profile", PROFILE)
    inspector = Inspector(person)
    for _ in range(REQUESTS):
        method, path, data, headers = fuzzed(chance)
        inspector.send(
            method, path, data, headers=headers, auth=not path.startswith("/logout"), label=f"{path} {data!r} {headers}"
        )
    assert not inspector.failures, inspector.report()
    assert person.get("/account").status == 200
