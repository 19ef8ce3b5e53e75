"""docs/operations.md, run from its first block to its last. SECURITY 154; RELIABILITY 13, 37."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.databases import require_postgres
from tests.support.postgres import PostgresServer, throwaway_server
from tests.support.server import ROOT, free_port

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
BEGIN = "set -euo pipefail; trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"
LEAST_RIGHTS = """
psql --quiet "$DATABASE_URL" --command 'SELECT count(*) FROM users' >/dev/null
for statement in 'CREATE TABLE x ()' 'DROP TABLE users' 'ALTER TABLE users ADD x int' \\
        'CREATE ROLE x' 'TRUNCATE users'; do
    if psql --quiet "$DATABASE_URL" --command "$statement"; then echo "allowed: $statement"; exit 9; fi
done
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    require_postgres()
    with throwaway_server(fsync="on") as server:
        yield server


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_command_of_the_page_does_what_it_says(server: PostgresServer, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / "docs" / "operations.md").read_text())
    assert len(blocks) >= 10
    blocks.insert(2, LEAST_RIGHTS)
    script = "\n".join([BEGIN, *(f"echo '== block {n}'\n{block}" for n, block in enumerate(blocks))])
    run = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=environment(server, tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=540,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    assert run.stdout.count("permission denied") + run.stdout.count("must be owner") == 5, run.stdout
    assert "Nothing is left under an old master key." in run.stdout
    with server.connect() as connection:
        assert ("restored",) not in connection.execute("SELECT datname FROM pg_database").fetchall()
    with pytest.raises(psycopg.OperationalError), server.connect("restored"):
        pass


def environment(server: PostgresServer, directory: Path) -> dict[str, str]:
    port = free_port()
    for name in ("secrets", "run"):
        (directory / name).mkdir(mode=0o700)
    return {
        "PATH": f"{Path(sys.executable).parent}:{server.binaries}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(directory),
        "ADMIN": f"postgresql://postgres@/postgres?host={server.directory}",
        "SERVER": f"/user_service?host={server.directory}",
        "SECRETS": str(directory / "secrets"),
        "RUN": str(directory / "run"),
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "NODE": f"http://127.0.0.1:{port}",
        "WEB_CONCURRENCY": "2",
    }
