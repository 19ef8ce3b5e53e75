"""Pages of the lists: sessions, and users in development. A cursor opens its own list for its own reader alone."""

import base64
import itertools
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from flask import Flask

from tests.support.databases import PUBLIC_URL
from tests.support.hostile import ON_ONE_DATABASE, Inspector
from tests.support.people import Answer, Client, InProcess

GOOD_LIMITS = ("1", "2", "50", "200", "007")
BAD_LIMITS = [
    *(
        "0",
        "201",
        "9999",
        "99999999999999999999",
        "-1",
        "+1",
        "1.0",
        "1e1",
        "0x10",
        " 1",
        "1 ",
        "",
        " ",
        "٥",
        "５",
        "½",
    ),
    *("ten", "null", "true", "1,2", "1_0", "1\x00", "\n", "%", "[]", "{}", "NaN", "Infinity", "1;2", "' OR 1=1 --"),
]
NO_CURSORS = [
    *("", " ", ".", "..", "a", "0", "null", "AAAA", "AAAA.AAAA", "a.b.c", "=", "'", '"', "\x00", "é", "😀", "%", "%00"),
    *("' OR '1'='1", "../../etc/passwd", "{{7*7}}", "9" * 3000, "." * 3000, ".eJw" + "A" * 500, "01939b1c8a4e7d52"),
    "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90",
]


def join_often(newcomer: Callable[[], Client], sessions: int) -> Client:
    person = newcomer().join()
    for _ in range(sessions - 1):
        assert person.log_in().status == 200
    return person


def development(make_app: Callable[..., Flask], people: int) -> Client:
    client = Client(InProcess(make_app(app_env="development")))
    for _ in range(people):
        assert client.register().status == 201
    return client


def pages(client: Client, path: str, limit: int) -> Iterator[Answer]:
    """Follow the links until there is none. They lead to the public address of the service."""
    address: str | None = f"{path}?limit={limit}"
    for _ in range(100):
        answer = client.get(address)
        assert answer.status == 200, answer.text
        yield answer
        address = next_link(answer)
        if address is None:
            return
    raise AssertionError("the links never end")


def next_link(answer: Answer) -> str | None:
    pagination = answer.json["pagination"]
    assert set(answer.json) == {"data", "pagination"}
    assert set(pagination) == {"next_cursor", "has_more"}
    if not pagination["has_more"]:
        assert pagination["next_cursor"] is None
        assert "Link" not in answer.headers
        return None
    target, _, relation = answer.headers["Link"].partition(">; ")
    assert relation == 'rel="next"'
    assert target.startswith(f"<{PUBLIC_URL}/")
    assert parse_qs(urlsplit(target).query)["cursor"] == [pagination["next_cursor"]]
    return target.removeprefix(f"<{PUBLIC_URL}")


def rows(answers: Iterator[Answer]) -> list[dict[str, Any]]:
    return list(itertools.chain.from_iterable(answer.json["data"] for answer in answers))


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 200])
def test_walking_the_sessions_shows_each_of_them_once_newest_first(newcomer: Callable[[], Client], limit: int) -> None:
    person = join_often(newcomer, 7)
    join_often(newcomer, 2)
    walked = list(pages(person, "/sessions", limit))
    assert [len(answer.json["data"]) for answer in walked[:-1]] == [limit] * (len(walked) - 1)
    shown = rows(iter(walked))
    assert len(shown) == len({row["id"] for row in shown}) == 7
    assert [row["created_at"] for row in shown] == sorted((row["created_at"] for row in shown), reverse=True)
    assert [row["current"] for row in shown].count(True) == 1


@pytest.mark.parametrize("limit", [1, 3, 5, 6])
def test_walking_the_users_shows_each_of_them_once_in_order(make_app: Callable[..., Flask], limit: int) -> None:
    client = development(make_app, 6)
    shown = rows(pages(client, "/users", limit))
    assert len(shown) == len({row["id"] for row in shown}) == 6
    assert [row["id"] for row in shown] == sorted(row["id"] for row in shown)
    assert shown[-1]["username"] == client.username


def test_rows_that_come_or_go_while_somebody_walks_shift_nothing(newcomer: Callable[[], Client]) -> None:
    person = join_often(newcomer, 6)
    walk = pages(person, "/sessions", 2)
    first = next(walk).json["data"]
    assert person.delete(f"/sessions/{first[1]['id']}").status == 204
    person.another_device().log_in()
    seen = [row["id"] for row in [*first, *rows(walk)]]
    assert len(seen) == len(set(seen)) == 6


@ON_ONE_DATABASE
def test_fifty_are_shown_where_no_limit_is_given(make_app: Callable[..., Flask]) -> None:
    client = development(make_app, 51)
    answer = client.get("/users")
    assert len(answer.json["data"]) == 50
    assert answer.json["pagination"]["has_more"] is True
    assert len(client.get(next_link(answer)).json["data"]) == 1
    assert len(client.get("/users?limit=200").json["data"]) == 51


