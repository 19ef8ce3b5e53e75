"""Log-in: what it answers, and that a refusal never tells whether a user exists. SECURITY 37-41, 50, 92, 149."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.support.crowd import claims_of, trail
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PASSWORD, Answer, Client, InProcess
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.auth.models import User
from user_service.database import fetch_all, transaction
from user_service.security import passwords

SAME_ID = {"X-Request-ID": "same"}
PASSWORDS = [
    "wrong password",
    "",
    "x",
    "x" * 72,
    "x" * 73,
    "x" * 200,
    "😀" * 256,
    "x" * 1024,
    "x" * 1025,
    "nul\0inside",
]


def attempt(client: Client, username: str, password: str) -> Answer:
    return client.post("/token", {"username": username, "password": password}, headers=SAME_ID, auth=False)


def disable(app: Flask, username: str) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(User).where(User.username == username).values(disabled_at=datetime.now(UTC)))


def checks(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Each password check that bcrypt makes from now on, as the hash that it is made against."""
    calls: list[Any] = []
    real = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        calls.append(hashed)
        return real(password, hashed)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
    return calls


def test_good_credentials_are_answered_with_a_pair_of_tokens(client: Client) -> None:
    """SECURITY 37, 38."""
    client.register()
    answer = client.log_in()
    assert answer.status == 200
    tokens = answer.json
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in"}
    assert (tokens["token_type"], tokens["expires_in"], tokens["refresh_expires_in"]) == ("Bearer", 900, 604_800)
    for name, seconds in (("access_token", 900), ("refresh_token", 604_800)):
        claims = claims_of(tokens[name])
        assert claims["exp"] - claims["iat"] == seconds
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get("/sessions").status == 200


def test_the_username_and_the_address_log_in_whatever_their_case(client: Client) -> None:
    client.register("Maria.Silva", "Maria@Example.com")
    for login in ("Maria.Silva", "maria.silva", "MARIA.SILVA", "Maria@Example.com", "MARIA@EXAMPLE.COM"):
        assert client.log_in(login).status == 200, login


def test_an_address_logs_in_its_owner_and_no_namesake(newcomer: Callable[[], Client]) -> None:
    ada, other = newcomer(), newcomer()
    ada.register("ada", "first@example.com")
    other.register("first", "ada@example.com", "another long phrase here")
    assert ada.log_in("ada").status == other.log_in("ada@example.com").status == 200
    assert claims_of(ada.access_token)["sub"] != claims_of(other.access_token)["sub"]
    assert ada.log_in("ada@example.com").code == "invalid_credentials"


def test_an_unknown_user_and_a_wrong_password_get_the_same_answer(make_app: Callable[..., Flask]) -> None:
    """SECURITY 39, 41: byte for byte, headers included, and for a disabled account too."""
    app = make_app(login_attempts_per_account=100)
    client = Client(InProcess(app))
    client.register("ada")
    client.register("eve")
    disable(app, "eve")
    for password in PASSWORDS:
        logins = ("ada", "ada@example.com", "eve", "nobody", "nobody@example.com")
        answers = [attempt(client, login, password) for login in logins]
        assert len({answer.body for answer in answers}) == 1, ascii(password)
        assert len({str(answer.headers) for answer in answers}) == 1, ascii(password)
    refused = attempt(client, "nobody", "wrong password")
    assert (refused.status, refused.code) == (401, "invalid_credentials")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert refused.json["errors"] == []


