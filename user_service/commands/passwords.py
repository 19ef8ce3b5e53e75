"""Passwords for commands: typed unseen, or from standard input. Arguments would stand in the list of processes."""

import sys

import click

stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from a line of standard input instead of asking for it."
)


def read_new_password(*, from_stdin: bool) -> str:
    """Raises UsageError where nobody is there to type it."""
    if from_stdin:
        return read_line()
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to type a password. Pipe it in with --password-stdin.")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def read_line() -> str:
    """The first line of standard input, without its end."""
    line: bytes = sys.stdin.buffer.readline()
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password on standard input is not UTF-8.") from None
