"""Service clients: made, listed and revoked on the command line, and what their secrets open. SECURITY 84, 96, 127."""

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from tests.support.commands import start_flask
from tests.support.crowd import bearer
from tests.support.databases import SQLITE, Databases
from tests.support.people import Answer, Client, InProcess
from user_service.clients.models import ServiceClient
from user_service.clients.service import Scope
from user_service.database import fetch_all

SECRET = re.compile(r"usc_[A-Za-z0-9_-]{43}")
INTROSPECT = Scope.TOKEN_INTROSPECT.value


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["clients", *arguments])


def create(app: Flask, name: str = "checkout", *options: str, scope: str = INTROSPECT) -> str:
    """The secret."""
    result = run(app, "create", name, "--scope", scope, *options)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def knock(app: Flask, secret: str, path: str = "/revocations") -> Answer:
    return Client(InProcess(app)).get(path, headers=bearer(secret))


def listed(app: Flask) -> dict[str, dict[str, object]]:
    return {row["name"]: row for row in json.loads(run(app, "list", "--json").stdout)}


def stored(url: str, databases: Databases, kind: str) -> bytes:
    """The whole database: as its files hold it, or as a dump does."""
    if kind == SQLITE:
        path = Path(url.removeprefix("sqlite:///"))
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    name = url.partition("@/")[2].partition("?")[0]
    return databases.postgres.run(
        "pg_dump", "-h", str(databases.postgres.directory), "-U", "postgres", name
    ).stdout.encode()


def assert_refused(result: Result, exit_code: int, *words: str) -> None:
    """Told on standard error, in words and not as a traceback."""
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr


def test_a_client_is_made_with_a_secret_that_opens_its_scope(app: Flask) -> None:
    secret = create(app)
    assert SECRET.fullmatch(secret)
    assert knock(app, secret).status == 200
    assert knock(app, secret.removeprefix("usc_")).status == 401
    assert create(app, "another") != secret


@pytest.mark.slow
def test_the_secret_alone_is_written_so_that_a_script_can_keep_it(database_url: str) -> None:
    process = start_flask(
        "clients", "create", "checkout", "--scope", INTROSPECT, database_url=database_url, stderr=subprocess.PIPE
    )
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert SECRET.fullmatch(stdout.removesuffix("\n"))
    assert stdout.strip() not in stderr


def test_the_secret_is_shown_once_and_stored_as_a_keyed_digest(
    app: Flask, database_url: str, databases: Databases, kind: str
) -> None:
    """SECURITY 84, 127: who reads the database, or writes to it, has no secret by that."""
    secret = create(app, "checkout.canary")
    with app.app_context():
        [row] = fetch_all(select(ServiceClient.__table__))
    assert len(row.secret_digest) == 32
    for output in (run(app, "list").output, run(app, "list", "--json").output):
        assert "checkout.canary" in output
        assert secret not in output
        assert row.secret_digest.hex() not in output
    dump = stored(database_url, databases, kind)
    assert b"checkout.canary" in dump
    bodies = [secret.encode(), secret.removeprefix("usc_").encode()]
    unkeyed = [hashlib.new(name, body).digest() for name in ("sha256", "sha512", "sha1", "md5") for body in bodies]
    spellings = [form for known in (*bodies, *unkeyed) for form in (known, known.hex().encode())]
    assert not [form for form in spellings if form in dump]


def test_the_list_tells_the_state_of_each_client(app: Flask) -> None:
    today = datetime.now(UTC)
    create(app, "fulfilment", scope=Scope.PROFILE_READ.value)
    create(app, "checkout", "--scope", Scope.PAYMENT_READ.value)
    create(app, "trial", "--expires", "30")
    assert run(app, "revoke", "fulfilment").exit_code == 0
    with time_machine.travel(today + timedelta(days=30, minutes=1)):
        rows = listed(app)
        text = run(app, "list").stdout.splitlines()
    assert list(rows) == ["checkout", "fulfilment", "trial"]
    assert [row["state"] for row in rows.values()] == ["active", "revoked", "expired"]
    assert rows["checkout"]["scopes"] == [Scope.PAYMENT_READ.value, INTROSPECT]
    assert rows["checkout"]["expires_at"] is rows["checkout"]["revoked_at"] is None
    ends = datetime.fromisoformat(str(rows["trial"]["expires_at"]))
    assert abs(ends - today - timedelta(days=30)) < timedelta(minutes=1)
    assert [line.split()[:2] for line in text] == [[name, row["state"]] for name, row in rows.items()]
    assert not os.linesep.join(text).count("usc_")


