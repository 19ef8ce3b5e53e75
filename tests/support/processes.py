"""Processes by their ids: what they have started, what they use, whether they are there."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_SECONDS = 60
POLL_SECONDS = 0.05
PAGE_KIB = os.sysconf("SC_PAGE_SIZE") // 1024


def children(pid: int) -> list[int]:
    """The processes that this one has started and that have not ended, oldest first."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            state, parent, *_ = (entry / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(entry.name))
    return sorted(found)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def resident_kib(pid: int) -> int:
    """The memory that a process occupies, in KiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KIB


def forget_peak(pid: int) -> None:
    """From now on the peak is that of the future (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid: int) -> int:
    """The most memory that a process has occupied, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def local_doors(pid: int) -> list[str]:
    """The Unix sockets with a path that a process listens on (proc(5), proc/net/unix)."""
    held = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    lines = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return [line[7] for line in lines if len(line) > 7 and f"socket:[{line[6]}]" in held]


def wait_until(is_so: Callable[[], bool], otherwise: str, *, seconds: float = PATIENCE_SECONDS) -> float:
    """The seconds that it took. Fails with `otherwise` when it takes too long."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() < started + seconds, otherwise
        threading.Event().wait(POLL_SECONDS)
    return time.monotonic() - started
