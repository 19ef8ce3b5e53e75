"""Mails from templates: one text a mail, in two forms.

A template begins with the lines `Subject:` and, where there is a link, `Action:`; its paragraphs follow. The same
paragraphs make the plain text and, escaped, the HTML.
"""

from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8
from email.utils import format_datetime, parseaddr
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import idna
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from user_service import clock
from user_service.mail.kinds import Kind
from user_service.runtime import runtime
from user_service.settings import Settings

TIME = "%d %B %Y, %H:%M UTC"
_templates = Environment(
    loader=PackageLoader("user_service.mail"),
    autoescape=select_autoescape(["html"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def compose(
    kind: Kind, *, message_id: UUID, recipient: str, username: str, happened_at: datetime, **context: Any
) -> EmailMessage:
    """The mail, ready to be sent. Its Message-ID stays the same however often it is composed (RFC 5322, 3.6.4).

    Raises ValueError where a header would hold a line break.
    """
    settings = runtime().settings
    sender = sender_of(settings)
    values = {
        "username": username,
        "service": sender.display_name or urlsplit(settings.public_url).hostname,
        "at": f"{happened_at:{TIME}}",
        "link": None,
        **context,
    }
    subject, action, paragraphs = _read(_templates.get_template(f"{kind.value}.txt").render(values))
    values.update(subject=subject, action=action, paragraphs=paragraphs)
    mail = EmailMessage(policy=SMTPUTF8)
    mail["Subject"] = subject
    mail["From"] = sender
    mail["To"] = _address(recipient)
    mail["Date"] = format_datetime(clock.now())
    mail["Message-ID"] = f"<{message_id}@{sender.domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834, 5: nobody's absence note comes back
    mail.set_content(_templates.get_template("layout.txt").render(values))
    mail.add_alternative(_templates.get_template("layout.html").render(values), subtype="html")
    return mail


def sender_of(settings: Settings) -> Address:
    """MAIL_FROM; in development a name that says what it is."""
    name, address = parseaddr(settings.mail_from or "User Service <user-service@localhost>")
    return Address(name, addr_spec=address)


def _address(recipient: str) -> Address:
    """The domain in ASCII, so that only a local part beyond ASCII asks for a server with SMTPUTF8 (RFC 6531)."""
    local, _, domain = recipient.rpartition("@")
    return Address(username=local, domain=idna.encode(domain, uts46=True).decode())


def _read(text: str) -> tuple[str, str, list[str]]:
    head, _, body = text.partition("\n\n")
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    return headers["Subject"], headers.get("Action", ""), [part.strip() for part in body.strip().split("\n\n")]
