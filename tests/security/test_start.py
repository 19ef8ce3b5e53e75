"""What cannot run does not start: one message, an exit code, no traceback and no secret. SECURITY 100, 124, 152."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT

SECRETS = {
    "DATABASE_URL": "postgresql://owner:hunter2-canary@db.example/users",
    "MASTER_KEYS": "2026-a:AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=",
    "PUBLIC_URL": "https://users.example.com",
}
COMMANDS = {
    "gunicorn": ["gunicorn"],
    "flask db upgrade": ["flask", "db", "upgrade"],
}


def start(command: list[str], **variables: str) -> tuple[int, str]:
    """The exit code, and all that was written."""
    program, *arguments = command
    run = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        env={"PATH": os.defpath, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return run.returncode, run.stdout


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_a_faulty_configuration_ends_the_start_with_one_message(command: list[str]) -> None:
    wrong = {"APP_ENV": "production", "BCRYPT_ROUNDS": "4", "PORT": "x"}
    code, written = start(command, **{**SECRETS, **wrong, "JWT_AUDIENCE": ""})
    assert code != 0
    assert written.count("The configuration has faults; nothing was started.") == 1
    assert all(f"  {name}: " in written for name in ("BCRYPT_ROUNDS", "PORT", "JWT_AUDIENCE")), written
    assert "Traceback" not in written
    assert not [secret for secret in ("hunter2-canary", SECRETS["MASTER_KEYS"][7:]) if secret in written]


def test_nothing_starts_in_production_without_its_three_settings() -> None:
    code, written = start(COMMANDS["gunicorn"])
    assert code != 0
    assert all(f"  {name}: it is not set" in written for name in SECRETS), written
    assert "Traceback" not in written


def test_a_database_url_that_cannot_be_read_is_not_shown() -> None:
    """A password with @ or : in it breaks the URL, and must not end up in a traceback."""
    url = "postgresql://owner:p@ss:hunter2-canary@db.example/users"
    code, written = start(COMMANDS["flask db upgrade"], **{**SECRETS, "DATABASE_URL": url})
    assert code != 0
    assert "  DATABASE_URL: " in written
    assert "hunter2-canary" not in written
    assert "Traceback" not in written
