"""`flask audit`: the security events of all users."""

from typing import Any
from uuid import UUID

import click

from user_service.audit.events import Action
from user_service.audit.service import list_all_events
from user_service.auth import administration
from user_service.commands.context import with_database
from user_service.commands.listing import json_option, paging_options, show_page
from user_service.web.schema import utc


@click.group()
def audit() -> None:
    """The security log of all users."""


@audit.command("list")
@click.option("--user", "who", metavar="USER", help="Of one user: a username, an e-mail address or an id.")
@click.option(
    "--subject", type=click.UUID, metavar="ID", help="Of one id, also of an erased user: the id of the receipt."
)
@click.option("--action", type=click.Choice([action.value for action in Action]), metavar="ACTION", help="Of one kind.")
@paging_options
@json_option
@with_database
def list_all(who: str | None, subject: UUID | None, action: str | None, as_json: bool, **paging: Any) -> None:
    """List security events, newest first."""
    if who is not None and subject is not None:
        raise click.UsageError("Give --user or --subject, not both.")
    user_id: UUID | None = administration.get_user_by_name(who).id if who is not None else subject

    def fetch(before: UUID | None, limit: int) -> Any:
        return list_all_events(user_id=user_id, action=action, before=before, limit=limit)

    show_page(fetch, _described, _line, as_json=as_json, **paging)


def _described(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "occurred_at": utc(row.occurred_at),
        "action": row.action,
        "outcome": row.outcome,
        "user_id": str(row.user_id) if row.user_id else None,
        "session_id": str(row.session_id) if row.session_id else None,
        "request_id": row.request_id,
        "ip": row.ip,
        "user_agent": row.user_agent,
        "detail": row.detail,
    }


def _line(row: dict[str, Any]) -> str:
    who = row["user_id"] or "-"
    detail = " ".join(f"{name}={value}" for name, value in row["detail"].items())
    return (
        f"{row['occurred_at']}  {row['action']:32}  {row['outcome']:8}  {who:36}  {row['ip'] or '-'}  {detail}".rstrip()
    )
