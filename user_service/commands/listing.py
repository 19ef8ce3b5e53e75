"""How commands show rows: lines for people, JSON for programs, in steps however many there are."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import click

STEP = 500
DEFAULT_LIMIT = 100

Fetch = Callable[[UUID | None, int], Sequence[Any]]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def paging_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--limit`, `--all` and `--after` of a list that may be long."""
    for option in (
        click.option("--after", type=click.UUID, metavar="ID", help="Go on after this one."),
        click.option("--all", "everything", is_flag=True, help="Show all of them, however many."),
        click.option(
            "--limit", type=click.IntRange(1), default=DEFAULT_LIMIT, show_default=True, help="How many to show."
        ),
    ):
        command = option(command)
    return command


def show_page(
    fetch: Fetch,
    describe: Callable[[Any], dict[str, Any]],
    line: Callable[[dict[str, Any]], str],
    *,
    as_json: bool,
    limit: int,
    everything: bool,
    after: UUID | None,
) -> None:
    """Print what `fetch` yields in steps, and say on standard error how to go on where there is more.

    `fetch` takes the id to go on after, and how many rows.
    """
    rows = walk(fetch, after)
    shown = (describe(row) for row in (rows if everything else islice(rows, limit)))
    last = print_rows(shown, line, as_json=as_json)
    if last is not None and next(rows, None) is not None:
        click.echo(f"There are more. Go on with: --after {last['id']}", err=True)


def walk(fetch: Fetch, after: UUID | None) -> Iterator[Any]:
    """All rows, read step by step, so that none is held longer than it takes to print it."""
    while rows := fetch(after, STEP):
        yield from rows
        after = rows[-1].id


def print_rows(
    rows: Iterator[dict[str, Any]], line: Callable[[dict[str, Any]], str], *, as_json: bool
) -> dict[str, Any] | None:
    """One line a row, or a JSON array with one object a line; returns the last row."""
    last = None
    if not as_json:
        for last in rows:
            click.echo(line(last))
        return last
    click.echo("[", nl=False)
    for row in rows:
        click.echo(f"{',' if last else ''}\n  {json.dumps(row)}", nl=False)
        last = row
    click.echo("\n]" if last else "]")
    return last


def print_one(described: dict[str, Any], *, as_json: bool) -> None:
    """One thing with all that is shown of it."""
    if as_json:
        click.echo(json.dumps(described, indent=2))
        return
    width = max(map(len, described))
    for name, value in described.items():
        click.echo(f"{name:{width}}  {shown(value)}")


def shown(value: Any) -> str:
    """A value for people."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)
