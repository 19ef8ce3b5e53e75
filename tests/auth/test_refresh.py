"""A refresh token is spent by its use, and a lost answer can be asked for again. SECURITY 78, 80, 81, 83."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event

from tests.support.crowd import claims_of, trail
from tests.support.databases import POSTGRESQL
from tests.support.people import Answer, Client, InProcess
from user_service.audit.events import Action
from user_service.database import READER
from user_service.extensions import db

MINUTES, HOURS, DAYS = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
GRACE = timedelta(seconds=30)
PAST_GRACE = GRACE + timedelta(seconds=2)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def person_with(make_app: Callable[..., Flask]) -> Callable[..., Client]:
    """Somebody logged in at a service with settings of its own."""
    return lambda **settings: Client(InProcess(make_app(**settings))).join()


def successor(answer: Answer) -> dict[str, Any]:
    """What makes one successor: the identity and the end of both tokens."""
    assert answer.status == 200, answer
    access, refresh = claims_of(answer.json["access_token"]), claims_of(answer.json["refresh_token"])
    return {name: (access[name], refresh[name]) for name in ("sid", "gen", "jti", "iat", "exp")}


def works(client: Client) -> bool:
    """Whether its access token is good; using it confirms its generation."""
    return client.get("/sessions").status == 200


def is_closed(client: Client) -> bool:
    """Whether both its tokens are refused as revoked."""
    return client.get("/sessions").code == client.refresh(client.refresh_token).code == "token_revoked"


def user_id(client: Client) -> str:
    return claims_of(client.access_token)["sub"]


FAILS_ONCE_AT_COMMIT = """
CREATE SEQUENCE tries;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF nextval('tries') = 1 THEN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END IF; RETURN NEW; END $$;
CREATE CONSTRAINT TRIGGER fail AFTER UPDATE ON sessions DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fail();
"""


def fail_one_write(app: Flask) -> None:
    """The next write of the application ends in an error of the database: PostgreSQL's at its commit."""
    with app.app_context():
        if db.engine.dialect.name == POSTGRESQL:
            with db.engine.begin() as connection:
                connection.exec_driver_sql(FAILS_ONCE_AT_COMMIT)
            return
        reader = db.engines[READER]
        event.listen(reader, "checkout", lambda driver, *_: driver.set_progress_handler(lambda: 1, 1), once=True)
        event.listen(reader, "checkin", lambda driver, *_: driver.set_progress_handler(None, 1), once=True)


def test_a_refresh_answers_a_new_pair_of_the_same_session(person: Client) -> None:
    """SECURITY 78."""
    before = [claims_of(person.access_token), claims_of(person.refresh_token)]
    answer = person.refresh()
    after = [claims_of(person.access_token), claims_of(person.refresh_token)]
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert {name: answer.json[name] for name in ("token_type", "expires_in", "refresh_expires_in")} == {
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_expires_in": 604_800,
    }
    assert len({claims["jti"] for claims in before + after}) == 4
    assert len({(claims["sid"], claims["sub"]) for claims in before + after}) == 1
    assert [claims["gen"] for claims in after] == [claims["gen"] + 1 for claims in before]
    assert (before[0]["fresh"], after[0]["fresh"]) == (True, False)
    assert works(person)


def test_a_replay_inside_the_grace_gets_the_same_successor_although_that_was_used(
    time: time_machine.Traveller, person: Client
) -> None:
    """SECURITY 80: two tabs of one client."""
    spent = person.refresh_token
    first = successor(person.refresh())
    assert works(person)
    time.shift(GRACE - timedelta(seconds=1))
    assert successor(person.refresh(spent)) == first
    assert works(person)


