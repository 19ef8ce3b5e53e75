"""The `flask` command as operators run it: a process of its own, in a clean environment. And empty databases."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from tests.support.databases import MASTER_KEYS, PUBLIC_URL, SQLITE, Databases, require_postgres

ROOT = Path(__file__).resolve().parents[2]


def start_flask(*arguments: str, database_url: str, **changes: Any) -> subprocess.Popen[str]:
    """`changes` go to Popen; without them, what the command writes is kept together."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **changes}
    command = [sys.executable, "-m", "flask", *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, **{"env": environment(database_url), **options})


def run_flask(*arguments: str, database_url: str, **changes: Any) -> tuple[int, str]:
    """The exit code, and what was written."""
    process = start_flask(*arguments, database_url=database_url, **changes)
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def environment(database_url: str, **changes: str) -> dict[str, str]:
    """Nothing of the one who runs the tests reaches the command."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "APP_ENV": "testing",
        "DATABASE_URL": database_url,
        "MASTER_KEYS": ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in MASTER_KEYS.items()),
        "BCRYPT_ROUNDS": "4",
        "PUBLIC_URL": PUBLIC_URL,
        **changes,
    }


@contextmanager
def empty_database(databases: Databases, kind: str, directory: Path) -> Iterator[str]:
    """The URL of a database that no migration has seen."""
    if kind == SQLITE:
        yield f"sqlite:///{directory / 'empty.sqlite3'}"
        return
    require_postgres()
    name = databases.postgres.create_database()
    try:
        yield databases.postgres.url(name)
    finally:
        databases.postgres.drop_database(name)


def run(app: Flask, *arguments: str, line: str | None = None) -> Result:
    return app.test_cli_runner().invoke(args=list(arguments), input=line)


def done(app: Flask, *arguments: str, line: str | None = None) -> str:
    result = run(app, *arguments, line=line)
    assert result.exit_code == 0, result.output
    return result.stdout


def told(app: Flask, *arguments: str) -> Any:
    return json.loads(done(app, *arguments, "--json"))


def assert_refused(result: Result, *words: str, exit_code: int = 1) -> None:
    """In words on standard error, and not as a traceback."""
    assert (result.exit_code, result.stdout) == (exit_code, "")
    assert isinstance(result.exception, SystemExit)
    assert [word for word in words if word not in result.stderr] == [], result.stderr
