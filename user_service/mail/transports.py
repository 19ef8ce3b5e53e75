"""Ways out for mail: an SMTP server, the console of a developer, the memory of a test."""

import contextlib
import os
import smtplib
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID

from user_service.mail.configuration import needs_starttls
from user_service.settings import Settings

# The mails of development, for `/development/mail`.
MAILBOX = Path(__file__).resolve().parent.parent.parent / "instance" / "mail"
WAIT_SECONDS = 10  # for one answer of the server
SEND_SECONDS = 60  # for one mail from the first byte to the last; shorter than a worker's lease
MAX_MAILS_PER_CONNECTION = 50
PORTS = {"smtp": 587, "smtps": 465}
# RFC 4954, 6: they tell of the server's configuration or ours, not of the mail.
ABOUT_AUTHENTICATION = (530, 534, 535, 538)


class TryLater(Exception):
    """The mail did not get through, and may another time. The message is a few words without anybody's data."""


class ServerAway(TryLater):
    """There is no server to hand a mail to: nothing is wrong with this mail, and the others need not be tried."""


class Undeliverable(Exception):
    """The mail was refused for good (RFC 5321, 4.2.1: 5yz)."""


class Transport(Protocol):
    def send(self, message_id: UUID, mail: EmailMessage) -> None:
        """Hand the mail over. Raises TryLater, Undeliverable."""

    def close(self) -> None:
        """Let go of what is open."""


class MemoryTransport:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    def send(self, _message_id: UUID, mail: EmailMessage) -> None:
        self.mails.append(mail)

    def close(self) -> None:
        pass


class ConsoleTransport:
    """Development: prints each mail, and keeps it in a folder for the page that shows them."""

    def __init__(self, mailbox: Path | None = None) -> None:
        self._mailbox = mailbox or MAILBOX

    def send(self, message_id: UUID, mail: EmailMessage) -> None:
        self._mailbox.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._mailbox / f".{message_id}.{os.getpid()}"
        draft.write_bytes(mail.as_bytes())
        draft.rename(self._mailbox / f"{message_id}.eml")
        body = mail.get_body(("plain",))
        text = body.get_content() if body is not None else ""
        sys.stdout.write(f"\n  To: {mail['To']}\n  Subject: {mail['Subject']}\n\n{text}\n")
        sys.stdout.flush()

    def close(self) -> None:
        pass


class SmtpTransport:
    """An SMTP server, named by a URL: `smtp://` with STARTTLS or `smtps://`. Certificates are verified.

    `?starttls=off` sends in clear, which loopback addresses do anyway. Every wait is bounded.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._connection: smtplib.SMTP | None = None
        self._sent = 0

    def send(self, _message_id: UUID, mail: EmailMessage) -> None:
        if self._sent >= MAX_MAILS_PER_CONNECTION:
            self.close()
        connection = self._connection or self._prepare()
        with self._deadline(connection):
            if self._connection is None:
                self._connect(connection)
            self._hand_over(connection, mail)
        self._sent += 1

    def close(self) -> None:
        connection, self._connection, self._sent = self._connection, None, 0
        if connection is not None:
            with self._deadline(connection), contextlib.suppress(smtplib.SMTPException, OSError):
                connection.quit()
            connection.close()

    def _prepare(self) -> smtplib.SMTP:
        host = self._url.hostname or ""
        if self._url.scheme == "smtps":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(timeout=WAIT_SECONDS, context=ssl.create_default_context())
        else:
            connection = smtplib.SMTP(timeout=WAIT_SECONDS)
        connection._host = host  # type: ignore[attr-defined]  # what the certificate is checked for; smtplib takes it from its constructor alone
        return connection

    def _connect(self, connection: smtplib.SMTP) -> None:
        """Whatever fails here tells nothing about the mail."""
        try:
            connection.connect(self._url.hostname or "", self._url.port or PORTS[self._url.scheme])
            if self._url.scheme == "smtp" and needs_starttls(self._url.geturl()):
                connection.starttls(context=ssl.create_default_context())
            connection.ehlo_or_helo_if_needed()
            if self._url.username is not None:
                connection.login(unquote(self._url.username), unquote(self._url.password or ""))
        except (smtplib.SMTPException, OSError) as error:
            connection.close()
            raise ServerAway(_in_words(error)) from None
        self._connection = connection

    def _hand_over(self, connection: smtplib.SMTP, mail: EmailMessage) -> None:
        try:
            connection.send_message(mail)
        except smtplib.SMTPNotSupportedError:  # an address beyond ASCII, and a server without SMTPUTF8 (RFC 6531)
            raise Undeliverable("SMTPUTF8 not supported") from None
        except (smtplib.SMTPException, OSError) as error:
            self._connection, self._sent = None, 0
            connection.close()
            code = _code_of(error)
            if 500 <= code < 600 and code not in ABOUT_AUTHENTICATION:
                raise Undeliverable(_in_words(error)) from None
            raise TryLater(_in_words(error)) from None

    @staticmethod
    @contextlib.contextmanager
    def _deadline(connection: smtplib.SMTP) -> Iterator[None]:
        """Cut the connection when its time is over, however slowly the server drips."""

        def cut() -> None:
            with contextlib.suppress(OSError, AttributeError):
                connection.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]  # None is suppressed

        timer = threading.Timer(SEND_SECONDS, cut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def transport_for(settings: Settings) -> Transport | None:
    """The way out that is configured; None where mail has to wait for one."""
    if settings.smtp_url is not None:
        return SmtpTransport(settings.smtp_url)
    return ConsoleTransport() if settings.is_development else None


def _code_of(error: Exception) -> int:
    """The server's answer to the one recipient or to the mail; 0 where there was none (RFC 5321, 4.2)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return min((code for code, _ in error.recipients.values()), default=0)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _in_words(error: Exception) -> str:
    """Servers quote addresses in what they say, so the number is kept and the words are not."""
    code = _code_of(error)
    return f"SMTP {code}" if code else type(error).__name__
