"""A change of the password: who may, what ends by it, and what happens when many try. SECURITY 25, 26, 32-35."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import Cluster, bearer, claims_of, trail
from tests.support.databases import PUBLIC_URL, SQLITE, Databases
from tests.support.people import PROFILE, Answer, Client, InProcess
from tests.support.server import serving
from user_service.audit.events import Action, Outcome

NEW = "staple ember window tide"
CROWD = 24
ROUNDS = 4
# A round holds more wrong passwords than an account takes by default.
LIMITS = {"LOGIN_ATTEMPTS_PER_ACCOUNT": "100"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def cluster(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Cluster]:
    """Two workers on SQLite, two nodes on PostgreSQL. Each test brings people of its own."""
    nodes, workers = (1, 2) if request.param == SQLITE else (2, 1)
    with ExitStack() as stack:
        url = stack.enter_context(databases.copy(request.param))
        yield Cluster(
            url,
            [stack.enter_context(serving(url, workers=workers, PUBLIC_URL=PUBLIC_URL, **LIMITS)) for _ in range(nodes)],
        )


def change(client: Client, current: str, new: str = NEW) -> Answer:
    return client.put("/account/password", {"current_password": current, "new_password": new})


def changing(person: Client, new: str) -> Callable[[Client], Answer]:
    """The change as one of many sends it."""
    body = {"current_password": person.password, "new_password": new}
    return lambda client: client.put("/account/password", body, headers=bearer(person.access_token))


def adopt(client: Client, answer: Answer) -> Client:
    client.access_token, client.refresh_token = answer.json["access_token"], answer.json["refresh_token"]
    return client


def device(person: Client) -> Client:
    other = person.another_device()
    assert other.log_in().status == 200
    return other


def is_dead(client: Client) -> bool:
    return client.get("/sessions").code == client.refresh(client.refresh_token).code == "token_revoked"


def log_in(client: Client, person: Client, password: str) -> int:
    return client.log_in(person.username, password).status


def test_a_change_answers_with_the_tokens_of_a_new_session(person: Client) -> None:
    """SECURITY 34, 38."""
    before = claims_of(person.access_token)
    with time_machine.travel(datetime.now(UTC), tick=False):
        answer = change(person, person.password)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json) == {"access_token", "refresh_token", "token_type", "expires_in", "refresh_expires_in"}
    assert (answer.json["token_type"], answer.json["expires_in"]) == ("Bearer", 900)
    after = claims_of(answer.json["access_token"])
    assert after["sub"] == before["sub"]
    assert after["sid"] != before["sid"]
    assert after["fresh"] is True
    adopt(person, answer)
    assert [row["id"] for row in person.get("/sessions").json["data"]] == [after["sid"]]
    assert person.refresh().status == 200


def test_every_earlier_session_is_dead_on_every_node(make_app: Callable[..., Flask]) -> None:
    """SECURITY 34: at once, on a node that had no part in it; and the old password with them."""
    here, there = InProcess(make_app()), InProcess(make_app())
    person = Client(here).join()
    devices = [person, device(person), device(person)]
    assert {client.get("/sessions").status for client in devices} == {200}
    answer = change(devices[1], person.password)
    for client in devices:
        client.transport = there
        assert is_dead(client)
    assert adopt(Client(there), answer).get("/account").status == 200
    assert log_in(Client(there), person, NEW) == 200
    refused = Client(there).log_in(person.username, person.password)
    assert (refused.status, refused.code) == (401, "invalid_credentials")


def test_a_wrong_current_password_changes_nothing(person: Client, database_url: str) -> None:
    """SECURITY 33: 403, because the token was right; and it leaves a trace."""
    phone, before = device(person), person.get("/account").json
    for wrong in ("plum tractor sings", "", person.password.upper(), f" {person.password}", NEW):
        answer = change(person, wrong)
        assert (answer.status, answer.code) == (403, "wrong_password")
        assert "WWW-Authenticate" not in answer.headers
    assert person.get("/account").json == before
    assert person.refresh().status == phone.refresh().status == 200
    assert person.another_device().log_in(password=NEW).status == 401
    device(person)
    rows = trail(database_url, before["id"], Action.PASSWORD_REFUSED)
    assert len(rows) == 5
    assert {row.outcome for row in rows} == {Outcome.REFUSED}
    assert not trail(database_url, before["id"], Action.PASSWORD_CHANGED)


def refused_passwords(person: Client) -> dict[str, str]:
    """SECURITY 25, 26: the rules are those of the registration."""
    return {
        "short a": "password_too_short",
        "\U0001f33b" * 7: "password_too_short",
        "password1": "password_common",
        "PASSWORD1": "password_common",
        "qwertyuiop": "password_common",
        "m" * 1025: "password_too_long",
        "ü" * 600: "password_too_long",
        f"{person.username} and more": "password_contains_identity",
        f"x {person.email} x": "password_contains_identity",
        "with a\0nul inside": "control_character",
    }


def test_the_rules_for_passwords_hold_for_a_new_one(person: Client) -> None:
    failures = []
    for new, code in refused_passwords(person).items():
        answer = change(person, person.password, new)
        faults = answer.fault_codes() if answer.status == 422 else {}
        if faults != {"/new_password": code}:
            failures.append(f"{new[:30]!r}: {answer.status} {faults}, not {code}")
    assert not failures
    assert person.get("/account").status == 200
    device(person)


def test_a_new_password_may_be_anything_else(person: Client) -> None:
    for new in ("  spaces outside  ", "\U0001f33b" * 64, "n" * 1020 + "nope", "pässwörter ändern"):
        adopt(person, change(person, person.password, new))
        person.password = new
        assert person.get("/account").status == 200
        assert log_in(person.another_device(), person, new) == 200
    assert log_in(person.another_device(), person, "n" * 1020 + "nop") == 401
    assert change(person, "pa\u0308sswo\u0308rter a\u0308ndern").status == 200, "composed or not, it is one password"


def test_what_is_no_change_of_a_password_is_refused(person: Client) -> None:
    """SECURITY 32 too: what is far too large is refused before anything is hashed."""
    good = {"current_password": person.password, "new_password": NEW}
    cases: list[tuple[Any, int, dict[str, str]]] = [
        ({}, 422, {"/current_password": "required", "/new_password": "required"}),
        ({"new_password": NEW}, 422, {"/current_password": "required"}),
        ({**good, "new_password": None}, 422, {"/new_password": "null"}),
        ({**good, "current_password": 1}, 422, {"/current_password": "invalid_type"}),
        ({**good, "username": "somebody.else"}, 422, {"/username": "unknown_field"}),
        ({**good, "current_password": "c" * 60_000}, 422, {"/current_password": "password_too_long"}),
        ({**good, "new_password": "n" * 1_000_000}, 413, {}),
    ]
    for body, status, faults in cases:
        answer = person.put("/account/password", body)
        assert (answer.status, answer.fault_codes()) == (status, faults)
    assert person.put("/account/password", good, auth=False).code == "token_required"
    assert person.put("/account/password", good, headers=bearer(person.refresh_token)).code == "invalid_token"
    device(person)


def test_a_session_that_is_over_changes_no_password(person: Client) -> None:
    phone = device(person)
    assert phone.post("/logout").status == 204
    assert change(phone, person.password).code == "token_revoked"
    assert change(person, person.password).status == 200


@pytest.mark.slow
def test_of_many_changes_at_once_one_wins_and_its_password_works(cluster: Cluster) -> None:
    """SECURITY 35."""
    for number in range(ROUNDS):
        person = cluster.client(number).join()
        passwords = [f"{NEW} {index}" for index in range(CROWD)]
        answers = cluster.at_the_last_byte([changing(person, password) for password in passwords])
        [winner] = [index for index, answer in enumerate(answers) if answer.status == 200]
        refusals = {(answer.status, answer.code) for answer in answers if answer.status != 200}
        assert refusals <= {(403, "wrong_password"), (401, "token_revoked")}
        assert all(is_dead(twin) for twin in cluster.everywhere(person))
        loser = (winner + 1) % CROWD
        tried = [log_in(cluster.client(), person, password) for password in (passwords[loser], person.password)]
        assert tried == [401, 401]
        assert log_in(adopt(person, answers[winner]), person, passwords[winner]) == 200
        assert len(trail(cluster.database_url, claims_of(person.access_token)["sub"], Action.PASSWORD_CHANGED)) == 1


@pytest.mark.slow
def test_no_session_that_the_old_password_opened_outlives_a_change(cluster: Cluster) -> None:
    """SECURITY 34, RELIABILITY 6: log-ins and refreshes at the same moment."""
    person = cluster.client().join()
    for number in range(ROUNDS):
        new, old = f"{NEW} {number}", person.password
        log_ins = [lambda client, old=old: client.log_in(person.username, old)] * 12
        refreshes = [lambda client, token=person.refresh_token: client.refresh(token)] * 4
        changed, *others = cluster.at_the_last_byte([changing(person, new), *log_ins, *refreshes])
        assert changed.status == 200
        assert {answer.status for answer in others} <= {200, 401}
        opened = [answer for answer in others if answer.status == 200]
        assert all(is_dead(adopt(cluster.client(index), answer)) for index, answer in enumerate(opened))
        person.password = new
        adopt(person, changed)
        assert [row["id"] for row in person.get("/sessions").json["data"]] == [claims_of(person.access_token)["sid"]]
        assert log_in(cluster.client(number), person, old) == 401


@pytest.mark.slow
def test_a_change_amid_changes_of_the_profile_loses_neither(cluster: Cluster) -> None:
    """PEERS: elsewhere the old password is back after it, because every column is written."""
    person = cluster.client().join()
    assert person.post("/profile", PROFILE).status == 201
    shown = {"name": PROFILE["name"], "phone": PROFILE["phone"]}
    for number in range(2 * ROUNDS):
        new, old = f"{NEW} {number}", person.password
        updates = [{"name": f"Ada {number}"}, {"phone": f"+1 650-253-00{number:02d}"}]
        sent = [partial(put_profile, person.access_token, update) for update in updates]
        named, phoned, changed = cluster.at_the_last_byte([*sent, changing(person, new)])
        assert changed.status == 200
        for update, answer in zip(updates, (named, phoned), strict=True):
            assert answer.status == 200 or answer.code == "token_revoked"
            shown |= update if answer.status == 200 else {}
        person.password = new
        adopt(person, changed)
        assert shown.items() <= person.get("/profile/me").json.items()
        assert log_in(cluster.client(number), person, old) == 401
        assert log_in(cluster.client(number), person, new) == 200


def put_profile(token: str, changes: dict[str, str], client: Client) -> Answer:
    return client.put("/profile", changes, headers=bearer(token))
