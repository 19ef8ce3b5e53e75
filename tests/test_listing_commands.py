"""`flask sessions`, `flask audit` and long lists: what operators read from outside. SECURITY 149."""

import json
import subprocess
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import insert

from tests.support.commands import assert_refused, done, run, start_flask, told
from tests.support.people import Client, InProcess
from tests.test_users_command import MakeApp, events, is_dead, user_id
from user_service import clock
from user_service.audit.events import Action
from user_service.auth.models import User
from user_service.commands import listing
from user_service.database import new_id, transaction


def test_sessions_are_listed_and_closed(app: Flask, person: Client) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0"
    body = {"username": person.username, "password": person.password}
    person.post("/token", body, headers={"User-Agent": agent}, auth=False)
    stranger = Client(InProcess(app)).join()
    rows = told(app, "sessions", "list", person.email)
    assert [row["id"] for row in rows] == [row["id"] for row in person.get("/sessions").json["data"]]
    assert (rows[0]["device"], rows[0]["ip"]) == ("Firefox on Linux", "127.0.0.1")
    assert [line.split()[0] for line in done(app, "sessions", "list", person.email).splitlines()] == [
        row["id"] for row in rows
    ]
    assert done(app, "sessions", "close", person.username, "--yes") == "Closed 2 sessions.\n"
    assert is_dead(person)
    assert told(app, "sessions", "list", person.username) == []
    assert stranger.get("/account").status == 200
    assert told(app, "sessions", "close", "--all", "--yes") == {"closed": 1}
    assert is_dead(stranger)


def test_whose_sessions_has_to_be_said(app: Flask, person: Client) -> None:
    for arguments in ([], [person.username, "--all"]):
        assert_refused(run(app, "sessions", "close", "--yes", *arguments), "--all", exit_code=2)
    assert person.get("/account").status == 200


def test_the_log_is_listed_newest_first_and_by_user_and_kind(app: Flask, person: Client) -> None:
    stranger = Client(InProcess(app)).join()
    person.log_in(password="wrong horse")
    log = events(app)
    assert [row["action"] for row in log[:2]] == [Action.LOGIN_REFUSED.value, Action.LOGGED_IN.value]
    assert [row["id"] for row in log] == sorted((row["id"] for row in log), reverse=True)
    assert {row["user_id"] for row in events(app, "--user", stranger.email)} == {user_id(stranger)}
    assert events(app, "--subject", user_id(person)) == events(app, "--user", person.username)
    [refused] = events(app, "--action", Action.LOGIN_REFUSED.value, "--user", person.username)
    assert (refused["outcome"], refused["ip"]) == ("refused", "127.0.0.1")
    assert refused["request_id"]
    assert "auth.login.refused" in done(app, "audit", "list", "--limit", "1")
    assert_refused(run(app, "audit", "list", "--action", "made.up"), "made.up", exit_code=2)
    assert_refused(run(app, "audit", "list", "--user", "a", "--subject", str(uuid4())), "not both", exit_code=2)


def many(app: Flask, count: int) -> list[str]:
    """So many users, by their rows alone; their ids, in order."""
    ids = [new_id() for _ in range(count)]
    now = clock.now()
    same = {"password_hash": "x", "password_scheme": "x"} | dict.fromkeys(
        ("password_changed_at", "created_at", "updated_at"), now
    )
    rows = [
        {"id": id_, "username": f"u{n}", "username_key": f"u{n}", "email": f"u{n}@x.test", "email_key": f"u{n}", **same}
        for n, id_ in enumerate(ids)
    ]
    with app.app_context(), transaction() as session:
        session.execute(insert(User.__table__), rows)
    return [str(id_) for id_ in sorted(ids)]


def test_a_long_list_comes_in_pages_or_as_a_stream(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "STEP", 7)
    ids = many(app, 50)
    result = run(app, "users", "list", "--limit", "20", "--json")
    assert [row["id"] for row in json.loads(result.stdout)] == ids[:20]
    assert f"--after {ids[19]}" in result.stderr
    result = run(app, "users", "list", "--limit", "30", "--after", ids[19], "--json")
    assert [row["id"] for row in json.loads(result.stdout)] == ids[20:]
    assert result.stderr == ""
    assert [row["id"] for row in told(app, "users", "list", "--all")] == ids
    lines = done(app, "users", "list", "--all").splitlines()
    assert [UUID(line.split()[0]) for line in lines] == [UUID(id_) for id_ in ids]
    assert told(app, "users", "list", "--after", ids[-1]) == []
    assert told(app, "users", "list", "--disabled") == []


@pytest.mark.slow
def test_who_reads_the_first_lines_alone_gets_no_traceback(make_app: MakeApp, database_url: str) -> None:
    """As `| head -1` does."""
    many(make_app(), 3_000)
    process = start_flask("users", "list", "--all", database_url=database_url, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert "active" in process.stdout.readline()
    process.stdout.close()
    complaints = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1
    assert "Traceback" not in complaints


def test_the_help_says_what_there_is(app: Flask) -> None:
    text = done(app, "--help")
    for group in ("users", "sessions", "audit", "keys", "vault", "clients", "prune", "seed"):
        [line] = [line for line in text.splitlines() if line.split()[:1] == [group]]
        assert len(line.split()) > 3, line
        assert not line.endswith("..."), line
    for command in ("create", "list", "show", "disable", "enable", "delete", "set-password"):
        [line] = [line for line in done(app, "users", "--help").splitlines() if line.split()[:1] == [command]]
        assert len(line.split()) > 3, line
        assert not line.endswith("..."), line
        assert "--json" in done(app, "users", command, "--help")
    assert "0 done, 1 refused or not found, 2 wrong usage" in " ".join(done(app, "users", "--help").split())
