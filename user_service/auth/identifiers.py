"""Usernames and e-mail addresses: what is accepted, and the one normal form each is compared by."""

import re
import unicodedata
from contextlib import suppress

import idna
from email_validator import EmailNotValidError, validate_email

# Reserved because people, routes or software give these names a meaning of their own.
RESERVED_USERNAMES = frozenset(
    [
        "abuse",
        "account",
        "accounts",
        "admin",
        "administrator",
        "anonymous",
        "api",
        "auth",
        "billing",
        "contact",
        "daemon",
        "docs",
        "email",
        "errors",
        "everyone",
        "guest",
        "healthz",
        "help",
        "hostmaster",
        "info",
        "internal",
        "jwks",
        "login",
        "logout",
        "mail",
        "mailer-daemon",
        "me",
        "metrics",
        "moderator",
        "nobody",
        "none",
        "noreply",
        "no-reply",
        "null",
        "official",
        "openapi",
        "operator",
        "owner",
        "password",
        "payment",
        "postmaster",
        "profile",
        "readyz",
        "register",
        "revocations",
        "root",
        "security",
        "service",
        "session",
        "sessions",
        "signin",
        "signup",
        "staff",
        "superuser",
        "support",
        "sysadmin",
        "system",
        "test",
        "token",
        "undefined",
        "user",
        "user-service",
        "user_service",
        "username",
        "users",
        "webmaster",
        "well-known",
        "www",
    ]
)
# RFC 8265 UsernameCaseMapped narrowed to ASCII: no look-alikes, no invisible characters, one spelling a name.
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}", re.ASCII)


def username_key(username: str) -> str:
    """The form usernames are unique in. It is defined for any text, so that a log-in may ask for anything."""
    return username.lower()


def email_key(email: str) -> str:
    """The form addresses are unique in: case means nothing, dots and tags are kept (RFC 5321, 2.4 permits more).

    Defined for any text; what is no address finds nobody.
    """
    local, _, domain = unicodedata.normalize("NFKC", email.strip()).rpartition("@")
    with suppress(UnicodeError):
        domain = idna.encode(domain, uts46=True).decode()
    return f"{local.lower()}@{domain.lower()}"


def check_email(email: str, *, allow_test_domains: bool) -> None:
    """Raises ValueError with a message for the client."""
    try:
        checked = validate_email(email, check_deliverability=False, strict=True, test_environment=allow_test_domains)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    if unicodedata.normalize("NFKC", checked.local_part) != checked.local_part:
        raise ValueError("Spell the part before the @ with ordinary letters.")
