"""A node that a change of keys left behind: it says so, and goes on as well as it can."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from flask import Flask

from tests.conftest import running_app
from tests.support.databases import MASTER_KEYS
from tests.support.people import PROFILE, Client, InProcess
from user_service.keys import rotation
from user_service.runtime import runtime

MakeApp = Callable[..., Flask]
NEW_KEY = {"test-2": bytes(range(50, 82))}


def make_stale(app: Flask) -> None:
    """As if half an hour had passed since the keys were read."""
    with app.app_context():
        ring = runtime().key_ring
        ring._keys = replace(ring.get(), loaded_at=ring.get().loaded_at - 1800)


def test_a_node_without_the_new_master_key_is_not_ready_and_serves_what_it_can(make_app: MakeApp) -> None:
    behind = make_app()
    person = Client(InProcess(behind)).join()
    assert person.post("/profile", PROFILE).status == 201
    ahead = make_app(master_keys={**NEW_KEY, **MASTER_KEYS})
    with ahead.app_context():
        rotation.rewrap(lambda _: None)
    make_stale(behind)
    assert person.get("/.well-known/jwks.json").status == 200
    assert person.get("/account").status == 200
    assert person.get("/readyz").fault_codes() == {"/keys": "service_unavailable"}
    sealed = person.get("/profile/me")
    assert (sealed.status, sealed.code) == (503, "service_unavailable")
    person.transport.app = ahead
    assert person.get("/profile/me").json["phone"] == PROFILE["phone"]


@pytest.mark.parametrize("command", ["keys list", "clients list", "prune", "vault rotate-master"])
def test_commands_say_in_one_line_that_the_database_is_not_ready(command: str) -> None:
    with running_app("sqlite:////nowhere/at/all.sqlite3") as app:
        result = app.test_cli_runner().invoke(args=command.split())
    assert (result.exit_code, "flask db upgrade" in result.output) == (1, True), result.output
    assert "Traceback" not in result.output
