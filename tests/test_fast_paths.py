"""Each fast path answers as its plain counterpart does, byte for byte.

Fast: signatures remembered, statements compiled once, one read answered ahead of Flask, lines of the log written past
`logging`. Plain: every signature checked, every statement executed by SQLAlchemy, every request dispatched by Flask,
the standard library's JSON.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, text, update

from tests.support.crowd import claims_of
from tests.support.databases import POSTGRESQL
from tests.support.people import PROFILE, Answer, Client
from tests.support.plainly import plain
from user_service import clock, reads
from user_service.auth.models import LoginSession, User
from user_service.compiled import Compiled
from user_service.database import READER, transaction
from user_service.extensions import db
from user_service.keys import ring
from user_service.principal import Principal
from user_service.profile import service
from user_service.profile.models import Profile
from user_service.runtime import runtime
from user_service.security.vault import Envelope

REQUEST_ID = {"X-Request-ID": "the-same-for-both"}
Prepare = Callable[[Client, Flask], None]


@pytest.fixture
def reader(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    return person


def as_is(_person: Client, _app: Flask) -> None: ...


def logged_out(person: Client, _app: Flask) -> None:
    assert person.post("/logout").status == 204


def without_a_profile(person: Client, _app: Flask) -> None:
    assert person.delete("/profile").status == 200


def disabled(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(User).values(disabled_at=clock.now()))


def deleted(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(delete(User))


def below_the_floor(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(LoginSession).values(generation=5, access_floor=3))


def of_an_unknown_generation(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(LoginSession).values(generation=0))


def with_a_refresh_token(person: Client, _app: Flask) -> None:
    person.access_token = person.refresh_token


def with_an_altered_token(person: Client, _app: Flask) -> None:
    head, claims, signature = person.access_token.split(".")
    person.access_token = f"{head}.{claims}.{'A' * len(signature)}"


def with_no_token_at_all(person: Client, _app: Flask) -> None:
    person.access_token = None


def after_a_refresh(person: Client, _app: Flask) -> None:
    assert person.refresh().status == 200
    assert person.get("/profile/me").status == 200


def with_a_broken_seal(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(Profile).values(sealed_phone=Envelope(b"\x01" + bytes(60))))


STATES = (as_is, with_a_broken_seal, logged_out, without_a_profile, disabled, deleted, below_the_floor,
          of_an_unknown_generation, with_a_refresh_token, with_an_altered_token, with_no_token_at_all,
          after_a_refresh)  # fmt: skip  # a table


def shown(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    return answer.status, sorted(answer.headers.items()), answer.body


def requests_of(reader: Client, tag: str) -> Iterator[tuple[int, list[tuple[str, str]], bytes]]:
    conditions = ({}, {"If-None-Match": tag}, {"If-None-Match": f"W/{tag}"}, {"If-None-Match": '"another"'},
                  {"If-None-Match": "*"}, {"If-None-Match": "nonsense"})  # fmt: skip  # a table
    for headers in conditions:
        yield shown(reader.get("/profile/me", headers={**REQUEST_ID, **headers}))
    for host in ("users.test", "users.test:8000", "127.0.0.1", "[::1]:80", "a..b", "under_score", "x" * 64, "a b", ""):
        yield shown(reader.get("/profile/me", headers={**REQUEST_ID, "Host": host}))
    for path in ("/profile/me?x=1", "/profile/me/", "//profile/me", "/profile/%6De", "/profile/me%00"):
        yield shown(reader.get(path, headers=REQUEST_ID))
    for method, body in (("GET", {"a": 1}), ("GET", b"{"), ("GET", b"x" * 70_000), ("HEAD", None), ("OPTIONS", None)):
        yield shown(reader.send(method, "/profile/me", body, headers=REQUEST_ID))
    for sent in ({"Upgrade": "websocket", "Connection": "Upgrade"}, {"Upgrade": "h2c"}, {"Origin": "https://a.test"}):
        yield shown(reader.get("/profile/me", headers={**REQUEST_ID, **sent}))
    token = reader.access_token
    for header in ("Bearer", "Basic dXNlcjpwYXNz", f"bearer  {token} ", f"Bearer {token},x", f"Bearer {token} x"):
        yield shown(reader.get("/profile/me", headers={**REQUEST_ID, "Authorization": header}))
    yield shown(reader.get("/account", headers=REQUEST_ID))
    yield shown(reader.get("/sessions", headers=REQUEST_ID))
    yield shown(reader.put("/profile", {}, headers=REQUEST_ID))
    yield shown(reader.put("/profile", {"name": "Ada"}, headers={**REQUEST_ID, "If-Match": '"another"'}))


@pytest.mark.parametrize("prepare", STATES, ids=lambda state: state.__name__)
def test_reads_are_answered_alike(reader: Client, app: Flask, prepare: Prepare) -> None:
    tag = reader.get("/profile/me").headers["ETag"]
    prepare(reader, app)
    fast = list(requests_of(reader, tag))
    again = list(requests_of(reader, tag))
    with plain(app):
        unhurried = list(requests_of(reader, tag))
    assert fast == again == unhurried


def ended(_person: Client, app: Flask) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(LoginSession).values(ends_at=clock.now() - timedelta(seconds=1)))


def replayed_in_vain(person: Client, _app: Flask) -> None:
    old = person.refresh_token
    assert [person.refresh().status for _ in range(2)] == [200, 200]
    person.refresh_token = old


REFUSALS = (logged_out, disabled, deleted, ended, of_an_unknown_generation, replayed_in_vain)


@pytest.mark.parametrize("prepare", REFUSALS, ids=lambda state: state.__name__)
def test_refreshes_are_refused_alike(person: Client, app: Flask, prepare: Prepare) -> None:
    def refusal(client: Client) -> tuple[int, list[tuple[str, str]], bytes]:
        body = {"old_refresh_token": client.refresh_token}
        return shown(client.post("/token/refresh", body, auth=False, headers=REQUEST_ID))

    other = person.another_device()
    assert other.log_in().status == 200
    for device in (person, other) if prepare in (logged_out, replayed_in_vain) else (person,):
        prepare(device, app)
    fast = refusal(person)
    with plain(app):
        unhurried = refusal(other)
    assert fast == unhurried
    assert fast[0] == 401


def test_refreshes_hand_out_alike(person: Client, app: Flask) -> None:
    """But for the ids of the tokens and their moments."""

    def handed_out() -> list[Any]:
        answer = person.refresh()
        assert answer.status == 200
        told = {**answer.json, "access_token": None, "refresh_token": None}
        claims = [claims_of(token or "") for token in (person.access_token, person.refresh_token)]
        return [told, *({**one, "jti": 0, "iat": 0, "exp": 0, "gen": one["gen"] % 2} for one in claims)]

    with time_machine.travel(clock.now(), tick=False):
        fast = [handed_out(), handed_out()]
        with plain(app):
            unhurried = [handed_out(), handed_out()]
    assert fast == unhurried


CHANGES: tuple[dict[str, Any], ...] = (
    *({"name": "Ada King"}, {"phone": "+1 650-253-0001"}, {"phone": "012345"}, {"shipping_address": "At sea\nHere"}),
    {**PROFILE, "name": "Countess"},
)


def test_changes_are_made_alike(reader: Client, app: Flask) -> None:
    def made(change: dict[str, Any]) -> tuple[Any, ...]:
        with time_machine.travel(clock.now(), tick=False):  # one moment, and still each state is another one
            answer = reader.put("/profile", change, headers=REQUEST_ID)
            read = reader.get("/profile/me")
        assert read.json == answer.json
        assert read.headers["ETag"] == answer.headers["ETag"]
        stable = {**answer.json, "updated_at": 0}
        [event] = reader.get("/account/events?limit=1").json["data"]
        logged = {name: value for name, value in event.items() if name not in ("id", "occurred_at")}
        return answer.status, sorted(answer.headers.keys()), stable, logged

    for change in CHANGES:
        fast = made(change)
        with plain(app):
            assert made(change) == fast


def test_a_change_of_what_somebody_changed_meanwhile_keeps_both(reader: Client, app: Flask) -> None:
    with app.app_context(), time_machine.travel(clock.now(), tick=False):
        assert reader.put("/profile", {"name": "Of this very moment"}).status == 200
        claims = runtime().verify_access_token(reader.access_token or "")
        seen = reads.find_principal_with_profile(claims.session_id, claims.user_id)
        assert seen is not None
        principal = Principal(claims.user_id, claims.session_id, seen.username, seen.email)
        assert reader.put("/profile", {"name": "Somebody else's"}).status == 200
        checked: list[str] = []
        changed = service.update_profile(
            principal=principal,
            seen=seen,
            changes={"phone": "+1 650-253-0002"},
            check=lambda present: checked.append(present.name),
        )
    assert (changed.name, changed.phone) == ("Somebody else's", "+1 650-253-0002")
    assert checked[-1] == "Somebody else's"
    assert reader.get("/profile/me").json["phone"] == "+1 650-253-0002"


def test_a_token_that_ran_out_is_answered_alike(reader: Client, app: Flask) -> None:
    assert reader.get("/profile/me").status == 200
    with time_machine.travel(clock.now() + timedelta(minutes=16), tick=False):
        fast = shown(reader.get("/profile/me", headers=REQUEST_ID))
        with plain(app):
            unhurried = shown(reader.get("/profile/me", headers=REQUEST_ID))
    assert fast == unhurried
    assert b"token_expired" in fast[2]


def test_a_token_whose_key_was_retired_is_answered_alike(
    reader: Client, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    assert reader.get("/profile/me").status == 200
    retire = "UPDATE signing_keys SET expires_at = '2020-01-01 00:00:00+00'"
    with app.app_context(), transaction() as session:
        session.execute(text(retire if db.engine.dialect.name == POSTGRESQL else retire.replace("+00'", ".000000'")))
    fast = shown(reader.get("/profile/me", headers=REQUEST_ID))
    with plain(app):
        unhurried = shown(reader.get("/profile/me", headers=REQUEST_ID))
    assert fast == unhurried
    assert b"invalid_token" in fast[2]


@pytest.mark.parametrize("statement", [reads._PRINCIPAL, reads._PRINCIPAL_WITH_PROFILE], ids=["alone", "with profile"])
def test_a_compiled_statement_reads_the_same_values_of_the_same_types(
    reader: Client, app: Flask, statement: Compiled
) -> None:
    with app.app_context():
        claims = runtime().verify_access_token(reader.access_token or "")
        known = {"session_id": claims.session_id, "user_id": claims.user_id}
        rows = [statement.first(db.engines[READER], known), statement._first_by_sqlalchemy(db.engines[READER], known)]
        assert repr(rows[0]._asdict()) == repr(rows[1]._asdict())
        assert [type(value) for value in rows[0]] == [type(value) for value in rows[1]]
        assert statement.first(db.engines[READER], {**known, "session_id": uuid4()}) is None


def test_connections_that_died_are_not_noticed(reader: Client, app: Flask, kind: str) -> None:
    """The database was started anew, and every connection is dead: no read fails."""
    if kind != POSTGRESQL:
        pytest.skip("SQLite has no connection to lose")  # it is a file
    assert reader.get("/profile/me").status == 200
    with app.app_context():
        connections = [db.engines[READER].raw_connection() for _ in range(3)]
        for connection in connections:
            connection.dbapi_connection.pgconn.finish()
            connection.close()
    assert [reader.get("/profile/me").status for _ in range(4)] == [200] * 4
