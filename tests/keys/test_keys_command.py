"""`flask keys` and `flask vault` as operators meet them. SECURITY 76, 123, 152."""

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from click.testing import Result
from flask import Flask

import config
from tests.support.crowd import at_once
from tests.support.databases import MASTER_KEYS
from tests.support.people import Client, InProcess
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.database import fetch_all
from user_service.keys.ring import PURPOSES
from user_service.keys.rotation import PUBLISH_BEFORE_ACTIVE
from user_service.runtime import runtime

MakeApp = Callable[..., Flask]
KID = "[A-Za-z0-9_-]{16}"
MOMENT = r"[0-9T:.-]+Z"
NEW_KEY = {"test-2": bytes(range(100, 132))}


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=[*arguments])


def rotate(app: Flask, *options: str) -> str:
    """The id of the new key."""
    result = run(app, "keys", "rotate", *options)
    assert result.exit_code == 0, result.output
    said = re.fullmatch(rf"The key ({KID}) is published and signs from {MOMENT} on\.\n", result.stdout)
    assert said, result.stdout
    return said[1]


def listed(app: Flask) -> list[dict[str, Any]]:
    return json.loads(run(app, "keys", "list", "--json").stdout)


def states(app: Flask) -> dict[str, str]:
    return {row["kid"]: row["state"] for row in listed(app)}


def assert_refused(result: Result, exit_code: int, *words: str) -> None:
    """Told on standard error, in words and not as a traceback."""
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert isinstance(result.exception, SystemExit)
    for word in words:
        assert word in result.stderr


def trail(app: Flask) -> list[tuple[str, dict[str, Any]]]:
    with app.app_context():
        rows = fetch_all(AuditEvent.__table__.select().order_by(AuditEvent.__table__.c.occurred_at))
    return [(row.action, row.detail) for row in rows]


def secrets_of(app: Flask) -> list[str]:
    """What must never be printed, as it could be spelled."""
    with app.app_context():
        keys = runtime().key_ring.get()
    private = [key.private_bytes() for key in keys.signing_keys.values()]
    secret = [*private, *MASTER_KEYS.values(), *NEW_KEY.values(), keys.cursor_key, keys.digest_key]
    return [spelling for known in secret for spelling in (known.hex(), base64.b64encode(known).decode())]


def test_the_list_tells_what_each_key_does(app: Flask) -> None:
    """SECURITY 76."""
    [first] = [row["kid"] for row in listed(app)]
    assert states(app) == {first: "active"}
    second = rotate(app)
    assert states(app) == {second: "coming", first: "leaving"}
    with time_machine.travel(datetime.now(UTC) + PUBLISH_BEFORE_ACTIVE + timedelta(minutes=1)):
        assert states(app) == {second: "active", first: "leaving"}
        assert run(app, "keys", "retire", first, "--now").exit_code == 0
        assert states(app) == {second: "active", first: "retired"}
        lines = run(app, "keys", "list").stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [[second, "active"], [first, "retired"]]
    assert ["expires" in line for line in lines] == [False, True]


def test_the_list_shows_nothing_secret(app: Flask) -> None:
    """SECURITY 152."""
    rotate(app)
    output = run(app, "keys", "list").output + run(app, "keys", "list", "--json").output
    assert {key for row in listed(app) for key in row} == {
        "kid",
        "state",
        "activates_at",
        "expires_at",
        "master_key_id",
    }
    assert not [secret for secret in secrets_of(app) if secret in output]


def test_a_rotation_says_which_key_and_from_when(app: Flask) -> None:
    kid = rotate(app)
    [coming] = [row for row in listed(app) if row["kid"] == kid]
    activates_at = datetime.fromisoformat(coming["activates_at"])
    assert timedelta(0) <= datetime.now(UTC) + PUBLISH_BEFORE_ACTIVE - activates_at < timedelta(minutes=1)
    assert coming["expires_at"] is None


