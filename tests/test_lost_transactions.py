"""What the database refuses in passing is tried again, and what it cannot do is 503. RELIABILITY 19, 23, 24, 25.

The failures are real ones: a trigger of the database raises them, as often as its sequence says.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import func, make_url, select

from tests.conftest import running_app
from tests.support.crowd import at_once, claims_of
from tests.support.databases import POSTGRESQL, SETTINGS, Databases, migrate, require_postgres
from tests.support.people import PROFILE, Answer, Client, InProcess
from tests.support.postgres import throwaway_server
from tests.test_logs import logging_app
from user_service import compiled, database
from user_service.audit.models import AuditEvent
from user_service.auth.models import User
from user_service.database import RETRIES, retried, transaction
from user_service.extensions import db
from user_service.security.passwords import PasswordHasher

pytestmark = pytest.mark.parametrize("kind", [POSTGRESQL], indirect=True)
SERIALIZATION_FAILURE, DEADLOCK = "40001", "40P01"
FAILS = """
CREATE SEQUENCE tries;
CREATE TABLE failure AS SELECT '{code}' AS code;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('tries') <= {times} THEN RAISE EXCEPTION USING ERRCODE = (SELECT code FROM failure); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE {event} FOR EACH ROW EXECUTE FUNCTION fail();
"""
DIES_AT_COMMIT = """
CREATE SEQUENCE deaths;
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('deaths') <= {times} THEN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); END IF;
    RETURN NEW;
END $$;
CREATE CONSTRAINT TRIGGER die AFTER {event} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION die();
"""
hash_password = PasswordHasher.hash
OURS = "FROM pg_stat_activity WHERE application_name = 'user-service' AND datname = current_database()"
UNAVAILABLE = [
    *("08000", "08006", "25006", "25P03", SERIALIZATION_FAILURE, "40003", DEADLOCK, "42501", "42P01", "42703"),
    *("53000", "53100", "53200", "53300", "53400", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "58030"),
]


@pytest.fixture
def operator(databases: Databases, database_url: str) -> Iterator[psycopg.Connection]:
    """The database as its superuser sees it."""
    with databases.postgres.connect(make_url(database_url).database or "") as connection:
        yield connection


def fail(operator: psycopg.Connection, event: str, code: str, times: int) -> None:
    operator.execute(FAILS.format(event=event, code=code, times=times))


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert answer.headers["Retry-After"].isdigit()


@pytest.mark.parametrize("code", [SERIALIZATION_FAILURE, DEADLOCK])
def test_a_transaction_that_lost_is_tried_three_more_times_and_leaves_one_trace(
    make_app: Callable[..., Flask], operator: psycopg.Connection, code: str
) -> None:
    """RELIABILITY 24: the client notices nothing; the rows and the lines of the failed tries are gone with them."""
    fail(operator, "INSERT ON audit_events", code, RETRIES)
    app, log = logging_app(make_app)
    client = Client(InProcess(app))
    assert client.register().status == 201
    assert len(log.events("auth.user.registered")) == 1
    assert len(log.events("database.retry")) == RETRIES
    with app.app_context():
        assert db.session.scalars(select(AuditEvent.action)).all() == ["auth.user.registered"]
        assert db.session.scalar(select(func.count()).select_from(User)) == 1


def test_what_is_given_up_is_not_begun_anew_around_it(
    make_app: Callable[..., Flask], operator: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY 24: use cases are made of others, and three retries stay three. No password is hashed once more."""
    hashed = []
    monkeypatch.setattr(PasswordHasher, "hash", lambda *arguments: hashed.append(1) or hash_password(*arguments))
    app, log = logging_app(make_app)
    client = Client(InProcess(app)).join()
    fail(operator, "INSERT OR UPDATE ON login_throttles", SERIALIZATION_FAILURE, 100)
    assert_unavailable(
        client.put("/account/password", {"current_password": client.password, "new_password": "tide ember"})
    )
    assert len(log.events("database.retry")) == RETRIES
    operator.execute("DROP TRIGGER fail ON login_throttles")
    hashed.clear()
    operator.execute("CREATE TRIGGER fail BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION fail()")
    assert_unavailable(client.register("somebody.else", "somebody@example.com"))
    assert len(log.events("database.retry")) == 2 * RETRIES
    assert len(hashed) == 1


