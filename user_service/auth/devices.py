"""A user agent in words that a person recognises: "Firefox on Linux".

A dozen names in an order that matters (every browser claims to be its ancestors) instead of a library with
thousands of expressions: an unknown agent is called by its own first word.
"""

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


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for mark, name in names if mark in user_agent), None)


def _own_name(user_agent: str) -> str | None:
    """What a program that is no browser calls itself, such as curl in curl/8.5.0."""
    name = user_agent.split("/", maxsplit=1)[0].split(" ", maxsplit=1)[0][:MAX_NAME]
    return name if name and name != "Mozilla" else None