def test_a_replay_gets_the_same_successor_until_that_is_used(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 80: the answer was lost, and lost again."""
    spent = person.refresh_token
    first = successor(person.refresh(spent))
    for pause in (PAST_GRACE, 5 * MINUTES, 9 * MINUTES):
        time.shift(pause)
        assert successor(person.refresh(spent)) == first


@pytest.mark.parametrize("age", [16 * MINUTES, 5 * HOURS, 6 * DAYS])
def test_a_lost_answer_can_be_asked_for_again_much_later_and_works(
    time: time_machine.Traveller, person: Client, age: timedelta
) -> None:
    """SECURITY 80. The access token of the lost answer has run out, so its place is taken by a living one."""
    spent = person.refresh_token
    lost = person.refresh(spent).json
    time.shift(age)
    answer = person.refresh()
    assert answer.status == 200
    kept = ("jti", "exp", "gen")
    assert [claims_of(lost["refresh_token"])[name] for name in kept] == [
        claims_of(person.refresh_token)[name] for name in kept
    ]
    assert answer.json["expires_in"] == 900
    assert answer.json["refresh_expires_in"] == 604_800 - age.total_seconds()
    assert works(person)
    assert person.refresh().status == 200


def test_a_confirmed_successor_ends_the_replays_of_a_lost_answer(time: time_machine.Traveller, person: Client) -> None:
    spent = person.refresh_token
    person.refresh(spent)
    time.shift(5 * HOURS)
    person.refresh()
    assert works(person)
    assert person.refresh(spent).code == "refresh_token_reused"
    assert is_closed(person)


def test_a_reused_refresh_token_closes_the_session(time: time_machine.Traveller, person: Client) -> None:
    """SECURITY 81; the thief and the owner are both out, and another device of the owner is not."""
    other = person.another_device()
    other.log_in()
    stolen = person.refresh_token
    person.refresh()
    assert works(person)
    time.shift(PAST_GRACE)
    refused = person.refresh(stolen)
    assert (refused.status, refused.code) == (401, "refresh_token_reused")
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    assert is_closed(person)
    assert person.refresh(stolen).code == "token_revoked"
    assert works(other)
    assert person.log_in().status == 200


def test_an_older_generation_closes_the_session_at_once(person: Client) -> None:
    """SECURITY 81: inside the grace too, and although nobody has used the newest pair."""
    oldest = person.refresh_token
    person.refresh()
    person.refresh()
    assert person.refresh(oldest).code == "refresh_token_reused"
    assert is_closed(person)


def test_the_old_access_token_confirms_nothing(time: time_machine.Traveller, person: Client) -> None:
    """A client that never saw the answer goes on with the access token it has, and must not lock itself out."""
    spent = person.refresh_token
    first = successor(person.refresh(spent))
    assert works(person)
    time.shift(PAST_GRACE)
    assert successor(person.refresh(spent)) == first


def test_what_was_handed_out_again_late_dies_with_the_next_refresh(
    time: time_machine.Traveller, person: Client
) -> None:
    """Late replays may be a thief's: whoever got the copy is left with no token that works."""
    spent = person.refresh_token
    person.refresh(spent)
    time.shift(PAST_GRACE)
    copy = person.another_device()
    copy.access_token = person.refresh(spent).json["access_token"]
    person.refresh()
    assert works(copy)
    person.refresh()
    assert works(person)
    assert copy.get("/sessions").code == "token_revoked"


def test_what_was_handed_out_inside_the_grace_lives_out_its_time(person: Client) -> None:
    """Two tabs: the refresh of one takes nothing from the other."""
    spent = person.refresh_token
    tab = person.another_device()
    person.refresh()
    tab.access_token = person.refresh(spent).json["access_token"]
    person.refresh()
    assert works(person)
    assert works(tab)


def test_a_grace_of_nought_leaves_the_lost_answer_and_nothing_else(
    time: time_machine.Traveller, person_with: Callable[..., Client]
) -> None:
    person = person_with(refresh_reuse_grace_seconds=0)
    spent = person.refresh_token
    first = successor(person.refresh(spent))
    assert successor(person.refresh()) == first
    assert works(person)
    assert person.refresh(spent).code == "refresh_token_reused"
    assert is_closed(person)


def test_every_replay_is_recorded_with_its_address(person: Client, database_url: str) -> None:
    """SECURITY 81, 149."""
    spent = person.refresh_token
    person.refresh(spent)
    assert trail(database_url, user_id(person), Action.REFRESH_REPLAYED) == []
    person.refresh(spent)
    person.refresh(spent)
    rows = trail(database_url, user_id(person), Action.REFRESH_REPLAYED)
    assert [(row.outcome, row.ip) for row in rows] == [("success", "127.0.0.1")] * 2
    assert {str(row.session_id) for row in rows} == {claims_of(spent)["sid"]}


def test_a_reuse_is_recorded_although_it_is_refused(person: Client, database_url: str) -> None:
    """SECURITY 81, 149."""
    oldest = person.refresh_token
    person.refresh()
    person.refresh()
    person.refresh(oldest)
    person.refresh(oldest)
    [row] = trail(database_url, user_id(person), Action.REFRESH_REUSED)
    assert (row.outcome, row.ip) == ("refused", "127.0.0.1")
    assert str(row.session_id) == claims_of(oldest)["sid"]


def test_a_refresh_that_was_rolled_back_spends_nothing(app: Flask, person: Client, database_url: str) -> None:
    """SECURITY 83."""
    fail_one_write(app)
    token = person.refresh_token
    failed = person.refresh(token)
    assert (failed.status, failed.code) == (503, "service_unavailable")
    assert int(failed.headers["Retry-After"]) > 0
    assert person.refresh(token).status == 200
    assert trail(database_url, user_id(person), Action.REFRESH_REPLAYED) == []
    assert works(person)
