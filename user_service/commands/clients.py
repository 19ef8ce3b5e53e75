"""`flask clients`: the other services of the company."""

import json
import re
from datetime import timedelta
from typing import Any

import click

from user_service import clock
from user_service.clients.service import Scope, create_client, list_clients, revoke_client
from user_service.commands.context import with_database
from user_service.web.schema import utc

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@click.group()
def clients() -> None:
    """Other services of the company, and what each may do."""


@clients.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="What it may do; may stand more than once.",
)
@click.option("--expires", "days", type=click.IntRange(1, 3650), help="After how many days its secret ends.")
@with_database
def create(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make the client NAME and print its secret, this once.

    Only a digest of the secret is stored. The client sends it as: Authorization: Bearer <secret>
    """
    if not NAME.fullmatch(name):
        raise click.BadParameter(
            "use 1 to 64 of A-Z a-z 0-9 . _ - and begin with a letter or a digit", param_hint="NAME"
        )
    expires_at = clock.now() + timedelta(days=days) if days else None
    secret = create_client(name=name, scopes=[Scope(scope) for scope in scopes], expires_at=expires_at)
    click.echo(secret)


@clients.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_database
def list_all(as_json: bool) -> None:
    """List the clients, by name. Secrets cannot be shown."""
    rows = [_described(row) for row in list_clients()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        click.echo(f"{row['name']:32}  {row['state']:8}  {' '.join(row['scopes'])}")


@clients.command("revoke")
@click.argument("name")
@with_database
def revoke(name: str) -> None:
    """Refuse the client NAME from its next request on."""
    revoke_client(name=name)
    click.echo(f"The client {name} is revoked.")


def _described(row: Any) -> dict[str, Any]:
    is_expired = row.expires_at is not None and row.expires_at <= clock.now()
    return {
        "name": row.name,
        "state": "revoked" if row.revoked_at else "expired" if is_expired else "active",
        "scopes": row.scopes,
        "created_at": utc(row.created_at),
        "expires_at": utc(row.expires_at),
        "revoked_at": utc(row.revoked_at),
    }