def test_a_revoked_client_is_refused_on_every_node_from_its_next_request_on(
    make_app: Callable[..., Flask],
) -> None:
    here, there = make_app(), make_app()
    secret, other = create(here), create(here, "another")
    assert knock(there, secret).status == 200
    result = run(here, "revoke", "checkout")
    assert (result.exit_code, result.stdout) == (0, "The client checkout is revoked.\n")
    for app in (here, there):
        refused = knock(app, secret)
        assert (refused.status, refused.code) == (401, "invalid_token")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")
        assert knock(app, other).status == 200


def test_a_client_ends_by_itself_when_its_days_are_over(app: Flask) -> None:
    with time_machine.travel(datetime.now(UTC), tick=False) as time:
        secret, lasting = create(app, "trial", "--expires", "1"), create(app)
        time.shift(timedelta(days=1, seconds=-1))
        assert knock(app, secret).status == 200
        time.shift(timedelta(seconds=1))
        refused = knock(app, secret)
        assert (refused.status, refused.code) == (401, "invalid_token")
        assert knock(app, lasting).status == 200


def test_a_name_is_taken_for_good(app: Flask) -> None:
    """A revoked client's too: else the audit log would speak of two by one name."""
    secret = create(app)
    assert_refused(run(app, "create", "checkout", "--scope", INTROSPECT), 1, "Choose another name")
    assert knock(app, secret).status == 200
    assert run(app, "revoke", "checkout").exit_code == 0
    assert_refused(run(app, "create", "checkout", "--scope", INTROSPECT), 1, "Choose another name")
    assert_refused(run(app, "revoke", "checkout"), 1, "flask clients list")
    assert_refused(run(app, "revoke", "nobody"), 1, "flask clients list")


def test_what_makes_no_client_is_refused(app: Flask) -> None:
    scope = ("--scope", INTROSPECT)
    cases = {
        "a name with a space": ("create", "check out", *scope),
        "a name that begins with a dot": ("create", ".checkout", *scope),
        "an empty name": ("create", "", *scope),
        "a long name": ("create", "c" * 65, *scope),
        "a name with a line break": ("create", "checkout\n", *scope),
        "a look-alike": ("create", "сheckout", *scope),
        "no name": ("create", *scope),
        "no scope": ("create", "checkout"),
        "an unknown scope": ("create", "checkout", "--scope", "everything"),
        "no days": ("create", "checkout", *scope, "--expires", "0"),
        "too many days": ("create", "checkout", *scope, "--expires", "3651"),
        "words for days": ("create", "checkout", *scope, "--expires", "soon"),
    }
    results = {name: run(app, *arguments) for name, arguments in cases.items()}
    assert {name: result.exit_code for name, result in results.items()} == dict.fromkeys(cases, 2)
    assert "token:introspect" in results["an unknown scope"].stderr
    assert listed(app) == {}


def test_without_a_token_or_with_a_made_up_one_nobody_gets_in(app: Flask) -> None:
    """SECURITY 96."""
    create(app)
    unknown = Client(InProcess(app)).get("/revocations")
    assert (unknown.status, unknown.code) == (401, "token_required")
    for secret in ("usc_" + "A" * 43, "usc_", "usc_'; --", "garbage", "a.b.c", "USC_" + "A" * 43):
        refused = knock(app, secret)
        assert (refused.status, refused.code) == (401, "invalid_token"), secret
        assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


def test_a_scope_opens_its_own_doors_alone(app: Flask) -> None:
    user = f"/internal/users/{uuid4()}"
    doors = {
        Scope.PROFILE_READ.value: [user],
        Scope.PAYMENT_READ.value: [f"{user}/payment_token"],
        INTROSPECT: ["/revocations", "/token/introspect"],
    }
    for scope, own in doors.items():
        secret = create(app, scope.replace(":", "-"), scope=scope)
        refused = {path for paths in doors.values() for path in paths} - set(own)
        for path in refused:
            client = Client(InProcess(app))
            send = client.post if path == "/token/introspect" else client.get
            answer = send(path, headers=bearer(secret))
            assert (answer.status, answer.code) == (403, "insufficient_scope"), (scope, path)


def test_a_users_own_token_opens_nothing_here(person: Client) -> None:
    for path in ("/revocations", f"/internal/users/{uuid4()}", f"/internal/users/{uuid4()}/payment_token"):
        answer = person.get(path)
        assert (answer.status, answer.code) == (403, "forbidden")
    assert person.post("/token/introspect", {"token": person.access_token}).code == "forbidden"
    assert person.get("/revocations", headers=bearer(person.refresh_token)).code == "invalid_token"


def test_a_client_is_no_user(app: Flask) -> None:
    secret = create(app)
    answers = [knock(app, secret, path) for path in ("/profile/me", "/account", "/sessions", "/account/events")]
    assert [(answer.status, answer.code) for answer in answers] == [(401, "invalid_token")] * 4