def test_a_limit_is_a_whole_number_from_1_to_200(make_app: Callable[..., Flask]) -> None:
    person = development(make_app, 1)
    person.log_in()
    inspector = Inspector(person)
    for path in ("/sessions", "/users"):
        for limit in GOOD_LIMITS:
            inspector.send("GET", f"{path}?limit={limit}", expect=200)
        for limit in BAD_LIMITS:
            answer = inspector.send("GET", f"{path}?limit={quote(limit)}", expect=422)
            inspector.check(list(answer.fault_codes()) == ["/limit"], f"{limit!r}: {answer.text}")
        for query in ("limit=1&limit=1", "limit=1&limit=200", "cursor=a&cursor=b"):
            inspector.send("GET", f"{path}?{query}", expect=400)
    assert not inspector.failures, inspector.report()


def test_a_cursor_that_was_not_given_out_is_refused(make_app: Callable[..., Flask]) -> None:
    person = development(make_app, 2)
    person.log_in()
    person.log_in()
    inspector = Inspector(person)
    for path in ("/sessions", "/users"):
        cursor = person.get(f"{path}?limit=1").json["pagination"]["next_cursor"]
        for sent in (*NO_CURSORS, *tampered(cursor)):
            answer = inspector.send("GET", f"{path}?limit=1&cursor={quote(sent, safe='')}", expect=422)
            inspector.check(answer.fault_codes() == {"/cursor": "invalid_cursor"}, f"{sent!r}: {answer.text}")
        inspector.send("GET", f"{path}?limit=1&cursor={cursor}", expect=200)
    assert not inspector.failures, inspector.report()


def tampered(cursor: str) -> Iterator[str]:
    """The genuine cursor with one thing about it changed."""
    payload, _, signature = cursor.rpartition(".")
    for position in range(0, len(cursor), 3):
        other = "A" if cursor[position] != "A" else "B"
        # The last character of a base64 text may hold bits that mean nothing.
        if position not in (len(cursor) - 1, len(payload) - 1):
            yield cursor[:position] + other + cursor[position + 1 :]
    other_row = base64.urlsafe_b64encode(b'"01939b1c8a4e7d528f0e0b6c5d1e2a90"').decode().rstrip("=")
    yield from (
        payload,
        payload + ".",
        "." + signature,
        signature,
        f"{other_row}.{signature}",
        cursor + "." + signature,
    )
    yield from (cursor[:-4], cursor[1:], cursor + cursor, cursor.swapcase(), f" {cursor}", f"{cursor}\x00")


def test_a_cursor_of_another_user_or_of_another_list_is_refused(make_app: Callable[..., Flask]) -> None:
    mine = development(make_app, 1)
    theirs = development(make_app, 1)
    for client in (mine, theirs):
        client.log_in()
        client.log_in()
    cursors = {
        "mine": mine.get("/sessions?limit=1").json["pagination"]["next_cursor"],
        "theirs": theirs.get("/sessions?limit=1").json["pagination"]["next_cursor"],
        "users": mine.get("/users?limit=1").json["pagination"]["next_cursor"],
    }
    for name, cursor in cursors.items():
        assert (mine.get(f"/sessions?cursor={cursor}").status == 200) is (name == "mine")
        assert (mine.get(f"/users?cursor={cursor}").status == 200) is (name == "users")


def test_a_cursor_tells_nothing_that_its_page_did_not_show(newcomer: Callable[[], Client]) -> None:
    person = join_often(newcomer, 2)
    answer = person.get("/sessions?limit=1")
    payload = answer.json["pagination"]["next_cursor"].rpartition(".")[0]
    opened = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
    assert opened.strip('"') == answer.json["data"][0]["id"].replace("-", "")


def test_a_cursor_lives_on_when_its_row_is_gone(newcomer: Callable[[], Client]) -> None:
    person = join_often(newcomer, 3)
    page = person.get("/sessions?limit=2")
    assert person.delete(f"/sessions/{page.json['data'][1]['id']}").status == 204
    rest = person.get(f"/sessions?cursor={page.json['pagination']['next_cursor']}")
    assert len(rest.json["data"]) == 1


def test_parameters_of_others_are_left_alone(newcomer: Callable[[], Client]) -> None:
    """A proxy or a tracker may add its own, and they must not come back in a link."""
    person = join_often(newcomer, 2)
    answer = person.get("/sessions?limit=1&utm_source=x&user_id=1&evil=%0d%0aSet-Cookie:a=b")
    assert answer.status == 200
    assert set(parse_qs(urlsplit(answer.headers["Link"]).query)) == {"limit", "cursor"}
