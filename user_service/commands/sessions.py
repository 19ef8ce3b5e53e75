"""`flask sessions`: ending them from outside."""

import click

from user_service.auth.sessions import close_every_session
from user_service.commands.context import with_database


@click.group()
def sessions() -> None:
    """The sessions of all users."""


@sessions.command("close")
@click.option("--all", "everybody", is_flag=True, required=True, help="Every session of every user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_database
def close(everybody: bool, yes: bool) -> None:  # noqa: ARG001  # click hands over what it required
    """End every session of every user: part of the drill after a restore.

    Everybody has to log in again. Works in batches while the service serves.
    """
    if not yes:
        click.confirm("Everybody has to log in again. End every session?", abort=True)
    click.echo(f"Closed {close_every_session()} sessions.")