def test_a_refresh_that_failed_to_the_end_does_not_use_up_the_token(
    person: Client, operator: psycopg.Connection
) -> None:
    """RELIABILITY 24."""
    fail(operator, "UPDATE ON sessions", SERIALIZATION_FAILURE, RETRIES + 1)
    assert_unavailable(person.refresh())
    assert person.refresh().status == 200
    assert claims_of(person.refresh_token)["gen"] == 2
    assert person.get("/sessions").status == 200


def test_a_refresh_whose_connection_dies_before_its_commit_is_done_once_more(
    person: Client, operator: psycopg.Connection
) -> None:
    """RELIABILITY 19: nothing was kept of the first try."""
    operator.execute(DIES_AT_COMMIT.format(event="UPDATE ON sessions", times=1))
    assert person.refresh().status == 200
    assert claims_of(person.refresh_token)["gen"] == 2
    assert person.get("/sessions").status == 200
    assert events_of(operator) == []


def test_a_refresh_whose_answer_is_lost_is_answered_with_what_it_did(
    person: Client, operator: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELIABILITY 19: the second try is a replay of the first, which nobody else can have seen."""
    run = compiled._Form.run

    def lose(form: Any, connection: Any, parameters: dict[str, Any]) -> Any:
        found = run(form, connection, parameters)
        if "presented" in parameters:
            monkeypatch.setattr(compiled._Form, "run", run)
            connection.dbapi_connection.pgconn.finish()
            raise psycopg.OperationalError("the answer is lost")
        return found

    monkeypatch.setattr(compiled._Form, "run", lose)
    assert person.refresh().status == 200
    assert claims_of(person.refresh_token)["gen"] == 2
    assert events_of(operator) == ["auth.refresh.replayed"]
    assert person.refresh().status == 200
    assert claims_of(person.refresh_token)["gen"] == 3


def events_of(operator: psycopg.Connection) -> list[str]:
    """What the security log tells of refreshes."""
    return [row[0] for row in operator.execute("SELECT action FROM audit_events WHERE action LIKE 'auth.refresh%'")]


def test_two_who_wait_for_each_other_both_get_what_they_want(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """RELIABILITY 24: a real deadlock; PostgreSQL ends one of the two, and the other has time to wake."""
    monkeypatch.setattr(database.secrets, "randbelow", lambda _: 1_000)
    names = [Client(InProcess(app)) for _ in range(2)]
    ids = [client.register().json["user"]["id"] for client in names]
    both_hold_one = threading.Barrier(2)
    tries: list[int] = []

    @retried
    def lock_both(first: int) -> None:
        with transaction() as session:
            tries.append(first)
            for index in (first, 1 - first):
                session.scalars(select(User).where(User.id == ids[index]).with_for_update()).one()
                if len(tries) <= 2 and index == first:
                    both_hold_one.wait(20)

    def run(index: int) -> None:
        with app.app_context():
            lock_both(index)

    at_once(2, run)
    assert len(tries) == 3


def test_what_the_database_cannot_do_now_is_503(client: Client, operator: psycopg.Connection) -> None:
    """RELIABILITY 19, 25: by every SQLSTATE that says so."""
    fail(operator, "INSERT ON users", "", 1_000)
    for code in UNAVAILABLE:
        operator.execute("UPDATE failure SET code = %s", (code,))
        assert_unavailable(client.register())
    operator.execute("UPDATE failure SET code = '22012'")
    assert client.register().status == 500, "a division by zero is our mistake, and is called one"


def test_a_commit_whose_answer_is_lost_is_not_said_to_have_changed_nothing(
    client: Client, operator: psycopg.Connection
) -> None:
    operator.execute(DIES_AT_COMMIT.format(event="INSERT ON users", times=9))
    answer = client.register()
    assert_unavailable(answer)
    assert "was done or was not" in answer.json["detail"]


def test_a_change_whose_answer_is_lost_is_not_said_to_have_changed_nothing(
    person: Client, operator: psycopg.Connection
) -> None:
    """Nor is it made a second time."""
    assert person.post("/profile", PROFILE).status == 201
    operator.execute(DIES_AT_COMMIT.format(event="UPDATE ON profiles", times=1))
    answer = person.put("/profile", {"name": "Ada King"})
    assert_unavailable(answer)
    assert "was done or was not" in answer.json["detail"]
    assert person.put("/profile", {"name": "Ada King"}).status == 200


def test_connections_that_died_while_idle_cost_nobody_an_answer(app: Flask, operator: psycopg.Connection) -> None:
    """RELIABILITY 19: the first request after it succeeds, read or write, and so do all at once."""
    people = [Client(InProcess(app)).join() for _ in range(4)]
    for _ in range(2):
        assert at_once(4, lambda index: people[index].post("/profile", PROFILE).status) in ([201] * 4, [409] * 4)
        operator.execute(f"SELECT pg_terminate_backend(pid) {OURS}")
        assert at_once(4, lambda index: people[index].get("/profile/me").status) == [200] * 4
        operator.execute(f"SELECT pg_terminate_backend(pid) {OURS}")
        assert at_once(4, lambda index: people[index].refresh().status) == [200] * 4
        operator.execute(f"SELECT pg_terminate_backend(pid, 5000) {OURS}")
        assert at_once(4, lambda index: people[index].put("/profile", {"name": "Ada King"}).status) == [200] * 4


def test_a_read_only_database_answers_reads_and_refuses_writes(person: Client, operator: psycopg.Connection) -> None:
    """RELIABILITY 25."""
    person.post("/profile", PROFILE)
    database = operator.info.dbname
    operator.execute(f'ALTER DATABASE "{database}" SET default_transaction_read_only = on')
    operator.execute(f"SELECT pg_terminate_backend(pid) {OURS}")
    for _ in range(2):
        assert_unavailable(person.put("/profile", {"name": "Ada King"}))
        assert person.get("/profile/me").json["name"] == PROFILE["name"]
    operator.execute(f'ALTER DATABASE "{database}" RESET default_transaction_read_only')
    assert person.put("/profile", {"name": "Ada King"}).status == 200


def test_no_more_connections_are_opened_than_the_documents_say(app: Flask, operator: psycopg.Connection) -> None:
    """RELIABILITY 23: two pools, however many ask at once."""
    people = [Client(InProcess(app)).join() for _ in range(24)]
    assert {status for _ in range(3) for status in at_once(24, lambda i: people[i].refresh().status)} == {200}
    [opened] = operator.execute(f"SELECT count(*) {OURS}").fetchone() or ()
    assert 2 <= opened <= 2 * SETTINGS.database_pool_size


def test_a_database_without_a_free_connection_is_503_at_once_and_recovers(kind: str) -> None:
    """RELIABILITY 23: somebody else has them all."""
    require_postgres()
    with throwaway_server(max_connections="12") as server:
        url = server.url(server.create_database())
        migrate(url)
        with running_app(url) as app:
            client = Client(InProcess(app))
            with ExitStack() as taken:
                fill(server.connect, taken)
                assert_unavailable(client.register())
                assert client.get("/healthz").status == 200
            assert client.join().get("/sessions").status == 200


def fill(connect: Callable[[], Any], taken: ExitStack) -> None:
    while True:
        try:
            taken.enter_context(connect())
        except psycopg.OperationalError:
            return


def test_every_wait_has_its_end(app: Flask) -> None:
    with app.app_context():
        for engine in db.engines.values():
            with engine.connect() as connection:
                limits = {
                    name: connection.exec_driver_sql(f"SHOW {name}").scalar()
                    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
                }
                driver: Any = connection.connection.driver_connection
                assert 0 < driver.answer_seconds <= 10
                assert driver.info.get_parameters()["connect_timeout"] == "3"
        assert limits == {
            "statement_timeout": "8s",
            "lock_timeout": "5s",
            "idle_in_transaction_session_timeout": "10s",
        }
