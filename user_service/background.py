"""Work beside the requests of a process, which ends before the interpreter does.

A thread that comes back from a compiled library (bcrypt, cryptography) when the interpreter has gone cannot be unwound:
the process would be aborted in the middle of its exit.
"""

import threading
import time
from collections.abc import Callable

import structlog

STOP_SECONDS = 5.0

log = structlog.get_logger("background")
_stopping = threading.Event()
_threads: list[threading.Thread] = []


def start(work: Callable[[], None], *, name: str) -> None:
    """Have a thread do `work`, which asks `pause` whether to go on."""
    thread = threading.Thread(target=_told, args=(work, name), name=name, daemon=True)
    _threads.append(thread)
    thread.start()


def _told(work: Callable[[], None], name: str) -> None:
    """Python would print what nobody foresaw as it stands, between the lines of the log."""
    try:
        work()
    except Exception:
        log.exception("background.failed", thread=name)


def pause(seconds: float) -> bool:
    """Wait so long, or until the process stops. Whether to go on."""
    return not _stopping.wait(seconds)


def stop() -> None:
    """Let each come to its end. One that a database holds up for longer may be cut off: it only waits."""
    _stopping.set()
    deadline = time.monotonic() + STOP_SECONDS
    for thread in _threads:
        thread.join(max(0.0, deadline - time.monotonic()))
