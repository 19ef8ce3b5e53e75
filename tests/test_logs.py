"""Logs: one JSON object a line whatever a client sends, and never a value of anybody's. SECURITY 36, 149-152."""

import io
import json
import logging
import re
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import DataError

from tests.support.crowd import claims_of
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from user_service import logs

CANARY = "canary-5f1c"
FORGED = '{"event": "forged", "level": "info"}'
UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z")


@dataclass
class Log:
    """What one application has written."""

    stream: io.StringIO

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        """Every line, which must be a JSON object with a name, a level and a time."""
        lines = [json.loads(line) for line in self.text.splitlines()]
        for line in lines:
            assert {"event", "level", "timestamp"} <= set(line), line
            assert UTC_TIME.fullmatch(line["timestamp"]), line
        return lines

    def events(self, *names: str) -> list[dict[str, Any]]:
        return [line for line in self.lines() if line["event"] in names]


def logging_app(make_app: Callable[..., Flask], **changes: Any) -> tuple[Flask, Log]:
    """An application that logs at its most talkative, and its log."""
    with redirect_stderr(io.StringIO()) as stream:
        app = make_app(**{"log_level": "DEBUG", **changes})
    return app, Log(stream)


@pytest.fixture
def app_and_log(make_app: Callable[..., Flask]) -> tuple[Flask, Log]:
    return logging_app(make_app, app_env="production")


@pytest.fixture
def log(app_and_log: tuple[Flask, Log]) -> Log:
    return app_and_log[1]


@pytest.fixture
def client(app_and_log: tuple[Flask, Log]) -> Client:
    return Client(InProcess(app_and_log[0]))


HOSTILE = [
    f"x\r\n{FORGED}",
    f"x\n{FORGED}\n",
    f"x\x85{FORGED}",
    f"x\u2028{FORGED}",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    '", "event": "forged", "x": "',
    "%0d%0a" + FORGED,
    "\u202eforged",
    "%s %(event)s {event} {0.__class__}",
]


@ON_ONE_DATABASE
def test_nothing_that_a_client_sends_can_forge_a_line(client: Client, log: Log) -> None:
    """SECURITY 150: one line a request, whatever is in bodies, headers, paths and request ids."""
    count = 0
    for text in HOSTILE:
        header = text.encode().decode("latin-1").replace("\r", "").replace("\n", "")
        headers = {"X-Request-ID": header, "User-Agent": header, "X-Forwarded-For": header, "Referer": header}
        body = {"username": text, "password": text, text: text}
        for method, path in (("POST", "/token"), ("POST", "/register"), ("PUT", "/profile"), ("GET", f"/{text[:20]}")):
            client.send(method, path.replace("\r", "%0D").replace("\n", "%0A"), body, headers=headers)
            count += 1
    lines = log.lines()
    assert len([line for line in lines if line["event"] == "request"]) == count
    assert {line["event"] for line in lines} <= {"request", "auth.login.refused", "proxy.unheard"}
    assert not [character for character in log.text if ord(character) < 32 and character != "\n"]
    assert log.text.isascii()
    assert "forged" not in log.text


def test_every_request_leaves_a_line_that_names_it(client: Client, log: Log) -> None:
    """SECURITY 150: the rule and not the path, the status and the time it took."""
    client.register()
    client.get("/profile/me", headers={"X-Request-ID": "mine"})
    client.get(f"/no/such/{CANARY}?token={CANARY}")
    client.send("BREW", "/profile")
    lines = log.events("request")
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/register", 201),
        ("GET", "/profile/me", 401),
        ("OTHER", None, 404),
        ("OTHER", None, 405),
    ]
    assert lines[1]["request_id"] == "mine"
    assert all(line["milliseconds"] >= 0 for line in lines)
    assert CANARY not in log.text


