"""Where bcrypt runs: a few threads that give way to everything else, behind a short queue that is fair.

A password costs a quarter of a second of CPU, a read a thousandth of that. So only as many passwords are hashed at a
time as there are cores, by threads that the kernel runs when nothing else wants to (SCHED_IDLE, Linux), and only so
many wait as can be served in time. Addresses are served in turn, and where the queue is full, the one with the most
in it gives up a place. docs/decisions/0006-hashing-pool.md has what was measured.
"""

import atexit
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast
from weakref import WeakSet

from user_service.errors import HashingBusy

T = TypeVar("T")
Observer = Callable[[float, float], None]

PLACES = 24
WAIT_SECONDS = 10.0
WORK_SECONDS = 20.0
IDLE_SECONDS = 10.0
CLOSE_SECONDS = 5.0
CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True, slots=True)
class Stats:
    """A look at the pool. `refused` and `done` only grow."""

    threads: int
    waiting: int
    running: int
    refused: int
    done: int


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    work: Callable[[], Any]
    client: str
    submitted_at: float = field(default_factory=time.monotonic)
    future: Future[Any] = field(default_factory=Future)


class HashingPool:
    """Thread-safe. It starts a thread when there is work for it, so it may be made before a fork.

    `observe`, where it is set, is told of each piece of work how many seconds it waited and how many it took.
    """

    def __init__(
        self, *, threads: int, places: int = PLACES, wait_seconds: float = WAIT_SECONDS, gives_way: bool = True
    ) -> None:
        self.observe: Observer | None = None
        self._gives_way = gives_way
        self._limit, self._places, self._wait_seconds = threads, places, wait_seconds
        self._refused = self._done = 0
        self._begin()
        _pools.add(self)

    def _begin(self) -> None:
        """No thread and no work: at the start, and in a forked child, which has none of its parent's threads."""
        self._changed = threading.Condition()
        self._queue: OrderedDict[str, deque[_Job]] = OrderedDict()
        self._threads = self._idle = self._running = 0
        self._is_closed = False

    def run(self, work: Callable[[], T], *, client: str | None) -> T:
        """The result of `work`, or what it raises. `client` is the network that it is done for.

        Raises HashingBusy where there is no place for it, or its turn does not come in time: then it is never done.
        """
        job = _Job(work, client or "")
        with self._changed:
            self._admit(job)
        try:
            return cast(T, self._result(job))
        except CancelledError:
            raise HashingBusy from None

    def stats(self) -> Stats:
        with self._changed:
            return Stats(self._limit, self._waiting(), self._running, self._refused, self._done)

    def close(self) -> None:
        """Take no more work, send away who waits, and let what has begun come to its end."""
        with self._changed:
            self._is_closed = True
            for job in [job for jobs in self._queue.values() for job in jobs]:
                self._drop(job)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._threads == 0, CLOSE_SECONDS)

    def _admit(self, job: _Job) -> None:
        if self._is_closed or (self._waiting() >= self._places and not self._make_room(job.client)):
            self._refused += 1
            raise HashingBusy
        self._queue.setdefault(job.client, deque()).append(job)
        self._changed.notify()
        if self._idle < self._waiting() and self._threads < self._limit:
            self._start_thread(job)

    def _start_thread(self, job: _Job) -> None:
        self._threads += 1
        try:
            threading.Thread(target=self._serve, name="hashing", daemon=True).start()
        except RuntimeError:  # the system has no thread to give: the others do the work, if there are any
            self._threads -= 1
            if self._threads == 0:
                self._drop(job)

    def _make_room(self, client: str) -> bool:
        """Whether the newest of the client with the most in the queue gave way, for one that has at least two fewer."""
        most = max(self._queue.values(), key=len)
        if len(most) <= len(self._queue.get(client, ())) + 1:
            return False
        self._drop(most[-1])
        return True

    def _drop(self, job: _Job) -> None:
        """Take it out of the queue, if it is still there; whoever waits for it is told that it was cancelled."""
        jobs = self._queue.get(job.client, deque())
        if job not in jobs:
            return
        jobs.remove(job)
        if not jobs:
            del self._queue[job.client]
        self._refused += 1
        job.future.cancel()

    def _result(self, job: _Job) -> Any:
        try:
            return job.future.result(self._wait_seconds)
        except TimeoutError:
            with self._changed:
                self._drop(job)
        try:
            return job.future.result(WORK_SECONDS)  # it has begun, or was cancelled
        except TimeoutError:
            raise HashingBusy from None

    def _waiting(self) -> int:
        return sum(map(len, self._queue.values()))

    def _serve(self) -> None:
        """The life of a thread: it ends when nothing came for a while."""
        while (job := self._next()) is not None:
            started_at = time.monotonic()
            try:
                with _giving_way() if self._gives_way else nullcontext():
                    result = job.work()
            except BaseException as error:
                job.future.set_exception(error)
            else:
                job.future.set_result(result)
            self._finish(started_at - job.submitted_at, time.monotonic() - started_at)

    def _next(self) -> _Job | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._queue or self._is_closed, IDLE_SECONDS)
            self._idle -= 1
            if not self._queue:
                self._threads -= 1
                self._changed.notify_all()
                return None
            client, jobs = next(iter(self._queue.items()))
            job = jobs.popleft()
            if jobs:
                self._queue.move_to_end(client)
            else:
                del self._queue[client]
            self._running += 1
            job.future.set_running_or_notify_cancel()
            return job

    def _finish(self, waited: float, took: float) -> None:
        with self._changed:
            self._running -= 1
            self._done += 1
        if self.observe is not None:
            self.observe(waited, took)


def threads_for(workers: int) -> int:
    """How many threads each of so many processes may have, so that all of them together have no more than cores.

    One at the least, so more processes than cores hash more at a time than there are cores.
    """
    return max(1, cores() // workers)


def cores() -> int:
    """The cores that this process may use, by its affinity and by its container's quota (cgroup v2)."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):
        quota, period = CGROUP_QUOTA.read_text().split()
        allowed = min(allowed, max(1, int(quota) // int(period)))  # "max" is no number: no quota
    return allowed


@contextmanager
def _giving_way() -> Iterator[None]:
    """Have this thread run when nothing else wants the core. Where that is refused it runs as any other.

    Only for the hash itself: whoever holds the interpreter's lock and is not run holds everybody up. The way back takes
    RLIMIT_NICE (sched(7)); where it is refused, the thread gives way for good.
    """
    _set_policy("SCHED_IDLE")
    try:
        yield
    finally:
        _set_policy("SCHED_OTHER")


def _set_policy(name: str) -> None:
    if hasattr(os, name):
        with suppress(OSError):
            os.sched_setscheduler(0, getattr(os, name), os.sched_param(0))


_pools: WeakSet[HashingPool] = WeakSet()


def _after_fork() -> None:
    for pool in _pools:
        pool._begin()


def _close_all() -> None:
    """Before the interpreter goes: a thread in the middle of bcrypt must not meet it half taken down."""
    for pool in list(_pools):
        pool.close()


os.register_at_fork(after_in_child=_after_fork)
atexit.register(_close_all)
