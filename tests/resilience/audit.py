"""The audit of a ledger: nothing that was acknowledged is lost, and nothing that was ended is alive."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import NullPool, create_engine, func, select

from tests.resilience.ledger import Account, Ledger
from tests.support.people import Answer, Client, OverSocket
from tests.support.server import Node
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.auth.models import User

THREADS = 4


def losses(ledger: Ledger, nodes: Sequence[Node], database_url: str) -> list[str]:
    """What the ledger says and the service does not, at whichever node. An empty list is a clean audit."""
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(
            lambda numbered: list(_losses_of(numbered[1], nodes, numbered[0])), enumerate(ledger.accounts)
        )
        return [*(loss for losses in found for loss in losses), *_half_registrations(database_url)]


def _losses_of(account: Account, nodes: Sequence[Node], number: int) -> Iterator[str]:
    clients = [Client(OverSocket(node.url)) for node in nodes]
    try:
        home = clients[number % len(clients)]
        yield from _lost(account, home)
        for client in clients:
            yield from _revived(account, client)
        yield from _reopened(account, home)
    finally:
        for client in clients:
            client.transport.session.close()


def _lost(account: Account, client: Client) -> Iterator[str]:
    answer = client.log_in(account.username, account.password)
    if answer.status != 200:
        yield f"{account.username} registered, and cannot log in: {answer.status} {answer.text[:200]}"
    shown = _profile(client, account.access_token) if account.access_token else None
    if shown is not None and shown.status != 200:
        yield f"{account.username} is logged in, and is answered {shown.status} {shown.text[:200]}"
    shown = _profile(client, client.access_token)
    name = shown.json.get("name")
    if account.name is not None and name != account.name:
        yield f"{account.username} saved {account.name!r}, and is shown {name!r}"


def _revived(account: Account, client: Client) -> Iterator[str]:
    for access_token, refresh_token in account.ended:
        if _profile(client, access_token).status != 401:
            yield f"{account.username} logged out, and the access token works"
        if client.refresh(refresh_token).status != 401:
            yield f"{account.username} logged out, and the refresh token works"


def _reopened(account: Account, client: Client) -> Iterator[str]:
    """The last question, for it ends the session. The successor of all but the last token is in use."""
    if account.exchanged[:-1] and client.refresh(account.exchanged[0]).status != 401:
        yield f"{account.username}: a refresh token works that was exchanged long ago"


def _profile(client: Client, access_token: str | None) -> Answer:
    return client.get("/profile/me", headers={"Authorization": f"Bearer {access_token}"})


def _half_registrations(database_url: str) -> Iterator[str]:
    """RELIABILITY 16: a user and the event of the registration are written together or not at all."""
    events, users = AuditEvent.__table__, User.__table__
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        registered = connection.scalar(select(func.count()).where(events.c.action == Action.REGISTERED.value))
        there = connection.scalar(select(func.count()).select_from(users))
    if registered != there:
        yield f"{there} users, and {registered} registrations on the record"
