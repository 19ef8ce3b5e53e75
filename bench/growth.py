"""What the hot paths and pruning cost as tables grow: 10^4, 10^5, 10^6 users, sessions and blocked sessions.

    .venv/bin/python bench/growth.py [--full] [--json FILE]

On a throwaway PostgreSQL, filled by COPY; `--full` goes on to 10^7. Requests run in process, so that what grows is the
database's share alone. Every figure is the median of many, in microseconds; ratios are to the first size.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from uuid import UUID

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.databases import SETTINGS, migrate  # noqa: E402  # after the path is set
from tests.support.people import PROFILE, Client, InProcess  # noqa: E402  # after the path is set
from tests.support.postgres import PostgresServer, throwaway_server  # noqa: E402  # after the path is set
from user_service import create_app, pruning  # noqa: E402  # after the path is set
from user_service.extensions import db  # noqa: E402  # after the path is set

SIZES = (10**4, 10**5, 10**6)
FULL = 10**7
REPETITIONS = 100
SPREAD = 0x9E3779B97F4A7C15  # an odd number with bits everywhere, so that no two products share their last 56
EXPIRED = 10 * pruning.BATCH
START = datetime(2026, 1, 1, tzinfo=UTC)
DURABLE = {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "4GB"}

USERS = "users (id, username, username_key, email, email_key, password_hash, password_scheme, password_changed_at, created_at, updated_at)"  # noqa: E501  # its columns
SESSIONS = "sessions (id, user_id, created_at, last_used_at, ends_at, generation, refresh_jti, access_jti, issued_at, refresh_expires_at, is_replayed, access_floor)"  # noqa: E501  # its columns
BLOCKED = "token_blocklist (session_id, reason, blocked_at, expires_at)"
Row = tuple[object, ...]


def id_of(number: int, kind: int) -> UUID:
    """A UUIDv7 of the moment in which the number was given, as the service makes them."""
    milliseconds = int(START.timestamp() * 1000) + number
    scattered = number * SPREAD & (1 << 56) - 1
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62 | kind << 60 | scattered)


def user(number: int) -> Row:
    name, address = f"grown{number}", f"grown{number}@example.com"
    return (id_of(number, 1), name, name, address, address, "x", "x", START, START, START)


def session(number: int) -> Row:
    end = datetime.now(UTC) + timedelta(days=30)
    return (id_of(number, 2), id_of(number, 1), START, START, end, 1, id_of(number, 1), id_of(number, 1), START, end,
            False, 0)  # fmt: skip  # a table


def blocked(number: int) -> Row:
    return (id_of(number, 3), "logged_out", START, datetime.now(UTC) + timedelta(days=7))


def expired(number: int) -> Row:
    return (id_of(number, 0), "logged_out", START, START)


def fill(server: PostgresServer, database: str, first: int, last: int) -> None:
    with server.connect(database) as connection:
        for table, row in ((USERS, user), (SESSIONS, session), (BLOCKED, blocked)):
            _copy(connection, table, (row(number) for number in range(first, last)))
        connection.execute("VACUUM ANALYZE")


def _copy(connection, table: str, rows: Iterator[Row]) -> None:
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def megabytes(server: PostgresServer, database: str) -> float:
    with server.connect(database) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None
    return found[0] / 1e6


def microseconds(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPETITIONS):
        started = time.perf_counter()
        action()
        taken.append((time.perf_counter() - started) * 1e6)
    return median(taken)


def measure(server: PostgresServer, database: str) -> dict[str, float]:
    """Each hot path of one person among the many; then pruning, for a thousand rows."""
    app = create_app(replace(SETTINGS, database_url=server.url(database)))
    person = Client(InProcess(app)).join()
    assert person.post("/profile", PROFILE).status == 201
    ways: dict[str, Callable[[], object]] = {
        "read me": lambda: _good(person.get("/profile/me")),
        "update me": lambda: _good(person.put("/profile", {"name": "Ada King"})),
        "refresh": lambda: _good(person.refresh()),
        "log-in": lambda: _good(person.log_in()),
        "list sessions": lambda: _good(person.get("/sessions?limit=20")),
    }
    figures = {name: microseconds(way) for name, way in ways.items()}
    with server.connect(database) as connection:
        _copy(connection, BLOCKED, (expired(number) for number in range(EXPIRED)))
    with app.app_context():
        started = time.perf_counter()
        removed = sum(pruning.prune().values())
        figures["prune 1,000 rows"] = (time.perf_counter() - started) * 1e6 * 1_000 / removed
        for engine in db.engines.values():
            engine.dispose()
    return figures


def _good(answer) -> None:
    assert answer.status == 200, answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="go on to 10^7 rows of each kind")
    parser.add_argument("--sizes", type=int, nargs="+", help="these sizes instead")
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the server is stopped too
    sizes = tuple(options.sizes or SIZES) + ((FULL,) if options.full else ())
    told: dict[int, dict[str, float]] = {}
    with throwaway_server(**DURABLE) as server:
        database = server.create_database()
        migrate(server.url(database))
        filled = 0
        for size in sizes:
            started = time.monotonic()
            fill(server, database, filled, size)
            print(
                f"\n{size:,} users, sessions and blocked sessions: filled in {time.monotonic() - started:.0f} s", end=""
            )
            print(f", {megabytes(server, database):.0f} MB", flush=True)
            filled = size
            told[size] = measure(server, database)
            _print(told[size], told[sizes[0]])
    if options.json:
        Path(options.json).write_text(json.dumps(told, indent=2) + "\n")


def _print(figures: dict[str, float], first: dict[str, float]) -> None:
    for name, figure in figures.items():
        print(f"  {name:18}{figure:10.0f} µs{figure / first[name]:8.2f} ×", flush=True)


if __name__ == "__main__":
    main()
