"""`flask users`, `flask sessions`, `flask audit`: what operators do from outside. SECURITY 66, 149."""

import json
import os
import pty
import subprocess
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from tests.support.commands import assert_refused, done, run, start_flask, told
from tests.support.crowd import at_once, claims_of
from tests.support.databases import SQLITE, Databases
from tests.support.mail import deliver, text_of
from tests.support.people import PASSWORD, PAYMENT, PROFILE, Client, InProcess
from user_service.audit.events import Action
from user_service.auth.models import BlockedSession, User
from user_service.database import fetch_all
from user_service.keys.models import SealedDataKey

MakeApp = Callable[..., Flask]
NEW = "staple ember window tide"
READING = (["users", "list"], ["users", "show", "{}"], ["sessions", "list", "{}"], ["audit", "list", "--user", "{}"])


def user_id(person: Client) -> str:
    return str(claims_of(person.access_token)["sub"])


def is_dead(client: Client) -> bool:
    return client.get("/account").code == client.refresh(client.refresh_token).code == "token_revoked"


def events(app: Flask, *options: str) -> list[dict[str, Any]]:
    return told(app, "audit", "list", *options)


def test_a_user_is_made_and_logs_in(app: Flask, client: Client) -> None:
    """The password comes from standard input, to its last blank."""
    password = "  plum tractor sings  "
    made = json.loads(
        done(app, "users", "create", "ada", "ada@example.com", "--password-stdin", "--json", line=f"{password}\nmore\n")
    )
    assert (made["username"], made["email"], made["state"]) == ("ada", "ada@example.com", "active")
    assert client.log_in("ada", password).status == 200
    assert client.log_in("ada", password.strip()).status == 401
    assert user_id(client) == made["id"]
    [registered] = events(app, "--action", Action.REGISTERED.value)
    assert (registered["user_id"], registered["user_agent"]) == (made["id"], "operator (flask command)")


@pytest.mark.parametrize(
    ("account", "words"),
    [
        (("a", "ada@example.com", PASSWORD), "username"),
        (("admin", "ada@example.com", PASSWORD), "reserved"),
        (("ada.king", "nowhere", PASSWORD), "email"),
        (("ada.king", "ada@example.com", "short"), "8 characters"),
        (("ada.king", "ada@example.com", ""), "8 characters"),
        (("ada.king", "ada@example.com", "password1"), "attackers try"),
        (("ada.king", "ada@example.com", "plum ada.king low"), "username"),
        (("TAKEN", "ada@example.com", PASSWORD), "Somebody has this username"),
        (("ada.king", "Taken@Example.com", PASSWORD), "address exists"),
    ],
)
def test_what_registration_refuses_is_refused(
    app: Flask, client: Client, account: tuple[str, str, str], words: str
) -> None:
    client.register("taken", "taken@example.com")
    *names, password = account
    assert_refused(run(app, "users", "create", *names, "--password-stdin", line=f"{password}\n"), words)
    assert len(told(app, "users", "list")) == 1


def test_a_password_is_never_an_argument_and_never_shown(app: Flask, person: Client) -> None:
    for arguments in (["users", "create", "ada", "ada@example.com"], ["users", "set-password", person.username]):
        assert_refused(run(app, *arguments, "--password", NEW), "--password", exit_code=2)
        assert_refused(run(app, *arguments), "--password-stdin", exit_code=2)
        assert NEW not in run(app, *arguments, "--password-stdin", line=f"{NEW}\n").output
    for arguments in READING:
        for options in ([], ["--json"]):
            shown = done(app, *(part.format(person.username) for part in arguments), *options)
            assert "$2b$" not in shown
            assert "hash" not in shown


@pytest.mark.slow
def test_at_a_terminal_the_password_is_typed_twice_and_unseen(databases: Databases) -> None:
    with databases.copy(SQLITE) as url:
        ours, theirs = pty.openpty()
        process = start_flask(
            *("users", "create", "ada", "ada@example.com"),
            database_url=url,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)
        seen = ""
        for question in ("Password: ", "Repeat for confirmation: "):
            while question not in seen:
                seen += os.read(ours, 4096).decode()
            os.write(ours, f"{NEW}\n".encode())
        stdout, _ = process.communicate(timeout=60)
        seen += os.read(ours, 4096).decode()
        os.close(ours)
    assert process.returncode == 0, seen
    assert "ada@example.com" in stdout
    assert NEW not in seen + stdout


