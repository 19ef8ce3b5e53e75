"""`flask prune`: housekeeping."""

import signal
import threading

import click
from sqlalchemy.exc import SQLAlchemyError

from user_service.commands.context import with_database
from user_service.pruning import prune as prune_everything


@click.command("prune")
@click.option("--watch", is_flag=True, help="Go on for ever, once every --every seconds.")
@click.option("--every", type=click.IntRange(1, 86_400), default=300, show_default=True, help="Seconds between rounds.")
@with_database
def prune(watch: bool, every: int) -> None:
    """Remove what has expired.

    That is: sessions, blocklist entries, signing keys, audit events of over a year.

    It may run on every node at any time: it works in small batches and steps over rows that are in use.
    """
    stop = threading.Event()
    if watch:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    while True:
        try:
            removed = prune_everything()
            click.echo("Removed: " + ", ".join(f"{count} {table}" for table, count in removed.items()))
        except SQLAlchemyError as error:
            if not watch:
                raise
            click.echo(f"Nothing removed this time: {type(error).__name__}", err=True)
        if not watch or stop.wait(every):
            return
