"""A new master key while the service runs: keys are sealed anew, values are not, all goes on. SECURITY 123."""

import base64
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import NullPool, create_engine, text, update

from tests.conftest import running_app
from tests.support.commands import environment, run_flask
from tests.support.databases import MASTER_KEYS, POSTGRESQL, PUBLIC_URL, Databases
from tests.support.people import PAYMENT, PROFILE, Answer, Client, InProcess, OverSocket
from tests.support.server import serving
from user_service import clock
from user_service.database import fetch_all
from user_service.keys import rotation
from user_service.keys.models import SealedDataKey, SealedSigningKey
from user_service.keys.ring import RELOAD_SECONDS
from user_service.payment.models import PaymentInfo
from user_service.profile.models import Profile

MakeApp = Callable[..., Flask]
NEW_KEY = {"test-2": bytes(range(100, 132))}
BOTH = {**NEW_KEY, **MASTER_KEYS}
SEALED_VALUES = (Profile.__table__, PaymentInfo.__table__)


def entries(keys: dict[str, bytes]) -> str:
    """As MASTER_KEYS has them."""
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())


def customer(app: Flask) -> Client:
    """Somebody with all that can be sealed."""
    return settle(Client(InProcess(app)).join())


def settle(client: Client) -> Client:
    assert client.post("/profile", PROFILE).status == 201
    assert client.post("/profile/payment_info", PAYMENT).status == 201
    return client


def rewrap(app: Flask) -> int:
    with app.app_context():
        return rotation.rewrap(lambda count: None)


def values(app: Flask) -> list[Any]:
    """What is sealed by data keys, as it lies in the database."""
    with app.app_context():
        return [tuple(row) for table in SEALED_VALUES for row in fetch_all(table.select().order_by(table.c.user_id))]


def assert_all_readable(app: Flask, person: Client) -> None:
    """Tokens from before, password, profile, payment information, lists: nothing has changed for the person."""
    person.transport = InProcess(app)
    assert person.get("/profile/me").json.items() >= PROFILE.items()
    assert person.get("/profile/payment_info").json["token_hint"] == PAYMENT["payment_token"][-4:]
    assert person.get("/account/events?limit=1").status == person.refresh().status == 200
    assert person.another_device().log_in().status == 200


def test_everything_is_readable_before_during_and_after(make_app: MakeApp) -> None:
    """SECURITY 123: with the old key gone from the settings at last."""
    old = make_app()
    people = [customer(old) for _ in range(3)]
    cursor = people[0].get("/account/events?limit=1").json["pagination"]["next_cursor"]
    both = make_app(master_keys=BOTH)
    people.append(customer(both))
    before = values(both)
    for app in (both, old):
        assert_all_readable(app, people[0])
    rewrap(both)
    assert values(both) == before, "no sealed value is touched"
    for app in (both, make_app(master_keys=NEW_KEY)):
        for person in people:
            assert_all_readable(app, person)
        assert people[0].get(f"/account/events?cursor={cursor}").status == 200


def test_nothing_is_left_under_the_old_key_and_a_second_run_finds_nothing(make_app: MakeApp) -> None:
    customer(make_app())
    app = make_app(master_keys=BOTH)
    with app.app_context():
        waiting = rotation.count_to_rewrap()
        reported: list[int] = []
        assert rotation.rewrap(reported.append) == sum(reported) == waiting > 0
        assert rotation.count_to_rewrap() == 0
        assert rotation.rewrap(reported.append) == 0
        assert sum(reported) == waiting
    with make_app(master_keys=NEW_KEY).app_context():
        assert rotation.find_unusable_master_key() is None


def test_a_node_that_has_the_keys_does_not_notice(make_app: MakeApp) -> None:
    """Not even when the operator goes back to the key before."""
    third = {"test-3": bytes(range(50, 82))}
    node = make_app(master_keys=BOTH | third)
    person = customer(node)
    for keys in (third | BOTH, BOTH | third):
        assert rewrap(make_app(master_keys=keys)) > 0
        assert_all_readable(node, person)