@pytest.mark.parametrize("spelling", [str.upper, str.lower])
def test_a_user_is_found_by_name_by_address_and_by_id(
    app: Flask, person: Client, spelling: Callable[[str], str]
) -> None:
    for name in (person.username, person.email, user_id(person)):
        found = told(app, "users", "show", spelling(name))
        assert (found["id"], found["username"], found["email"]) == (user_id(person), person.username, person.email)
        assert found["password_changed_at"].endswith("Z")
    lines = dict(line.split(maxsplit=1) for line in done(app, "users", "show", person.email).splitlines())
    assert (lines["username"], lines["disabled_at"], lines["email_verified"]) == (person.username, "-", "no")


def test_who_is_not_there_is_not_found(app: Flask, person: Client) -> None:
    for name in ("nobody.here", "nobody@example.com", str(uuid4()), "", "%", "' OR 1=1 --"):
        for command in (["users", "show"], ["users", "disable"], ["users", "enable"], ["sessions", "list"]):
            assert_refused(run(app, *command, name), "no such user")
        assert_refused(run(app, "users", "delete", name, "--yes"), "no such user")
        assert_refused(run(app, "sessions", "close", name, "--yes"), "no such user")
        assert_refused(run(app, "users", "set-password", name, "--password-stdin", line=f"{NEW}\n"), "no such user")
        assert_refused(run(app, "audit", "list", "--user", name), "no such user")
    assert person.get("/account").status == 200


def test_who_took_the_id_of_another_as_a_name_is_mistaken_for_nobody(app: Flask, person: Client) -> None:
    thief = Client(InProcess(app))
    assert thief.register(user_id(person), "thief@example.com").status == 201
    assert_refused(run(app, "users", "delete", user_id(person), "--yes"), "Two users", "e-mail address")
    assert told(app, "users", "show", "thief@example.com")["username"] == user_id(person)
    assert person.get("/account").status == 200


def test_disabling_a_user_ends_every_session_at_once_on_every_node(make_app: MakeApp) -> None:
    """SECURITY 66; enabling revives none of them."""
    here, there = make_app(), make_app()
    person = Client(InProcess(here)).join()
    tablet, stranger = person.another_device(), Client(InProcess(here)).join()
    tablet.transport = InProcess(there)
    tablet.log_in()
    assert "is disabled." in done(there, "users", "disable", person.username)
    assert is_dead(person)
    assert is_dead(tablet)
    assert person.another_device().log_in().code == "account_disabled"
    assert person.another_device().log_in(password="wrong horse").code == "invalid_credentials"
    assert told(here, "users", "show", person.username)["state"] == "disabled"
    assert "is enabled." in done(here, "users", "enable", person.username)
    assert is_dead(person)
    assert is_dead(tablet)
    assert person.another_device().log_in().status == 200
    assert stranger.get("/account").status == 200


def test_what_is_ended_by_disabling_is_in_the_blocklist_and_on_the_record(app: Flask, person: Client) -> None:
    """Other services that follow the revocations hear of it; the user may read what was done."""
    sid = claims_of(person.access_token)["sid"]
    done(app, "users", "disable", person.username)
    done(app, "users", "enable", person.username)
    with app.app_context():
        [blocked] = fetch_all(select(BlockedSession.__table__))
    assert (str(blocked.session_id), blocked.reason) == (sid, "account_disabled")
    person.log_in()
    enabled, *disabled = person.get("/account/events").json["data"][1:4]
    assert enabled["action"] == Action.ENABLED.value
    assert {event["action"] for event in disabled} == {Action.SESSION_CLOSED.value, Action.DISABLED.value}
    assert {event["user_agent"] for event in (enabled, *disabled)} == {"operator (flask command)"}


def test_disabling_and_enabling_again_changes_nothing(app: Flask, person: Client) -> None:
    assert "enabled already" in done(app, "users", "enable", person.username)
    done(app, "users", "disable", person.username)
    first = told(app, "users", "show", person.username)
    assert "disabled already" in done(app, "users", "disable", person.username)
    assert told(app, "users", "disable", person.username) == first
    assert len(events(app, "--action", Action.DISABLED.value)) == 1


