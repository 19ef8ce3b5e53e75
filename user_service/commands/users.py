"""`flask users`: accounts as an operator makes, finds and ends them."""

from typing import Any, cast
from uuid import UUID

import click
from marshmallow import ValidationError

from user_service import lifecycle
from user_service.auth import administration
from user_service.auth.schemas import RegisterRequestSchema
from user_service.auth.service import register_user
from user_service.commands.context import with_database
from user_service.commands.listing import json_option, paging_options, print_one, show_page
from user_service.commands.passwords import read_new_password, stdin_option
from user_service.web.schema import utc

who_argument = click.argument("who", metavar="USER")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.group()
def users() -> None:
    """Accounts: make, find, disable, delete.

    USER is a username, an e-mail address or an id. Exit codes: 0 done, 1 refused or not found, 2 wrong usage.
    """


@users.command("create")
@click.argument("username")
@click.argument("email")
@stdin_option
@json_option
@with_database
def create(username: str, email: str, password_stdin: bool, as_json: bool) -> None:
    """Make an account by the rules of POST /register.

    The password is asked for, or read from standard input; it is never an argument.
    """
    password = read_new_password(from_stdin=password_stdin)
    try:
        body = RegisterRequestSchema().load({"username": username, "email": email, "password": password})
    except ValidationError as refusal:
        raise click.ClickException(_in_words(refusal)) from None
    user = register_user(**body)
    print_one(_described(user), as_json=as_json)


@users.command("list")
@click.option("--disabled", is_flag=True, help="Only those that are disabled.")
@paging_options
@json_option
@with_database
def list_all(disabled: bool, as_json: bool, **paging: Any) -> None:
    """List the accounts in order of registration."""

    def fetch(after: UUID | None, limit: int) -> Any:
        return administration.list_users(after=after, limit=limit, disabled=disabled)

    show_page(fetch, _described, _line, as_json=as_json, **paging)


@users.command("show")
@who_argument
@json_option
@with_database
def show(who: str, as_json: bool) -> None:
    """Show one account.

    The profile, and what is sealed, are their owner's.
    """
    print_one(_described(administration.get_user_by_name(who)), as_json=as_json)


@users.command("disable")
@who_argument
@json_option
@with_database
def disable(who: str, as_json: bool) -> None:
    """Shut a user out, at once.

    Every session ends, on every node with its next request, and no log-in succeeds until the user is enabled.
    """
    user = administration.get_user_by_name(who)
    done = administration.disable_user(user.id)
    _tell(user, "disabled" if done else "disabled already", as_json=as_json)


@users.command("enable")
@who_argument
@json_option
@with_database
def enable(who: str, as_json: bool) -> None:
    """Let a disabled user log in again.

    Sessions that were ended stay ended.
    """
    user = administration.get_user_by_name(who)
    done = administration.enable_user(user.id)
    _tell(user, "enabled" if done else "enabled already", as_json=as_json)


@users.command("delete")
@who_argument
@yes_option
@json_option
@with_database
def delete(who: str, yes: bool, as_json: bool) -> None:
    """Erase an account for good.

    As its owner could; the receipt is printed. What is sealed cannot be read again by anybody. The security log goes on
    under a pseudonym, the receipt's id.
    """
    user = administration.get_user_by_name(who)
    if not yes:
        click.confirm(f"Erase {user.username} ({user.email}) for good?", abort=True, err=True)
    receipt = lifecycle.erase_user(user.id)
    described = {
        "receipt": str(receipt.id),
        "erased_at": utc(receipt.erased_at),
        "erased": list(receipt.erased),
        "backups_unreadable_after": utc(receipt.backups_unreadable_after),
    }
    print_one(described, as_json=as_json)


@users.command("set-password")
@who_argument
@stdin_option
@json_option
@with_database
def set_password(who: str, password_stdin: bool, as_json: bool) -> None:
    """Replace a password and end every session.

    The new one obeys the rules of registration. It is asked for, or read from standard input, and is never an argument.
    """
    user = administration.get_user_by_name(who)
    administration.set_password(user.id, read_new_password(from_stdin=password_stdin))
    _tell(user, "given a new password", as_json=as_json)


def _tell(user: Any, what: str, *, as_json: bool) -> None:
    """Say what was done, or show the account as it is now."""
    if as_json:
        print_one(_described(administration.get_user_by_name(str(user.email))), as_json=True)
    else:
        click.echo(f"{user.username} is {what}.")


def _described(user: Any) -> dict[str, Any]:
    return {
        "id": str(user.id),
        "username": user.username,
        "email": user.email,
        "state": "disabled" if user.disabled_at else "active",
        "email_verified": user.email_verified_at is not None,
        "created_at": utc(user.created_at),
        "disabled_at": utc(user.disabled_at),
        "password_changed_at": utc(user.password_changed_at),
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['id']}  {row['state']:8}  {row['created_at']}  {row['username']}  {row['email']}"


def _in_words(refusal: ValidationError) -> str:
    messages = cast(dict[str, list[str]], refusal.messages)
    return "\n".join(f"{name}: {' '.join(texts)}" for name, texts in messages.items())
