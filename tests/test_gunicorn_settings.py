"""What gunicorn's master loads its workers inherit, also after a reload. So it loads next to nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import variables_of

ROOT = Path(__file__).resolve().parent.parent
LOADED = """
import os, runpy, sys
from types import SimpleNamespace

sys.path.insert(0, os.getcwd())  # as gunicorn does
told = runpy.run_path("gunicorn.conf.py")
for _ in range(3):
    told["child_exit"](None, SimpleNamespace(pid=os.getpid()))
told["on_exit"](None)
print(told["bind"], *sorted(sys.modules))
"""
OF_THE_SERVICE = {
    "config",
    "user_service",
    "flask",
    "werkzeug",
    "sqlalchemy",
    "marshmallow",
    "cryptography",
    "jwt",
    "psycopg",
}


def settings_of(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = variables_of("sqlite:////nowhere/users.sqlite3", 2, 8123) | changes
    return subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_master_has_none_of_the_libraries_that_its_workers_are_made_of() -> None:
    told = settings_of()
    assert told.returncode == 0, told.stderr
    bind, *modules = told.stdout.split()
    assert bind == "127.0.0.1:8123"
    assert OF_THE_SERVICE.isdisjoint(modules)


@pytest.mark.parametrize(
    ("address", "bind"),
    [("::1", "[::1]:8123"), ("[::]", "[::]:8123"), ("localhost", "localhost:8123")],
)
def test_it_listens_on_addresses_of_every_kind(address: str, bind: str) -> None:
    """Without brackets gunicorn would take a part of the address for the port."""
    told = settings_of(BIND=address)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split()[0] == bind


def test_it_starts_where_python_trusts_no_directory() -> None:
    told = settings_of(PYTHONSAFEPATH="1")
    assert told.returncode == 0, told.stderr


def test_a_fault_is_told_once_and_nothing_is_started() -> None:
    told = settings_of(WEB_CONCURRENCY="many")
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.count("WEB_CONCURRENCY") == 1
