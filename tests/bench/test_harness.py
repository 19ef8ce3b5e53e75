"""What the measuring stands on: the words of wrk and of the kernel, read rightly, and failures that are seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import load, machine, page, report
from bench.contestants import Contestant
from bench.load import Measured
from bench.scenarios import Result, Turn

OUTPUT = """Running 1s test @ http://127.0.0.1:1
  1 threads and 8 connections
Answered 401: {"code": "invalid_token"}
  Non-2xx or 3xx responses: 3
RESULT {"requests": 2000, "microseconds": 2000000, "p50": 1500, "p99": 12345, "errors": 3}
"""


def result(scenario: str, name: str, measured: Measured, database: str = "SQLite") -> Result:
    contestant = Contestant(name, database, "http://127.0.0.1:1", 1, None, dict)
    return Result(scenario, contestant, [Turn(measured, server_cpu=1.0, database_cpu=0.5, memory=80.0)] * 2)


def test_what_wrk_measured_is_read_from_its_last_line() -> None:
    measured = load.parse(OUTPUT)
    assert measured == Measured(requests=2000, seconds=2.0, p50=1.5, p99=12.345, errors=3)
    assert measured.per_second == 1000


def test_without_a_result_wrks_own_words_are_shown() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        load.parse("unable to connect to 127.0.0.1:1 Connection refused\n")


@pytest.mark.parametrize("name", ["gunicorn", "a b", "(sd-pam)", "x) R 1 (y"])
def test_a_process_may_be_called_anything(name: str) -> None:
    fields = "S 17 18 19 0 -1 4194560 100 200 0 0 11 22 33 44 20 0 1 0 5 6 7"
    assert machine.parse_stat(f"4242 ({name}) {fields}") == machine.Stat(parent=17, ticks=110)


def test_a_family_is_found_to_the_last_grandchild() -> None:
    stats = {pid: machine.Stat(parent, 0) for pid, parent in ((1, 0), (2, 1), (3, 2), (4, 2), (5, 4), (6, 1))}
    assert sorted(machine.family(2, stats)) == [2, 3, 4, 5]


def test_the_work_of_a_child_that_is_gone_counts() -> None:
    before = machine.cpu_seconds(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(20_000_000))"], check=True)
    assert machine.cpu_seconds(os.getpid()) - before >= 0.1


def test_memory_is_that_of_the_process() -> None:
    assert 10 < machine.memory_megabytes(os.getpid()) < 2_000


def test_cpu_is_told_for_a_thousand_requests_of_all_turns() -> None:
    figures = report.figures_of(result("read me", "service", Measured(2000, 2.0, 1.5, 12.0, 0)))
    assert (figures.cpu_server, figures.cpu_database, figures.cpu) == (0.5, 0.25, 0.75)
    assert (figures.requests_per_second, figures.p99_ms, figures.memory_mb) == (1000, 12.0, 80.0)
    assert not figures.has_failed


@pytest.mark.parametrize("measured", [Measured(2000, 2.0, 1.5, 12.0, 1), Measured(0, 2.0, 0.0, 0.0, 0)])
def test_a_scenario_with_errors_or_without_answers_fails_visibly(measured: Measured) -> None:
    figures = report.figures_of(result("read me", "service", measured))
    assert figures.has_failed
    assert "FAILED" in str(figures)


def test_goals_are_ratios_of_one_run() -> None:
    results = [
        result("read me", "service", Measured(600, 1.0, 1.0, 2.0, 0), "PostgreSQL"),
        result("read me", "bare Flask", Measured(1000, 1.0, 1.0, 2.0, 0), ""),
        result("log-in", "service", Measured(7, 1.0, 1.0, 2.0, 0), "PostgreSQL"),
        result("reads, quiet", "service", Measured(600, 1.0, 1.0, 10.0, 0), "PostgreSQL"),
        result("reads in a flood", "service", Measured(600, 1.0, 1.0, 25.0, 0), "PostgreSQL"),
    ]
    found = {goal.name: goal for goal in report.goals([report.figures_of(one) for one in results], 8.0)}
    share = found["read me, PostgreSQL: share of bare Flask"]
    assert (share.reached, share.is_met) == (0.6, True)
    log_in = found["log-in, PostgreSQL: share of the bcrypt limit"]
    assert (log_in.reached, log_in.is_met) == (0.875, False)
    assert found["reads, PostgreSQL: p99 in a flood / quiet"].reached == 2.5


def test_every_scenario_has_its_script() -> None:
    from bench.scenarios import FLOOD, NOTHING, SCENARIOS

    for one in (FLOOD, NOTHING, *(scenario.load for scenario in SCENARIOS)):
        assert Path(f"{load.SCRIPTS / one.script}.lua").is_file()


def test_a_run_takes_the_place_of_the_figures_before() -> None:
    goal = {"name": "read me, SQLite: cpu/1k", "reached": 0.5, "goal": 0.33, "at_most": True, "met": False}
    measured = {"requests_per_second": 900.0, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_database": 0.0, "memory_mb": 140.0}
    scenario = {"scenario": "read me", "database": "", "cpu_per_1000": 0.25, "errors": 0, **measured}
    about = dict.fromkeys(("date", "commit", "cores", "system", "python", "packages", "load_before", "load_after"), "x")
    run = {
        "about": about,
        "bcrypt_limit_per_second": 8.0,
        "goals": [goal],
        "scenarios": [{**scenario, "contestant": "bare Flask"}, {**scenario, "contestant": "service"}],
    }
    told = page.tables(run)
    assert "| read me, SQLite: cpu/1k | ≤ 0.33 | 0.50 | 2.0 | missed |" in told
    written = page.with_figures(page.PAGE.read_text(), told)
    assert page.with_figures(written, told) == written
    assert told in written


def test_growth_is_told_against_the_first_size() -> None:
    told = page.growth({"1000": {"read me": 500.0}, "10000": {"read me": 550.0}})
    assert "| 1,000 | 10,000 |" in told
    assert "| read me | 500 (1.00 ×) | 550 (1.10 ×) |" in told
    assert told in page.with_figures(page.PAGE.read_text(), told, page.GROWTH)
