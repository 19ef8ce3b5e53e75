"""SQLite on a disk that is full. RELIABILITY 32."""

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.resilience.audit import losses
from tests.resilience.ledger import customers_of
from tests.support.databases import SQLITE, Databases
from tests.support.people import PROFILE, Client, OverSocket
from tests.support.processes import wait_until
from tests.support.server import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SIZE, ROOM = 6 * 1024 * 1024, 32 * 1024
CUSTOMERS = 3


@contextmanager
def small_disk() -> Iterator[Path]:
    """A file system of a few MiB in memory. It takes the rights to mount one."""
    with tempfile.TemporaryDirectory(prefix="disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", name]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            message = "no file system may be mounted here, so a full disk was not tried: run it as root"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)


def fill(disk: Path) -> Path:
    """Take all the room there is, but for a little."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while (left := shutil.disk_usage(disk).free) > ROOM:
            file.write(bytes(min(left - ROOM, 64 * 1024)))
    return ballast


def test_on_a_full_disk_reads_go_on_and_nothing_breaks(databases: Databases) -> None:
    with small_disk() as disk, databases.copy(SQLITE) as template:
        path = disk / "users.sqlite3"
        shutil.copy(template.removeprefix("sqlite:///"), path)
        with serving(f"sqlite:///{path}") as node:
            reader = Client(OverSocket(node.url)).join()
            reader.post("/profile", PROFILE)
            with customers_of([OverSocket(node.url) for _ in range(CUSTOMERS)]) as ledger:
                ballast = fill(disk)
                wait_until(lambda: ledger.statuses[503] >= CUSTOMERS, "the disk is not full")
                shown = [reader.get("/profile/me") for _ in range(20)]
                assert {answer.status for answer in shown} == {200}
                ballast.unlink()
                ledger.wait_for_everybody()
            assert not ledger.complaints, ledger.complaints
            assert not (found := losses(ledger, [node], f"sqlite:///{path}")), found
            assert "request.failed" not in node.log()
            reader.transport.session.close()
        with sqlite3.connect(path) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
