"""The start: refused without a master key, patient without a database. SECURITY 124, 152; RELIABILITY 18."""

import base64
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from sqlalchemy import select, update

from tests.support.commands import ROOT, empty_database, environment
from tests.support.databases import MASTER_KEYS, SQLITE, Databases, migrate, require_postgres
from tests.support.people import Answer, Client, InProcess, OverSocket
from tests.support.postgres import throwaway_server
from tests.support.server import Node, free_port
from user_service.database import fetch_all, transaction
from user_service.keys import rotation
from user_service.keys.models import SealedDataKey, SealedSigningKey, ServiceSecret
from user_service.security.vault import Envelope, MasterKeyWrong
from user_service.startup import WORKER_BOOT_ERROR

MakeApp = Callable[..., Flask]
NEW_KEY = {"test-2": bytes(range(100, 132))}
BOTH = {**NEW_KEY, **MASTER_KEYS}
FAKE = {"test-1": bytes(range(100, 132))}
PATIENCE_SECONDS = 60


def entries(keys: dict[str, bytes]) -> str:
    """As MASTER_KEYS has them."""
    return ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in keys.items())


@contextmanager
def starting(url: str, **variables: str) -> Iterator[Node]:
    """A server that is not waited for; whatever becomes of it, nothing of it is left at the end."""
    port = free_port()
    serving = {"BIND": "127.0.0.1", "PORT": str(port), "WEB_CONCURRENCY": "2"}
    with tempfile.TemporaryDirectory(prefix="node-") as directory:
        log_path = Path(directory) / "log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [Path(sys.executable).parent / "gunicorn"],
                cwd=ROOT,
                env=environment(url, **(serving | variables)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        node = Node(port, process, log_path)
        try:
            yield node
        finally:
            node.kill()


def wait_until_listening(node: Node) -> Client:
    """A client of the process, which may have nothing behind it yet."""
    client = Client(OverSocket(node.url))
    while node.is_running():
        try:
            assert client.get("/healthz").status == 200
            return client
        except requests.ConnectionError:
            wait_a_moment(node)
    raise AssertionError(node.log())


def wait_a_moment(node: Node) -> None:
    with suppress(subprocess.TimeoutExpired):
        node.process.wait(0.05)


def failed_checks(client: Client) -> set[str]:
    answer = client.get("/readyz")
    assert_unavailable(answer)
    return set(answer.fault_codes())


def assert_unavailable(answer: Answer) -> None:
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert answer.headers["Retry-After"].isdigit()


def missing_key(app: Flask) -> str | None:
    with app.app_context():
        missing = rotation.find_unusable_master_key()
    return missing.key_id if missing else None


@pytest.mark.slow
@pytest.mark.parametrize(("keys", "what"), [(NEW_KEY, "lacks the key 'test-1'"), (FAKE, "holds another key 'test-1'")])
def test_a_start_without_a_master_key_is_refused_and_names_it(
    databases: Databases, keys: dict[str, bytes], what: str
) -> None:
    """SECURITY 124, 152: the key is not there, or it is another one under the same name."""
    with databases.copy(SQLITE) as url, starting(url, MASTER_KEYS=entries(keys)) as node:
        assert node.process.wait(PATIENCE_SECONDS) == WORKER_BOOT_ERROR == 3, node.log()
        said = [line for line in node.log().splitlines() if line.startswith("Stopped: ")]
        assert said
        assert f"MASTER_KEYS {what}" in said[0]
        assert "Traceback" not in node.log()
        secrets = [
            spelling
            for key in (*BOTH.values(), *FAKE.values())
            for spelling in (key.hex(), base64.b64encode(key).decode())
        ]
        assert not [secret for secret in secrets if secret in node.log()]
        with socket.create_server(("127.0.0.1", node.port)):
            assert not node.is_ready(), "the port is free, and nobody answers"


def test_a_key_that_a_single_row_needs_is_missed(make_app: MakeApp) -> None:
    """A re-wrap that was cut short, and the old key taken out too early: it would show for one person, in a month."""
    for _ in range(2):
        Client(InProcess(make_app())).join()
    app = make_app(master_keys=BOTH)
    with app.app_context():
        rotation.rewrap(lambda count: None)
        assert rotation.find_unusable_master_key() is None
    assert missing_key(make_app(master_keys=NEW_KEY)) is None
    for table in (SealedDataKey.__table__, SealedSigningKey.__table__, ServiceSecret.__table__):
        assert missing_key_of_one_row(make_app, table) == "test-0"
    assert missing_key(make_app(master_keys=NEW_KEY)) is None


def test_another_key_under_the_name_of_an_old_one_is_noticed(make_app: MakeApp) -> None:
    """Data keys of people may lie under it although nothing else does. One altered row is not taken for that."""
    for _ in range(2):
        Client(InProcess(make_app())).join()
    with make_app(master_keys=BOTH).app_context():
        rotation.rewrap(lambda count: None)
        users = [row.user_id for row in fetch_all(select(SealedDataKey.user_id))]
        one = SealedDataKey.user_id == users[0]
        move(SealedDataKey, one, "test-1")
        assert isinstance(rotation.find_unusable_master_key(), MasterKeyWrong)
        move(SealedDataKey, one, "test-2")
        assert rotation.find_unusable_master_key() is None
        with transaction() as session:
            session.execute(update(SealedDataKey).where(one).values(wrapped_key=Envelope(b"altered")))
        assert rotation.find_unusable_master_key() is None


def missing_key_of_one_row(make_app: MakeApp, table: Any) -> str | None:
    """What a start says when one row of the table lies under another key than the rest."""
    [column] = table.primary_key
    with make_app(master_keys=BOTH).app_context():
        one = fetch_all(select(column).limit(1))[0][0]
        move(table, column == one, "test-0")
        try:
            return missing_key(make_app(master_keys=NEW_KEY))
        finally:
            move(table, column == one, "test-2")


def move(table: Any, condition: Any, key_id: str) -> None:
    with transaction() as session:
        session.execute(update(table).where(condition).values(master_key_id=key_id))


@pytest.mark.slow
def test_a_server_that_is_there_before_its_database_becomes_ready_by_itself(tmp_path: Path) -> None:
    """RELIABILITY 18: alive at once, 503 until then, ready within ten seconds, and no restart."""
    require_postgres()
    with throwaway_server() as postgres:
        url = postgres.url(postgres.create_database())
        migrate(url)
        postgres.stop()
        with starting(url) as node:
            client = wait_until_listening(node)
            assert "/database" in failed_checks(client)
            assert_unavailable(client.register())
            assert_unavailable(client.log_in())
            assert client.get("/profile/me").code == "token_required"
            postgres.start()
            since = time.monotonic()
            assert node.wait_until_ready()
            assert time.monotonic() - since < 10
            assert client.join().get("/sessions").status == 200
            assert "request.failed" not in node.log()
            assert node.stop() == 0


@pytest.mark.slow
def test_a_server_that_is_there_before_the_migration_becomes_ready_by_it(databases: Databases, tmp_path: Path) -> None:
    """RELIABILITY 18."""
    with empty_database(databases, SQLITE, tmp_path) as url, starting(url) as node:
        client = wait_until_listening(node)
        assert "/migrations" in failed_checks(client)
        assert_unavailable(client.register())
        migrate(url)
        assert node.wait_until_ready()
        assert client.join().get("/sessions").status == 200
        assert "request.failed" not in node.log()
        assert node.stop() == 0
