"""`make bench` in small: every scenario once, on both databases, drawn at the end. It cannot rot unseen."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.scenarios import SCENARIOS
from tests.support.databases import require_postgres

ROOT = Path(__file__).resolve().parents[2]


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        message = "wrk is not installed, so the measuring was not tried: apt install wrk"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)  # not installed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_everything_is_measured_without_an_error_and_drawn(tmp_path: Path) -> None:
    require_wrk()
    require_postgres()
    figures = tmp_path / "figures.json"
    small = ["--seconds", "1", "--turns", "1", "--rounds", "4", "--json", str(figures), "--directory", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *small], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(figures.read_text())
    assert {one["scenario"] for one in told["scenarios"]} == {scenario.name for scenario in SCENARIOS}
    assert all(one["errors"] == 0 and one["cpu_per_1000"] > 0 for one in told["scenarios"])
    assert len(told["goals"]) == 12
    subprocess.run([sys.executable, "-m", "bench.plot", figures, tmp_path / "plots"], cwd=ROOT, check=True)
    assert len(list((tmp_path / "plots").glob("*.svg"))) == 3


@pytest.mark.slow
def test_growth_is_measured_at_each_size(tmp_path: Path) -> None:
    require_postgres()
    figures = tmp_path / "growth.json"
    script = [sys.executable, "bench/growth.py", "--sizes", "100", "1000", "--json", str(figures)]
    subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True)
    told = json.loads(figures.read_text())
    assert list(told) == ["100", "1000"]
    assert all(figure > 0 for measured in told.values() for figure in measured.values())
