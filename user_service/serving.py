"""The gunicorn worker: as gunicorn's own with threads, but nobody is left waiting at a worker that leaves.

And the directory that a master and its workers count into.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.gthread import ThreadWorker

PREFIX = "user-service-counts-"


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn ships no types
    """Takes what is queued and closes its listening sockets as soon as it leaves.

    gunicorn's own keeps them open until its last request is answered. Until then the kernel goes on queueing
    connections there that nobody takes, and resets them at the end: requests that were sent, and are lost.
    It also leaves when its master is gone, and takes connections in that case that it holds open and idle.
    """

    def set_accept_enabled(self, enabled: bool) -> None:
        super().set_accept_enabled(enabled)
        if not enabled and self._is_leaving():
            self.alive = False  # from here on every answer says "Connection: close"
            for listener in self.sockets:
                self._take_what_is_queued(listener)
                listener.close()

    def _is_leaving(self) -> bool:
        return not self.alive or self.ppid != os.getppid()

    def _take_what_is_queued(self, listener: Any) -> None:
        listener.setblocking(False)
        for _ in range(self.cfg.backlog):
            before = self.nr_conns
            self.accept(listener)
            if self.nr_conns == before:
                return


class Logger(GunicornLogger):  # type: ignore[misc]  # gunicorn ships no types
    """Without an access log, which gunicorn prepares for each request once `logconfig_dict` is set; nobody reads it."""

    access_log_enabled = False


def metrics_directory() -> str:
    """A directory for this master, which a lock marks as in use until the last process that it forks has ended.

    What masters that were killed have left behind is removed.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if (lock := _lock(left)) is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    while True:
        directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-")
        # Never closed. Who started at the same moment may have had it for one that was left, and removed it.
        if _lock(Path(directory)) is not None and Path(directory).is_dir():
            return directory


def _lock(directory: Path) -> int | None:
    """The descriptor that holds the lock; None where somebody else does, or where the directory is not our own."""
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.geteuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None
