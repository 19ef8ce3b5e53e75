"""The pool that bcrypt runs in: bounded, fair, and nothing is computed for whoever has gone."""

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from user_service.errors import HashingBusy
from user_service.security import hashing
from user_service.security.hashing import HashingPool, cores, threads_for

PATIENCE_SECONDS = 30
NICENESS_0 = 20  # as RLIMIT_NICE counts it (getrlimit(2))
ROOT = Path(__file__).resolve().parents[2]


class Crowd:
    """Callers of a pool whose work does not end before it is told to."""

    def __init__(self, pool: HashingPool, threads: ThreadPoolExecutor) -> None:
        self.pool = pool
        self.threads = threads
        self.release = threading.Event()
        self.done: list[str] = []

    def send(self, client: str, waiting: int, running: int = 1) -> Future[str]:
        """One more caller, once it stands where it should."""
        future = self.threads.submit(self.pool.run, lambda: self._work(client), client=client)
        self.wait_until(lambda: (self.pool.stats().waiting, self.pool.stats().running) == (waiting, running))
        return future

    def _work(self, client: str) -> str:
        assert self.release.wait(PATIENCE_SECONDS)
        self.done.append(client)
        return client

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        pause = threading.Event()
        for _ in range(PATIENCE_SECONDS * 100):
            if condition():
                return
            pause.wait(0.01)
        raise AssertionError("it never came to that")


@pytest.fixture
def make_crowd() -> Iterator[Callable[..., Crowd]]:
    crowds: list[Crowd] = []
    with ThreadPoolExecutor(40) as threads:

        def make(**options: Any) -> Crowd:
            crowds.append(Crowd(HashingPool(**{"threads": 1, **options}), threads))
            return crowds[-1]

        yield make
        for crowd in crowds:
            crowd.release.set()
            crowd.pool.close()


