"""The keys that prove tokens: what is published of them, and how one follows another.

SECURITY 63, 75, 76.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, update

from tests.support.forgery import taken_apart
from tests.support.people import Client, InProcess
from user_service import clock
from user_service.database import transaction
from user_service.keys import ring
from user_service.keys.models import SealedSigningKey
from user_service.runtime import runtime
from user_service.security import signing
from user_service.security.vault import binding


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it; the keys are a day old by then."""
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False) as traveller:
        yield traveller


def kid_of(token: str | None) -> str:
    return taken_apart(token)[0]["kid"]


def published_kids(client: Client) -> set[str]:
    return {key["kid"] for key in client.get("/.well-known/jwks.json").json["keys"]}


def test_the_key_set_shows_public_members_only(person: Client) -> None:
    """SECURITY 75."""
    answer = person.get("/.well-known/jwks.json", auth=False)
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    [key] = answer.json["keys"]
    assert key.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("EC", "P-256", "sig", "ES256")
    assert key["kid"] == kid_of(person.access_token) == kid_of(person.refresh_token)


def test_a_new_key_is_published_first_and_signs_when_its_time_has_come(
    person: Client, app: Flask, time: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 75, 76. No node is started anew: each looks at the keys now and then (here: every time)."""
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    person.log_in()
    old = kid_of(person.access_token)
    new = add_key(app, activates_at=clock.now() + timedelta(minutes=5))
    assert published_kids(person) == {old, new}
    assert person.refresh().status == 200
    assert kid_of(person.access_token) == old
    time.shift(timedelta(minutes=5))
    assert person.get("/sessions").status == 200  # signed with the old key, which still counts
    assert person.refresh().status == 200
    assert kid_of(person.access_token) == kid_of(person.refresh_token) == new
    assert person.get("/sessions").status == 200
    assert published_kids(person) == {old, new}


def test_an_expired_key_takes_its_tokens_with_it(
    person: Client, app: Flask, time: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 76. A token that would live longer than its key does not."""
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    person.log_in()
    old = kid_of(person.access_token)
    new = add_key(app, activates_at=clock.now())
    expire_key(app, old, clock.now() + timedelta(minutes=2))
    assert person.get("/sessions").status == 200
    time.shift(timedelta(minutes=2))
    assert person.get("/sessions").code == person.refresh(person.refresh_token).code == "invalid_token"
    assert published_kids(person) == {new}
    assert person.log_in().status == 200
    assert kid_of(person.access_token) == new


def test_a_node_looks_again_for_a_key_that_it_does_not_know(
    person: Client, make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 76. A token signed elsewhere with a key that is younger than this node's last look."""
    monkeypatch.setattr(ring, "UNKNOWN_KEY_RELOAD_SECONDS", 0)
    neighbour = make_app()
    new = add_key(neighbour, activates_at=clock.now())
    there = person.another_device()
    there.transport = InProcess(neighbour)
    assert there.log_in().status == 200
    assert kid_of(there.access_token) == new
    person.access_token = there.access_token
    assert person.get("/sessions").status == 200


def test_a_clock_that_is_set_back_behind_the_first_key_stops_nobody(
    app: Flask, make_app: Callable[..., Flask], time: time_machine.Traveller
) -> None:
    """SECURITY 63. A node makes the first key of a database; then its clock is corrected by five seconds."""
    with app.app_context(), transaction() as session:
        session.execute(delete(SealedSigningKey))
    client = Client(InProcess(make_app())).join()
    time.shift(-5)
    assert client.get("/sessions").status == 200
    assert client.refresh().status == 200
    assert client.log_in().status == 200


def add_key(app: Flask, *, activates_at: datetime) -> str:
    """Put a signing key into the database, as a row sealed by the master key."""
    key = signing.generate(activates_at)
    with app.app_context(), transaction() as session:
        bound_to = binding("signing_keys", "sealed_private_key", key.kid)
        master_key_id, envelope = runtime().key_ring.master_keys.seal(key.private_bytes(), bound_to)
        row = {"master_key_id": master_key_id, "sealed_private_key": envelope, "created_at": clock.now()}
        session.add(SealedSigningKey(kid=key.kid, activates_at=activates_at, **row))
    return key.kid


def expire_key(app: Flask, kid: str, at: datetime) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(SealedSigningKey).where(SealedSigningKey.kid == kid).values(expires_at=at))