def test_no_log_in_and_no_refresh_survives_a_disabling(make_app: MakeApp) -> None:
    """At the same moment: whatever was handed out, nothing of it works afterwards."""
    apps = [make_app() for _ in range(6)]
    for _ in range(3):
        person = Client(InProcess(apps[0])).join()
        clients = [person.another_device() for _ in apps]
        for app, client in zip(apps, clients, strict=True):
            client.transport = InProcess(app)

        def act(index: int, clients: list[Client] = clients, person: Client = person) -> None:
            if index == 0:
                done(apps[0], "users", "disable", person.username)
            elif index % 2:
                clients[index].log_in()
            else:
                clients[index]._keep_tokens(clients[index].refresh(person.refresh_token))

        at_once(len(apps), act)
        holders = [client for client in (person, *clients) if client.access_token]
        assert all(is_dead(client) for client in holders)


def test_deleting_is_the_erasure_that_the_owner_has(app: Flask, person: Client) -> None:
    """The receipt is printed; the log goes on under its id."""
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    owner = Client(InProcess(app)).join()
    by_owner = owner.delete("/account", body={"password": owner.password}).json["receipt"]
    receipt = told(app, "users", "delete", person.username, "--yes")
    assert receipt["erased"] == by_owner["erased"]
    assert receipt.keys() == {"receipt", "erased_at", "erased", "backups_unreadable_after"}
    assert datetime.fromisoformat(receipt["backups_unreadable_after"]) > datetime.fromisoformat(receipt["erased_at"])
    assert is_dead(person)
    assert person.log_in().code == "invalid_credentials"
    with app.app_context():
        assert fetch_all(select(User.__table__)) == fetch_all(select(SealedDataKey.__table__)) == []
    log = events(app, "--subject", receipt["receipt"])
    assert (log[0]["action"], log[0]["detail"], log[0]["user_agent"]) == ("account.deleted", {"by": "operator"}, None)
    assert {event["ip"] for event in log} == {None}
    assert not [event for event in events(app) if event["user_id"] == user_id(person)]


def test_what_cannot_be_undone_is_asked_first(app: Flask, person: Client) -> None:
    for command in (["users", "delete", person.username], ["sessions", "close", person.username]):
        for line in ("n\n", "\n", ""):
            result = run(app, *command, line=line)
            assert (result.exit_code, result.stdout) == (1, "")
        assert person.username in result.stderr
        assert person.get("/account").status == 200
    done(app, "sessions", "close", person.username, line="y\n")
    assert is_dead(person)
    done(app, "users", "delete", person.username, line="y\n")
    assert person.log_in().status == 401


def test_a_password_that_is_set_ends_every_session_and_obeys_the_rules(app: Flask, person: Client) -> None:
    for password, words in (
        ("short", "8 characters"),
        (f"my {person.username} word", "username"),
        ("", "8 characters"),
    ):
        result = run(app, "users", "set-password", person.username, "--password-stdin", line=f"{password}\n")
        assert_refused(result, words)
    assert person.get("/account").status == 200
    done(app, "users", "set-password", person.username, "--password-stdin", line=f"{NEW}\n")
    assert is_dead(person)
    assert person.log_in().code == "invalid_credentials"
    assert person.log_in(password=NEW).status == 200
    [event] = events(app, "--action", Action.PASSWORD_SET.value)
    assert event["user_id"] == user_id(person)
    [notice] = [mail for mail in deliver(app) if mail["Subject"] == "Your password was changed"]
    assert notice["To"] == person.email
    assert NEW not in text_of(notice)


def test_a_password_that_is_set_opens_a_door_that_guesses_had_closed(app: Flask, person: Client) -> None:
    for _ in range(40):
        if person.log_in(password="wrong horse").status == 429:
            break
    assert person.log_in().status == 429
    done(app, "users", "set-password", person.username, "--password-stdin", line=f"{NEW}\n")
    assert person.log_in(password=NEW).status == 200


def test_a_disabled_user_stays_disabled_with_a_new_password(app: Flask, person: Client) -> None:
    done(app, "users", "disable", person.username)
    done(app, "users", "set-password", person.username, "--password-stdin", line=f"{NEW}\n")
    assert person.log_in(password=NEW).code == "account_disabled"
