"""`GET /metrics`: what the workers counted, and what only the database can tell."""

import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from flask import Blueprint, Response
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Engine, column, func, literal, select, table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from user_service import background, clock, metrics
from user_service.database import fetch_all, fetch_one
from user_service.database_clock import seconds_ahead
from user_service.extensions import db, metadata
from user_service.runtime import runtime

PREFIX = "user_service_"
RECENTLY = timedelta(hours=1)
TABLES = ("token_blocklist", "sessions", "outbox_messages", "audit_events", "users")
ENOUGH = 10_000  # more than this is not counted, only told as this many
ANSWER_SECONDS = 10
SAMPLE_SECONDS = 5

blp = Blueprint("telemetry", __name__)
log = structlog.get_logger("telemetry")


@blp.get("/metrics")
def show() -> Response:
    """For Prometheus, inside only: the shipped proxy keeps it off the public listener."""
    sample()
    return Response(metrics.exposition(_FromDatabase()), content_type=metrics.CONTENT_TYPE)


def sample() -> None:
    """Note how many connections this process uses right now, and how many hashes wait in it."""
    metrics.set_hash_queue(runtime().hashing.stats().waiting)
    for name, engine in db.engines.items():
        if isinstance(engine.pool, QueuePool):
            metrics.set_pool(name or "writer", in_use=engine.pool.checkedout(), size=engine.pool.size())


def sample_for_ever(app: Any) -> None:
    """Each worker notes its own pools now and then: a scrape reaches one worker, and tells of all."""

    def run() -> None:
        with app.app_context():
            while background.pause(SAMPLE_SECONDS):
                sample()

    background.start(run, name="telemetry")


@dataclass
class _Known:
    """What the database said last, so that many who scrape do not all ask it."""

    metrics: list[Metric]
    until: float


_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()
_one_asks = threading.Lock()


class _FromDatabase(Collector):
    def collect(self) -> Iterable[Metric]:
        with _one_asks:
            known = _known.get(db.engine)
            if known is None or time.monotonic() >= known.until:
                known = _known[db.engine] = _Known(_ask(), time.monotonic() + ANSWER_SECONDS)
            return known.metrics


def _ask() -> list[Metric]:
    """A database that is away is told as such, and the rest is told all the same."""
    try:
        found = [
            _gauge("clock_ahead_seconds", "By how much this node's clock is ahead of the database's.", seconds_ahead()),
            _rows(),
            *_outbox(),
        ]
    except SQLAlchemyError as error:
        log.warning("telemetry.no_database", error=type(error).__name__)
        return [_gauge("database_up", "Whether the database answers.", 0)]
    return [_gauge("database_up", "Whether the database answers.", 1), *found]


def _rows() -> Metric:
    """By the database's own running estimate: counting ten million rows is no price for a look."""
    family = GaugeMetricFamily(f"{PREFIX}rows", "Rows by table, as the database estimates them.", labels=["table"])
    if db.engine.dialect.name == "postgresql":
        statistics = table("pg_stat_user_tables", column("relname"), column("n_live_tup"), column("schemaname"))
        here = statistics.c.schemaname == func.current_schema()
        rows = fetch_all(select(statistics.c.relname, statistics.c.n_live_tup).where(here))
        counts = {row.relname: row.n_live_tup for row in rows}
    else:
        counts = {name: _count(metadata.tables[name]) for name in TABLES if name in metadata.tables}
    for name in TABLES:
        if name in counts:
            family.add_metric([name], counts[name])
    return family


def _outbox() -> Iterator[Metric]:
    """What waits to be mailed, up to ENOUGH, and since when."""
    outbox = metadata.tables.get("outbox_messages")
    if outbox is None:
        return
    waits = outbox.c.next_attempt_at.is_not(None)
    yield _gauge("outbox_waiting", f"Mails that wait; {ENOUGH} stands for more.", _count(outbox, waits))
    gave_up = outbox.c.gave_up_at > clock.now() - RECENTLY
    yield _gauge("outbox_given_up", "Mails that were given up in the last hour.", _count(outbox, gave_up))
    oldest = fetch_one(select(func.min(outbox.c.created_at).label("at")).where(waits))
    age = (clock.now() - oldest.at).total_seconds() if oldest is not None and oldest.at is not None else 0
    yield _gauge("outbox_oldest_seconds", "For how long the oldest of them has waited.", age)


def _count(source: Any, *conditions: Any) -> int:
    """How many rows, and no more than ENOUGH of them looked at."""
    few = select(literal(1)).select_from(source).where(*conditions).limit(ENOUGH).subquery()
    row = fetch_one(select(func.count()).select_from(few))
    return int(row[0]) if row is not None else 0


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, documentation, value=value)
