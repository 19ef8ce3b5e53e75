"""A token whose signature was checked before is refused at the same moment, and with the same words, as a new one.

To remember a signature revives nothing: SECURITY 76.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, update

from tests.auth.test_token_keys import add_key, expire_key, kid_of
from tests.support.people import Client, InProcess
from user_service import clock
from user_service.auth import tokens
from user_service.auth.models import User
from user_service.database import transaction
from user_service.keys import ring
from user_service.keys.models import SealedSigningKey
from user_service.runtime import Runtime
from user_service.security.verified_tokens import VerifiedTokens

MakeApp = Callable[..., Flask]


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it; the keys are a day old by then."""
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False) as traveller:
        yield traveller


@pytest.fixture
def verifications(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens whose signature is checked, in order."""
    checked: list[str] = []
    decode = tokens.decode_token

    def note(token: str) -> object:
        checked.append(token)
        return decode(token)

    monkeypatch.setattr(tokens, "decode_token", note)
    return checked


def forgetful(app: Flask) -> Flask:
    """The same application without a memory: every token is checked in full."""
    state: Runtime = app.extensions["user_service"]
    app.extensions["user_service"] = replace(state, verified_tokens=VerifiedTokens(capacity=0))
    return app


def remembered(app: Flask) -> int:
    state: Runtime = app.extensions["user_service"]
    return len(state.verified_tokens)


def test_a_signature_is_checked_once(person: Client, verifications: list[str]) -> None:
    for _ in range(3):
        assert person.get("/sessions").status == 200
    assert verifications == [person.access_token]


def test_without_a_memory_it_is_checked_with_every_request(
    person: Client, app: Flask, verifications: list[str]
) -> None:
    forgetful(app)
    for _ in range(3):
        assert person.get("/sessions").status == 200
    assert verifications == [person.access_token] * 3


def test_a_revoked_token_is_refused_on_the_very_next_request(person: Client, app: Flask) -> None:
    assert person.get("/sessions").status == 200
    assert remembered(app) == 1
    assert person.post("/logout").status == 204
    assert person.get("/sessions").code == "token_revoked"


def test_a_token_that_another_node_revoked_is_refused_on_the_very_next_request(
    person: Client, make_app: MakeApp
) -> None:
    assert person.get("/sessions").status == 200
    elsewhere = person.another_device()
    elsewhere.transport, elsewhere.access_token = InProcess(make_app()), person.access_token
    assert elsewhere.post("/logout").status == 204
    assert person.get("/sessions").code == "token_revoked"


def test_a_disabled_user_is_refused_on_the_very_next_request(person: Client, app: Flask) -> None:
    assert person.get("/sessions").status == 200
    with app.app_context(), transaction() as session:
        session.execute(update(User).values(disabled_at=clock.now()))
    assert person.get("/sessions").code == "token_revoked"


def test_a_remembered_token_dies_with_its_key(person: Client, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is retired on another node; this one looks at the keys now and then (here: every time)."""
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    assert person.get("/sessions").status == 200
    add_key(app, activates_at=clock.now())
    expire_key(app, kid_of(person.access_token), clock.now())
    assert person.get("/sessions").code == "invalid_token"
    assert remembered(app) == 0


def test_a_remembered_token_dies_with_a_key_that_is_gone(
    person: Client, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    assert person.get("/sessions").status == 200
    add_key(app, activates_at=clock.now())
    with app.app_context(), transaction() as session:
        session.execute(delete(SealedSigningKey).where(SealedSigningKey.kid == kid_of(person.access_token)))
    assert person.get("/sessions").code == "invalid_token"


def test_a_key_whose_time_runs_out_takes_its_tokens_along_between_two_looks(
    person: Client, app: Flask, time: time_machine.Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    person.log_in()
    add_key(app, activates_at=clock.now())
    expire_key(app, kid_of(person.access_token), clock.now() + timedelta(seconds=5))
    with monkeypatch.context() as patch:
        patch.setattr(ring, "RELOAD_SECONDS", 0)
        assert person.get("/sessions").status == 200
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 10**9)
    assert person.get("/sessions").status == 200
    time.shift(timedelta(seconds=5))
    assert person.get("/sessions").code == "invalid_token"


def test_a_remembered_token_expires_in_the_same_second_as_a_new_one(
    person: Client, make_app: MakeApp, time: time_machine.Traveller
) -> None:
    """With the ten seconds for clocks that disagree, and on a clock that is set back as well."""
    person.log_in()
    plain = Client(InProcess(forgetful(make_app())))
    plain.access_token = person.access_token
    now = clock.now()
    seen = []
    for second in (0, -10, -11, 0, 899, 909, 909.999, 910, 911, 5):
        time.move_to(now + timedelta(seconds=second))
        with_memory, without = person.get("/sessions"), plain.get("/sessions")
        assert with_memory.body.replace(id_of(with_memory), b"") == without.body.replace(id_of(without), b"")
        seen.append(with_memory.status)
    assert seen == [200, 200, 401, 200, 200, 200, 200, 401, 401, 200]


def id_of(answer) -> bytes:
    return answer.headers["X-Request-ID"].encode()


def test_a_flood_of_bad_tokens_leaves_nothing_behind(person: Client, app: Flask) -> None:
    assert person.get("/sessions").status == 200
    head, claims, signature = person.access_token.split(".")
    for number in range(200):
        person.access_token = f"{head}.{claims}.{number:04d}{signature[4:]}"
        assert person.get("/sessions").code == "invalid_token"
    person.access_token = person.refresh_token
    assert person.get("/sessions").code == "invalid_token"
    assert remembered(app) == 1


def test_a_refresh_token_need_not_prove_itself_to_the_process_that_minted_it(
    person: Client, app: Flask, verifications: list[str]
) -> None:
    for _ in range(3):
        assert person.refresh().status == 200
    assert verifications == []
    state: Runtime = app.extensions["user_service"]
    app.extensions["user_service"] = replace(state, minted_tokens=VerifiedTokens())
    spent = person.refresh_token
    assert person.refresh().status == 200
    assert verifications == [spent]


def test_what_was_minted_says_what_it_proves(person: Client, app: Flask, verifications: list[str]) -> None:
    token = person.refresh_token or ""
    with app.test_request_context():
        known = tokens.verify_refresh_token(token)
        assert verifications == []
        state: Runtime = app.extensions["user_service"]
        app.extensions["user_service"] = replace(state, minted_tokens=VerifiedTokens())
        assert tokens.verify_refresh_token(token) == known
        assert verifications == [token]


def test_no_refresh_token_is_kept_in_clear(person: Client, app: Flask) -> None:
    state: Runtime = app.extensions["user_service"]
    assert len(state.minted_tokens) == 1
    assert person.refresh_token not in repr(vars(state.minted_tokens))


def test_a_minted_token_dies_with_its_key(
    person: Client, app: Flask, verifications: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 76."""
    monkeypatch.setattr(ring, "RELOAD_SECONDS", 0)
    assert person.refresh().status == 200
    add_key(app, activates_at=clock.now() - timedelta(minutes=1))
    expire_key(app, kid_of(person.refresh_token), clock.now() - timedelta(seconds=1))
    assert person.refresh().code == "invalid_token"
    assert verifications == [person.refresh_token]


def test_a_minted_token_lives_no_longer_than_it_says(person: Client, verifications: list[str]) -> None:
    with time_machine.travel(datetime.now(UTC) + timedelta(days=61), tick=False):
        assert person.refresh().code in ("token_expired", "invalid_token")
    assert verifications == [person.refresh_token]
