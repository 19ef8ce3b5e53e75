"""Limits on doors: by address and by account, told on every answer. SECURITY 16, 105.

Numbers are lowered where a test would have to knock a hundred times.
"""

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from flask import Flask

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PASSWORD, Answer
from tests.support.visitors import Visitor, check_refused
from user_service.doors import Rate

pytestmark = ON_ONE_DATABASE
Limited = Callable[..., "Visitor"]


@pytest.fixture
def limited(make_app: Callable[..., Flask]) -> Limited:
    """A visitor of an application whose limits are on; some of them changed: `log_in_address=3` a minute."""

    def visit(**amounts: int) -> Visitor:
        limits = {name.replace("_", "-"): Rate(amount, 60) for name, amount in amounts.items()}
        return Visitor(make_app(ratelimit_enabled=True, limits=limits))

    return visit


def statuses(knock: Callable[[], Answer], count: int) -> list[int]:
    return [knock().status for _ in range(count)]


def test_one_address_knocks_so_often_and_another_is_not_told_off_for_it(limited: Limited) -> None:
    visitor = limited()
    assert statuses(lambda: visitor.get("/revocations"), 120) == [401] * 120
    check_refused(visitor.get("/revocations"))
    assert visitor.at("203.0.113.8").get("/revocations").status == 401
    assert visitor.guess().status == 401  # another door


def test_an_ipv6_customer_is_one_address(limited: Limited) -> None:
    visitor = limited(revocations_address=3)
    assert [visitor.at(f"2001:db8:1:1::{number}").get("/revocations").status for number in (1, 2, 3)] == [401] * 3
    check_refused(visitor.at("2001:db8:1:1:ffff::1").get("/revocations"))
    assert visitor.at("2001:db8:1:2::1").get("/revocations").status == 401


def test_ipv4_written_as_ipv6_is_ipv4(limited: Limited) -> None:
    visitor = limited(revocations_address=1)
    assert visitor.get("/revocations").status == 401
    check_refused(visitor.at("::ffff:203.0.113.7").get("/revocations"))
    assert visitor.at("::ffff:203.0.113.8").get("/revocations").status == 401


def test_log_ins_are_limited_by_address(limited: Limited) -> None:
    visitor = limited()
    assert {visitor.guess(f"person{number}").status for number in range(60)} == {401}
    check_refused(visitor.guess("person61"))


def test_log_ins_at_one_account_are_limited_by_address_and_lock_nobody_out(limited: Limited) -> None:
    attacker = limited()
    owner = attacker.at("198.51.100.1")
    owner.register("Maria")
    assert owner.log_in().status == 200  # the account throttle knows the address from now on
    assert statuses(lambda: attacker.guess("maria"), 10) == [401] * 10
    for spelling in ("maria", "MARIA", "Maria"):
        check_refused(attacker.guess(spelling, PASSWORD))
    assert owner.log_in().status == 200


def test_registration_is_limited_by_address(limited: Limited) -> None:
    """SECURITY 16."""
    visitor = limited()
    assert statuses(visitor.register, 60) == [201] * 60
    check_refused(visitor.register())
    assert visitor.at("203.0.113.8").register().status == 201


def test_registration_is_limited_for_all_together(limited: Limited) -> None:
    """SECURITY 16."""
    visitor = limited(register_all=5)
    assert [visitor.at(f"198.51.100.{number}").register().status for number in range(5)] == [201] * 5
    check_refused(visitor.at("198.51.100.99").register())


def test_registration_is_limited_by_the_address_that_is_given(limited: Limited) -> None:
    visitor = limited()
    sent = [visitor.at(f"198.51.100.{n}").register(f"person-{n}-x", "Maria@Example.com").status for n in range(10)]
    assert sent == [201, *[409] * 9]
    check_refused(visitor.at("198.51.100.99").register("person-99-x", "maria@EXAMPLE.com"))


def test_a_session_refreshes_so_often(limited: Limited) -> None:
    one = limited(refresh_account=3)
    other = one.at("198.51.100.1").join()
    one.join()
    assert statuses(one.refresh, 3) == [200] * 3
    check_refused(one.refresh())
    check_refused(one.at("198.51.100.2").refresh())
    assert other.refresh().status == 200


def test_tokens_that_are_none_are_limited_by_address(limited: Limited) -> None:
    visitor = limited(refresh_address=2)
    assert statuses(lambda: visitor.refresh("e30.e30.e30"), 2) == [401] * 2
    check_refused(visitor.refresh("e30.e30.e30"))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/account/password", {"current_password": "not the one", "new_password": "an other one of mine"}),
        ("POST", "/account/export", {"password": "not the one"}),
        ("DELETE", "/account", {"password": "not the one"}),
    ],
)
def test_doors_that_ask_for_the_password_again_are_limited_by_account(
    limited: Limited, method: str, path: str, body: Any
) -> None:
    one = limited(change_password_account=3, export_account=3, erase_account=3)
    other = one.at("198.51.100.1").join()
    one.join()
    assert statuses(lambda: one.send(method, path, body), 3) == [403] * 3
    check_refused(one.at("198.51.100.2").send(method, path, body))
    assert other.send(method, path, body).status == 403
    assert one.get("/account").status == 200


