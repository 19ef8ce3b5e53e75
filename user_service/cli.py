"""The commands of the service, under `flask`."""

import sys

import click
from flask.cli import with_appcontext

from user_service.commands.audit import audit
from user_service.commands.clients import clients
from user_service.commands.doctor import doctor
from user_service.commands.keys import keys, vault
from user_service.commands.mail import mail
from user_service.commands.passwords import read_line
from user_service.commands.prune import prune
from user_service.commands.sessions import sessions
from user_service.commands.users import users

MOST_USERS = 1_000_000


@click.command("seed", short_help="Add invented people for development.")
@click.option(
    "--users",
    type=click.IntRange(1, MOST_USERS),
    default=100,
    show_default=True,
    help="How many of them there are to be in the end.",
)
@click.option(
    "--password-stdin", is_flag=True, help="Read the one password of those who are added from a line of input."
)
@with_appcontext
def seed(users: int, password_stdin: bool) -> None:
    """Fill the development database with invented people of many countries.

    They are numbered, and the same number is always the same person: username, e-mail address, profile. `--users
    100` makes sure that the first hundred exist, so running it again adds nothing, and `--users 150` then adds
    fifty. Who exists already is left alone, the password included.

    All of them have one password: the one from standard input, or a built-in one for development, which is
    printed at the end. Their addresses lie in domains that are kept for examples, so no mail reaches anybody.
    """
    from user_service.seed.service import DEVELOPMENT_PASSWORD, CannotSeed, check_password, check_target

    try:
        check_target()
        password = read_line() if password_stdin else DEVELOPMENT_PASSWORD
        check_password(password)
    except CannotSeed as refusal:
        raise click.ClickException(str(refusal)) from None
    added = _seed(users, password)
    click.echo(_summary(users, len(added)))
    if added:
        shown = "the password that you gave." if password_stdin else f"the password: {password}"
        click.echo(f"Log in as any of them, such as {added[0]}, with {shown}")


def _seed(users: int, password: str) -> list[str]:
    from user_service.seed.service import seed_users

    is_terminal = sys.stderr.isatty()
    if not is_terminal:
        click.echo(f"Seeding {users} users ...", err=True)
    with click.progressbar(length=users, label="Seeding users", file=sys.stderr, hidden=not is_terminal) as bar:
        return seed_users(count=users, password=password, advance=bar.update)


def _summary(users: int, added: int) -> str:
    there = users - added
    return f"Added {added} users." + (f" {there} were there already and are as they were." if there else "")


COMMANDS: list[click.Command] = [seed, users, sessions, audit, keys, vault, clients, mail, prune, doctor]
