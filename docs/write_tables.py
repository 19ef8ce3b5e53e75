"""Writes the README's table of settings from what `config.py` reads: `make docs`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import config  # noqa: E402  # after the path is set
from user_service.settings import MEANINGS, Settings  # noqa: E402  # after the path is set

README = ROOT / "README.md"
BEGIN, END = "<!-- settings: written by `make docs` -->\n", "<!-- end of settings -->\n"
# A production environment with what it needs and nothing else: all other values are the defaults.
NEEDED = {
    "PUBLIC_URL": "https://users.example.com",
    "DATABASE_URL": "postgresql://user_service@db.example.com/user_service",
    "MASTER_KEYS": "example:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
}
# Defaults that depend on something else.
DERIVED = {
    **dict.fromkeys(NEEDED, "required in production"),
    "JWT_ISSUER": "`PUBLIC_URL`",
    "JWT_AUDIENCE": "the issuer",
    "LINK_BASE_URL": "the built-in pages",
    "WEB_CONCURRENCY": "one a core",
    "DATABASE_POOL_SIZE": "8, less with many workers",
}


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def defaults() -> Settings:
    with environment(NEEDED):
        return config.load()


def shown(value: Any) -> str:
    if value is None or value in ("", (), {}):
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def table() -> str:
    """The table in Markdown, a row for each of MEANINGS."""
    settings = defaults()
    rows = [
        f"| `{name}` | {meaning} | {DERIVED.get(name) or shown(getattr(settings, name.lower()))} |"
        for name, meaning in MEANINGS.items()
    ]
    return "\n".join(["| name | meaning | default |", "|---|---|---|", *rows, ""])


def with_table(text: str) -> str:
    """The text with the table between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
