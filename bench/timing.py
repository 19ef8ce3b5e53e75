"""Can a stranger tell from the time of an answer whether an account exists? Known and unknown names, in turn.

    .venv/bin/python bench/timing.py [--pairs 200] [--rounds 12] [--postgresql]

Prints the area under the curve for each door: the chance that an answer about a known account takes longer than one
about an unknown one. 0.5 tells nothing. Between 0.4 and 0.6 is the goal; a busy machine adds noise, never a difference.
"""

import argparse
import http.client
import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.databases import migrate  # noqa: E402  # after the path is set
from tests.support.people import Client, OverSocket  # noqa: E402  # after the path is set
from tests.support.postgres import throwaway_server  # noqa: E402  # after the path is set
from tests.support.server import serving  # noqa: E402  # after the path is set

NAMES = 25  # of each kind, so that none of them is tried often enough to be locked
GOAL = (0.4, 0.6)
# More attempts than a name gets here, and no limit by address: the time of the check itself is what is measured.
ENVIRONMENT = {"LOGIN_ATTEMPTS_PER_ACCOUNT": "100", "RATELIMIT_ENABLED": "false"}
_passwords = itertools.cycle(["wrong password", "x" * 72, "x" * 73, "x" * 200, "😀" * 50])

DOORS: dict[str, Callable[[str], dict[str, str]]] = {
    "/token": lambda address: {"username": address, "password": next(_passwords)},
    "/password/forgot": lambda address: {"email": address},
}


@dataclass(frozen=True)
class Seconds:
    """How long the answers took, pair by pair."""

    known: Sequence[float]
    unknown: Sequence[float]

    @property
    def area(self) -> float:
        """The area under the curve: of all couples, the share in which the known one took longer (ties count half)."""
        won = sum((one > other) + (one == other) / 2 for one in self.known for other in self.unknown)
        return won / (len(self.known) * len(self.unknown))


def measure(url: str, door: str, pairs: int) -> Seconds | None:
    """Time a door; None where there is no such door. Each name knocks once before, and is not timed then."""
    known = [register(url, f"known{number:03}") for number in range(NAMES)]
    unknown = [f"other{number:03}@example.com" for number in range(NAMES)]
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        return _measure(connection, door, pairs, known, unknown)


def _measure(
    connection: http.client.HTTPConnection, door: str, pairs: int, known: list[str], unknown: list[str]
) -> Seconds | None:
    if ask(connection, door, known[0])[0] == 404:
        return None
    for address in [*known, *unknown]:
        ask(connection, door, address)
    times: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(pairs):
        # Who comes first changes, so that what the first leaves behind favours neither.
        for is_known in (True, False) if pair % 2 else (False, True):
            address = (known if is_known else unknown)[pair % NAMES]
            status, seconds = ask(connection, door, address)
            assert status in (202, 401), status
            times[is_known].append(seconds)
    return Seconds(times[True], times[False])


def register(url: str, name: str) -> str:
    transport = OverSocket(url)
    with transport.session:
        client = Client(transport)
        assert client.register(name).status in (201, 409)
    return client.email


def ask(connection: http.client.HTTPConnection, door: str, address: str) -> tuple[int, float]:
    body = json.dumps(DOORS[door](address)).encode()
    started = time.perf_counter()
    connection.request("POST", door, body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status, time.perf_counter() - started


def main() -> None:
    options = arguments()
    with ExitStack() as stack:
        directory = stack.enter_context(TemporaryDirectory())
        database_url = f"sqlite:///{directory}/timing.sqlite3"
        if options.postgresql:
            server = stack.enter_context(throwaway_server(fsync="on"))
            database_url = server.url(server.create_database())
        migrate(database_url)
        node = stack.enter_context(serving(database_url, workers=1, BCRYPT_ROUNDS=str(options.rounds), **ENVIRONMENT))
        for door in DOORS:
            print(f"{door:20}{described(measure(node.url, door, options.pairs))}", flush=True)


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=12, help="the cost of bcrypt")
    parser.add_argument("--postgresql", action="store_true", help="instead of SQLite")
    return parser.parse_args()


def described(seconds: Seconds | None) -> str:
    if seconds is None:
        return "there is no such door"
    median = sorted(seconds.known)[len(seconds.known) // 2] * 1000
    verdict = "tells nothing" if GOAL[0] <= seconds.area <= GOAL[1] else "TELLS"
    return f"area {seconds.area:.3f} of {len(seconds.known)} pairs, median {median:.1f} ms: {verdict}"


if __name__ == "__main__":
    main()
