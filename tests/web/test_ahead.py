"""What is answered ahead of Flask is told, counted and refused as anything else. Byte for byte: test_fast_paths.py."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, request
from sqlalchemy.exc import OperationalError

from tests.support.people import PROFILE, Client, InProcess
from tests.support.plainly import plain
from user_service import metrics
from user_service.compiled import Compiled
from user_service.web import hooks


@pytest.fixture
def reader(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    return person


def test_the_plain_read_never_reaches_flask(reader: Client, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatched: list[str] = []
    monkeypatch.setattr(app, "full_dispatch_request", lambda: dispatched.append(request.path) or app.response_class())
    assert reader.get("/profile/me").json["name"] == PROFILE["name"]
    assert dispatched == []
    reader.get("/profile/me?x=1")
    assert dispatched == ["/profile/me"]


def test_what_fails_ahead_of_flask_is_not_tried_again_there(
    reader: Client, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fail(*arguments: Any) -> None:
        calls.append(arguments)
        raise OperationalError("SELECT", {}, Exception("it is away"))

    monkeypatch.setattr(Compiled, "first", fail)
    answer = reader.get("/profile/me")
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert len(calls) == 1


def test_a_read_ahead_of_flask_is_told_and_counted_as_any_other(
    reader: Client, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, Any]] = []
    counted: list[tuple[str, int]] = []
    monkeypatch.setattr(hooks.log, "info", lambda event, **values: told.append({**values, "milliseconds": 0}))
    monkeypatch.setattr(metrics, "count_request", lambda route, status, _seconds: counted.append((route, status)))
    assert reader.get("/profile/me").status == 200
    with plain(app):
        assert reader.get("/profile/me").status == 200
    assert told[0] == told[1]
    assert counted == [("/profile/me", 200)] * 2


def test_where_other_origins_are_let_in_every_read_goes_to_flask(make_app: Callable[..., Flask]) -> None:
    reader = Client(InProcess(make_app(cors_origins=("https://shop.example.com",)))).join()
    assert reader.post("/profile", PROFILE).status == 201
    assert reader.get("/profile/me").headers["Vary"] == "Origin"
