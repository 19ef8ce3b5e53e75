"""Work beside the requests ends before the interpreter does. RELIABILITY 13."""

import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.databases import POSTGRESQL, Databases
from tests.support.server import serving
from tests.test_logs import logging_app
from user_service import background

# A thread that comes back from Rust to an interpreter that has gone aborts the process.
HASHES = """
import bcrypt, time
from user_service import background

def work():
    while background.pause(0):
        bcrypt.hashpw(b"plum tractor sings low", bcrypt.gensalt(4))

for n in range(3):
    background.start(work, name=f"hashing-{n}")
time.sleep(0.1)
background.stop()
"""
WAITS = """
from user_service import background

background.start(lambda: background.pause(600), name="waiting")
background.stop()
print("asked again:", background.pause(600))
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_what_is_inside_a_compiled_library_comes_to_its_end_first() -> None:
    done = run(HASHES)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pause_ends_with_the_process() -> None:
    started_at = time.monotonic()
    done = run(WAITS)
    assert (done.returncode, done.stdout) == (0, "asked again: False\n")
    assert time.monotonic() - started_at < 30


def test_what_nobody_foresaw_is_a_line_of_the_log(
    make_app: Callable[..., Flask], capfd: pytest.CaptureFixture[str]
) -> None:
    _, log = logging_app(make_app)
    background.start(lambda: divmod(1, 0), name="failing")
    background._threads.pop().join(60)
    [line] = log.events("background.failed")
    assert line["thread"] == "failing"
    assert "ZeroDivisionError" in line["exceptions"][0]["type"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_node_may_be_stopped_while_it_still_checks_itself(databases: Databases) -> None:
    """In production the first worker asks what `flask doctor` asks, right after its start. `serving` reads the log."""
    production = {"APP_ENV": "production", "BCRYPT_ROUNDS": "10", "PUBLIC_URL": "https://users.example.com"}
    with databases.copy(POSTGRESQL) as url, serving(url, **production, TRUSTED_PROXIES="1") as node:
        for turn in range(12):
            time.sleep(turn / 100)
            assert node.stop() == 0
            node.start_again()
            assert node.wait_until_ready(), node.log()
