"""Registration: what it answers, what it refuses and what it costs. SECURITY 1, 2, 5, 10, 12, 14, 15, 17, 51, 65."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import bcrypt
import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.support.crowd import claims_of, trail
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PASSWORD, PROFILE, Client
from user_service.audit.events import Action
from user_service.auth.models import User
from user_service.database import fetch_one
from user_service.security import passwords

VALID = {"username": "user.one", "email": "u1@example.com", "password": "correct horse barn staple"}


def register(client: Client, **changes: Any) -> Any:
    return client.post("/register", {**VALID, **changes}, auth=False)


def count_users(app: Flask) -> int:
    with app.app_context():
        row = fetch_one(select(func.count()).select_from(User.__table__))
        assert row is not None
        return int(row[0])


def hash_calls(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What bcrypt is asked to hash from now on."""
    calls: list[bytes] = []
    real = bcrypt.hashpw

    def counted(password: bytes, salt: bytes) -> bytes:
        calls.append(password)
        return real(password, salt)

    monkeypatch.setattr(passwords.bcrypt, "hashpw", counted)
    return calls


def test_a_registration_answers_the_user_and_no_secret(client: Client, database_url: str) -> None:
    """SECURITY 1."""
    answer = register(client)
    assert answer.status == 201
    assert set(answer.json) == {"message", "user"}
    user = answer.json["user"]
    assert set(user) == {"id", "username", "email", "email_verified", "created_at"}
    assert (user["username"], user["email"], user["email_verified"]) == ("user.one", "u1@example.com", False)
    assert str(UUID(user["id"])) == user["id"]
    assert abs(datetime.fromisoformat(user["created_at"]) - datetime.now(UTC)).total_seconds() < 60
    assert user["created_at"].endswith("Z")
    assert answer.headers["Cache-Control"] == "no-store"
    assert not [secret for secret in (VALID["password"], "$2b$", "hash", 'token"') if secret in answer.text]
    assert len(trail(database_url, user["id"], Action.REGISTERED)) == 1


def test_what_was_sent_comes_back_unchanged(client: Client) -> None:
    answer = register(client, username="Maria.SILVA", email=" Maria+Shop@Example.COM ")
    assert answer.json["user"]["username"] == "Maria.SILVA"
    assert answer.json["user"]["email"] == "Maria+Shop@Example.COM"


def test_a_taken_username_is_a_conflict_in_the_same_words_every_time(client: Client) -> None:
    """SECURITY 2."""
    register(client)
    headers = {"X-Request-ID": "same"}
    answers = [
        client.post("/register", {**VALID, "email": f"other{number}@example.com"}, headers=headers) for number in "12"
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(409, "username_taken")}
    assert answers[0].body == answers[1].body
    assert answers[0].fault_codes() == {"/username": "username_taken"}


def test_a_taken_address_is_a_conflict(client: Client) -> None:
    register(client)
    answer = register(client, username="somebody.else")
    assert (answer.status, answer.code) == (409, "email_taken")
    assert answer.fault_codes() == {"/email": "email_taken"}


def test_a_name_and_an_address_that_are_both_taken_are_both_told(client: Client) -> None:
    register(client)
    register(client, username="user.two", email="u2@example.com")
    for address in ("u1@example.com", "u2@example.com"):
        answer = register(client, email=address)
        assert (answer.status, answer.code) == (409, "username_taken")
        assert answer.fault_codes() == {"/username": "username_taken", "/email": "email_taken"}


def test_a_refused_registration_leaves_nothing_and_the_first_password_counts(client: Client, app: Flask) -> None:
    register(client)
    assert register(client, username="USER.ONE", password="some other long phrase").status == 409
    assert count_users(app) == 1
    assert client.log_in("user.one", VALID["password"]).status == 200
    assert client.log_in("user.one", "some other long phrase").code == "invalid_credentials"


def test_usernames_are_unique_whatever_their_case(client: Client) -> None:
    """SECURITY 5."""
    assert register(client, username="bob").status == 201
    for spelling in ("BOB", "Bob", "bOb"):
        assert register(client, username=spelling, email="b@example.com").code == "username_taken"


