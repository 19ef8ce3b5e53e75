"""An SMTP server for the tests (aiosmtpd): it keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from email.policy import SMTPUTF8
from typing import Any

from aiosmtpd.controller import Controller

from tests.support.server import free_port

ATTEMPTS = 3  # somebody else may take the free port first


class Server:
    """What an SMTP server keeps, and how it behaves.

    While it is not `willing`, whoever hands over a mail waits for the answer, before or (`keeps_first`) after the mail
    is kept.
    """

    def __init__(self) -> None:
        self.willing, self.asked = threading.Event(), threading.Event()
        self.willing.set()
        self.keeps_first = False
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.connections = 0
        self.answers: dict[str, str] = {}

    async def handle_EHLO(self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]):  # noqa: N802  # its name
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802  # its name
        if "RCPT" in self.answers:
            return self.answers["RCPT"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  # its name
        self.asked.set()
        if not self.keeps_first:
            await self._until_willing()
        if self.answers.get("DATA") == "drop":
            server.transport.close()
            return "250 never seen"
        if "DATA" in self.answers:
            return self.answers["DATA"]
        self.mails.append(message_from_bytes(envelope.content, policy=SMTPUTF8))
        self.recipients += envelope.rcpt_tos
        await self._until_willing()
        return "250 OK"

    async def _until_willing(self) -> None:
        await asyncio.to_thread(self.willing.wait)

    def message_ids(self) -> list[str]:
        """Of the mails that it has taken, in their order."""
        return [str(mail["Message-ID"]) for mail in self.mails]


@contextmanager
def running(server: Server, port: int | None = None, **options: Any) -> Iterator[int]:
    """The port on which it listens: a free one, or the given."""
    for attempt in range(ATTEMPTS):
        found = port or free_port()
        controller = Controller(server, hostname="127.0.0.1", port=found, **options)
        try:
            controller.start()
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        break
    try:
        yield found
    finally:
        server.willing.set()
        controller.stop()
