"""Whose data is meant is said by the token alone. SECURITY 97, 102."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PAYMENT, PROFILE, Answer, Client

MEMBERS = ("user_id", "id", "sub", "user", "username", "email", "account", "owner")
HEADERS = ("X-User-ID", "X-User", "X-Sub", "X-Remote-User", "Remote-User", "X-Forwarded-User", "X-On-Behalf-Of")
READS = ("/profile/me", "/profile/payment_info", "/account", "/sessions", "/account/events")
WRITES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("PUT", "/profile", {"name": "Changed By Me"}),
    ("PUT", "/profile/payment_info", {"payment_token": "pm_changed_by_me_0001"}),
    ("DELETE", "/profile/payment_info", {}),
    ("DELETE", "/profile", {}),
    ("DELETE", "/sessions", {}),
)

pytestmark = ON_ONE_DATABASE


@pytest.fixture
def other(newcomer: Callable[[], Client]) -> Client:
    return settled(newcomer())


@pytest.fixture
def me(newcomer: Callable[[], Client]) -> Client:
    return settled(newcomer())


def settled(client: Client) -> Client:
    client.join()
    assert client.post("/profile", {**PROFILE, "name": client.username}).status == 201
    assert client.post("/profile/payment_info", {**PAYMENT, "brand": client.username}).status == 201
    return client


def state(client: Client) -> list[Answer]:
    return [client.get(path) for path in READS]


def names_of(client: Client) -> list[str]:
    return [client.get("/account").json["id"], client.username, client.email]


def naming(client: Client) -> tuple[str, dict[str, str]]:
    """A query and headers that name somebody as one service or another would have it."""
    names = names_of(client)
    query = urlencode({"username": names[1], "email": names[2]} | dict.fromkeys(MEMBERS[:4], names[0]))
    return query, dict.fromkeys(HEADERS, names[0])


def test_neither_query_nor_headers_show_somebody_else(me: Client, other: Client) -> None:
    query, headers = naming(other)
    own = {**headers, "Authorization": f"Bearer {me.access_token}"}
    for path in READS:
        shown = me.get(f"{path}?{query}", headers=own)
        assert shown.status == 200
        assert shown.body == me.get(path).body
        assert [name for name in names_of(other) if name in shown.text] == []


def test_neither_query_nor_headers_change_somebody_else(me: Client, other: Client) -> None:
    """What was asked for happens, to oneself."""
    query, headers = naming(other)
    before = state(other)
    for method, path, body in WRITES:
        own = {**headers, "Authorization": f"Bearer {me.access_token}"}
        answer = me.send(method, f"{path}?{query}", body or None, headers=own)
        assert answer.status in (200, 204), (method, path, answer)
        assert [answer.body for answer in state(other)] == [answer.body for answer in before]
    assert me.get("/account").code == "token_revoked"


def test_no_member_of_a_body_names_somebody_else(me: Client, other: Client) -> None:
    before = [answer.body for answer in state(other)], [answer.body for answer in state(me)[:3]]
    for method, path, body in (*WRITES[:2], ("POST", "/profile", PROFILE), ("POST", "/profile/payment_info", PAYMENT)):
        for member in MEMBERS:
            for name in names_of(other):
                answer = me.send(method, path, {**body, member: name})
                assert (answer.status, answer.fault_codes()) == (422, {f"/{member}": "unknown_field"})
    assert ([answer.body for answer in state(other)], [answer.body for answer in state(me)[:3]]) == before
