"""What the kernel tells about processes: CPU time, memory, cores, load."""

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True)
class Stat:
    """The part of /proc/<pid>/stat that is used here (proc_pid_stat(5)). `ticks` counts reaped children too."""

    parent: int
    ticks: int


def parse_stat(text: str) -> Stat:
    """The name in parentheses may hold anything, parentheses too; the fields are counted from its end."""
    fields = text[text.rindex(")") + 2 :].split()
    return Stat(parent=int(fields[1]), ticks=sum(int(field) for field in fields[11:15]))


def _stats() -> dict[int, Stat]:
    found = {}
    for directory in PROC.iterdir():
        if directory.name.isdigit():
            try:
                found[int(directory.name)] = parse_stat((directory / "stat").read_text())
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended while we looked
    return found


def family(pid: int, stats: dict[int, Stat] | None = None) -> list[int]:
    """The process and everything below it."""
    known = _stats() if stats is None else stats
    members = [pid]
    for member in members:
        members.extend(child for child, stat in known.items() if stat.parent == member)
    return members


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and everything below it, the dead included."""
    stats = _stats()
    return sum(stats[member].ticks for member in family(pid, stats) if member in stats) / TICKS_PER_SECOND


def memory_megabytes(pid: int) -> float:
    """Proportional set size: what is shared counts in shares."""
    kilobytes = 0
    for member in family(pid):
        for line in (PROC / str(member) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kilobytes += int(line.split()[1])
    return kilobytes / 1024


def pin(pids: Iterable[int], cores: set[int]) -> None:
    """Bind every thread of these processes to the cores; threads to come inherit it."""
    for pid in pids:
        for task in (PROC / str(pid) / "task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0))


def description() -> dict[str, str]:
    """For the head of a report."""
    models = {
        line.partition(":")[2].strip()
        for line in (PROC / "cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    return {
        "cores": f"{len(cores())} of {', '.join(sorted(models)) or platform.machine()}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": f"{os.getloadavg()[0]:.2f}",
    }