def test_addresses_are_unique_whatever_their_case_and_dots_and_tags_count(client: Client) -> None:
    """SECURITY 12."""
    assert register(client, email="ann.lee@example.com").status == 201
    for number, spelling in enumerate(("ann.lee@EXAMPLE.COM", "Ann.Lee@example.com", " ANN.LEE@Example.Com")):
        assert register(client, username=f"taken{number}", email=spelling).code == "email_taken", spelling
    for number, other in enumerate(("annlee@example.com", "ann.lee+shop@example.com", "ann.lee@example.org")):
        answer = register(client, username=f"free{number}", email=other)
        assert (answer.status, answer.json["user"]["email"]) == (201, other)


@ON_ONE_DATABASE
def test_all_missing_members_are_told_at_once(client: Client) -> None:
    answer = client.post("/register", {})
    assert (answer.status, answer.code) == (422, "validation_failed")
    assert answer.fault_codes() == {"/username": "required", "/email": "required", "/password": "required"}


@ON_ONE_DATABASE
def test_no_type_is_coerced(client: Client, app: Flask) -> None:
    """SECURITY 14."""
    values = [1, 0, -1, 1.5, True, False, None, [], {}, ["x"], [["x"]], {"$ne": None}, {"x": 1}, 2**63, 10**30]
    answers = {
        (member, repr(value)): register(client, **{member: value})
        for member in ("username", "email", "password")
        for value in values
    }
    wrong = {
        case: (answer.status, answer.fault_codes())
        for case, answer in answers.items()
        if answer.status != 422
        or answer.fault_codes() != {f"/{case[0]}": "null" if case[1] == "None" else "invalid_type"}
    }
    assert wrong == {}
    assert count_users(app) == 0


@ON_ONE_DATABASE
def test_unknown_members_are_refused_and_change_nothing(client: Client, app: Flask) -> None:
    """SECURITY 15."""
    members = """
        id user_id sub role roles is_admin admin is_staff is_superuser scope scopes permissions groups email_verified
        is_email_verified email_verified_at verified active is_active disabled disabled_at created_at updated_at
        password_hash password_scheme username_key email_key balance plan tenant name phone payment_token __class__
        _links constructor
    """
    answers = {member: register(client, **{member: True}) for member in members.split()}
    accepted = [name for name, answer in answers.items() if answer.fault_codes() != {f"/{name}": "unknown_field"}]
    assert accepted == []
    assert {answer.status for answer in answers.values()} == {422}
    assert count_users(app) == 0


@ON_ONE_DATABASE
def test_nothing_is_hashed_before_everything_else_is_right(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY 17."""
    register(client, username="warm.up", email="warm@example.com")
    calls = hash_calls(monkeypatch)
    invalid: list[dict[str, Any]] = [
        {"username": "a"},
        {"username": "admin"},
        {"email": "no address"},
        {"password": "short"},
        {"password": "password123"},
        {"password": "xx user.one xx"},
        {"password": "x" * 1025},
        {"is_admin": True},
    ]
    assert {register(client, **changes).status for changes in invalid} == {422}
    assert client.post("/register", b"{").status == 400
    assert calls == []
    assert register(client).status == 201
    assert len(calls) == 1


def test_a_new_installation_has_no_account(client: Client, app: Flask) -> None:
    """SECURITY 51."""
    assert count_users(app) == 0
    for name in ("admin", "root", "test", "user", "demo"):
        assert client.log_in(name, name).code == "invalid_credentials"


def test_the_subject_is_an_id_and_stays(newcomer: Callable[[], Client]) -> None:
    """SECURITY 65: tokens name the user by an id that tells nothing and that nobody else ever has."""
    one, other = newcomer().join(), newcomer().join()
    subject = claims_of(one.access_token)["sub"]
    assert str(UUID(subject)) == subject
    assert subject != claims_of(other.access_token)["sub"]
    assert one.post("/profile", PROFILE).json["id"] == subject
    assert one.log_in(one.email.upper()).status == 200
    assert claims_of(one.access_token)["sub"] == claims_of(one.refresh_token)["sub"] == subject


@ON_ONE_DATABASE
def test_no_username_passes_for_an_address_and_the_owner_keeps_logging_in(newcomer: Callable[[], Client]) -> None:
    """SECURITY 10."""
    owner = newcomer().join()
    thief = newcomer()
    for spelling in (owner.email, owner.email.upper(), owner.email.replace("@", "＠")):
        answer = register(thief, username=spelling)
        assert (answer.status, answer.fault_codes()) == (422, {"/username": "invalid_format"})
    assert owner.log_in(owner.email, PASSWORD).status == 200
