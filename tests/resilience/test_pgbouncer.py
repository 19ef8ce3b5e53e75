"""Behind Debian's PgBouncer in transaction mode, and with a standby that takes over. RELIABILITY 20, 23."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url, text

from tests.conftest import running_app
from tests.support.crowd import at_once
from tests.support.databases import POSTGRESQL, Databases, migrate, require_postgres
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from tests.support.postgres import PostgresServer, _as_ordinary_user, standby_of, throwaway_server
from tests.support.server import ROOT, free_port
from user_service.database import fetch_one

PROGRAM = Path("/usr/sbin/pgbouncer")
SERVERS = 2  # fewer than the people, so that each transaction may be on another one
CONFIGURATION = """
[databases]
* = host={host} user=postgres pool_size={servers}
[pgbouncer]
listen_addr =
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
pool_mode = transaction
"""


@pytest.fixture
def bouncer(databases: Databases) -> Iterator[Path]:
    """The directory of the socket of a PgBouncer in front of the PostgreSQL of the tests."""
    require_postgres()
    if not PROGRAM.exists():
        message = "PgBouncer is not installed, so nothing was tested behind it: apt install pgbouncer"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed
    directory = databases.postgres.directory / "bouncer"
    directory.mkdir()
    port = free_port()
    settings = directory / "pgbouncer.ini"
    settings.write_text(
        CONFIGURATION.format(host=databases.postgres.directory, servers=SERVERS, port=port, directory=directory)
    )
    shutil.chown(directory, databases.postgres.directory.owner())
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([PROGRAM, settings], stdout=log, stderr=log, **_as_ordinary_user())
    try:
        wait_for(directory / f".s.PGSQL.{port}", process)
        yield directory / f".s.PGSQL.{port}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(directory)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(400):
        if path.exists():
            return
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
            break
    pytest.fail("PgBouncer did not start: " + (path.parent / "log").read_text())


def through(bouncer: Path, database_url: str) -> str:
    port = bouncer.suffix.removeprefix(".")
    return f"postgresql+psycopg://postgres@/{make_url(database_url).database}?host={bouncer.parent}&port={port}"


def story(client: Client) -> list[int]:
    return [
        client.register().status,
        client.log_in().status,
        client.post("/profile", PROFILE).status,
        client.post("/profile/payment_info", PAYMENT).status,
        *(client.refresh().status for _ in range(6)),
        *(client.get("/profile/me").status for _ in range(6)),
        client.put("/profile", {"name": "Ada King"}).status,
        client.post("/logout").status,
        client.get("/profile/me").status,
    ]


GOOD_STORY = [201, 200, 201, 201, *[200] * 12, 200, 204, 401]


def test_the_service_works_behind_pgbouncer_in_transaction_mode(databases: Databases, bouncer: Path) -> None:
    with databases.copy(POSTGRESQL) as url, running_app(through(bouncer, url), database_prepare=False) as app:
        lives = at_once(6, lambda _: story(Client(InProcess(app))))
    assert lives == [GOOD_STORY] * 6


def test_the_time_outs_come_from_the_role_there(databases: Databases, bouncer: Path) -> None:
    """As docs/operations.md sets them."""
    with databases.copy(POSTGRESQL) as url:
        name = make_url(url).database
        with databases.postgres.connect(name or "") as connection:
            connection.execute(f"ALTER ROLE postgres IN DATABASE \"{name}\" SET statement_timeout = '5s'")
        with running_app(through(bouncer, url), database_prepare=False) as app, app.app_context():
            row = fetch_one(text("SHOW statement_timeout"))
            assert row is not None
            assert row[0] == "5s"


def test_nothing_takes_a_lock_that_outlives_its_transaction() -> None:
    """Behind PgBouncer the next transaction of a session is somebody else's."""
    sources = [*(ROOT / "user_service").rglob("*.py"), *(ROOT / "migrations").rglob("*.py")]
    assert not [path for path in sources if "pg_advisory_lock" in path.read_text() or "SET SESSION" in path.read_text()]


@pytest.fixture
def standby() -> Iterator[tuple[PostgresServer, PostgresServer]]:
    """A primary and a standby that follows it."""
    require_postgres()
    with throwaway_server() as primary, standby_of(primary) as follower:
        yield primary, follower


@pytest.mark.slow
def test_who_names_both_servers_follows_the_one_that_takes_over(standby: tuple[PostgresServer, PostgresServer]) -> None:
    """RELIABILITY 20: no restart, no other setting. The standby stands first, and is passed over while it is one."""
    primary, follower = standby
    name = primary.create_database()
    migrate(primary.url(name))
    hosts = f"{follower.directory},{primary.directory}"
    url = f"postgresql+psycopg://postgres@/{name}?host={hosts}&port=5432,5432&target_session_attrs=read-write"
    wait_until_followed(primary, follower, name)
    with running_app(url) as app:
        person = Client(InProcess(app)).join()
        assert person.post("/profile", PROFILE).status == 201
        wait_until_followed(primary, follower, name)
        primary.stop()
        assert person.put("/profile", {"name": "Ada King"}).status == 503
        follower.promote()
        assert person.put("/profile", {"name": "Ada King"}).status == 200
        assert person.get("/profile/me").json["name"] == "Ada King"
        assert story(Client(InProcess(app))) == GOOD_STORY


def wait_until_followed(primary: PostgresServer, follower: PostgresServer, database: str) -> None:
    with primary.connect() as connection:
        [position] = connection.execute("SELECT pg_current_wal_lsn()").fetchone() or ()
    for _ in range(2_000):
        with suppress(psycopg.OperationalError), follower.connect(database) as connection:
            if connection.execute("SELECT pg_last_wal_replay_lsn() >= %s", (position,)).fetchone() == (True,):
                return
            connection.execute("SELECT pg_sleep(0.05)")
    pytest.fail("the standby does not follow")
