"""Slow, huge and hostile requests, and what others notice of them. RELIABILITY 39 (a), (b), (d).

The flood of log-ins, (c), is in tests/races/test_log_in_flood.py.
"""

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle
from statistics import quantiles

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.resilience.site import Site, site_on
from tests.support.crowd import at_once
from tests.support.databases import POSTGRESQL, Databases
from tests.support.forgery import Forger, badly_signed, unsigned
from tests.support.people import PROFILE, Client
from tests.support.processes import children, forget_peak, open_files, peak_kib, wait_until
from tests.support.proxy import ADDRESS, HOST, Proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SLOW_CLIENTS, CALM_REQUESTS, P99_SECONDS = 200, 150, 1
HUGE, PART, HUGE_CLIENTS, MOST_KIB = 20 * 1024 * 1024, 128 * 1024, 10, 20 * 1024
HEAD = f"POST /register HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
HOSTILE = (
    b"{",
    b"null",
    b"1e999999",
    b"\xff\xfe",
    b"[" * 30_000,
    b'{"username": "\\u0000"}',
    b'{"username": "a", "username": "b"}',
    b'{"username": "' + b"a" * 60_000 + b'"}',
    b'{"username": {"$ne": null}, "password": []}',
    b" " * 80_000,
)
ANNOUNCED = f"Content-Length: {HUGE}\r\n\r\n".encode()
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def site(databases: Databases) -> Iterator[Site]:
    with databases.copy(POSTGRESQL) as url, site_on(url, workers=1) as site:
        yield site


def test_slow_and_hostile_clients_keep_nobody_else_waiting(site: Site) -> None:
    """(a), (d): the slow ones wait in the proxy, the hostile ones are refused, the ledger of others is clean."""
    person = Client(site.proxy.transport()).join()
    assert person.post("/profile", PROFILE).status == 201
    alone = p99(person)
    with site.under_load(customers=3) as ledger, hostile_client(site.proxy, person) as statuses:
        busy = p99(person)
        before = [open_files(worker) for node in site.nodes for worker in node.workers()]
        with slow_clients(site.proxy) as held:
            together = p99(person)
            during = [open_files(worker) for node in site.nodes for worker in node.workers()]
            assert held() >= SLOW_CLIENTS / 2
        wait_until(lambda: len(statuses) > 3 * len(HOSTILE), "nobody is hostile")
    sys.stdout.write(f"p99 alone {alone:.3f} s, beside a load {busy:.3f} s, and beside slow clients {together:.3f} s\n")
    assert person.refresh().status == 200
    assert ledger.failures == 0
    assert set(statuses) == {400, 401, 413, 422}
    assert together < P99_SECONDS + 10 * busy
    assert sum(during) - sum(before) < SLOW_CLIENTS / 4


def p99(person: Client) -> float:
    """Of reads through the proxy, in seconds."""
    seconds = []
    for _ in range(CALM_REQUESTS):
        started = time.perf_counter()
        assert person.get("/profile/me").status == 200
        seconds.append(time.perf_counter() - started)
    return quantiles(seconds, n=100)[98]


@contextmanager
def slow_clients(proxy: Proxy) -> Iterator[Callable[[], int]]:
    """Half of them never finish their headers, half never their body; each sends a byte every second.

    Gives who counts those that the proxy has not sent away.
    """
    is_over = threading.Event()
    with ExitStack() as stack:
        crowd = [stack.enter_context(connected(proxy)) for _ in range(SLOW_CLIENTS)]
        for number, connection in enumerate(crowd):
            rest = "Content-Length: 5000\r\n\r\n{" if number % 2 else "X-Slow: a"
            connection.sendall((HEAD + rest).encode())
        trickle = threading.Thread(target=_trickle, args=(crowd, is_over), daemon=True)
        trickle.start()
        try:
            yield lambda: sum(not _is_answered(connection) for connection in crowd)
        finally:
            is_over.set()
            trickle.join(30)


def _trickle(crowd: list[ssl.SSLSocket], is_over: threading.Event) -> None:
    while not is_over.wait(1):
        for connection in crowd:
            try:
                connection.sendall(b"a")
            except OSError:  # the proxy has had enough of it
                continue


