"""`flask keys` and `flask vault`: changes of keys in the middle of the day."""

import base64
import json
import secrets
import sys

import click

from user_service import clock
from user_service.commands.context import with_database
from user_service.keys import rotation
from user_service.web.schema import utc

JSON_OPTION = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def keys() -> None:
    """The keys that sign tokens, and new master keys."""


@keys.command("list")
@JSON_OPTION
@with_database
def list_keys(as_json: bool) -> None:
    """List the signing keys, newest first, and what each does."""
    rows = [
        {
            "kid": row.kid,
            "state": _state(row.activates_at, row.expires_at),
            "activates_at": utc(row.activates_at),
            "expires_at": utc(row.expires_at),
            "master_key_id": row.master_key_id,
        }
        for row in rotation.list_signing_keys()
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        until = f", expires {row['expires_at']}" if row["expires_at"] else ""
        click.echo(f"{row['kid']}  {row['state']:8}  active from {row['activates_at']}{until}")


@keys.command("rotate")
@click.option("--now", "at_once", is_flag=True, help="Sign with it at once; caches of the JWKS may lag behind.")
@with_database
def rotate(at_once: bool) -> None:
    """Publish a new signing key, to be used once every cache of the JWKS has seen it.

    Nobody is logged out. The keys before it stay until the longest token that they signed has expired, then go by
    themselves. Nodes follow within half a minute; none needs a restart.
    """
    kid, activates_at = rotation.rotate_signing_key(at_once=at_once)
    click.echo(f"The key {kid} is published and signs from {utc(activates_at)} on.")


@keys.command("retire")
@click.argument("kid")
@click.option("--now", "at_once", is_flag=True, required=True, help="Say that you mean it.")
@with_database
def retire(kid: str, at_once: bool) -> None:  # noqa: ARG001  # click hands over what it required
    """Refuse every token that KID signed, from now on: the key is compromised.

    Whoever holds such tokens has to log in again. Make a successor first: flask keys rotate --now. A key that is not
    compromised needs no retiring: it goes by itself after a rotation.
    """
    rotation.retire_signing_key(kid=kid)
    click.echo(f"The key {kid} is retired. Every node follows within half a minute.")


@keys.command("generate")
@click.option("--id", "key_id", help="The id of the key; today's date unless you say otherwise.")
def generate(key_id: str | None) -> None:
    """Print a new master key, ready for MASTER_KEYS. Nothing is stored."""
    name = key_id or f"{clock.now():%Y-%m-%d}"
    click.echo(f"{name}:{base64.b64encode(secrets.token_bytes(32)).decode()}")


@click.group()
def vault() -> None:
    """What is sealed, and by which master key."""


@vault.command("rotate-master")
@with_database
def rotate_master() -> None:
    """Seal every key anew under the first of MASTER_KEYS.

    First give every node the new key in front of the old one and restart it. Then run this while the service serves;
    killed, it may be run again. When it says that nothing is left, take the old key out of MASTER_KEYS.
    """
    waiting = rotation.count_to_rewrap()
    is_terminal = sys.stderr.isatty()
    with click.progressbar(length=waiting, label="Sealing keys anew", file=sys.stderr, hidden=not is_terminal) as bar:
        count = rotation.rewrap(bar.update)
    left = rotation.count_to_rewrap()
    if left:
        raise click.ClickException(f"{left} keys are still under an old master key, held by somebody. Run it again.")
    click.echo(f"Sealed {count} keys anew. Nothing is left under an old master key.")


def _state(activates_at: object, expires_at: object) -> str:
    now = clock.now()
    if expires_at is not None and expires_at <= now:  # type: ignore[operator]  # a row's times
        return "retired"
    if activates_at > now:  # type: ignore[operator]  # a row's times
        return "coming"
    return "leaving" if expires_at is not None else "active"
