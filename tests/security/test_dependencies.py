"""Every dependency is pinned by its digest, at or past the release that mended what was known. SECURITY 152, 153."""

import re

import pytest

from tests.support.server import ROOT

LOCKS = ("requirements.txt", "requirements-dev.txt")
MINIMUM = {
    "pyjwt": (2, 15, 0),
    "marshmallow": (4, 1, 2),
    "werkzeug": (3, 0, 6),
    "flask": (3, 1, 3),
    "gunicorn": (26, 0),
    "cryptography": (46, 0),
    "bcrypt": (5, 0),
}
REQUIREMENT = re.compile(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==([0-9][^ ;]*)(?: ;[^\\]*)? \\$")
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40,}")


def requirements(lock: str) -> list[str]:
    """The lines of a lock, each with its digests."""
    text = (ROOT / lock).read_text()
    return re.split(r"\n(?=[a-z0-9])", "\n".join(line for line in text.splitlines() if not line.startswith("#")))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_to_one_version_by_digest(lock: str) -> None:
    entries = requirements(lock)
    loose = [
        entry for entry in entries if not REQUIREMENT.match(entry.splitlines()[0]) or "--hash=sha256:" not in entry
    ]
    assert len(entries) > 20
    assert loose == []


def test_every_run_asks_for_advisories() -> None:
    assert "make audit" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("lock", LOCKS)
def test_known_weaknesses_are_past(lock: str) -> None:
    pinned = dict(REQUIREMENT.match(entry.splitlines()[0]).groups() for entry in requirements(lock))
    versions = {name: tuple(map(int, re.findall(r"\d+", pinned[name])[:3])) for name in MINIMUM}
    assert {name: version for name, version in versions.items() if version < MINIMUM[name]} == {}


def test_both_locks_agree() -> None:
    production, development = (
        dict(REQUIREMENT.match(entry.splitlines()[0]).groups() for entry in requirements(lock)) for lock in LOCKS
    )
    assert {name: version for name, version in production.items() if development.get(name) != version} == {}


def test_secrets_and_what_is_made_locally_stay_out_of_the_repository() -> None:
    ignored = (ROOT / ".gitignore").read_text().split()
    assert {".env", ".env.*", "instance/"} <= set(ignored)
    folders = ("user_service", "migrations", "docs", "deploy", "bench", ".ci")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    files += [file for file in ROOT.iterdir() if file.is_file()]
    texts = {file: file.read_text(errors="replace") for file in files if file.suffix != ".pyc"}
    assert [str(file) for file, text in texts.items() if PRIVATE_KEY.search(text)] == []
    assert [str(file) for file in texts if file.name.startswith(".env") or file.suffix in (".pem", ".key")] == []
