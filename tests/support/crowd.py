"""Many clients at once, and a look at what they were given and what they left behind."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPResponse
from itertools import cycle
from typing import Any, TypeVar
from urllib.parse import urlsplit

import jwt
from sqlalchemy import NullPool, Row, create_engine, select

from tests.support.people import Answer, Client, OverSocket
from tests.support.server import Node
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent

T = TypeVar("T")
PATIENCE_SECONDS = 30


@dataclass
class Cluster:
    """Nodes that share one database. What a test does there is spread over them."""

    database_url: str
    nodes: Sequence[Node]

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def client(self, index: int = 0) -> Client:
        """A client with a connection of its own, to be used by one thread."""
        return Client(OverSocket(self.urls[index % len(self.nodes)]))

    def twin(self, person: Client, index: int) -> Client:
        """The same person with the same tokens, over another connection."""
        twin = self.client(index)
        twin.username, twin.email, twin.password = person.username, person.email, person.password
        twin.access_token, twin.refresh_token = person.access_token, person.refresh_token
        return twin

    def everywhere(self, person: Client) -> list[Client]:
        """The same person at each node."""
        return [self.twin(person, index) for index in range(len(self.nodes))]

    def at_the_last_byte(self, actions: Sequence[Callable[[Client], Answer]]) -> list[Answer]:
        return at_the_last_byte(self.urls, actions)


def at_once(count: int, action: Callable[[int], T]) -> list[T]:
    """The results of `action(0)`, `action(1)` and so on, each in a thread of its own, all begun together."""
    barrier = threading.Barrier(count)

    def run(index: int) -> T:
        barrier.wait(PATIENCE_SECONDS)
        return action(index)

    with ThreadPoolExecutor(count) as threads:
        return [future.result() for future in [threads.submit(run, index) for index in range(count)]]


def at_the_last_byte(urls: Sequence[str], actions: Sequence[Callable[[Client], Answer]]) -> list[Answer]:
    """One request each, spread over the nodes. All are sent but for their last bytes, and these together.

    So that nobody is early by the time that a connection takes.
    """
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[Client], Answer], url: str) -> Answer:
        return action(Client(LastByte(url, barrier)))

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(run, actions, cycle(urls)))


class LastByte:
    """Sends a request up to its last byte, waits for the others at the barrier, and sends the last byte."""

    def __init__(self, url: str, barrier: threading.Barrier) -> None:
        self.url = url
        self.barrier = barrier

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        sent = spelled_out(self.url, method, path, headers, data)
        with connect(self.url) as connection:
            connection.sendall(sent[:-1])
            self.barrier.wait(PATIENCE_SECONDS)
            connection.sendall(sent[-1:])
            response = HTTPResponse(connection, method=method)
            response.begin()
            return Answer(response.status, response.headers, response.read())


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), PATIENCE_SECONDS)


def spelled_out(url: str, method: str, path: str, headers: dict[str, str], data: bytes | None) -> bytes:
    """The request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if data is not None:
        lines.append(f"Content-Length: {len(data)}")
    return "\r\n".join([*lines, "", ""]).encode() + (data or b"")


def bearer(token: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def statuses(answers: Sequence[Answer]) -> list[int]:
    return sorted(answer.status for answer in answers)


def claims_of(token: str) -> dict[str, Any]:
    """What a token says; whether it is genuine is not looked at."""
    return jwt.decode(token, options={"verify_signature": False})


def trail(database_url: str, user_id: str, action: Action) -> Sequence[Row[Any]]:
    """The audit log's rows of one action of one user, oldest first."""
    events = AuditEvent.__table__
    query = select(events).where(events.c.action == action.value).order_by(events.c.id)
    with create_engine(database_url, poolclass=NullPool).connect() as connection:
        return [row for row in connection.execute(query) if str(row.user_id) == user_id]
