"""`make bench`: everybody in turn, then a table; `--json FILE` keeps the figures."""

import argparse
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import machine, report
from bench.contestants import POSTGRESQL, ROOT, SQLITE, contestants
from bench.load import require_wrk
from bench.scenarios import SCENARIOS, Result, Scenario, bcrypt_limit, run
from tests.support.postgres import find_binaries

PACKAGES = ("flask", "gunicorn", "sqlalchemy", "psycopg", "pyjwt", "bcrypt", "marshmallow", "orjson")


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything that was started is stopped too
    require_wrk()
    if find_binaries() is None and POSTGRESQL in options.databases:
        sys.exit("PostgreSQL is missing. On Debian: apt install postgresql. Without it: --databases SQLite")
    chosen = [one for one in SCENARIOS if not options.only or one.name in options.only]
    about = _about()
    with TemporaryDirectory(prefix="bench-", dir=options.directory) as directory:
        limit = bcrypt_limit(options.rounds, options.seconds)
        results = _measure(chosen, Path(directory), options)
    about["load_after"] = machine.description()["load_before"]
    figures = [report.figures_of(result) for result in results]
    goals = report.goals(figures, limit)
    _print(figures, goals, limit, about)
    if options.json:
        Path(options.json).write_text(json.dumps(report.as_json(figures, goals, limit, about), indent=2) + "\n")
    return int(any(one.has_failed for one in figures))


def _measure(chosen: list[Scenario], directory: Path, options: argparse.Namespace) -> list[Result]:
    results: list[Result] = []
    names = {name for scenario in chosen for name in scenario.only}
    with contestants(names, directory, rounds=options.rounds, databases=options.databases) as started:
        for scenario in chosen:
            results += run(scenario, started, turns=options.turns, seconds=options.seconds, tell=_tell)
    return results


def _print(figures: list[report.Figures], goals: list[report.Goal], limit: float, about: dict[str, str]) -> None:
    print("\n" + "\n".join(f"{name:14}{value}" for name, value in about.items()))
    print(f"{'bcrypt limit':14}{limit:.1f} hashes a second\n")
    print(report.HEAD)
    print("\n".join(str(one) for one in figures))
    print("\n" + "\n".join(report.share_of_flask(figures)))
    print("\n" + "\n".join(str(goal) for goal in goals))


def _about() -> dict[str, str]:
    git = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607  # whichever git there is
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": git.stdout.strip() or "unknown",
        **machine.description(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def _tell(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", metavar="FILE", help="keep the figures")
    parser.add_argument("--seconds", type=float, default=4, help="of one turn (4)")
    parser.add_argument("--turns", type=int, default=3, help="of each contestant (3)")
    parser.add_argument("--rounds", type=int, default=12, help="bcrypt cost (12)")
    parser.add_argument("--only", nargs="+", choices=[one.name for one in SCENARIOS], help="these scenarios alone")
    parser.add_argument("--databases", nargs="+", choices=(SQLITE, POSTGRESQL), default=[SQLITE, POSTGRESQL])
    parser.add_argument("--directory", help="where SQLite's files go; the disk decides what a commit costs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
