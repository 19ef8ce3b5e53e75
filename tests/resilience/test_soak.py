"""Customers for a minute, or for as many as SOAK_MINUTES says: nothing grows that should not. RELIABILITY 40."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import timedelta
from statistics import mean, quantiles
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import Connection, NullPool, create_engine, func, insert, select, text

from tests.conftest import running_app
from tests.resilience.ledger import Ledger
from tests.resilience.site import Site, site_on
from tests.support.commands import start_flask
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import PROFILE, Client
from tests.support.processes import children, open_files, resident_kib, wait_until
from user_service import clock
from user_service.auth.models import BlockedSession, LoginSession, User
from user_service.pruning import prune

MINUTES = float(os.environ.get("SOAK_MINUTES", "1"))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180 * MINUTES + 300)]
CUSTOMERS, SAMPLES, READS = 2, 24, 20
DEAD_ROWS = 500  # with each sample, on top of what customers leave
# Of the site's six processes, in KiB: what may come and go, and what may be gained each hour.
NOISE_KIB, GROWTH_PER_HOUR = 6 * 1024, 0.05
LOG_BYTES_PER_REQUEST = 1_000
FAR_AHEAD = timedelta(days=40)  # every session has ended
# Of this database alone: other tests have theirs on the same server.
CONNECTIONS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE (datname, application_name) = (current_database(), 'user-service')"
)


@dataclass(frozen=True)
class Sample:
    resident_kib: int
    open_files: int
    connections: int
    p99_milliseconds: float


@contextmanager
def housekeepers(database_url: str) -> Iterator[list[int]]:
    """`flask prune --watch` on two nodes, busier than their units make them. They end well when they are asked to."""
    command = ("prune", "--watch", "--every", "1")
    processes = [start_flask(*command, database_url=database_url, stdout=subprocess.DEVNULL) for _ in range(2)]
    try:
        yield [process.pid for process in processes]
        for process in processes:
            process.terminate()
            assert process.wait(60) == 0
    finally:
        for process in processes:
            process.kill()
            process.wait(60)


@contextmanager
def rows(database_url: str) -> Iterator[Connection]:
    engine = create_engine(database_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def take(site: Site, others: list[int], table: Connection, reader: Client) -> Sample:
    """What all processes and the database use, and how long reads take meanwhile."""
    masters = [node.pid for node in site.nodes]
    processes = [*masters, *(worker for master in masters for worker in children(master)), *others]
    connections = table.scalar(CONNECTIONS) or 0
    memory, files = sum(map(resident_kib, processes)), sum(map(open_files, processes))
    return Sample(memory, files, connections, p99(reader))


def p99(reader: Client) -> float:
    milliseconds = []
    for _ in range(READS):
        since = time.perf_counter()
        assert reader.get("/profile/me").status == 200
        milliseconds.append(1000 * (time.perf_counter() - since))
    return quantiles(milliseconds, n=100)[98]


def test_nothing_grows_but_what_customers_leave(databases: Databases) -> None:
    with databases.copy(POSTGRESQL) as url, site_on(url, workers=1) as site:
        reader = Client(site.proxy.transport()).join()
        assert reader.post("/profile", PROFILE).status == 201
        with housekeepers(url) as others, rows(url) as table:
            with site.under_load(CUSTOMERS) as ledger:
                samples = list(watch(ledger, table, lambda: take(site, others, table, reader)))
            assert_flat(samples)
            assert_log_is_bounded(site, sum(ledger.statuses.values()) + SAMPLES * READS)
            assert ledger.failures == 0
            wait_until(lambda: count(table, BlockedSession) == living_blocks(table), "dead rows stay")
        reader.transport.session.close()
        assert_only_users_outlive_their_sessions(url, len(ledger.accounts) + 1)


def watch(ledger: Ledger, table: Connection, look: Callable[[], Sample]) -> Iterator[Sample]:
    for _ in range(SAMPLES):
        leave_dead_rows(table)
        ledger.is_over.wait(60 * MINUTES / SAMPLES)
        yield look()


def leave_dead_rows(table: Connection) -> None:
    ended = clock.now() - timedelta(days=1)
    row = {"reason": "logged_out", "blocked_at": ended, "expires_at": ended}
    table.execute(insert(BlockedSession), [{"session_id": uuid4(), **row} for _ in range(DEAD_ROWS)])


def assert_flat(samples: list[Sample]) -> None:
    """The first third of the samples is warm-up; the last third is held against the one between."""
    third = len(samples) // 3
    warm, late = samples[third : 2 * third], samples[2 * third :]
    sys.stdout.write(f"warm {most_of(warm)}\nlate {most_of(late)}\n")
    resident = mean(sample.resident_kib for sample in warm)
    allowed = NOISE_KIB + resident * GROWTH_PER_HOUR * MINUTES / 60
    assert mean(sample.resident_kib for sample in late) - resident < allowed
    # A customer, and a look at them, has a connection or two open at a time.
    assert max(sample.open_files for sample in late) <= max(sample.open_files for sample in warm) + 2 * CUSTOMERS
    assert max(sample.connections for sample in late) <= max(sample.connections for sample in warm) + 2


def most_of(samples: list[Sample]) -> Sample:
    return Sample(*map(max, zip(*map(astuple, samples), strict=True)))


def assert_log_is_bounded(site: Site, requests: int) -> None:
    each = sum(node.log_path.stat().st_size for node in site.nodes) / requests
    sys.stdout.write(f"{requests} requests, {each:.0f} bytes of log for each\n")
    assert each < LOG_BYTES_PER_REQUEST


def assert_only_users_outlive_their_sessions(database_url: str, users: int) -> None:
    with running_app(database_url) as app, app.app_context(), rows(database_url) as table:
        sessions = count(table, LoginSession)
        assert sessions >= users  # the audit has logged everybody in
        assert prune()["sessions"] == 0
        with time_machine.travel(clock.now() + FAR_AHEAD):
            assert prune()["sessions"] == sessions
        assert [count(table, model) for model in (LoginSession, BlockedSession, User)] == [0, 0, users]


def count(table: Connection, model: type) -> int:
    return table.scalar(select(func.count()).select_from(model)) or 0


def living_blocks(table: Connection) -> int:
    is_living = BlockedSession.expires_at > clock.now()
    return table.scalar(select(func.count()).select_from(BlockedSession).where(is_living)) or 0
