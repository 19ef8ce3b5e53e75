"""Guesses at a password: how many, from where, at which door, and what that costs the owner. SECURITY 33, 41-43, 45-49.

The limits on requests are switched off in all of these (`tests/support/databases.py`): the throttle never is.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import Row, select, update

from tests.auth.test_log_in import checks
from tests.support.crowd import at_once, claims_of, statuses, trail
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import Answer, Client, InProcess
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.auth import attempts, throttle
from user_service.auth.attempts import MAX_NETWORKS
from user_service.auth.models import LoginThrottle
from user_service.database import fetch_all, transaction
from user_service.pruning import prune

LIMIT = 10
WRONG = "not the password of anybody"
HOME, STRANGER, ELSEWHERE = "198.51.100.7", "203.0.113.66", "192.0.2.44"
SAME_ID = {"X-Request-ID": "same"}
HOUR, DAY = 3600, 86_400


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def owner(app: Flask) -> Client:
    """Somebody who logs in from home."""
    return Client(InProcess(app, HOME)).join()


def seen_from(owner: Client, address: str) -> Client:
    """Whoever tries the owner's account from this address; with the owner's tokens."""
    other = owner.another_device()
    other.transport = InProcess(owner.transport.app, address)
    other.access_token = owner.access_token
    return other


def guess(client: Client, count: int, login: str | None = None) -> list[int]:
    return [client.log_in(login, WRONG).status for _ in range(count)]


def wait_in_seconds(answer: Answer) -> int:
    assert (answer.status, answer.code) == (429, "too_many_requests")
    return int(answer.headers["Retry-After"])


def counters(app: Flask) -> list[Row[Any]]:
    with app.app_context():
        return fetch_all(select(LoginThrottle.__table__).order_by(LoginThrottle.__table__.c.id))


def set_failures(app: Flask, failures: int) -> None:
    with app.app_context(), transaction() as session:
        session.execute(update(LoginThrottle).values(failures=failures, blocked_until=None))


def user_id(client: Client) -> str:
    return claims_of(client.access_token)["sub"]


def test_ten_wrong_passwords_and_the_door_is_closed_to_the_right_one_too(owner: Client) -> None:
    """SECURITY 42, PEERS: 30 wrong passwords, then the right one."""
    stranger = seen_from(owner, STRANGER)
    assert guess(stranger, 30) == [401] * LIMIT + [429] * 20
    refused = stranger.log_in()
    assert 1 <= wait_in_seconds(refused) <= 30
    assert refused.headers["Cache-Control"] == "no-store"
    assert owner.log_in().status == 200


def test_the_limit_is_a_setting(make_app: Callable[..., Flask]) -> None:
    client = Client(InProcess(make_app(login_attempts_per_account=2)))
    client.register()
    assert guess(client, 4) == [401, 401, 429, 429]


def test_each_further_failure_waits_longer_up_to_an_hour(time: time_machine.Traveller, owner: Client) -> None:
    """SECURITY 42: docs/limits.md has these numbers."""
    stranger = seen_from(owner, STRANGER)
    guess(stranger, LIMIT)
    delays = []
    for _ in range(10):
        delays.append(wait_in_seconds(stranger.log_in()))
        time.shift(delays[-1])
        assert guess(stranger, 1) == [401]
    assert delays == [30, 60, 120, 240, 480, 960, 1920, HOUR, HOUR, HOUR]


def test_after_a_hundred_failures_in_a_row_there_is_one_guess_a_day(
    time: time_machine.Traveller, owner: Client
) -> None:
    """SECURITY 42: NIST SP 800-63B-4, 3.2.2."""
    stranger = seen_from(owner, STRANGER)
    guess(stranger, 1)
    set_failures(owner.transport.app, 98)
    for seconds in (HOUR, DAY, DAY):
        assert guess(stranger, 1) == [401]
        assert wait_in_seconds(stranger.log_in()) == seconds
        time.shift(seconds)
    assert stranger.log_in().status == 200


def test_what_is_refused_does_not_prolong_the_wait(time: time_machine.Traveller, owner: Client) -> None:
    """SECURITY 49: nor does a failure right after it for ever; and the right password begins anew."""
    stranger = seen_from(owner, STRANGER)
    guess(stranger, LIMIT)
    for left in (30, 20, 10):
        assert {wait_in_seconds(stranger.log_in(password=each)) for each in (WRONG, owner.password)} == {left}
        time.shift(10)
    assert guess(stranger, 1) == [401]
    assert wait_in_seconds(stranger.log_in()) == 60
    time.shift(60)
    assert stranger.log_in().status == 200
    assert guess(stranger, LIMIT + 1) == [401] * LIMIT + [429]


def test_a_right_password_resets_the_counter(owner: Client) -> None:
    """SECURITY 49."""
    for _ in range(3):
        assert guess(owner, LIMIT - 1) == [401] * (LIMIT - 1)
        assert owner.log_in().status == 200


def test_a_lock_tells_nothing_about_the_account(app: Flask, owner: Client) -> None:
    """SECURITY 39, 41: byte for byte, headers included, from the first attempt to the last, in any spelling."""
    owner.register("ada")
    with time_machine.travel(datetime.now(UTC), tick=False):
        series = {
            name: [
                (answer.status, str(answer.headers), answer.body)
                for login in [name, name.upper()] * 7
                for answer in [
                    Client(InProcess(app, STRANGER)).post(
                        "/token", {"username": login, "password": WRONG}, headers=SAME_ID
                    )
                ]
            ]
            for name in ("ada", "nobody", "nobody@example.com")
        }
    assert [status for status, *_ in series["ada"]] == [401] * LIMIT + [429] * 4
    assert series["ada"] == series["nobody"] == series["nobody@example.com"]


def test_username_and_address_count_together(owner: Client) -> None:
    stranger = seen_from(owner, STRANGER)
    assert guess(stranger, 5, owner.username) + guess(stranger, 5, owner.email.upper()) == [401] * LIMIT
    assert guess(stranger, 1, owner.username) == guess(stranger, 1, owner.email) == [429]


def test_strangers_do_not_lock_the_owner_out(app: Flask, owner: Client) -> None:
    """SECURITY 45: the owner has ten of their own where they logged in, and others notice nothing at all."""
    for address in (STRANGER, ELSEWHERE):
        guess(seen_from(owner, address), LIMIT)
    assert seen_from(owner, STRANGER).log_in().status == seen_from(owner, "192.0.2.1").log_in().status == 429
    assert guess(owner, LIMIT - 1) == [401] * (LIMIT - 1)
    assert owner.log_in().status == 200
    assert guess(owner, LIMIT + 1) == [401] * LIMIT + [429]
    assert Client(InProcess(app, STRANGER)).join().get("/account").status == 200


def test_away_from_home_the_owner_waits_half_a_minute(time: time_machine.Traveller, owner: Client) -> None:
    """SECURITY 45: the documented time."""
    guess(seen_from(owner, STRANGER), LIMIT)
    away = seen_from(owner, ELSEWHERE)
    time.shift(wait_in_seconds(away.log_in()))
    assert away.log_in().status == 200


def test_a_network_of_ipv6_is_one_place(app: Flask) -> None:
    owner = Client(InProcess(app, "2001:db8:1:1::7")).join()
    guess(seen_from(owner, STRANGER), LIMIT)
    assert seen_from(owner, "2001:db8:1:1:ffff::1").log_in().status == 200
    assert seen_from(owner, "2001:db8:1:2::7").log_in().status == 429


def test_a_network_is_the_owners_for_thirty_days(time: time_machine.Traveller, owner: Client) -> None:
    for days, status in ((29, 200), (31, 429)):
        time.shift(timedelta(days=days))
        guess(seen_from(owner, STRANGER), LIMIT)
        assert owner.log_in().status == status


def test_of_more_than_ten_networks_the_oldest_is_forgotten(time: time_machine.Traveller, owner: Client) -> None:
    hotels = [seen_from(owner, f"198.51.100.{100 + number}") for number in range(MAX_NETWORKS)]
    for hotel in hotels:
        time.shift(DAY)
        assert hotel.log_in().status == 200
    guess(seen_from(owner, STRANGER), LIMIT)
    assert [hotel.log_in().status for hotel in hotels] == [200] * MAX_NETWORKS
    assert owner.log_in().status == 429


def test_a_reset_unlocks_at_once_and_knows_where_it_was_done(app: Flask, owner: Client) -> None:
    """SECURITY 45: by `throttle.unlock`, which whoever proved to own the account by other means may call."""
    guess(owner, LIMIT)
    guess(seen_from(owner, STRANGER), LIMIT)
    away = seen_from(owner, ELSEWHERE)
    with app.test_request_context(environ_base={"REMOTE_ADDR": ELSEWHERE}):
        app.preprocess_request()
        throttle.unlock(UUID(user_id(owner)))
    assert guess(seen_from(owner, STRANGER), LIMIT + 1) == [401] * LIMIT + [429]
    assert owner.log_in().status == away.log_in().status == 200


def test_the_audit_log_has_one_event_for_each_lock(
    time: time_machine.Traveller, owner: Client, database_url: str
) -> None:
    stranger = seen_from(owner, STRANGER)
    guess(stranger, LIMIT + 5)
    time.shift(30)
    guess(stranger, 5)
    guess(owner, LIMIT + 5)
    locks = trail(database_url, user_id(owner), Action.ACCOUNT_LOCKED)
    told = [(row.detail["failures"], row.detail["seconds"], row.detail["place"], row.ip) for row in locks]
    assert sorted(told, key=lambda lock: (lock[2], lock[0])) == [
        (LIMIT, 30, "elsewhere", STRANGER),
        (LIMIT + 1, 60, "elsewhere", STRANGER),
        (LIMIT, 30, "known_network", HOME),
    ]
    assert [row.outcome for row in locks] == ["refused"] * 3


def test_a_lock_of_nobody_is_recorded_without_what_was_typed(app: Flask) -> None:
    typed = "a.password.typed.as.a.name"
    guess(Client(InProcess(app, STRANGER)), LIMIT, typed)
    events = AuditEvent.__table__
    with app.app_context():
        [event] = fetch_all(select(events).where(events.c.action == Action.ACCOUNT_LOCKED.value))
    assert event.user_id is None
    assert typed not in repr([event, *counters(app)])
    assert not [row for row in counters(app) if typed.encode() in row.subject + row.network]


def test_counters_are_pruned_after_thirty_days_and_begin_anew(time: time_machine.Traveller, app: Flask) -> None:
    client = Client(InProcess(app, STRANGER))
    guess(client, LIMIT, "nobody")
    time.shift(29 * DAY)
    with app.app_context():
        assert prune()["login_throttles"] == 0
    assert guess(client, 2, "nobody") == [401, 429]
    time.shift(30 * DAY + 1)
    assert guess(client, 2, "nobody") == [401, 401]
    time.shift(30 * DAY + 1)
    with app.app_context():
        assert prune()["login_throttles"] == 1
    assert counters(app) == []


def test_nothing_is_left_of_an_account_that_is_erased(app: Flask, owner: Client) -> None:
    guess(seen_from(owner, STRANGER), 3)
    assert len(counters(app)) == 2
    assert owner.delete("/account", body={"password": owner.password}).status == 200
    assert counters(app) == []


def test_of_many_guesses_at_once_no_more_than_ten_are_looked_at(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY 43: four times the limit, and others who know the password notice nothing."""
    looked_at = checks(monkeypatch)
    answers = at_once(4 * LIMIT, lambda _: seen_from(owner, STRANGER).log_in(password=WRONG))
    assert statuses(answers) == [401] * LIMIT + [429] * 3 * LIMIT
    assert len(looked_at) == LIMIT


def test_many_right_passwords_at_once_are_all_right(owner: Client) -> None:
    """RELIABILITY 9: whoever would be refused waits for those that are being looked at."""
    answers = at_once(2 * LIMIT + 4, lambda _: seen_from(owner, STRANGER).log_in())
    assert statuses(answers) == [200] * (2 * LIMIT + 4)


@ON_ONE_DATABASE
def test_an_attempt_whose_process_died_holds_nobody_up_for_long(time: time_machine.Traveller, owner: Client) -> None:
    app = owner.transport.app
    with app.test_request_context(environ_base={"REMOTE_ADDR": HOME}):
        app.preprocess_request()
        for _ in range(LIMIT):
            attempts.count(throttle.account_of(UUID(user_id(owner))))
    assert max(row.in_flight for row in counters(app)) == LIMIT
    time.shift(61)
    assert guess(owner, 2) == [401, 429]
    assert max(row.in_flight for row in counters(app)) == 0