def test_work_is_done_and_its_failure_is_the_callers(make_crowd: Callable[..., Crowd]) -> None:
    pool = make_crowd().pool
    assert pool.run(lambda: 42, client="a") == 42
    with pytest.raises(ZeroDivisionError):
        pool.run(lambda: 1 // 0, client=None)
    assert pool.run(lambda: 43, client="a") == 43


def test_no_more_runs_at_a_time_than_there_are_threads(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(threads=2)
    futures = [crowd.send(*each) for each in (("a", 0, 1), ("a", 0, 2), ("a", 1, 2), ("b", 2, 2))]
    crowd.release.set()
    assert [future.result(PATIENCE_SECONDS) for future in futures] == ["a", "a", "a", "b"]
    Crowd.wait_until(lambda: crowd.pool.stats().done == 4)
    assert crowd.pool.stats() == hashing.Stats(threads=2, waiting=0, running=0, refused=0, done=4)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux alone has this policy")
def test_its_threads_give_way_to_everything_else(make_crowd: Callable[..., Crowd]) -> None:
    policy = make_crowd().pool.run(lambda: os.sched_getscheduler(0), client="a")
    ordinary = make_crowd(gives_way=False).pool.run(lambda: os.sched_getscheduler(0), client="a")
    assert (policy, ordinary, os.sched_getscheduler(0)) == (os.SCHED_IDLE, os.SCHED_OTHER, os.SCHED_OTHER)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux alone has this policy")
def test_they_give_way_for_the_hash_alone(make_crowd: Callable[..., Crowd]) -> None:
    """What they do under the interpreter's lock is over quickly; where RLIMIT_NICE forbids to come back, they stay."""
    crowd, policies = make_crowd(), Queue[int]()
    crowd.pool.observe = lambda waited, took: policies.put(os.sched_getscheduler(0))
    crowd.pool.run(lambda: None, client="a")
    may_come_back = os.geteuid() == 0 or resource.getrlimit(resource.RLIMIT_NICE)[0] >= NICENESS_0
    assert policies.get(timeout=PATIENCE_SECONDS) == (os.SCHED_OTHER if may_come_back else os.SCHED_IDLE)


def test_where_the_policy_is_refused_the_work_is_done_all_the_same(
    make_crowd: Callable[..., Crowd], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert make_crowd().pool.run(lambda: 42, client="a") == 42


def test_whoever_waited_too_long_is_told_so_and_nothing_is_computed_for_them(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(wait_seconds=0.1)
    first = crowd.send("a", 0)
    late = crowd.threads.submit(crowd.pool.run, lambda: crowd.done.append("late"), client="b")
    with pytest.raises(HashingBusy):
        late.result(PATIENCE_SECONDS)
    assert (crowd.pool.stats().waiting, crowd.pool.stats().refused) == (0, 1)
    crowd.release.set()
    assert first.result(PATIENCE_SECONDS) == "a"
    assert crowd.pool.run(lambda: "next", client="b") == "next"
    assert crowd.done == ["a"]


def test_a_full_queue_refuses_at_once(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd(places=2)
    for client, waiting in (("a", 0), ("a", 1), ("b", 2)):
        crowd.send(client, waiting)
    for client in ("a", "b", "c"):
        with pytest.raises(HashingBusy):
            crowd.pool.run(lambda: "never", client=client)
    assert crowd.pool.stats().refused == 3


def test_one_address_cannot_keep_the_others_out(make_crowd: Callable[..., Crowd]) -> None:
    """It may fill the queue while nobody else comes; then its newest give way, down to an even share."""
    crowd = make_crowd(places=4)
    greedy = [crowd.send("greedy", waiting) for waiting in (0, 1, 2, 3, 4)]
    honest = [crowd.send(client, 4) for client in ("b", "c", "d")]
    for refused in greedy[:1:-1]:
        with pytest.raises(HashingBusy):
            refused.result(PATIENCE_SECONDS)
    crowd.release.set()
    assert [future.result(PATIENCE_SECONDS) for future in [*greedy[:2], *honest]] == ["greedy", "greedy", "b", "c", "d"]


def test_addresses_are_served_in_turn(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd()
    order = ("a", "a", "a", "b", "b", "c")
    futures = [crowd.send(client, waiting) for waiting, client in enumerate(order)]
    crowd.release.set()
    for future in futures:
        future.result(PATIENCE_SECONDS)
    assert crowd.done == ["a", "a", "b", "c", "a", "b"]


def test_a_pool_that_closes_ends_what_has_begun_and_sends_the_others_away(make_crowd: Callable[..., Crowd]) -> None:
    crowd = make_crowd()
    begun, waits = crowd.send("a", 0), crowd.send("b", 1)
    closing = crowd.threads.submit(crowd.pool.close)
    with pytest.raises(HashingBusy):
        waits.result(PATIENCE_SECONDS)
    crowd.release.set()
    assert begun.result(PATIENCE_SECONDS) == "a"
    closing.result(PATIENCE_SECONDS)
    with pytest.raises(HashingBusy):
        crowd.pool.run(lambda: "never", client="a")


def test_each_piece_of_work_is_observed(make_crowd: Callable[..., Crowd]) -> None:
    pool = make_crowd().pool
    seen: list[tuple[float, float]] = []
    pool.observe = lambda waited, took: seen.append((waited, took))
    pool.run(lambda: 42, client="a")
    Crowd.wait_until(lambda: len(seen) == 1)
    assert all(seconds >= 0 for seconds in seen[0])


def test_a_forked_child_has_a_pool_that_works() -> None:
    """And a process may end while bcrypt runs: it is waited for, and the exit is clean."""
    program = """
import os, bcrypt, threading
from user_service.security.hashing import HashingPool
pool = HashingPool(threads=1)
assert pool.run(lambda: 1, client="a") == 1
child = os.fork()
assert pool.run(lambda: 2, client="a") == 2
if child:
    assert os.waitpid(child, 0)[1] == 0
begun = threading.Event()
work = lambda: (begun.set(), bcrypt.hashpw(b"x", bcrypt.gensalt(10)))
threading.Thread(target=lambda: pool.run(work, client="a"), daemon=True).start()
begun.wait()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_all_processes_together_have_no_more_threads_than_cores(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(hashing, "CGROUP_QUOTA", tmp_path / "cpu.max")
    assert [threads_for(workers) for workers in (1, 2, 3, 8, 16)] == [8, 4, 2, 1, 1]
    for text, expected in (("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("nonsense", 8)):
        (tmp_path / "cpu.max").write_text(text + "\n")
        assert cores() == expected
