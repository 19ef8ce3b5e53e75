"""`flask sessions`: seen and ended from outside."""

import json
from typing import Any
from uuid import UUID

import click

from user_service.auth import administration
from user_service.auth.devices import device_of
from user_service.auth.models import CloseReason
from user_service.auth.sessions import close_all_sessions, close_every_session, list_sessions
from user_service.commands.context import with_database
from user_service.commands.listing import json_option, print_rows, walk
from user_service.web.schema import utc


@click.group()
def sessions() -> None:
    """Sessions: see one user's, end one user's or everybody's.

    USER is a username, an e-mail address or an id. Exit codes: 0 done, 1 refused or not found, 2 wrong usage.
    """


@sessions.command("list")
@click.argument("who", metavar="USER")
@json_option
@with_database
def list_open(who: str, as_json: bool) -> None:
    """List the open sessions of USER, newest first."""
    user = administration.get_user_by_name(who)

    def fetch(before: UUID | None, limit: int) -> Any:
        return list_sessions(user_id=user.id, before=before, limit=limit)

    print_rows((_described(row) for row in walk(fetch, None)), _line, as_json=as_json)


@sessions.command("close")
@click.argument("who", metavar="[USER]", required=False)
@click.option("--all", "everybody", is_flag=True, help="Every session of every user.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@with_database
def close(who: str | None, everybody: bool, yes: bool, as_json: bool) -> None:
    """End every session of USER, or of everybody.

    Everybody (--all) is part of the drill after a restore; it works in batches while the service serves. Who is logged
    out has to log in again.
    """
    if everybody == (who is not None):
        raise click.UsageError("Name one user, or give --all.")
    if who is None:
        if not yes:
            click.confirm("Everybody has to log in again. End every session?", abort=True, err=True)
        count = close_every_session()
    else:
        user = administration.get_user_by_name(who)
        if not yes:
            click.confirm(f"{user.username} has to log in again. End every session?", abort=True, err=True)
        count = close_all_sessions(user_id=user.id, reason=CloseReason.CLOSED_BY_OPERATOR)
    click.echo(json.dumps({"closed": count}) if as_json else f"Closed {count} sessions.")


def _described(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "created_at": utc(row.created_at),
        "last_used_at": utc(row.last_used_at),
        "expires_at": utc(row.refresh_expires_at),
        "ip": row.ip,
        "device": device_of(row.user_agent),
        "user_agent": row.user_agent,
    }


def _line(row: dict[str, Any]) -> str:
    return f"{row['id']}  from {row['created_at']}  used {row['last_used_at']}  {row['ip'] or '-'}  {row['device']}"