def test_a_key_that_somebody_holds_is_told_and_sealed_by_the_next_run(databases: Databases) -> None:
    """On PostgreSQL rows that are in use are stepped over, so requests are never held up."""
    with databases.copy(POSTGRESQL) as url, running_app(url, master_keys=BOTH) as app:
        with running_app(url) as old:
            person = customer(old)
        with held_row(url, SealedDataKey.__tablename__):
            result = app.test_cli_runner().invoke(args=["vault", "rotate-master"])
            assert (result.exit_code, result.stdout) == (1, "")
            assert "1 keys are still under an old master key" in result.stderr
            assert_all_readable(app, person)
        assert app.test_cli_runner().invoke(args=["vault", "rotate-master"]).exit_code == 0


@contextmanager
def held_row(url: str, table: str) -> Iterator[None]:
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(f"SELECT * FROM {table} FOR UPDATE"))
        yield


class Customer(threading.Thread):
    """Logs in, reads, refreshes and writes until told to stop; keeps every answer that was not good."""

    def __init__(self, client: Client, is_over: threading.Event) -> None:
        super().__init__()
        self.client, self.is_over = client, is_over
        self.bad: list[Answer] = []
        self.signed_by: list[str] = []

    def run(self) -> None:
        steps = (
            self.client.log_in,
            lambda: self.client.get("/profile/me"),
            self.client.refresh,
            lambda: self.client.get("/profile/payment_info"),
            lambda: self.client.put("/profile", {"name": "Ada King"}),
        )
        while not self.is_over.wait(0.05):
            self.bad += [answer for answer in (step() for step in steps) if answer.status != 200]
            self.signed_by.append(jwt.get_unverified_header(self.client.access_token)["kid"])


def shorten_the_wait(url: str, kid: str) -> None:
    """Let the key sign as soon as every node has read it: other services that cache the JWKS take no part here."""
    table = SealedSigningKey.__table__
    soon = clock.now() + timedelta(seconds=RELOAD_SECONDS + 1)
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(update(table).where(table.c.kid == kid).values(activates_at=soon))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_both_keys_are_rotated_under_load_and_no_request_fails(databases: Databases) -> None:
    """RELIABILITY 38: log-ins, reads, refreshes and writes over two workers; then the old master key is removed."""
    with databases.copy(POSTGRESQL) as url:
        with serving(url, MASTER_KEYS=entries(BOTH), PUBLIC_URL=PUBLIC_URL) as node:
            is_over = threading.Event()
            crowd = [Customer(settle(Client(OverSocket(node.url)).join()), is_over) for _ in range(3)]
            try:
                for one in crowd:
                    one.start()
                new = operate(url, "keys", "rotate").split()[2]
                shorten_the_wait(url, new)
                assert "Nothing is left under an old master key." in operate(url, "vault", "rotate-master")
                deadline = time.monotonic() + 60
                while time.monotonic() < deadline and not all(one.signed_by[-10:] == [new] * 10 for one in crowd):
                    crowd[0].join(0.2)
            finally:
                is_over.set()
                for one in crowd:
                    one.join()
            assert [(answer.status, answer.text) for one in crowd for answer in one.bad] == []
            assert [{one.signed_by[0], one.signed_by[-1]} for one in crowd] == [{crowd[0].signed_by[0], new}] * 3
        with serving(url, MASTER_KEYS=entries(NEW_KEY), PUBLIC_URL=PUBLIC_URL) as node:
            for one in crowd:
                one.client.transport = OverSocket(node.url)
                assert one.client.get("/profile/me").status == one.client.refresh().status == 200


def operate(url: str, *arguments: str) -> str:
    """What the command says."""
    code, output = run_flask(
        *arguments, database_url=url, env=environment(url, MASTER_KEYS=entries(BOTH), LOG_LEVEL="ERROR")
    )
    assert code == 0, output
    return output
