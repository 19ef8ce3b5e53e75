"""`flask mail`: what waits in the outbox, and sending it."""

import json
import signal
import sys
import threading
from collections import Counter
from typing import Any
from uuid import UUID

import click
from sqlalchemy.exc import SQLAlchemyError

from user_service.commands.context import with_database
from user_service.errors import DomainError
from user_service.mail.delivery import Result, deliver_due
from user_service.mail.outbox import backlog, list_unsent
from user_service.mail.outbox import retry as try_again
from user_service.mail.transports import Transport, transport_for
from user_service.runtime import runtime
from user_service.web.schema import utc


@click.group()
def mail() -> None:
    """The mail that waits to be sent.

    Exit codes: 0 done, 1 something could not be sent or found, 2 wrong usage.
    """


@mail.command("deliver")
@click.option("--watch", is_flag=True, help="Go on for ever, looking every --every seconds.")
@click.option("--every", type=click.IntRange(1, 3_600), default=2, show_default=True, help="Seconds between looks.")
@with_database
def deliver(watch: bool, every: int) -> None:
    """Send what is due to the mail server.

    That is SMTP_URL; in development mails go to the console and to the page /development/mail. It may run on every node
    at any time: no message is ever with two of them. What a server refuses for now is tried again after a growing
    pause, for about a day. Without --watch the exit code is 1 where a mail could not be sent. SIGTERM and SIGINT end it
    when the mail at hand is done.
    """
    transport = _transport()
    stop = threading.Event()
    if watch:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
    while True:
        results = _round(transport, stop, watch)
        if not watch:
            sys.exit(1 if results[Result.PUT_OFF] or results[Result.GAVE_UP] else 0)
        if stop.wait(every):
            return


@mail.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_database
def list_all(as_json: bool) -> None:
    """List what waits and what was given up, oldest first. Addresses are not shown."""
    rows = [_described(row) for row in list_unsent()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        error = f"  {row['last_error']}" if row["last_error"] else ""
        click.echo(f"{row['id']}  {row['state']:8}  {row['kind']:22}  {row['attempts']:2} attempts{error}")


@mail.command("retry")
@click.argument("message_ids", nargs=-1, type=click.UUID, metavar="[ID]...")
@click.option("--all", "everything", is_flag=True, help="All that was given up.")
@with_database
def retry(message_ids: tuple[UUID, ...], everything: bool) -> None:
    """Try given-up messages again: those with these ids, or --all."""
    if everything == bool(message_ids):
        raise click.UsageError("Name the messages (flask mail list), or say --all.")
    count = try_again(None if everything else message_ids)
    click.echo(f"{count} messages wait to be sent again.")
    if count < len(message_ids):
        raise click.ClickException("The others are not among those that were given up.")


def _transport() -> Transport:
    transport = transport_for(runtime().settings)
    if transport is None:
        waiting = backlog().waiting
        raise click.ClickException(f"SMTP_URL and MAIL_FROM are not set, so {waiting} messages wait in the outbox.")
    return transport


def _round(transport: Transport, stop: threading.Event, watch: bool) -> Counter[Result]:
    results: Counter[Result] = Counter()
    try:
        results = deliver_due(transport, should_stop=stop.is_set)
    except (SQLAlchemyError, DomainError) as error:
        if not watch:
            raise
        click.echo(f"Nothing delivered this time: {type(error).__name__}", err=True)
    if results or not watch:
        click.echo("Mail: " + ", ".join(f"{results[result]} {result}" for result in Result))
    return results


def _described(row: Any) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "state": "given up" if row.gave_up_at else "waiting",
        "kind": row.kind,
        "user_id": str(row.user_id) if row.user_id else None,
        "attempts": row.attempts,
        "created_at": utc(row.created_at),
        "next_attempt_at": utc(row.next_attempt_at),
        "gave_up_at": utc(row.gave_up_at),
        "last_error": row.last_error,
    }