@pytest.mark.parametrize("password", PASSWORDS[:8], ids=lambda password: f"{len(password.encode())} bytes")
@ON_ONE_DATABASE
def test_an_unknown_user_costs_what_a_known_one_costs(
    client: Client, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    """SECURITY 40: one check each, at the same cost, for short and for long passwords."""
    client.register("ada")
    calls = checks(monkeypatch)
    for login in ("ada", "nobody", "nobody@example.com", ""):
        before = len(calls)
        assert attempt(client, login, password).status == 401
        assert len(calls) - before == 1, login
    assert len({hashed[:7] for hashed in calls}) == 1


def test_a_disabled_account_is_told_to_its_owner_alone(client: Client, app: Flask, database_url: str) -> None:
    """SECURITY 41, 66."""
    client.join()
    disable(app, client.username)
    answer = client.log_in()
    assert (answer.status, answer.code) == (403, "account_disabled")
    assert client.log_in(password="wrong password").code == "invalid_credentials"
    assert client.get("/sessions").code == "token_revoked"
    user_id = claims_of(client.access_token)["sub"]
    details = [row.detail["code"] for row in trail(database_url, user_id, Action.LOGIN_REFUSED)]
    assert details == ["account_disabled", "invalid_credentials"]


@ON_ONE_DATABASE
def test_credentials_in_the_query_string_are_not_read(client: Client) -> None:
    """SECURITY 50."""
    client.register("ada")
    query = f"/token?username=ada&password={PASSWORD.replace(' ', '%20')}"
    assert client.post(query, {}).fault_codes() == {"/username": "required", "/password": "required"}
    assert client.post(query).code == "invalid_json"
    basic = {"Authorization": "Basic YWRhOnBsdW0gdHJhY3RvciBzaW5ncyBsb3c="}
    assert client.post("/token", {}, headers=basic).status == 422


@ON_ONE_DATABASE
def test_members_of_another_type_or_name_are_refused(client: Client) -> None:
    client.register("ada")
    good = {"username": "ada", "password": PASSWORD}
    for value in (1, True, None, [], {}, {"$ne": ""}, ["ada"]):
        assert client.post("/token", {**good, "username": value}).status == 422, value
        assert client.post("/token", {**good, "password": value}).status == 422, value
    assert client.post("/token", {**good, "grant_type": "password"}).fault_codes() == {"/grant_type": "unknown_field"}
    assert client.post("/token", {**good, "email": "ada@example.com"}).status == 422


def test_every_log_in_is_a_session_with_tokens_of_its_own(person: Client) -> None:
    """SECURITY 92."""
    tokens = [person.log_in().json for _ in range(5)]
    access, refresh = ([claims_of(pair[name]) for pair in tokens] for name in ("access_token", "refresh_token"))
    assert len({claims["sid"] for claims in access}) == 5
    assert [claims["sid"] for claims in access] == [claims["sid"] for claims in refresh]
    assert len({claims["jti"] for claims in (*access, *refresh)}) == 10


def test_each_attempt_is_an_event_without_what_was_typed(app: Flask) -> None:
    """SECURITY 149: when, what, who, from where, by which request, and how it ended."""
    client = Client(InProcess(app))
    client.register("ada")
    typed = ("nobody.of.this.name", "a password typed in error")
    attempt(client, *typed)
    attempt(client, "ada", typed[1])
    client.post(
        "/token", {"username": "ada", "password": PASSWORD}, headers={"X-Request-ID": "good", "User-Agent": "x/1"}
    )
    with app.app_context():
        rows = fetch_all(select(AuditEvent.__table__).order_by(AuditEvent.__table__.c.id))
    unknown, wrong, good = (row for row in rows if row.action.startswith("auth.login"))
    refused, done = Action.LOGIN_REFUSED.value, Action.LOGGED_IN.value
    assert [(row.action, row.outcome) for row in (unknown, wrong, good)] == [
        (refused, "refused"),
        (refused, "refused"),
        (done, "success"),
    ]
    assert (unknown.user_id, good.user_id) == (None, wrong.user_id)
    assert (good.request_id, good.ip, good.user_agent, wrong.request_id) == ("good", "127.0.0.1", "x/1", "same")
    assert good.session_id is not None
    assert all(row.occurred_at.tzinfo is not None for row in rows)
    assert not [text for text in typed if text in repr(rows)]