def test_a_rotation_can_be_at_once(make_app: MakeApp) -> None:
    app = make_app()
    kid = rotate(app, "--now")
    assert states(app)[kid] == "active"
    person = Client(InProcess(make_app())).join()
    assert person.get("/.well-known/jwks.json").json["keys"][0]["kid"] == kid


def test_to_retire_a_key_one_has_to_mean_it(app: Flask) -> None:
    [first] = states(app)
    rotate(app, "--now")
    assert_refused(run(app, "keys", "retire", first), 2, "--now")
    assert_refused(run(app, "keys", "retire", "--now"), 2, "KID")
    assert_refused(run(app, "keys", "retire", "unknown", "--now"), 1, "flask keys list")
    assert states(app)[first] == "leaving"
    result = run(app, "keys", "retire", first, "--now")
    assert (result.exit_code, first in result.stdout) == (0, True)
    assert states(app)[first] == "retired"


def test_the_last_key_is_not_retired(app: Flask) -> None:
    [first] = states(app)
    for _ in range(2):
        assert_refused(run(app, "keys", "retire", first, "--now"), 1, "flask keys rotate --now")
        assert states(app)[first] in ("active", "leaving")
        rotate(app)


def test_of_two_keys_that_are_retired_at_once_one_stays(make_app: MakeApp) -> None:
    operators = (make_app(), make_app())
    left = set(states(operators[0]))
    for _ in range(4):
        left.add(rotate(operators[0], "--now"))
        tried = sorted(left)
        codes = at_once(2, lambda at, tried=tried: run(operators[at], "keys", "retire", tried[at], "--now").exit_code)
        assert sorted(codes) == [0, 1]
        left.remove(tried[codes.index(0)])


def test_rotations_and_retirements_are_on_the_record(app: Flask) -> None:
    [old] = states(app)
    new = rotate(app, "--now")
    assert run(app, "keys", "retire", old, "--now").exit_code == 0
    assert run(app, "keys", "retire", new, "--now").exit_code == 1
    assert trail(app) == [(Action.KEY_ROTATED, {"kid": new}), (Action.KEY_RETIRED, {"kid": old})]


def test_a_generated_master_key_can_be_put_into_the_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with time_machine.travel(datetime(2026, 11, 23, 12, tzinfo=UTC)):
        results = [run(app, "keys", "generate"), run(app, "keys", "generate", "--id", "spare")]
    assert [result.exit_code for result in results] == [0, 0]
    entries = [result.stdout.strip() for result in results]
    monkeypatch.setenv("APP_ENV", "testing")
    monkeypatch.setenv("MASTER_KEYS", ",".join(entries))
    keys = config.load().master_keys
    assert list(keys) == ["2026-11-23", "spare"]
    assert {len(key) for key in keys.values()} == {32}
    assert len(set(keys.values())) == 2
    assert trail(app) == []


def test_sealing_anew_says_how_many_keys_it_were(make_app: MakeApp) -> None:
    """SECURITY 123, 152."""
    Client(InProcess(make_app())).join()
    expected = len(PURPOSES) + 2  # the signing key and the data key of one person
    later = make_app(master_keys={**NEW_KEY, **MASTER_KEYS})
    first, again = (run(later, "vault", "rotate-master") for _ in range(2))
    assert [first.exit_code, again.exit_code] == [0, 0]
    assert first.stdout == f"Sealed {expected} keys anew. Nothing is left under an old master key.\n"
    assert again.stdout == "Sealed 0 keys anew. Nothing is left under an old master key.\n"
    assert {row["master_key_id"] for row in listed(later)} == {"test-2"}
    output = first.output + again.output
    assert not [secret for secret in secrets_of(later) if secret in output]
    assert trail(later)[-2:] == [
        (Action.MASTER_KEY_ROTATED, {"master_key_id": "test-2", "rewrapped": expected}),
        (Action.MASTER_KEY_ROTATED, {"master_key_id": "test-2", "rewrapped": 0}),
    ]


def test_with_one_master_key_there_is_nothing_to_seal_anew(app: Flask) -> None:
    assert run(app, "vault", "rotate-master").stdout.startswith("Sealed 0 keys anew.")
