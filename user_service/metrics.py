"""What the service counts. With PROMETHEUS_MULTIPROC_DIR set (gunicorn.conf.py does) all workers count together.

Nothing here is about a person: labels are route rules, doors, actions and results, all of them from our own code.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
HASH_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

own = CollectorRegistry()
_requests = Histogram(
    "user_service_request_seconds",
    "How long requests took, by route rule and class of status.",
    ("route", "status"),
    buckets=REQUEST_SECONDS,
    registry=own,
)
_log_ins = Counter("user_service_log_ins_total", "Log-ins by result.", ("result",), registry=own)
_refreshes = Counter("user_service_refreshes_total", "Refreshes by result.", ("result",), registry=own)
_events = Counter("user_service_events_total", "Audit events.", ("action", "outcome"), registry=own)
_limits = Counter("user_service_limits_reached_total", "Requests that a limit refused.", ("door",), registry=own)
_unavailable = Counter(
    "user_service_unavailable_total", "Requests that a missing part made fail, by part.", ("part",), registry=own
)
_hashes = Histogram("user_service_hash_seconds", "How long password hashes took.", buckets=HASH_SECONDS, registry=own)
_hash_waits = Histogram(
    "user_service_hash_wait_seconds", "How long they waited for their turn.", buckets=HASH_SECONDS, registry=own
)
_hash_queue = Gauge(
    "user_service_hash_queue",
    "Password hashes that wait for their turn.",
    multiprocess_mode="livesum",
    registry=own,
)
_pool = Gauge(
    "user_service_pool_connections",
    "Database connections of the pools, by pool and state.",
    ("pool", "state"),
    multiprocess_mode="livesum",
    registry=own,
)


def count_request(route: str, status: int, seconds: float) -> None:
    _request(route, status // 100).observe(seconds)


@cache
def _request(route: str, status_class: int) -> Histogram:
    """Looking up the labels costs more than counting does."""
    return _requests.labels(route, f"{status_class}xx")


def count_log_in(result: str) -> None:
    _log_ins.labels(result).inc()


def count_refresh(result: str) -> None:
    """`rotated`, `renewed`, `replayed`, `reused`, or the code of a refusal."""
    _refreshes.labels(result).inc()


def count_event(action: str, outcome: str) -> None:
    _events.labels(action, outcome).inc()


def count_limit(door: str) -> None:
    _limits.labels(door).inc()


def count_unavailable(part: str) -> None:
    _unavailable.labels(part).inc()


def observe_hash(waited: float, took: float) -> None:
    """In seconds."""
    _hash_waits.observe(waited)
    _hashes.observe(took)


def set_hash_queue(waiting: int) -> None:
    _hash_queue.set(waiting)


def set_pool(pool: str, *, in_use: int, size: int) -> None:
    _pool.labels(pool, "in_use").set(in_use)
    _pool.labels(pool, "size").set(size)


def exposition(extra: Collector) -> bytes:
    """The text that Prometheus reads: what all workers counted, and what `extra` finds out now."""
    registry = CollectorRegistry()
    registry.register(_AllWorkers())
    registry.register(extra)
    return generate_latest(registry)


def bury(pid: int) -> None:
    """Add what a worker that has ended counted to what all the dead did: else each one would leave its files behind.

    The files wait for the next burial where somebody reads them just now.
    """
    directory = Path(os.environ[DIRECTORY])
    mark_process_dead(pid)  # type: ignore[no-untyped-call]  # its stubs lack it
    with _readers_away(directory) as is_free:
        if not is_free:
            return
        for kind in ("counter", "histogram"):
            dead = directory / f"{kind}_{pid}.db"
            if dead.exists():
                _add(dead, directory / f"{kind}_0.db")
                dead.unlink()


def _add(dead: Path, grave: Path) -> None:
    total = MmapedDict(str(grave))  # type: ignore[no-untyped-call]  # its stubs lack it
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(dead)):  # type: ignore[no-untyped-call]  # its stubs lack it
        total.write_value(key, total.read_value(key)[0] + value, 0.0)  # type: ignore[no-untyped-call]  # its stubs lack it
    total.close()  # type: ignore[no-untyped-call]  # its stubs lack it


@contextmanager
def _readers_away(directory: Path) -> Iterator[bool]:
    """Whether nobody reads the files, and nobody begins to; it never waits, for a reader may be frozen."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


class _AllWorkers(Collector):
    def collect(self) -> Iterable[Metric]:
        directory = os.environ.get(DIRECTORY)
        if not directory:
            return own.collect()
        with (Path(directory) / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            return list(MultiProcessCollector(None, directory).collect())  # type: ignore[no-untyped-call]  # its stubs lack it