def test_security_events_are_logged_with_time_user_request_address_and_outcome(client: Client, log: Log) -> None:
    """SECURITY 149."""
    client.join()
    user_id = claims_of(client.access_token)["sub"]
    client.log_in(password="wrong password")
    used = client.refresh_token
    client.refresh()
    client.refresh(used)
    client.post("/logout", headers={"X-Request-ID": "the-last"})
    events = [line for line in log.lines() if line["logger"] == "audit"]
    assert [(line["event"], line["outcome"]) for line in events] == [
        ("auth.user.registered", "success"),
        ("auth.login.succeeded", "success"),
        ("auth.login.refused", "refused"),
        ("auth.refresh.replayed", "success"),
        ("auth.session.logged_out", "success"),
    ]
    assert {line["user_id"] for line in events} == {user_id}
    assert {line["ip"] for line in events} == {"127.0.0.1"}
    assert all(line["request_id"] for line in events)
    assert events[-1]["request_id"] == "the-last"


def failing(error: Exception) -> Callable[..., None]:
    def fail(**_arguments: Any) -> None:
        raise error from KeyError(CANARY)

    return fail


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(f"cannot send to {CANARY}"),
        DataError(f"INSERT {CANARY}", {"phone": CANARY}, ValueError(f"bad value {CANARY}")),
        UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY),
        ExceptionGroup(CANARY, [ValueError(CANARY)]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_is_logged_with_its_place_and_without_its_values(
    client: Client, log: Log, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """SECURITY 151: messages quote people's data, so only types and frames are written."""
    client.join()
    monkeypatch.setattr("user_service.profile.service.create_profile", failing(error))
    answer = client.post("/profile", {**PROFILE, "name": CANARY})
    assert (answer.status, answer.code) == (500, "internal_error")
    [line] = log.events("request.failed")
    assert line["request_id"] == answer.json["request_id"]
    kinds = [link["type"].rpartition(".")[2] for link in line["exceptions"]]
    assert kinds == [type(error).__name__, "KeyError"]
    assert any(frame.endswith(" fail") for frame in line["exceptions"][0]["frames"])
    assert CANARY not in log.text + answer.text


@ON_ONE_DATABASE
def test_an_envelope_that_does_not_open_is_logged_as_such(
    client: Client, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 125: the operator learns of it, the client does not."""
    client.join().post("/profile/payment_info", PAYMENT)
    monkeypatch.setattr("user_service.payment.service.binding", lambda *_where: b"elsewhere")
    answer = client.get("/profile/payment_info")
    assert answer.code == "internal_error"
    [line] = log.events("request.failed")
    assert line["exceptions"][0]["type"] == "user_service.security.vault.IntegrityFailure"
    assert "IntegrityFailure" not in answer.text


@ON_ONE_DATABASE
def test_what_a_library_logs_takes_the_same_form(app_and_log: tuple[Flask, Log]) -> None:
    log = app_and_log[1]
    library = logging.getLogger("some.library")
    library.debug("one\ntwo %s", "\x1b[31m")
    try:
        json.loads(f"[{CANARY}")
    except ValueError:
        library.exception("it failed")
    first, second = log.lines()
    assert (first["event"], first["level"]) == ("one\ntwo \x1b[31m", "debug")
    assert second["exceptions"][0]["type"] == "json.decoder.JSONDecodeError"
    assert CANARY not in log.text


@ON_ONE_DATABASE
def test_statements_and_their_parameters_are_logged_at_no_level(client: Client, log: Log) -> None:
    """SECURITY 151."""
    client.register("ada.lovelace", "ada@example.com")
    assert not [name for name in ("sqlalchemy", "alembic", "urllib3") if f'"logger": "{name}' in log.text]
    assert not [text for text in ("INSERT", "SELECT", "ada.lovelace", "ada@example.com") if text in log.text]


def test_development_has_readable_lines_instead() -> None:
    record = logging.LogRecord("x", logging.INFO, __file__, 1, "a line", (), None)
    assert not logs.formatter(is_development=True).format(record).startswith("{")
    assert json.loads(logs.formatter(is_development=False).format(record))["event"] == "a line"
