"""Housekeeping removes what is due and nothing else, beside whatever runs. SECURITY 94, RELIABILITY 40."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from sqlalchemy import NullPool, create_engine, event, func, insert, select, text, update

from tests.conftest import running_app
from tests.support.commands import start_flask
from tests.support.crowd import at_once, claims_of
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import PAYMENT, PROFILE, Client
from user_service import clock, pruning
from user_service.audit.models import AuditEvent
from user_service.auth.models import BlockedSession, LoginSession
from user_service.database import fetch_one, new_id, transaction
from user_service.extensions import db
from user_service.keys.models import SealedSigningKey
from user_service.pruning import AUDIT_RETENTION, BATCH, MARGIN, prune

MakeApp = Callable[..., Flask]
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
NOTHING = {"token_blocklist": 0, "sessions": 0, "signing_keys": 0, "audit_events": 0}
REFRESH_LIFE = 7 * DAY


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


def pruned(app: Flask) -> dict[str, int]:
    """What went, of the tables from which something did; the counters of the throttle have a test of their own."""
    with app.app_context():
        removed = prune()
    assert set(removed) >= set(NOTHING)
    return {table: removed[table] for table in NOTHING if removed[table]}


def count(app: Flask, model: Any) -> int:
    with app.app_context():
        row = fetch_one(select(func.count()).select_from(model.__table__))
        assert row is not None
        return int(row[0])


def block(app: Flask, rows: int, expires_at: datetime) -> None:
    """Add rows to the blocklist that end then."""
    row = {"reason": "logged_out", "blocked_at": expires_at - DAY, "expires_at": expires_at}
    with app.app_context(), transaction() as session:
        session.execute(insert(BlockedSession.__table__), [{**row, "session_id": new_id()} for _ in range(rows)])


def assert_goes_at(app: Flask, time: time_machine.Traveller, moment: datetime, removed: dict[str, int]) -> None:
    """At that moment nothing is due yet, and one second later exactly this is."""
    time.move_to(moment)
    assert pruned(app) == {}
    time.shift(1 * SECOND)
    assert pruned(app) == removed
    assert pruned(app) == {}


def test_a_session_goes_when_none_of_its_tokens_can_be_alive(
    time: time_machine.Traveller, app: Flask, person: Client
) -> None:
    """SECURITY 94: the idle end."""
    stays = person.another_device()
    time.shift(1 * DAY)
    stays.log_in()
    assert_goes_at(app, time, end_of(person) + MARGIN, {"sessions": 1})
    assert stays.refresh().status == 200
    assert [row["id"] for row in stays.get("/sessions").json["data"]] == [claims_of(stays.access_token)["sid"]]


def test_a_session_goes_after_its_absolute_end_although_it_was_refreshed(
    time: time_machine.Traveller, app: Flask, person: Client
) -> None:
    for _ in range(5):
        time.shift(6 * DAY - 1 * SECOND)
        assert person.refresh().status == 200
        assert pruned(app) == {}
    assert_goes_at(app, time, end_of(person) + MARGIN, {"sessions": 1})


def end_of(client: Client) -> datetime:
    return datetime.fromtimestamp(claims_of(client.refresh_token)["exp"], UTC)


def test_a_blocklist_entry_goes_when_no_token_of_it_can_be_alive(
    time: time_machine.Traveller, app: Flask, newcomer: Callable[[], Client]
) -> None:
    """SECURITY 94."""
    early, late = newcomer().join(), newcomer().join()
    closed_at = clock.now()
    early.post("/logout")
    time.shift(1 * SECOND)
    late.post("/logout")
    assert_goes_at(app, time, closed_at + REFRESH_LIFE + MARGIN, {"token_blocklist": 1})
    assert count(app, BlockedSession) == 1
    for client in (early, late):
        assert client.get("/account").status == client.refresh(client.refresh_token).status == 401


def test_an_event_of_the_log_is_kept_for_a_year(time: time_machine.Traveller, app: Flask, client: Client) -> None:
    client.register()
    registered_at = clock.now()
    time.shift(1 * DAY)
    client.log_in()
    time.move_to(registered_at + 364 * DAY)
    assert pruned(app) == {"sessions": 1}
    assert_goes_at(app, time, registered_at + AUDIT_RETENTION, {"audit_events": 1})
    assert count(app, AuditEvent) == 1


def test_what_is_in_use_is_never_due(time: time_machine.Traveller, app: Flask, person: Client) -> None:
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    keys = count(app, SealedSigningKey)
    for _ in range(4):
        time.shift(6 * DAY)
        assert pruned(app) == {}
        assert person.refresh().status == 200
    time.shift(3650 * DAY)
    pruned(app)
    assert count(app, SealedSigningKey) == keys == 1
    assert person.log_in().status == 200
    assert person.get("/profile/me").json.items() >= PROFILE.items()
    assert person.get("/profile/payment_info").status == 200


def test_pruning_never_revives_a_token(app: Flask, newcomer: Callable[[], Client]) -> None:
    """SECURITY 94: even where a row goes before its time, as by a wrong clock: the session itself is gone too."""
    closed = newcomer().join()
    assert closed.post("/logout").status == 204
    with app.app_context(), transaction() as session:
        session.execute(update(BlockedSession).values(expires_at=clock.now() - 1 * SECOND))
    assert pruned(app) == {"token_blocklist": 1}
    for answer in (closed.get("/account"), closed.refresh(closed.refresh_token)):
        assert (answer.status, answer.code) == (401, "token_revoked")
    with app.app_context(), transaction() as session:
        assert session.get(LoginSession, UUID(claims_of(closed.access_token)["sid"])) is None


def test_much_is_removed_in_batches(app: Flask) -> None:
    """RELIABILITY 40: no transaction is long, whatever has piled up."""
    due = 2 * BATCH + 500
    block(app, due, clock.now() - 1 * SECOND)
    block(app, 10, clock.now() + DAY)
    with deletions(app) as batches:
        assert pruned(app) == {"token_blocklist": due}
    assert [size for size in batches if size] == [BATCH, BATCH, 500]
    assert count(app, BlockedSession) == 10
    assert pruned(app) == {}


@contextmanager
def deletions(app: Flask) -> Iterator[list[int]]:
    """How many rows each DELETE took."""
    sizes: list[int] = []

    def note(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("DELETE"):
            sizes.append(cursor.rowcount)

    with app.app_context():
        event.listen(db.engine, "after_cursor_execute", note)
        yield sizes
        event.remove(db.engine, "after_cursor_execute", note)


@pytest.mark.slow
def test_two_that_prune_at_once_share_the_work(make_app: MakeApp) -> None:
    """RELIABILITY 40: it may run on every node."""
    apps = [make_app(), make_app()]
    due = 4 * BATCH
    for _ in range(3):
        block(apps[0], due, clock.now() - 1 * SECOND)
        removed = at_once(2, lambda index: pruned(apps[index]).get("token_blocklist", 0))
        assert sum(removed) == due
        assert count(apps[0], BlockedSession) == 0


def test_rows_that_somebody_holds_are_stepped_over(databases: Databases) -> None:
    """On PostgreSQL; it waits for nobody, and takes them the next time."""
    with databases.copy(POSTGRESQL) as url, running_app(url) as app:
        block(app, 5, clock.now() - 1 * SECOND)
        with create_engine(url, poolclass=NullPool).begin() as connection:
            connection.execute(text("SELECT * FROM token_blocklist LIMIT 2 FOR UPDATE"))
            assert pruned(app) == {"token_blocklist": 3}
        assert pruned(app) == {"token_blocklist": 2}


def test_people_do_not_notice(time: time_machine.Traveller, app: Flask, newcomer: Callable[[], Client]) -> None:
    """Log-ins, refreshes and log-outs while two others prune without end."""
    block(app, 3 * BATCH, clock.now() - 1 * SECOND)

    def live(index: int) -> set[int]:
        if index < 2:
            pruned(app)
            return {200}
        client = newcomer().join()
        return {client.refresh().status, client.get("/account").status, client.post("/logout").status} - {204}

    assert at_once(6, live) == [{200}] * 6
    assert count(app, BlockedSession) == 4


def test_the_command_says_what_went(app: Flask) -> None:
    block(app, 3, clock.now() - 1 * SECOND)
    lines = [app.test_cli_runner().invoke(args=["prune"]).stdout for _ in range(2)]
    assert ["3 token_blocklist" in line for line in lines] == [True, False]
    assert all(line.startswith("Removed: ") and line.count("\n") == 1 for line in lines)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_watching_command_goes_on_until_it_is_stopped(databases: Databases, number: signal.Signals) -> None:
    with databases.copy("sqlite") as url:
        process = start_flask("prune", "--watch", "--every", "1", database_url=url, stderr=subprocess.PIPE)
        assert process.stdout is not None
        assert [process.stdout.readline().startswith("Removed: ") for _ in range(2)] == [True, True]
        process.send_signal(number)
        _, complaints = process.communicate(timeout=30)
        assert (process.returncode, "Traceback" in complaints) == (0, False)


def test_without_a_pause_the_command_does_not_watch(app: Flask) -> None:
    results = [app.test_cli_runner().invoke(args=["prune", "--watch", "--every", pause]) for pause in ("0", "-1", "x")]
    assert [result.exit_code for result in results] == [2, 2, 2]


def test_idle_sessions_are_found_wherever_they_lie_and_no_statement_looks_at_many(
    time: time_machine.Traveller, app: Flask, person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "STRIDE", 3)
    everybody = [person, *(person.another_device() for _ in range(9))]
    for device in everybody[1:]:
        device.log_in()
    time.shift(6 * DAY)
    stay = everybody[::2]
    for device in stay:
        assert device.refresh().status == 200
    time.shift(1 * DAY + MARGIN + 1 * SECOND)
    assert pruned(app) == {"sessions": 5}
    assert pruned(app) == {}
    assert [device.refresh().status for device in stay] == [200] * 5
    time.shift(REFRESH_LIFE + MARGIN + 1 * SECOND)
    assert pruned(app) == {"sessions": 5}
