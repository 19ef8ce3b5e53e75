"""Where a request comes from: what a client says of itself counts for nothing, what trusted proxies say counts.

SECURITY 47, 48.
"""

import random
from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.visitors import HOME, Visitor, check_refused
from user_service.doors import Rate
from user_service.web.addresses import network_of, parse_address

CLAIMED = "198.51.100.66"
PER_ADDRESS = 60  # log-ins a minute
MALFORMED = [
    *("", " ", ",", ",,,", "unknown", "_hidden", "localhost", "x" * 5000, "1.2.3", "1.2.3.4.5", "256.1.1.1", "::::"),
    *("[::1", "[]", "1.2.3.4:", "\x00", "\xff", "'; DROP TABLE sessions; --", "%", "1.2.3.4/24", "0x7f.1"),
    *('"', '"1.2.3.4', "for=1.2.3.4", "１.２.３.４", "-1", "1e3", "::ffff:1.2.3.4.5", "1" * 400, "[1.2.3.4]:99999999"),
]


def lies(address: str) -> dict[str, str]:
    """All the ways in which a client can claim to be another."""
    return {
        **dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP"), address),
        "Forwarded": f"for={address};proto=https",
        "X-Forwarded": address,
        "Client-IP": address,
    }


def logged_in_from(visitor: Visitor, headers: dict[str, str]) -> str | None:
    """The address that the session of a new log-in and the security log show."""
    body = {"username": visitor.username, "password": visitor.password}
    answer = visitor.post("/token", body, headers=headers, auth=False)
    assert answer.status == 200, answer
    token = {"Authorization": f"Bearer {answer.json['access_token']}"}
    session, event = (visitor.get(f"{path}?limit=1", headers=token) for path in ("/sessions", "/account/events"))
    (shown,), (logged,) = session.json["data"], event.json["data"]
    assert shown["ip"] == logged["ip"]
    return shown["ip"]


@pytest.fixture
def behind(make_app: Callable[..., Flask]) -> Callable[[int], Visitor]:
    def start(hops: int) -> Visitor:
        visitor = Visitor(make_app(trusted_proxies=hops))
        visitor.register()
        return visitor

    return start


@ON_ONE_DATABASE
@pytest.mark.parametrize("hops", [0, 1])
def test_whatever_a_client_claims_its_guesses_end_in_429(make_app: Callable[..., Flask], hops: int) -> None:
    """SECURITY 47: 200 guesses, each with other lies. Behind a proxy, that one adds the address at the end.

    Each is at another name, so that the limit by the address alone ends them.
    """
    visitor = Visitor(make_app(ratelimit_enabled=True, trusted_proxies=hops))
    chance = random.Random(47)
    for number in range(200):
        claims = lies(".".join(str(chance.randrange(1, 255)) for _ in range(4)))
        if hops:
            claims["X-Forwarded-For"] += f", {CLAIMED}"
        body = {"username": f"maria{number}", "password": f"guess {number} of many"}
        answer = visitor.post("/token", body, headers=claims)
        assert answer.status == (401 if number < PER_ADDRESS else 429)


def test_what_an_untrusted_peer_claims_is_not_logged(behind: Callable[[int], Visitor]) -> None:
    """SECURITY 47."""
    visitor = behind(0)
    assert logged_in_from(visitor, lies(CLAIMED)) == HOME
    assert {logged_in_from(visitor, {name: value}) for name, value in lies(CLAIMED).items()} == {HOME}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("hops", "chain", "believed"),
    [
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "198.51.100.66, 192.0.2.1", "192.0.2.1"),
        (2, "198.51.100.66, 192.0.2.2, 192.0.2.1", "192.0.2.2"),
        (3, "198.51.100.66, 192.0.2.3, 192.0.2.2, 192.0.2.1", "192.0.2.3"),
        (2, "192.0.2.1", HOME),  # it did not come through both
        (1, "", HOME),
    ],
)
def test_exactly_as_many_hops_as_are_trusted_are_believed(
    behind: Callable[[int], Visitor], hops: int, chain: str, believed: str
) -> None:
    """SECURITY 48."""
    visitor = behind(hops)
    assert logged_in_from(visitor, {"X-Forwarded-For": chain}) == believed
    assert logged_in_from(visitor, {**lies("203.0.113.99"), "X-Forwarded-For": chain}) == believed


@ON_ONE_DATABASE
def test_the_limits_count_the_address_that_the_proxy_tells(make_app: Callable[..., Flask]) -> None:
    limits = {"log-in-address": Rate(2, 60)}
    visitor = Visitor(make_app(ratelimit_enabled=True, trusted_proxies=1, limits=limits))

    def guess(address: str) -> int:
        body = {"username": "maria", "password": "guess after guess"}
        return visitor.post("/token", body, headers={"X-Forwarded-For": address}).status

    assert [guess("192.0.2.1"), guess("10.0.0.1, 192.0.2.1"), guess("10.0.0.2, 192.0.2.1")] == [401, 401, 429]
    assert guess("192.0.2.1, 192.0.2.9") == 401
    assert [guess(f"2001:db8::{number}") for number in range(1, 4)] == [401, 401, 429]


def test_a_malformed_address_is_no_address_and_no_error(behind: Callable[[int], Visitor]) -> None:
    visitor = behind(1)
    for text in MALFORMED:
        sent = {"X-Forwarded-For": text.encode().decode("latin-1")}
        assert logged_in_from(visitor, sent) in (None, HOME, "1.2.3.4"), text
    assert logged_in_from(visitor, {"X-Forwarded-For": "192.0.2.1"}) == "192.0.2.1"


@ON_ONE_DATABASE
def test_clients_without_an_address_are_counted_together(make_app: Callable[..., Flask]) -> None:
    limits = {"log-in-address": Rate(2, 60)}
    visitor = Visitor(make_app(ratelimit_enabled=True, trusted_proxies=1, limits=limits))
    body = {"username": "maria", "password": "guess after guess"}
    answers = [visitor.post("/token", body, headers={"X-Forwarded-For": text}) for text in ("x", "unknown", "y")]
    assert [answer.status for answer in answers] == [401, 401, 429]
    check_refused(answers[-1])


@pytest.mark.parametrize(
    ("written", "read", "network"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1 ", "192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:5678", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1", "192.0.2.1"),
        ("[::ffff:192.0.2.1]:80", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8:0:1::5", "2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("[2001:db8:0:1::5]:443", "2001:db8:0:1::5", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
    ],
)
def test_addresses_are_read_as_proxies_write_them(written: str, read: str, network: str) -> None:
    address = parse_address(written)
    assert (str(address), network_of(address)) == (read, network)


def test_every_malformed_address_is_none() -> None:
    tolerated = {"1.2.3.4:", "[1.2.3.4]:99999999"}  # the address is right, what goes with it is not looked at
    assert [text for text in MALFORMED if parse_address(text) is not None and text not in tolerated] == []
    assert network_of(None) == "unknown"
