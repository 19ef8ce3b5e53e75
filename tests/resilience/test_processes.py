"""Workers, masters and nodes that end, are ended, or hang, while customers are served. RELIABILITY 11-15, 17."""

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.resilience.site import Site, site_on
from tests.support.crowd import spelled_out
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import Client, OverSocket
from tests.support.processes import PATIENCE_SECONDS, is_alive, wait_until
from tests.support.server import Node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
# Of a node that died: what is promised.
OUTAGE_SECONDS = 5
# How long a node that is stopped waits before it kills its workers (gunicorn.conf.py).
GRACEFUL_SECONDS = 20


@pytest.fixture(scope="module")
def site(databases: Databases) -> Iterator[Site]:
    with databases.copy(POSTGRESQL) as url, site_on(url) as site:
        yield site


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def test_killed_workers_lose_nothing_and_are_replaced(site: Site) -> None:
    """RELIABILITY 11."""
    node = site.nodes[0]
    with site.under_load() as ledger:
        since = time.monotonic()
        for _ in range(2):
            victim = node.workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda gone=victim: gone not in node.workers() and len(node.workers()) == 2, "no new worker")
            ledger.wait_for_everybody()
        ledger.assert_outage(since=since, below=OUTAGE_SECONDS)


def test_a_killed_master_leaves_nothing_behind(site: Site) -> None:
    """RELIABILITY 12, 15: its workers end by themselves, the port is free, and a supervisor's restart is clean."""
    node = site.nodes[0]
    orphans = node.workers()
    with site.under_load() as ledger:
        since = time.monotonic()
        os.kill(node.pid, signal.SIGKILL)
        node.process.wait(PATIENCE_SECONDS)
        wait_until(lambda: is_free(node.port), "the port is taken")
        ledger.wait_for_everybody()
        ledger.assert_outage(since=since, below=OUTAGE_SECONDS)
        node.start_again()
        assert node.wait_until_ready(), node.log()
        ledger.wait_for_everybody()
    wait_until(lambda: not any(map(is_alive, orphans)), "a worker without a master goes on")


def test_a_killed_node_is_not_missed(site: Site) -> None:
    """RELIABILITY 11, 12: master and workers at once, as when a machine dies."""
    node = site.nodes[1]
    with site.under_load() as ledger:
        since = time.monotonic()
        node.kill()
        ledger.wait_for_everybody(good_answers=10)
        ledger.assert_outage(since=since, below=OUTAGE_SECONDS)
        node.start_again()
        assert node.wait_until_ready(), node.log()
        ledger.wait_for_everybody()


def test_a_stopped_node_finishes_what_it_has_begun(site: Site) -> None:
    """RELIABILITY 13: a request whose body is still on its way is answered, the exit code is 0, nobody is killed."""
    node = site.nodes[0]
    body = b'{"username": "late", "email": "late@example.com", "password": "plum tractor sings low"}'
    request = spelled_out(node.url, "POST", "/register", {"Content-Type": "application/json"}, body)
    request = request.replace(b"Connection: close", b"Connection: keep-alive")
    with socket.create_connection(("127.0.0.1", node.port), PATIENCE_SECONDS) as connection:
        connection.sendall(request[:-20])
        assert Client(OverSocket(node.url)).get("/healthz").status == 200  # so the one before has been taken
        since = time.monotonic()
        node.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(node), "connections are still taken")
        connection.sendall(request[-20:])
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 201 ")
    assert node.process.wait(PATIENCE_SECONDS) == 0
    assert time.monotonic() - since < GRACEFUL_SECONDS
    node.start_again()
    assert node.wait_until_ready()


def is_refused(node: Node) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", node.port)) != 0


def test_a_reload_fails_no_request(site: Site) -> None:
    """RELIABILITY 14: SIGHUP at both nodes, one after the other."""
    with site.under_load() as ledger:
        for node in site.nodes:
            before = set(node.workers())
            node.process.send_signal(signal.SIGHUP)
            wait_until(lambda old=before, at=node: not old & set(at.workers()), "old workers go on")
            assert node.wait_until_ready()
            ledger.wait_for_everybody()
    assert ledger.failures == 0, ledger.statuses


def test_a_rolling_restart_fails_no_request(site: Site) -> None:
    """RELIABILITY 14: each node is stopped, waited for, and started again."""
    with site.under_load() as ledger:
        for node in site.nodes:
            assert node.stop() == 0
            node.start_again()
            assert node.wait_until_ready()
            ledger.wait_for_everybody(good_answers=10)
    assert ledger.failures == 0, ledger.statuses


def test_a_worker_that_hangs_is_replaced(site: Site) -> None:
    """RELIABILITY 17: the others go on serving; gunicorn's time-out ends the one that says nothing any more."""
    node = site.nodes[0]
    victim = node.workers()[0]
    with site.under_load() as ledger:
        os.kill(victim, signal.SIGSTOP)
        wait_until(lambda: victim not in node.workers() and len(node.workers()) == 2, "it was not replaced")
        ledger.wait_for_everybody()
    assert "WORKER TIMEOUT" in node.log()
