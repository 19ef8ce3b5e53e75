"""The mail of an application: what lies in its outbox, and what comes out of it."""

import re
from email.message import EmailMessage
from typing import Any

from flask import Flask
from sqlalchemy import Row, select

from user_service.database import fetch_all
from user_service.mail.delivery import deliver_due
from user_service.mail.models import OutboxMessage
from user_service.mail.transports import MemoryTransport

LINK = re.compile(r"^http\S+#([A-Za-z0-9_-]{43})$", re.MULTILINE)


def deliver(app: Flask) -> list[EmailMessage]:
    """Send what is due; the mails, in the order in which they went out."""
    transport = MemoryTransport()
    with app.app_context():
        deliver_due(transport)
    return transport.mails


def outbox(app: Flask) -> list[Row[Any]]:
    """Every message, oldest first."""
    with app.app_context():
        return fetch_all(select(OutboxMessage.__table__).order_by(OutboxMessage.__table__.c.id))


def token_of(mail: EmailMessage) -> str:
    """The token of the mailed link."""
    [token] = LINK.findall(text_of(mail))
    return token


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return part.get_content()


def html_of(mail: EmailMessage) -> str:
    part = mail.get_body(("html",))
    assert part is not None
    return part.get_content()
