"""`GET /metrics`: what happened is counted once, over all workers, and nobody is named."""

import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import running_app
from tests.support.databases import SQLITE, Databases, migrate, require_postgres
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import PAYMENT, PROFILE, Client, InProcess, OverSocket
from tests.support.postgres import throwaway_server
from tests.support.server import Node, serving
from tests.test_logs import logging_app
from user_service import metrics

ALERTS = Path(__file__).parent.parent / "deploy" / "alerts.yml"
Labels = tuple[tuple[str, str], ...]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def scrape(client: Client) -> dict[tuple[str, Labels], float]:
    answer = client.get("/metrics", auth=False)
    assert (answer.status, answer.headers["Content-Type"]) == (200, metrics.CONTENT_TYPE)
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: dict[tuple[str, Labels], float], name: str, **labels: str) -> float:
    return samples.get((f"user_service_{name}", tuple(sorted(labels.items()))), 0)


def busy_day(client: Client) -> None:
    """Three log-ins that fail and one that does not; a refresh, a replay, a reuse."""
    client.register()
    for _ in range(3):
        assert client.log_in(password="wrong password").status == 401
    client.log_in()
    first = client.refresh_token
    client.refresh()
    client.refresh(first)
    client.get("/sessions")
    client.refresh()
    assert client.refresh(first).code == "refresh_token_reused"
    client.get("/no/such/place/canary-path")


def growth(before: dict[Any, float], after: dict[Any, float]) -> Callable[..., float]:
    return lambda name, **labels: value(after, name, **labels) - value(before, name, **labels)


def assert_counted(grown: Callable[..., float]) -> None:
    assert grown("log_ins_total", result="invalid_credentials") == 3
    assert grown("log_ins_total", result="succeeded") == 1
    assert grown("refreshes_total", result="rotated") == 2
    assert grown("refreshes_total", result="replayed") == 1
    assert grown("refreshes_total", result="refresh_token_reused") == 1
    assert grown("request_seconds_count", route="/token", status="4xx") == 3
    assert grown("request_seconds_count", route="/token", status="2xx") == 1
    assert grown("request_seconds_bucket", route="/token", status="2xx", le="+Inf") == 1
    assert grown("request_seconds_count", route="none", status="4xx") == 1
    assert grown("events_total", action="auth.user.registered", outcome="success") == 1
    assert grown("hash_seconds_count") == grown("hash_wait_seconds_count") >= 5


def test_what_happened_is_counted(client: Client) -> None:
    before = scrape(client)
    busy_day(client)
    assert_counted(growth(before, scrape(client)))


def test_the_database_tells_its_own_part(client: Client) -> None:
    samples = scrape(client)
    assert value(samples, "database_up") == 1
    assert abs(value(samples, "clock_ahead_seconds")) < 60
    assert ("user_service_rows", (("table", "token_blocklist"),)) in samples
    assert ("user_service_rows", (("table", "users"),)) in samples


@ON_ONE_DATABASE
def test_nothing_of_a_person_is_told(client: Client) -> None:
    client.join()
    client.post("/profile", PROFILE)
    client.post("/profile/payment_info", PAYMENT)
    client.get("/canary-in-a-path")
    shown = client.get("/metrics", auth=False).text
    secrets = [client.username, client.email, "127.0.0.1", "canary", PROFILE["phone"], PAYMENT["payment_token"]]
    assert not [
        secret for secret in [*secrets, client.access_token or "", client.refresh_token or ""] if secret in shown
    ]
    assert not re.search("[0-9a-f]{8}-[0-9a-f]{4}", shown), "no id"


def test_every_metric_that_an_alert_names_exists(client: Client) -> None:
    """A rule that names nothing never fires."""
    client.join()
    served = {name for name, _ in scrape(client)} | declared()
    named = set(re.findall(r"\buser_service_\w+", ALERTS.read_text()))
    assert len(named) >= 12
    assert named <= served | WITH_MAIL, named - served


WITH_MAIL = {f"user_service_outbox_{name}" for name in ("waiting", "given_up", "oldest_seconds")}


def declared() -> set[str]:
    """Also what has not happened yet."""
    families = list(metrics.own.collect())
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "gauge": [""]}
    return {family.name + ending for family in families for ending in endings[family.type]}


def test_a_database_that_is_away_is_told_in_time() -> None:
    require_postgres()
    with throwaway_server() as server:
        url = server.url(server.create_database())
        migrate(url)
        server.stop()
        with running_app(url) as app:
            client = Client(InProcess(app))
            assert client.register().status == 503
            samples = scrape(client)
    assert value(samples, "database_up") == 0
    assert value(samples, "unavailable_total", part="database") >= 1


@pytest.fixture
def node(databases: Databases) -> Iterator[Node]:
    with databases.copy(SQLITE) as url, serving(url, workers=2) as node:
        yield node


@pytest.mark.slow
def test_all_workers_are_counted_together_and_none_is_forgotten_when_it_ends(node: Node) -> None:
    """Also over a reload; and what dead workers leave behind does not grow."""
    client = Client(OverSocket(node.url))
    before = scrape(client)
    busy_day(client)
    assert_counted(growth(before, scrape(client)))
    for _ in range(2):
        assert_counted(growth(before, scrape(renewed(node))))
    [directory] = metrics_directories(node)
    files = sorted(path.name for path in directory.iterdir())
    assert len([name for name in files if name.startswith("counter_")]) <= 4, files
    node.stop()
    assert not directory.exists()


def renewed(node: Node) -> Client:
    """A client after every worker has been replaced."""
    old = workers_of(node)
    node.process.send_signal(signal.SIGHUP)
    for _ in range(600):
        if not workers_of(node) & old and node.is_ready():
            return Client(OverSocket(node.url))
        wait_a_moment(node)
    raise AssertionError(node.log())


def wait_a_moment(node: Node) -> None:
    with suppress(subprocess.TimeoutExpired):
        node.process.wait(0.1)


def workers_of(node: Node) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{node.pid}/task/{node.pid}/children").read_text().split()}


def metrics_directories(node: Node) -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob(f"user-service-counts-{node.pid}-*"))


@ON_ONE_DATABASE
def test_the_trace_that_a_request_is_part_of_stands_in_its_lines(make_app: Callable[..., Flask]) -> None:
    """W3C Trace Context, 3.2: taken strictly, or not at all."""
    app, log = logging_app(make_app)
    client = Client(InProcess(app))
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    client.get("/healthz", headers={"traceparent": parent})
    client.get("/healthz", headers={"traceparent": f"cc-{TRACE}-00f067aa0ba902b7-01-what-comes"})
    wrong = [
        parent.upper(),
        f"ff{parent[2:]}",
        f"{parent}-more",
        parent[:-1],
        f" {parent}x",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        '"}, {"forged": 1',
    ]
    for text in wrong:
        client.get("/healthz", headers={"traceparent": text})
    assert [line.get("trace_id") for line in log.events("request")] == [TRACE, TRACE, *[None] * len(wrong)]
