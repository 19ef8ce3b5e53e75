"""Workers that are replaced again and again, and masters that are killed, leave nothing behind. RELIABILITY 12, 40."""

import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import Client, OverSocket
from tests.support.processes import open_files, wait_until
from tests.support.server import Node, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
RELOADS, KILLS = 10, 5


@dataclass(frozen=True)
class Footprint:
    """What a node holds of its machine and of the database. Process ids in the names of files are left out."""

    workers: int
    files_of_the_master: int
    shared_memory_of_the_master: int
    files_of_each_worker: list[int]
    files: Counter[str]
    connections: int


@pytest.fixture
def node(databases: Databases, tmp_path: Path) -> Iterator[tuple[Node, Callable[[], Footprint]]]:
    """A node with a temporary directory of its own, and who measures it."""

    def look() -> Footprint:
        with databases.postgres.connect() as connection:
            mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            [connections] = connection.execute(mine, (make_url(url).database,)).fetchone() or (0,)
        return Footprint(
            len(node.workers()),
            open_files(node.pid),
            shared_mappings(node.pid),
            [open_files(worker) for worker in node.workers()],
            Counter(re.sub(r"\d+(-\w+)?", "N", path.name) for path in tmp_path.rglob("*")),
            connections,
        )

    with (
        databases.copy(POSTGRESQL) as url,
        serving(url, workers=1, TMPDIR=str(tmp_path), DATABASE_POOL_SIZE="1") as node,
    ):
        yield node, look


def shared_mappings(pid: int) -> int:
    """Memory that is shared with other processes (proc(5), maps)."""
    return sum(line.split()[1].endswith("s") for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


def serve(node: Node) -> None:
    client = Client(OverSocket(node.url)).join()
    assert client.get("/sessions").status == 200
    client.transport.session.close()


def replace_worker(node: Node, ask: Callable[[int], None]) -> None:
    [old] = node.workers()
    ask(old)
    wait_until(lambda: old not in node.workers() and len(node.workers()) == 1, "the worker was not replaced")
    assert node.wait_until_ready()
    serve(node)


def test_workers_that_are_replaced_leave_nothing_behind(node: tuple[Node, Callable[[], Footprint]]) -> None:
    """Ten reloads and five killed workers: files, shared memory and connections are what they were."""
    served, look = node
    serve(served)
    replace_worker(served, lambda _: served.process.send_signal(signal.SIGHUP))  # what the dead counted is added up
    before = look()
    for _ in range(RELOADS):
        replace_worker(served, lambda _: served.process.send_signal(signal.SIGHUP))
    for _ in range(KILLS):
        replace_worker(served, lambda worker: os.kill(worker, signal.SIGKILL))
    wait_until(lambda: look() == before, f"{look()} is not {before}")


def test_the_next_start_removes_what_a_killed_master_left(node: tuple[Node, Callable[[], Footprint]]) -> None:
    """And not what belongs to a node that serves."""
    served, look = node
    serve(served)
    before = look()
    with serving(served.variables["DATABASE_URL"], workers=1, TMPDIR=served.variables["TMPDIR"]):
        serve(served)
    assert look().files == before.files
    served.kill()
    [left] = Path(served.variables["TMPDIR"]).iterdir()
    served.start_again()
    assert served.wait_until_ready()
    serve(served)
    assert not left.exists()
    wait_until(lambda: look() == before, f"{look()} is not {before}")