@pytest.mark.parametrize(
    ("door", "path", "body"),
    [
        ("forgot_password", "/password/forgot", {"email": "maria@example.com"}),
        ("send_verification", "/email/verification", {"email": "maria@example.com"}),
        ("reset_password", "/password/reset", {"token": "none", "new_password": "an other one of mine"}),
        ("verify_email", "/email/verify", {"token": "none"}),
        ("change_email", "/account/email", {"email": "maria@example.com", "password": "not the one"}),
    ],
)
def test_doors_that_send_or_take_mailed_links_are_limited_by_address(
    limited: Limited, door: str, path: str, body: Any
) -> None:
    """SECURITY 105."""
    visitor = limited(**{f"{door}_address": 3, f"{door}_account": 100})
    visitor.join()
    method = "PUT" if door == "change_email" else "POST"
    assert 429 not in statuses(lambda: visitor.send(method, path, body), 3)
    check_refused(visitor.send(method, path, body))
    assert visitor.at("203.0.113.8").send(method, path, body).status != 429


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    ("door", "path"), [("forgot_password", "/password/forgot"), ("send_verification", "/email/verification")]
)
def test_mails_to_one_address_are_limited_wherever_they_are_asked_for(
    limited: Limited, door: str, path: str, is_known: bool
) -> None:
    """SECURITY 105: nothing tells whether there is such an account, and other accounts are not concerned."""
    visitor = limited(**{f"{door}_account": 3})
    if is_known:
        visitor.register("maria", "Maria@example.com")
    spellings = ("maria@example.com", "MARIA@EXAMPLE.COM", " Maria@Example.com")
    knocks = [visitor.at(f"198.51.100.{n}").post(path, {"email": email}) for n, email in enumerate(spellings)]
    assert [answer.status for answer in knocks] == [202] * 3
    check_refused(visitor.at("198.51.100.99").post(path, {"email": "maria@example.com"}))
    assert visitor.post(path, {"email": "maria@example.org"}).status == 202


@pytest.mark.parametrize("path", ["/token", "/register"])
def test_a_body_that_cannot_be_read_is_refused_as_ever_and_counts_by_address(limited: Limited, path: str) -> None:
    visitor = limited(log_in_address=12, register_address=12)
    plain = {"Content-Type": "text/plain"}
    refusals = [
        *[
            (visitor.post(path, body), 400)
            for body in (None, b"{", b"[]", b'{"username": "\\ud800"}', b'{"a":1,"a":2}')
        ],
        (visitor.post(path, b"{}", headers=plain), 415),
        (visitor.post(path, b" " * 70_000 + b"{}"), 413),
        *[
            (visitor.post(path, {"username": name, "email": name, "password": "x"}), 422)
            for name in (1, None, [], "x" * 300)
        ],
    ]
    assert [answer.status for answer, _ in refusals] == [status for _, status in refusals]
    assert refusals[1][0].code == "invalid_json"
    assert visitor.post(path, {}).status == 422
    check_refused(visitor.post(path, b"{"))


def test_every_answer_tells_its_limits_and_the_tightest(limited: Limited) -> None:
    visitor = limited()
    visitor.register()
    for answer, left in ((visitor.log_in(), 9), (visitor.guess(visitor.username), 8), (visitor.log_in(), 7)):
        policies = '"log-in-address";q=60;w=60, "log-in-account-and-address";q=10;w=60'
        assert answer.headers["RateLimit-Policy"] == policies
        assert re.fullmatch(rf'"log-in-account-and-address";r={left};t=(59|60)', answer.headers["RateLimit"])
        assert "Retry-After" not in answer.headers
    refreshed = visitor.refresh()
    assert refreshed.headers["RateLimit-Policy"] == '"refresh-address";q=600;w=60, "refresh-account";q=120;w=60'
    assert refreshed.headers["RateLimit"].startswith('"refresh-account";r=119;t=')
    assert "RateLimit" not in visitor.get("/healthz").headers
    assert "RateLimit" not in visitor.get("/account").headers


def test_a_refusal_tells_which_limit_was_reached(limited: Limited) -> None:
    visitor = limited(log_in_address=1)
    visitor.guess()
    refused = visitor.guess()
    assert refused.headers["RateLimit-Policy"] == '"log-in-address";q=1;w=60'
    assert refused.headers["RateLimit"] == f'"log-in-address";r=0;t={refused.headers["Retry-After"]}'


def test_the_limits_can_be_switched_off(make_app: Callable[..., Flask]) -> None:
    visitor = Visitor(make_app(ratelimit_enabled=False, limits={"log-in-address": Rate(1, 60)}))
    assert statuses(visitor.guess, 3) == [401] * 3
    assert "RateLimit" not in visitor.guess().headers


def test_two_applications_in_one_process_do_not_share_their_limits(limited: Limited) -> None:
    one, other = limited(log_in_address=1), limited(log_in_address=1)
    assert [visitor.guess().status for visitor, _ in product((one, other), range(2))] == [401, 429, 401, 429]
