"""Service clients: made on the command line, known by a secret, allowed what their scopes say."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import IntegrityError

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.service import record
from user_service.clients.models import ServiceClient
from user_service.database import fetch_all, fetch_one, retried, transaction
from user_service.errors import ClientNameTaken, ClientNotFound
from user_service.runtime import runtime
from user_service.security.digests import keyed_digest

SECRET_PREFIX = "usc_"  # noqa: S105  # what secret scanners recognise ours by
SECRET_BYTES = 32


class Scope(StrEnum):
    PROFILE_READ = "profile:read"
    PAYMENT_READ = "payment:read"
    TOKEN_INTROSPECT = "token:introspect"  # noqa: S105  # a scope, not a secret


@dataclass(frozen=True, slots=True)
class Client:
    """A client that proved itself."""

    id: UUID
    name: str
    scopes: frozenset[str]


_CLIENTS = ServiceClient.__table__
_BY_DIGEST = select(_CLIENTS).where(_CLIENTS.c.secret_digest == bindparam("digest"))


@retried
def create_client(*, name: str, scopes: Sequence[Scope], expires_at: datetime | None) -> str:
    """Returns the secret, which cannot be shown again. Raises ClientNameTaken."""
    secret = SECRET_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    client = ServiceClient(
        name=name,
        secret_digest=_digest(secret),
        scopes=sorted(scope.value for scope in scopes),
        created_at=clock.now(),
        expires_at=expires_at,
    )
    try:
        with transaction() as session:
            session.add(client)
            session.flush()
            record(Action.CLIENT_CREATED, user_id=None, client=name, scopes=client.scopes)
    except IntegrityError:
        raise ClientNameTaken from None
    return secret


def list_clients() -> list[Row[Any]]:
    return fetch_all(select(_CLIENTS).order_by(_CLIENTS.c.name))


@retried
def revoke_client(*, name: str) -> None:
    """From the next request on, on every node. Raises ClientNotFound."""
    with transaction() as session:
        revoked = session.execute(
            update(ServiceClient)
            .where(ServiceClient.name == name, ServiceClient.revoked_at.is_(None))
            .values(revoked_at=clock.now())
            .returning(ServiceClient.id)
        ).first()
        if revoked is None:
            raise ClientNotFound
        record(Action.CLIENT_REVOKED, user_id=None, client=name)


def find_client(secret: str) -> Client | None:
    """The client of this secret, unless it was revoked or has expired."""
    row = fetch_one(_BY_DIGEST, digest=_digest(secret))
    if row is None or row.revoked_at is not None or (row.expires_at is not None and row.expires_at <= clock.now()):
        return None
    return Client(row.id, row.name, frozenset(row.scopes))


def _digest(secret: str) -> bytes:
    return keyed_digest(runtime().key_ring.get().digest_key, "service_client", secret)
