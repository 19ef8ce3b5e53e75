"""Drives a server with wrk and reads what it measured."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parent / "lua"
MARK = "RESULT "


@dataclass(frozen=True)
class Load:
    """One kind of traffic. `chained` traffic goes on from each answer, so every connection has a thread of its own."""

    script: str
    connections: int
    chained: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What wrk saw. Times are in milliseconds; `errors` are answers other than 2xx, time-outs, broken connections."""

    requests: int
    seconds: float
    p50: float
    p99: float
    errors: int

    @property
    def per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0


def parse(output: str) -> Measured:
    """Raises ValueError where wrk wrote no result."""
    for line in output.splitlines():
        if line.startswith(MARK):
            told: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return Measured(
                requests=told["requests"],
                seconds=told["microseconds"] / 1e6,
                p50=told["p50"] / 1e3,
                p99=told["p99"] / 1e3,
                errors=told["errors"],
            )
    raise ValueError(f"wrk told no result:\n{output}")


def start(load: Load, url: str, seconds: float, cores: set[int]) -> subprocess.Popen[str]:
    """Start wrk on these cores; `finish` waits for it."""
    threads = load.connections if load.chained else 1
    command = [
        *("taskset", "--cpu-list", ",".join(map(str, sorted(cores)))),
        *("wrk", f"--threads={threads}", f"--connections={load.connections}", f"--duration={max(1, round(seconds))}s"),
        *("--timeout=30s", f"--script={SCRIPTS / load.script}.lua", url),
    ]
    return subprocess.Popen(  # noqa: S603  # our own words
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=SCRIPTS,
        env={"PATH": os.environ.get("PATH", os.defpath), **load.variables},
    )


def finish(process: subprocess.Popen[str]) -> Measured:
    output, _ = process.communicate(timeout=120)
    return parse(output)


def require_wrk() -> None:
    """Say so and stop where it is missing."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing, so nothing can be measured. On Debian: apt install wrk")
