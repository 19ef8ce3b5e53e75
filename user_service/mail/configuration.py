"""What SMTP_URL and MAIL_FROM may say."""

import re
from email.utils import getaddresses
from urllib.parse import parse_qs, unquote, urlsplit

from email_validator import EmailNotValidError, validate_email

LOOPBACK = ("localhost", "127.0.0.1", "::1")


def check_smtp_url(url: str) -> None:
    """Raises ValueError with a message for the operator."""
    try:
        parts = urlsplit(url)
        (parts.hostname or "").encode("idna")
        is_complete = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # such as a port that is no number, or a name that is none
        is_complete = False
    is_text = unquote(url).isascii() and unquote(url).isprintable() and not re.search(r"[\s#]", url)
    if not is_complete or not is_text or parts.path.strip("/") or parts.query not in ("", "starttls=off"):
        raise ValueError("it must read smtp://user:password@host:587 or smtps://user:password@host:465")
    if parts.username is not None and parts.query:
        raise ValueError("it would send the password in clear; leave out starttls=off")


def needs_starttls(url: str) -> bool:
    """Whether an `smtp://` URL asks for STARTTLS: unless it says off, or leads to this machine itself."""
    parts = urlsplit(url)
    return parse_qs(parts.query).get("starttls") != ["off"] and parts.hostname not in LOOPBACK


def check_sender(text: str) -> None:
    """Raises ValueError with a message for the operator."""
    found = getaddresses([text]) if text.isprintable() else []
    address = found[0][1] if len(found) == 1 and found[0][1].isascii() else ""  # servers without SMTPUTF8 take no other
    try:
        validate_email(address, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError:
        raise ValueError("it must be an address, such as User Service <no-reply@example.com>") from None
