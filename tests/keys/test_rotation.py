"""A new signing key while the service runs: published, used, left behind, deleted. SECURITY 75, 76."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import jwt
import pytest
import time_machine
from flask import Flask
from flask_migrate import upgrade

from tests.conftest import running_app
from tests.support.commands import empty_database
from tests.support.crowd import claims_of
from tests.support.databases import Databases
from tests.support.people import Client, InProcess
from user_service import clock
from user_service.errors import KeyNotFound, LastKey
from user_service.keys import rotation
from user_service.keys.ring import RELOAD_SECONDS
from user_service.keys.rotation import EXPIRY_MARGIN, PUBLISH_BEFORE_ACTIVE
from user_service.pruning import prune

MakeApp = Callable[..., Flask]
SECOND = timedelta(seconds=1)
RELOAD = RELOAD_SECONDS * SECOND
OLDEST_CACHE = timedelta(minutes=5)  # of the JWKS, by its Cache-Control
LONGEST_LIFE = timedelta(days=7)  # of a refresh token


@pytest.fixture(autouse=True)
def time(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it, and the age of the keys with it.

    It begins after the database was made, whose first key must be older than the second.
    """
    follows = SimpleNamespace(monotonic=lambda: clock.now().timestamp())
    monkeypatch.setattr("user_service.keys.ring.time", follows)
    later_than_the_first_key = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=1)
    with time_machine.travel(later_than_the_first_key, tick=False) as traveller:
        yield traveller


@pytest.fixture
def operator(make_app: MakeApp) -> Flask:
    """Where commands run: a process of its own, so no node has its keys."""
    return make_app()


def rotate(operator: Flask, *, at_once: bool = False) -> tuple[str, datetime]:
    with operator.app_context():
        return rotation.rotate_signing_key(at_once=at_once)


def retire(operator: Flask, kid: str) -> None:
    with operator.app_context():
        rotation.retire_signing_key(kid=kid)


def kids(operator: Flask) -> list[str]:
    with operator.app_context():
        return [row.kid for row in rotation.list_signing_keys()]


def published(client: Client) -> list[str]:
    """The ids of the JWKS; nothing in it is private."""
    answer = client.get("/.well-known/jwks.json", auth=False)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=300")
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in answer.json["keys"])
    return [key["kid"] for key in answer.json["keys"]]


def kids_of(client: Client) -> set[str]:
    """Which keys signed the tokens that the client has."""
    return {jwt.get_unverified_header(token)["kid"] for token in (client.access_token, client.refresh_token)}


def log_in_again(person: Client) -> Client:
    other = person.another_device()
    assert other.log_in().status == 200
    return other


def test_a_new_key_is_published_before_it_signs(time: time_machine.Traveller, person: Client, operator: Flask) -> None:
    """SECURITY 76: whoever caches the JWKS has the key when the first token comes."""
    [old] = published(person)
    new, activates_at = rotate(operator)
    assert activates_at - clock.now() == PUBLISH_BEFORE_ACTIVE >= OLDEST_CACHE + RELOAD
    time.shift(RELOAD)
    assert published(person) == [new, old]
    assert kids_of(log_in_again(person)) == {old}
    time.move_to(activates_at - 1 * SECOND)
    assert kids_of(log_in_again(person)) == {old}
    time.move_to(activates_at)
    assert kids_of(log_in_again(person)) == {new}
    assert person.refresh().status == 200
    assert kids_of(person) == {new}


def test_old_tokens_live_on_until_they_end_and_then_the_old_key_goes(
    time: time_machine.Traveller, person: Client, operator: Flask
) -> None:
    """SECURITY 76."""
    [old] = published(person)
    new, activates_at = rotate(operator)
    time.move_to(activates_at - 1 * SECOND)
    last = log_in_again(person)
    assert kids_of(last) == {old}
    time.shift(10 * SECOND)
    assert last.get("/account").status == 200
    time.move_to(datetime.fromtimestamp(claims_of(last.refresh_token)["exp"], UTC) - 1 * SECOND)
    assert published(last) == [new, old]
    assert last.refresh().status == 200
    assert kids_of(last) == {new}
    gone_at = activates_at + LONGEST_LIFE + EXPIRY_MARGIN
    time.move_to(gone_at - 1 * SECOND)
    assert published(last) == [new, old]
    time.move_to(gone_at)
    assert published(last) == [new]
    assert last.refresh().status == 200


def test_a_key_is_deleted_when_it_has_been_gone_for_a_while(
    time: time_machine.Traveller, person: Client, operator: Flask
) -> None:
    [old] = published(person)
    new, activates_at = rotate(operator)
    deleted_at = activates_at + LONGEST_LIFE + 2 * EXPIRY_MARGIN
    with operator.app_context():
        time.move_to(deleted_at)
        assert prune()["signing_keys"] == 0
        assert kids(operator) == [new, old]
        time.shift(1 * SECOND)
        assert prune()["signing_keys"] == 1
        assert kids(operator) == [new]
        assert prune()["signing_keys"] == 0
    assert log_in_again(person).get("/account").status == 200


