"""Turns into figures, figures into a table, JSON and ratios."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from bench.scenarios import Result

HEAD = (
    f"{'scenario':18}{'who':22}{'req/s':>8}{'p50 ms':>8}{'p99 ms':>9}"
    f"{'cpu/1k':>8}{'server':>8}{'db':>7}{'MB':>6}  errors"
)


@dataclass(frozen=True)
class Figures:
    """The mean of all turns (for times the median). CPU in seconds for each 1,000 requests, memory in megabytes."""

    scenario: str
    contestant: str
    database: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_server: float
    cpu_database: float
    memory_mb: float
    errors: int

    @property
    def cpu(self) -> float:
        return self.cpu_server + self.cpu_database

    @property
    def has_failed(self) -> bool:
        return self.errors > 0 or not self.requests_per_second

    def __str__(self) -> str:
        verdict = f"FAILED: {self.errors} errors" if self.has_failed else "0"
        who = f"{self.contestant} {self.database}".strip()
        return (
            f"{self.scenario:18}{who:22}{self.requests_per_second:8.0f}{self.p50_ms:8.1f}{self.p99_ms:9.1f}"
            f"{self.cpu:8.2f}{self.cpu_server:8.2f}{self.cpu_database:7.2f}{self.memory_mb:6.0f}  {verdict}"
        )


def figures_of(result: Result) -> Figures:
    turns = result.turns
    thousands = sum(turn.measured.requests for turn in turns) / 1_000
    return Figures(
        scenario=result.scenario,
        contestant=result.contestant.name,
        database=result.contestant.database,
        requests_per_second=fmean(turn.measured.per_second for turn in turns),
        p50_ms=median(turn.measured.p50 for turn in turns),
        p99_ms=median(turn.measured.p99 for turn in turns),
        cpu_server=sum(turn.server_cpu for turn in turns) / thousands if thousands else 0.0,
        cpu_database=sum(turn.database_cpu for turn in turns) / thousands if thousands else 0.0,
        memory_mb=max(turn.memory for turn in turns),
        errors=sum(turn.measured.errors for turn in turns),
    )


@dataclass(frozen=True)
class Goal:
    """One line of the goals: what was reached, and what should be (`at_most`: smaller is better)."""

    name: str
    reached: float
    goal: float
    at_most: bool = True

    @property
    def is_met(self) -> bool:
        return self.reached <= self.goal if self.at_most else self.reached >= self.goal

    def __str__(self) -> str:
        sign = "<=" if self.at_most else ">="
        return f"{self.name:52}{self.reached:8.2f}   {sign} {self.goal:6.2f}   {'met' if self.is_met else 'MISSED'}"


def goals(figures: Sequence[Figures], bcrypt_limit: float | None) -> list[Goal]:
    """The goals that this run can say something about."""
    by = {(one.scenario, one.contestant, one.database): one for one in figures}
    found: list[Goal] = []
    for database, cpu, share in (("PostgreSQL", 0.60, 0.55), ("SQLite", 0.33, 0.70)):
        read, hello = by.get(("read me", "service", database)), by.get(("read me", "bare Flask", ""))
        if read and hello:
            found.append(Goal(f"read me, {database}: cpu/1k", read.cpu, cpu))
            found.append(
                Goal(
                    f"read me, {database}: share of bare Flask",
                    _ratio(read.requests_per_second, hello.requests_per_second),
                    share,
                    at_most=False,
                )
            )
        found.extend(_writes(by, database))
        found.extend(_calm(by, database, bcrypt_limit))
    return found


def _writes(by: dict[tuple[str, str, str], Figures], database: str) -> list[Goal]:
    limits = {"refresh": 0.90, "update me": 0.80} if database == "PostgreSQL" else {}
    return [
        Goal(f"{scenario}, {database}: cpu/1k", by[key].cpu, limit)
        for scenario, limit in limits.items()
        if (key := (scenario, "service", database)) in by
    ]


def _calm(by: dict[tuple[str, str, str], Figures], database: str, bcrypt_limit: float | None) -> list[Goal]:
    found = []
    log_in = by.get(("log-in", "service", database))
    if log_in and bcrypt_limit:
        share = log_in.requests_per_second / bcrypt_limit
        found.append(Goal(f"log-in, {database}: share of the bcrypt limit", share, 0.90, at_most=False))
    quiet, flood = (by.get((name, "service", database)) for name in ("reads, quiet", "reads in a flood"))
    if quiet and flood:
        found.append(Goal(f"reads, {database}: p99 in a flood / quiet", _ratio(flood.p99_ms, quiet.p99_ms), 2.0))
    if quiet:
        found.append(Goal(f"memory of the service, {database}: MB", quiet.memory_mb, 150))
    return found


def _ratio(one: float, other: float) -> float:
    return one / other if other else float("inf")


def as_json(
    figures: Sequence[Figures], goals: Sequence[Goal], bcrypt_limit: float | None, about: dict[str, str]
) -> dict[str, Any]:
    return {
        "about": about,
        "bcrypt_limit_per_second": bcrypt_limit,
        "scenarios": [{**asdict(one), "cpu_per_1000": one.cpu, "failed": one.has_failed} for one in figures],
        "goals": [{**asdict(goal), "met": goal.is_met} for goal in goals],
    }


def share_of_flask(figures: Sequence[Figures]) -> list[str]:
    """Everybody's reads against the bare Flask of the same run."""
    reads = [one for one in figures if one.scenario == "read me"]
    hello = next((one for one in reads if one.contestant == "bare Flask"), None)
    if hello is None:
        return []
    return [
        f"read me, {one.contestant} {one.database}".ljust(52)
        + f"{_ratio(one.requests_per_second, hello.requests_per_second):8.2f}"
        for one in reads
    ]