def _is_answered(connection: ssl.SSLSocket) -> bool:
    """Whether anything came back, be it the end."""
    connection.setblocking(False)
    try:
        connection.recv(1)
    except ssl.SSLWantReadError:
        return False
    except OSError:
        return True
    finally:
        connection.setblocking(True)
    return True


def connected(proxy: Proxy) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=str(proxy.authority))
    connection = socket.create_connection((ADDRESS, int(proxy.url.rpartition(":")[2])), 60)
    return context.wrap_socket(connection, server_hostname=HOST)


@contextmanager
def hostile_client(proxy: Proxy, victim: Client) -> Iterator[list[int]]:
    """Somebody who sends rubbish and forged tokens of the victim all along; the statuses of the answers."""
    forged = [(bearer, refresh) for bearer, refresh in zip(*map(_forgeries, tokens_of(victim)), strict=True)]
    statuses: list[int] = []
    is_over = threading.Event()

    def attack() -> None:
        client = Client(proxy.transport())
        for body, (access_token, refresh_token) in zip(cycle(HOSTILE), cycle(forged), strict=False):
            if is_over.wait(0.02):
                break
            client.access_token = access_token
            answers = [client.post("/token", body, auth=False), client.get("/profile/me"), client.post("/logout")]
            answers.append(client.refresh(refresh_token))
            statuses.extend(answer.status for answer in answers)
        client.transport.session.close()

    attacker = threading.Thread(target=attack, daemon=True)
    attacker.start()
    try:
        yield statuses
    finally:
        is_over.set()
        attacker.join(60)


def tokens_of(person: Client) -> tuple[str, str]:
    assert person.access_token
    assert person.refresh_token
    return person.access_token, person.refresh_token


def _forgeries(token: str) -> list[str]:
    """Of those who do not have the key."""
    forger = Forger(token, ec.generate_private_key(ec.SECP256R1()))
    return [forgery for forge in (unsigned, badly_signed) for _, forgery in forge(forger) if forgery.isascii()]


@pytest.mark.parametrize("framing", [ANNOUNCED, CHUNKED], ids=["announced", "chunked"])
def test_huge_bodies_are_refused_unread(site: Site, framing: bytes) -> None:
    """(b): at a node itself, which nobody should be able to reach."""
    node = site.nodes[0]
    watched = node.workers()
    for pid in watched:
        forget_peak(pid)
    before = sum(map(peak_kib, watched))
    answers = at_once(HUGE_CLIENTS, lambda _: pour(socket.create_connection((ADDRESS, node.port), 60), framing))
    assert set(answers) == {b"HTTP/1.1 413"}
    growth = sum(map(peak_kib, watched)) - before
    sys.stdout.write(f"{growth} KiB for {HUGE_CLIENTS} bodies of {HUGE >> 20} MiB\n")
    assert growth < MOST_KIB


@pytest.mark.parametrize("framing", [ANNOUNCED, CHUNKED], ids=["announced", "chunked"])
def test_huge_bodies_do_not_pass_the_proxy(site: Site, framing: bytes) -> None:
    """(b): nor does the proxy keep them."""
    watched = [*children(site.proxy.process.pid), *(pid for node in site.nodes for pid in node.workers())]
    for pid in watched:
        forget_peak(pid)
    before = sum(map(peak_kib, watched))
    answers = at_once(HUGE_CLIENTS, lambda _: pour(connected(site.proxy), framing))
    assert set(answers) == {b"HTTP/1.1 413"}
    assert sum(map(peak_kib, watched)) - before < MOST_KIB


def pour(connection: socket.socket, framing: bytes) -> bytes:
    """Begin a huge body, read how the answer begins, and send the rest as far as it is taken."""
    part = b" " * PART
    if framing == CHUNKED:
        part = f"{PART:x}\r\n".encode() + part + b"\r\n"
    with connection:
        connection.sendall(HEAD.encode() + framing + (part if framing == CHUNKED else b""))
        answer = connection.recv(12)
        for _ in range(HUGE // PART):
            try:
                connection.sendall(part)
            except OSError:  # nobody reads it any more
                break
        return answer