def test_keys_may_be_rotated_again_and_again(time: time_machine.Traveller, person: Client, operator: Flask) -> None:
    """Also before the one before is active: every token ever handed out lives to its end."""
    pairs = [person]
    for wait in (PUBLISH_BEFORE_ACTIVE, 1 * SECOND, RELOAD, PUBLISH_BEFORE_ACTIVE, PUBLISH_BEFORE_ACTIVE):
        rotate(operator)
        time.shift(wait)
        pairs.append(log_in_again(person))
    assert len(kids(operator)) == 6
    assert {client.refresh().status for client in pairs} == {200}
    assert {client.get("/account").status for client in pairs} == {200}
    time.shift(LONGEST_LIFE + 2 * PUBLISH_BEFORE_ACTIVE + EXPIRY_MARGIN)
    assert len(published(person)) == 1


def test_another_node_follows_within_half_a_minute(
    time: time_machine.Traveller, make_app: MakeApp, operator: Flask
) -> None:
    """SECURITY 76: no restart."""
    nodes = [Client(InProcess(make_app())).join() for _ in range(2)]
    [old] = published(nodes[0])
    new, _ = rotate(operator, at_once=True)
    time.shift(RELOAD - 1 * SECOND)
    assert [published(node) for node in nodes] == [[old], [old]]
    time.shift(1 * SECOND)
    assert [published(node) for node in nodes] == [[new, old], [new, old]]
    assert [kids_of(log_in_again(node)) for node in nodes] == [{new}, {new}]
    assert {node.get("/account").status for node in nodes} == {200}


def test_a_node_that_meets_an_unknown_key_looks_at_once(
    time: time_machine.Traveller, make_app: MakeApp, operator: Flask
) -> None:
    """SECURITY 76: a neighbour signs with the new key while this node's keys are still fresh."""
    here, there = InProcess(make_app()), InProcess(make_app())
    person = Client(there).join()
    time.shift(RELOAD - 5 * SECOND)
    assert len(published(Client(here))) == 1
    new, _ = rotate(operator, at_once=True)
    time.shift(5 * SECOND)
    early = log_in_again(person)
    assert kids_of(early) == {new}
    early.transport = here
    assert early.get("/account").status == 200
    assert early.refresh().status == 200


def test_a_retired_key_kills_its_tokens_and_no_others(
    time: time_machine.Traveller, person: Client, operator: Flask
) -> None:
    [old] = published(person)
    new, _ = rotate(operator, at_once=True)
    time.shift(RELOAD)
    other = log_in_again(person)
    retire(operator, old)
    time.shift(RELOAD)
    assert published(person) == [new]
    for answer in (person.get("/account"), person.refresh(person.refresh_token), person.post("/logout")):
        assert (answer.status, answer.code) == (401, "invalid_token")
    assert other.get("/account").status == other.refresh().status == 200
    assert kids_of(log_in_again(person)) == {new}


def test_the_last_key_that_can_sign_is_not_retired(
    time: time_machine.Traveller, person: Client, operator: Flask
) -> None:
    """A key that is only coming cannot sign yet, and one that was retired cannot any more."""
    [old] = kids(operator)
    with pytest.raises(LastKey):
        retire(operator, old)
    new, activates_at = rotate(operator)
    with pytest.raises(LastKey):
        retire(operator, old)
    with pytest.raises(KeyNotFound):
        retire(operator, "unknown")
    time.move_to(activates_at)
    assert person.refresh().status == 200
    retire(operator, old)
    with pytest.raises(LastKey):
        retire(operator, new)
    time.shift(RELOAD)
    assert published(person) == [new]
    assert person.refresh().status == 200


def test_a_new_database_gets_its_first_key_before_its_second(
    time: time_machine.Traveller, databases: Databases, kind: str, tmp_path: Path
) -> None:
    with empty_database(databases, kind, tmp_path) as url, running_app(url) as app:
        with app.app_context():
            upgrade()
        new, activates_at = rotate(app)
        assert len(kids(app)) == 2
        person = Client(InProcess(app)).join()
        assert new not in kids_of(person)
        time.move_to(activates_at)
        assert person.refresh().status == 200
        assert kids_of(person) == {new}


def test_when_all_keys_have_gone_a_node_makes_one_of_its_own(
    time: time_machine.Traveller, person: Client, operator: Flask
) -> None:
    """A successor that was retired before its time must not leave the service without a key."""
    new, _ = rotate(operator)
    retire(operator, new)
    time.shift(PUBLISH_BEFORE_ACTIVE + LONGEST_LIFE + EXPIRY_MARGIN)
    assert log_in_again(person).get("/account").status == 200
    assert len(published(person)) == 1
