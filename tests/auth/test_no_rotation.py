"""REFRESH_TOKEN_ROTATION=false: the bare contract of the brief."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import claims_of
from tests.support.people import Client, InProcess

DAY = timedelta(days=1)
PAST_LEEWAY = timedelta(seconds=11)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def plain(make_app: Callable[..., Flask]) -> Client:
    """Somebody logged in where refresh tokens are not rotated."""
    return Client(InProcess(make_app(refresh_token_rotation=False))).join()


def test_the_refresh_token_stays_and_the_access_token_is_new(time: time_machine.Traveller, plain: Client) -> None:
    kept, seen = plain.refresh_token, {claims_of(plain.access_token)["jti"]}
    for day in range(1, 7):
        time.shift(DAY)
        answer = plain.refresh()
        assert answer.json["refresh_token"] == kept
        assert answer.json["refresh_expires_in"] == 604_800 - day * 86_400
        assert answer.json["expires_in"] == 900
        assert plain.get("/sessions").status == 200
        seen.add(claims_of(plain.access_token)["jti"])
    assert len(seen) == 7
    time.shift(DAY + PAST_LEEWAY)
    assert plain.refresh().code == "token_expired"


def test_a_refresh_token_may_be_used_again_and_again_in_one_second(time: time_machine.Traveller, plain: Client) -> None:
    kept = plain.refresh_token
    access_tokens = {plain.refresh(kept).json["access_token"] for _ in range(5)}
    assert len(access_tokens) == 5
    for token in access_tokens:
        assert plain.get("/sessions", headers={"Authorization": f"Bearer {token}"}).status == 200


def test_a_closed_session_gets_no_access_token(plain: Client) -> None:
    assert plain.refresh().status == 200
    assert plain.post("/logout").status == 204
    assert plain.refresh().code == plain.get("/sessions").code == "token_revoked"


def test_a_session_that_was_rotated_goes_on_without_rotation(make_app: Callable[..., Flask]) -> None:
    """The setting may change under open sessions: the current token stays good, the spent one stays dead."""
    person = Client(InProcess(make_app())).join()
    spent = person.refresh_token
    person.refresh()
    person.transport = InProcess(make_app(refresh_token_rotation=False))
    current = person.refresh_token
    assert person.refresh().json["refresh_token"] == current
    assert person.refresh(spent).status == 401
    assert person.get("/sessions").status == 200
