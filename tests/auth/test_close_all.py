"""`flask sessions close --all`: part of the drill after a restore."""

from collections.abc import Callable
from uuid import UUID

import pytest
from flask import Flask

from tests.support.crowd import claims_of, trail
from tests.support.people import Client
from user_service.audit.events import Action
from user_service.auth import sessions
from user_service.auth.models import CloseReason
from user_service.database import transaction


def run(app: Flask, *arguments: str, answer: str | None = None) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=["sessions", "close", *arguments], input=answer)
    return result.exit_code, result.output


def test_every_session_of_everybody_ends(
    app: Flask, newcomer: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "BATCH", 2)  # more than one batch, without a thousand log-ins
    people = [newcomer().join() for _ in range(3)]
    people += [person.another_device() for person in people[:2]]
    for person in people[3:]:
        person.log_in()
    assert run(app, "--all", "--yes") == (0, "Closed 5 sessions.\n")
    for person in people:
        assert person.get("/account").code == "token_revoked"
        assert person.refresh().code == "token_revoked"
    assert people[0].log_in().status == 200
    assert people[0].get("/account").status == 200


def test_it_asks_before_and_does_nothing_without_a_yes(app: Flask, person: Client) -> None:
    code, output = run(app, "--all", answer="n\n")
    assert (code, "Everybody has to log in again" in output) == (1, True)
    assert run(app)[0] == 2
    assert person.get("/account").status == 200
    assert run(app, "--all", answer="y\n")[0] == 0
    assert person.get("/account").code == "token_revoked"


def test_it_is_one_event_for_all(database_url: str, app: Flask, person: Client) -> None:
    run(app, "--all", "--yes")
    assert [event.detail for event in trail(database_url, "None", Action.ALL_SESSIONS_CLOSED)] == [{"count": 1}]


def test_the_blocklist_alone_ends_a_session(app: Flask, person: Client) -> None:
    """Even where the session itself is there, as after a restore of some tables: the list has the last word."""
    assert person.get("/account").status == 200
    session_id = UUID(claims_of(person.access_token)["sid"])
    with app.app_context(), transaction() as session:
        sessions.block(session, [session_id], CloseReason.CLOSED_BY_OPERATOR)
    for answer in (person.get("/account"), person.get("/profile/me"), person.delete("/sessions"), person.refresh()):
        assert (answer.status, answer.code) == (401, "token_revoked")
