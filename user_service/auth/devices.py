"""A user agent in words that a person recognises: "Firefox on Linux".

A dozen names in an order that matters (every browser claims to be its ancestors) instead of a library with
thousands of expressions: an unknown agent is called by its own first word.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from user_service import clock
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent
from user_service.audit.service import origin
from user_service.extensions import db
from user_service.security.networks import network_of

REMEMBERED = timedelta(days=30)
MOST_REMEMBERED = 100  # log-ins

BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Vivaldi", "Vivaldi"),
    ("YaBrowser", "Yandex Browser"),
    ("FxiOS", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "Mac"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
UNKNOWN = "Unknown device"
MAX_NAME = 40


def device_of(user_agent: str | None) -> str:
    """The device in words; never empty."""
    if not user_agent:
        return UNKNOWN
    browser = _first(BROWSERS, user_agent)
    system = _first(SYSTEMS, user_agent)
    if browser and system:
        return f"{browser} on {system}"
    return browser or _own_name(user_agent) or system or UNKNOWN


def whereabouts() -> dict[str, str | None]:
    """Where the request comes from, for a mail. The device in our words alone: a stranger chooses the agent's."""
    came_from = origin.get()
    user_agent = came_from.user_agent or ""
    names = [name for name in (_first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)) if name]
    return {"device": " on ".join(names) or None, "ip": came_from.ip}


def is_new_device(user_id: UUID) -> bool:
    """Whether the user has logged in before, and not within REMEMBERED by this kind of device from this network.

    A browser's name counts without its version, so that an update is no new device.
    """
    came_from = origin.get()
    events = AuditEvent.__table__
    known = db.session.execute(
        select(events.c.user_agent, events.c.ip, events.c.occurred_at)
        .where(events.c.user_id == user_id, events.c.action == Action.LOGGED_IN.value)
        .order_by(events.c.id.desc())
        .limit(MOST_REMEMBERED)
    ).all()
    since, here = clock.now() - REMEMBERED, (device_of(came_from.user_agent), network_of(came_from.ip))
    lately = {(device_of(row.user_agent), network_of(row.ip)) for row in known if row.occurred_at > since}
    return bool(known) and here not in lately


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for mark, name in names if mark in user_agent), None)


def _own_name(user_agent: str) -> str | None:
    """What a program that is no browser calls itself, such as curl in curl/8.5.0."""
    name = user_agent.split("/", maxsplit=1)[0].split(" ", maxsplit=1)[0][:MAX_NAME]
    return name if name and name != "Mozilla" else None
