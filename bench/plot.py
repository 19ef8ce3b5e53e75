"""Draws the figures of a run: `python -m bench.plot bench.json DIRECTORY`."""

import json
import sys
from pathlib import Path
from typing import Any

import pygal

USAGE = "usage: python -m bench.plot FIGURES.json DIRECTORY"
CHARTS = (
    ("cpu_per_1000", "CPU seconds for 1,000 requests, server and database"),
    ("requests_per_second", "Requests a second"),
    ("p99_ms", "p99 in milliseconds"),
)


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit(USAGE)
    run = json.loads(Path(sys.argv[1]).read_text())
    directory = Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    for figure, title in CHARTS:
        path = directory / f"{figure}.svg"
        chart(run["scenarios"], figure, title).render_to_file(str(path))
        print(path)


def chart(scenarios: list[dict[str, Any]], figure: str, title: str) -> Any:
    """A group of bars for each scenario, a bar for each contestant."""
    names = list(dict.fromkeys(one["scenario"] for one in scenarios))
    whose = list(dict.fromkeys((one["contestant"], one["database"]) for one in scenarios))
    drawn = pygal.HorizontalBar(title=title, logarithmic=figure == "p99_ms", disable_xml_declaration=True, js=())
    drawn.x_labels = names
    for contestant, database in whose:
        by_scenario = {
            one["scenario"]: round(one[figure], 3)
            for one in scenarios
            if (one["contestant"], one["database"]) == (contestant, database)
        }
        drawn.add(f"{contestant} {database}".strip(), [by_scenario.get(name) for name in names])
    return drawn


if __name__ == "__main__":
    main()
