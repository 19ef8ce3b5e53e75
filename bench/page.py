"""Puts the figures of a run into docs/performance.md: `python -m bench.page bench.json`.

`--growth` takes those of `bench/growth.py`; with `--print` they are printed, and the page is left alone.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
FIGURES = "<!-- figures: written by `make bench-page` -->\n", "<!-- end of figures -->\n"
GROWTH = "<!-- growth: written by `python -m bench.page --growth` -->\n", "<!-- end of growth -->\n"
CAPTION = "cpu/1k"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("figures", type=Path, nargs="?", help="what `make bench` kept")
    parser.add_argument("--growth", type=Path, help="what `bench/growth.py --json` kept")
    parser.add_argument("--print", action="store_true", help="print them and leave the page alone")
    options = parser.parse_args()
    for path, tell, place in ((options.figures, tables, FIGURES), (options.growth, growth, GROWTH)):
        if path is None:
            continue
        told = tell(json.loads(path.read_text()))
        if options.print:
            print(told)
        else:
            PAGE.write_text(with_figures(PAGE.read_text(), told, place))


def with_figures(page: str, told: str, place: tuple[str, str] = FIGURES) -> str:
    """The page with these figures in the place of those that it has."""
    begin, end = place
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{told}\n{end}{after}"


def growth(told: dict[str, dict[str, float]]) -> str:
    """What each path takes at each size, and how many times what it takes at the first."""
    sizes = sorted(told, key=int)
    first = told[sizes[0]]
    heads = "".join(f" {int(size):,} |" for size in sizes)
    rows = [
        f"| {path} |" + "".join(f" {told[size][path]:.0f} ({told[size][path] / first[path]:.2f} ×) |" for size in sizes)
        for path in first
    ]
    return "\n".join([f"| µs, at rows of each kind: |{heads}", "|---|" + "---|" * len(sizes), *rows]) + "\n"


def tables(run: dict[str, Any]) -> str:
    """Where it was measured, the goals, and every scenario."""
    about = run["about"]
    where = (
        f"{about['date']}, commit `{about['commit']}`, {about['cores']}, {about['system']}, Python {about['python']},"
        f" {about['packages']}. Load of the machine before and after: {about['load_before']} and"
        f" {about['load_after']}. bcrypt alone: {run['bcrypt_limit_per_second']:.1f} hashes a second."
    )
    return "\n".join([where, "", *_goals(run["goals"], _bare_flask(run)), "", *_scenarios(run["scenarios"])]) + "\n"


def _bare_flask(run: dict[str, Any]) -> float | None:
    found = [one["cpu_per_1000"] for one in run["scenarios"] if one["contestant"] == "bare Flask"]
    return found[0] if found else None


def _goals(goals: list[dict[str, Any]], flask: float | None) -> Iterator[str]:
    """CPU time is told in bare Flasks as well, which travel better."""
    yield "| | goal | reached | in bare Flasks | |"
    yield "|---|---|---|---|---|"
    for goal in goals:
        sign = "≤" if goal["at_most"] else "≥"
        flasks = f"{goal['reached'] / flask:.1f}" if flask and CAPTION in goal["name"] else ""
        verdict = "met" if goal["met"] else "missed"
        yield f"| {goal['name']} | {sign} {goal['goal']:.2f} | {goal['reached']:.2f} | {flasks} | {verdict} |"


def _scenarios(scenarios: list[dict[str, Any]]) -> Iterator[str]:
    yield "| scenario | who | requests/s | p50 ms | p99 ms | cpu/1k | of the database | MB | errors |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for one in scenarios:
        who = f"{one['contestant']} {one['database']}".strip()
        times = f"{one['requests_per_second']:.0f} | {one['p50_ms']:.1f} | {one['p99_ms']:.1f}"
        cpu = f"{one['cpu_per_1000']:.2f} | {one['cpu_database']:.2f}"
        yield f"| {one['scenario']} | {who} | {times} | {cpu} | {one['memory_mb']:.0f} | {one['errors']} |"


if __name__ == "__main__":
    main()
