"""The gunicorn worker: as gunicorn's own with threads, but nobody is left waiting at a worker that leaves."""

import os
from typing import Any

from gunicorn.workers.gthread import ThreadWorker


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
