"""PostgreSQL crashes, freezes and is replaced while customers are served. RELIABILITY 15, 19-22.

The servers here write to the disk as they do in production; those of the other tests do not.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from sqlalchemy import make_url

from tests.resilience.audit import losses
from tests.resilience.ledger import customers_of
from tests.resilience.site import CUSTOMERS, Site, site_on
from tests.support.crowd import at_once
from tests.support.databases import migrate, require_postgres
from tests.support.people import Client, OverSocket
from tests.support.postgres import PostgresServer, standby_of, throwaway_server
from tests.support.processes import wait_until
from tests.support.server import Node, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
HOST = "127.0.0.1"
DURABLE = {"fsync": "on"}
# Seconds: what is promised, and how long any request may take while the database says nothing.
RECOVERY_SECONDS, FAIL_OVER_SECONDS, ANSWER_SECONDS, ALIVE_SECONDS = 5, 15, 20, 1
# Commits are acknowledged before they are written, and are written late.
CARELESS = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}


@contextmanager
def durable_server(**settings: str) -> Iterator[tuple[PostgresServer, str]]:
    """A server, and the URL of a migrated database there."""
    require_postgres()
    with throwaway_server(**DURABLE, **settings) as server:
        url = server.url(server.create_database())
        migrate(url)
        yield server, url


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[PostgresServer, Site]]:
    """A server, and a site on it, for those that leave both well."""
    with durable_server() as (server, url), site_on(url, workers=1) as site:
        yield server, site


def test_a_database_that_crashes_loses_nothing(served: tuple[PostgresServer, Site]) -> None:
    """RELIABILITY 15, 19: 503 until it is back, and everybody is served within seconds then."""
    server, site = served
    with site.under_load() as ledger:
        slowness = ledger.slowness(time.monotonic())
        server.crash()
        wait_until(lambda: ledger.failures >= CUSTOMERS, "nobody noticed")
        server.start()
        recovery = ledger.wait_for_everybody()
        sys.stdout.write(f"everybody is served after {recovery:.1f} s; {slowness:.1f} times as slow as ever\n")
        assert recovery < RECOVERY_SECONDS * slowness
        assert ledger.slowest < ANSWER_SECONDS * slowness


def test_the_ledger_notices_what_a_careless_database_loses() -> None:
    """RELIABILITY 21: the same crash under `synchronous_commit=off` loses what was acknowledged."""
    with durable_server(**CARELESS) as (server, url), site_on(url, workers=1) as site:
        with customers_of([site.proxy.transport() for _ in range(CUSTOMERS)]) as ledger:
            ledger.wait_for_everybody(good_answers=10)
            server.crash()
            wait_until(lambda: ledger.failures > 0, "nobody noticed")
            server.start()
        wait_until(site.nodes[0].is_ready, "not ready again")
        assert ledger.complaints or losses(ledger, site.nodes, url)


def test_a_frozen_database_holds_nobody_up_for_long(served: tuple[PostgresServer, Site]) -> None:
    """RELIABILITY 22: 503 in bounded time, the processes say that they are alive, and all is well afterwards."""
    server, site = served
    with site.under_load() as ledger:
        slowness = ledger.slowness(time.monotonic())
        frozen = server.freeze()
        try:
            wait_until(lambda: ledger.failures >= CUSTOMERS, "nobody was told")
            at_once(len(site.nodes), lambda index: assert_alive(site.nodes[index], slowness))
        finally:
            for pid in reversed(frozen):
                os.kill(pid, signal.SIGCONT)
        ledger.wait_for_everybody()
        assert ledger.slowest < ANSWER_SECONDS * slowness


def assert_alive(node: Node, slowness: float) -> None:
    client = Client(OverSocket(node.url))
    started = time.monotonic()
    assert client.get("/healthz").status == 200
    assert time.monotonic() - started < ALIVE_SECONDS * slowness
    assert client.get("/readyz").status == 503
    client.transport.session.close()


def test_a_synchronous_replica_takes_over() -> None:
    """RELIABILITY 15, 20: the primary dies, the replica is promoted, and no node is restarted."""
    ports = free_port(), free_port()
    with durable_server(listen_addresses=HOST, port=str(ports[0])) as (primary, url):
        database = make_url(url).database or ""
        with standby_of(primary, "db-2", **DURABLE, listen_addresses=HOST, port=str(ports[1])) as standby:
            acknowledge_only_what_is_on(primary, "db-2")
            with site_on(url_of_both(database, ports), workers=1) as site, site.under_load() as ledger:
                since, masters = time.monotonic(), [node.pid for node in site.nodes]
                primary.crash()
                standby.promote()
                ledger.wait_for_everybody()
                ledger.assert_outage(since=since, below=FAIL_OVER_SECONDS)
                assert [(node.pid, node.is_running()) for node in site.nodes] == [(pid, True) for pid in masters]


def url_of_both(database: str, ports: Sequence[int]) -> str:
    """As docs/scaling.md writes it: whichever of them takes writes."""
    hosts = "&".join(f"host={HOST}:{port}" for port in ports)
    return f"postgresql+psycopg://postgres@/{database}?{hosts}&target_session_attrs=read-write"


def acknowledge_only_what_is_on(primary: PostgresServer, standby: str) -> None:
    """The setting of docs/scaling.md."""
    with primary.connect() as connection:
        connection.execute(f"ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (\"{standby}\")'")
        connection.execute("SELECT pg_reload_conf()")
        state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: connection.execute(state).fetchone() == (1,), "the replica does not follow")
