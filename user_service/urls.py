"""What the settings that are addresses may say: PUBLIC_URL, LINK_BASE_URL, CORS_ORIGINS, BIND, DATABASE_URL.

Whatever is refused is refused by a ValueError with a message for the operator. Nobody is connected to.
"""

import re
from ipaddress import IPv6Address
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# Scheme and host in lower case, a port unless it is the scheme's own, no path (RFC 6454, 6.2).
ORIGIN = re.compile(
    r"(https(?!.*:443$)|http(?!.*:80$))://([a-z0-9-]+(\.[a-z0-9-]+)*|\[[0-9a-f:]+\])(:[1-9][0-9]{0,4})?"
)
# What is put into headers, tokens and mails as it stands: no user, no query, nothing beyond ASCII (RFC 3986, 3).
WEB_ADDRESS = re.compile(
    r"https?://([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
    r"(/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
)
HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def check_web_address(text: str) -> None:
    if not _is_web_address(text, WEB_ADDRESS):
        raise ValueError("it must be an absolute http or https URL, such as https://users.example.com")


def parse_origins(text: str, *, is_local: bool) -> tuple[str, ...]:
    """Read `https://shop.example.com, https://app.example.com`; development may say `*`."""
    origins = tuple(filter(None, map(str.strip, text.split(","))))
    if "*" in origins and not is_local:
        raise ValueError("* lets every page in; name the origins")
    for number, origin in enumerate(origins, 1):
        if origin != "*" and not _is_web_address(origin, ORIGIN):  # it is not shown: a password may stand in it
            raise ValueError(f"number {number} is no origin; write it as browsers do: https://shop.example.com")
    return origins


def _is_web_address(text: str, pattern: re.Pattern[str]) -> bool:
    try:
        return pattern.fullmatch(text) is not None and urlsplit(text).port != 0
    except ValueError:  # such as a port above 65535, or no IPv6 address between the brackets
        return False


def parse_bind(text: str) -> str:
    """Where to listen. An IPv6 address loses its brackets; gunicorn.conf.py puts them around it again.

    No socket file: gunicorn believes whoever reaches it by one, whatever their headers claim (SCRIPT_NAME, the scheme).
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if text == "unix" or not (HOST_NAME.fullmatch(text) or _is_ipv6(bare)):  # gunicorn would make it a socket file
        raise ValueError("it must be an address without a port, such as 127.0.0.1 or ::1")
    return bare


def _is_ipv6(text: str) -> bool:
    try:
        return IPv6Address(text).scope_id is None  # gunicorn takes no zone
    except ValueError:
        return False


def check_database_url(text: str) -> None:
    try:
        url = make_url(with_driver(text))
    except (ArgumentError, ValueError):
        raise ValueError("it must be a URL, such as postgresql://user@host/database") from None
    if url.drivername not in ("postgresql+psycopg", "sqlite"):
        raise ValueError("it must begin with postgresql:// or sqlite:///")
    if url.get_backend_name() == "sqlite" and not _names_a_file(url):
        raise ValueError("SQLite needs a file: sqlite:////absolute/path")
    if "\0" in unquote(text) or not _is_taken_by_the_driver(url):
        raise ValueError("the driver does not take its host, its port or what stands after the question mark")


def with_driver(url: str) -> str:
    """Spell the PostgreSQL schemes people write so that SQLAlchemy takes psycopg 3."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if separator and scheme in ("postgres", "postgresql") else url


def _names_a_file(url: URL) -> bool:
    """What SQLite keeps in memory every connection would have for itself."""
    return bool(url.database) and ":memory:" not in str(url.database) and url.query.get("mode") != "memory"


def _is_taken_by_the_driver(url: URL) -> bool:
    try:
        _, arguments = url.get_dialect()().create_connect_args(url)
        if url.get_backend_name() == "sqlite":
            return True
        make_conninfo(**arguments)  # it knows the names of the options, and not what they may say
        ports = [int(port) for port in str(arguments.get("port", "")).split(",") if port]
    except (ArgumentError, ValueError, psycopg.Error):
        return False
    return all(0 < port <= 65_535 for port in ports) and arguments.get("sslmode", "prefer") in SSL_MODES
