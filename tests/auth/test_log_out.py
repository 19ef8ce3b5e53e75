"""Logging out: both tokens of the session are dead at once, whichever of them was sent. SECURITY 86, 87."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import NullPool, create_engine, select

from tests.support.crowd import claims_of, trail
from tests.support.people import Answer, Client, InProcess
from user_service.audit.events import Action
from user_service.auth.models import BlockedSession

ACCESS_LIFE, REFRESH_LIFE = timedelta(minutes=15), timedelta(days=7)
PAST_LEEWAY = timedelta(seconds=11)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


def log_out_by_body(client: Client, token: str | None = None) -> Answer:
    return client.post("/logout", {"refresh_token": token or client.refresh_token}, auth=False)


def is_closed(client: Client) -> bool:
    return client.get("/sessions").code == client.refresh(client.refresh_token).code == "token_revoked"


def test_an_access_token_logs_its_session_out(person: Client, database_url: str) -> None:
    """SECURITY 86."""
    answer = person.post("/logout")
    assert (answer.status, answer.body) == (204, b"")
    assert is_closed(person)
    [row] = trail(database_url, claims_of(person.access_token)["sub"], Action.LOGGED_OUT)
    assert (str(row.session_id), row.outcome) == (claims_of(person.access_token)["sid"], "success")


def test_a_refresh_token_in_the_body_logs_its_session_out(person: Client) -> None:
    """SECURITY 86."""
    assert log_out_by_body(person).status == 204
    assert is_closed(person)


def test_a_log_out_counts_on_every_node_at_once(make_app: Callable[..., Flask]) -> None:
    """SECURITY 86, 34: nothing is remembered outside the database."""
    person = Client(InProcess(make_app())).join()
    elsewhere = person.another_device()
    elsewhere.transport = InProcess(make_app())
    elsewhere.access_token, elsewhere.refresh_token = person.access_token, person.refresh_token
    assert elsewhere.get("/sessions").status == 200
    assert person.post("/logout").status == 204
    assert is_closed(elsewhere)


def test_earlier_tokens_of_the_session_are_dead_too(person: Client) -> None:
    earlier = person.another_device()
    earlier.access_token, earlier.refresh_token = person.access_token, person.refresh_token
    person.refresh()
    assert person.post("/logout").status == 204
    assert is_closed(earlier)


def test_other_sessions_go_on(person: Client) -> None:
    phone = person.another_device()
    phone.log_in()
    assert person.post("/logout").status == 204
    assert phone.get("/sessions").status == 200
    assert phone.refresh().status == 200


@pytest.mark.parametrize("first", ["access", "refresh"])
def test_logging_out_twice_is_no_fault_and_one_event(person: Client, database_url: str, first: str) -> None:
    """SECURITY 87: RFC 7009, 2.2."""
    ways = [lambda: person.post("/logout"), lambda: log_out_by_body(person)]
    if first == "refresh":
        ways.reverse()
    assert [way().status for way in ways * 2] == [204] * 4
    assert len(trail(database_url, claims_of(person.access_token)["sub"], Action.LOGGED_OUT)) == 1


def test_with_an_expired_access_token_the_refresh_token_logs_out(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 87: sent alone, and beside the access token that has run out."""
    phone = person.another_device()
    phone.log_in()
    time.shift(ACCESS_LIFE + PAST_LEEWAY)
    assert person.get("/sessions").code == "token_expired"
    assert person.post("/logout", {"refresh_token": person.refresh_token}).status == 204
    assert person.refresh(person.refresh_token).code == "token_revoked"
    assert log_out_by_body(phone).status == 204
    assert phone.refresh(phone.refresh_token).code == "token_revoked"


def test_expired_tokens_alone_log_nobody_out(time: time_machine.Traveller, person: Client) -> None:
    time.shift(ACCESS_LIFE + PAST_LEEWAY)
    assert person.post("/logout").code == "token_expired"
    assert person.refresh(person.refresh_token).status == 200
    time.shift(REFRESH_LIFE)
    assert log_out_by_body(person).code == "token_expired"


def test_nothing_and_the_wrong_kind_of_token_log_nobody_out(person: Client) -> None:
    assert person.post("/logout", auth=False).code == "token_required"
    assert log_out_by_body(person, person.access_token).code == "invalid_token"
    swapped = {"Authorization": f"Bearer {person.refresh_token}"}
    assert person.post("/logout", headers=swapped).code == "invalid_token"
    assert person.get("/sessions").status == 200
    assert person.refresh().status == 200


def test_no_other_spelling_of_a_dead_token_works(person: Client) -> None:
    """SECURITY 86: the scheme in any case, and the token with padding or white space around it."""
    assert person.post("/logout", headers={"Authorization": f"bEARER {person.access_token}"}).status == 204
    token = person.access_token
    spellings = [f"BEARER {token}", f"bearer {token}", f"Bearer  {token}", f"Bearer {token}=", f"Bearer {token}=="]
    answers = [person.get("/sessions", headers={"Authorization": spelling}) for spelling in spellings]
    assert [answer.status for answer in answers] == [401] * len(spellings)
    assert is_closed(person)


def test_a_spent_refresh_token_logs_its_session_out(person: Client) -> None:
    """Whoever held it may at least end the session: nothing of it survives."""
    spent = person.refresh_token
    person.refresh()
    assert log_out_by_body(person, spent).status == 204
    assert is_closed(person)


def test_the_blocklist_remembers_a_session_longer_than_any_of_its_tokens_lives(
    time: time_machine.Traveller, person: Client, database_url: str
) -> None:
    person.refresh()
    last_end = datetime.fromtimestamp(claims_of(person.refresh_token)["exp"], UTC)
    assert person.post("/logout").status == 204
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        [row] = connection.execute(select(BlockedSession.__table__)).all()
    assert str(row.session_id) == claims_of(person.access_token)["sid"]
    assert row.reason == "logged_out"
    assert row.expires_at >= last_end + timedelta(minutes=10)
