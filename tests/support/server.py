"""The service as production runs it: gunicorn and its workers, over a socket. Nodes may share a database."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.support.databases import MASTER_KEYS
from tests.support.processes import children

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120
STOP_SECONDS = 60
POLL_SECONDS = 0.05
TORN = "exception not rethrown"  # glibc's word for a thread that was unwound inside a compiled library
ATTEMPTS = 3  # somebody else may take the free port before gunicorn does


@dataclass
class Node:
    """One running server with its workers."""

    port: int
    process: subprocess.Popen[bytes]
    log_path: Path
    variables: dict[str, str] = field(default_factory=dict, repr=False)
    root: Path = ROOT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the master; its workers are children."""
        return self.process.pid

    def log(self) -> str:
        """All that the node has written until now."""
        return self.log_path.read_text(errors="replace")

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> int:
        """Ask it to stop as an operator would, and give back the exit code."""
        if self.is_running():
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """End the master and its workers at once, as a crash would."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait(STOP_SECONDS)

    def workers(self) -> list[int]:
        """The process ids of the workers, oldest first."""
        return children(self.pid)

    def start_again(self) -> None:
        """Start the ended process anew as a supervisor would: same port, same log. It is not waited for."""
        assert not self.is_running()
        self.process = _spawn(self.root, self.variables, self.log_path)

    def is_ready(self) -> bool:
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(f"{self.url}/readyz", timeout=5).status_code == 200
            except requests.RequestException:
                return False

    def wait_until_ready(self) -> bool:
        """Whether it became ready; False once the process is gone."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.is_ready():
                return True
            try:
                self.process.wait(POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return False
        return False


@contextmanager
def serving(database_url: str, *, workers: int = 2, root: Path = ROOT, **environment: str) -> Iterator[Node]:
    """A node that is ready; at the end it is stopped, and must stop cleanly.

    `root` is the tree that is run. `environment` is put over the variables that a test needs anyway; they are named
    as in `config.py`.
    """
    with tempfile.TemporaryDirectory(prefix="node-") as directory:
        node = _start(root, database_url, workers, environment, Path(directory))
        try:
            yield node
            code = node.stop()
            assert code == 0, f"the server ended with {code}:\n{node.log()}"
            assert TORN not in node.log(), f"a worker was aborted in its exit:\n{node.log()}"
        finally:
            node.kill()


def _start(root: Path, database_url: str, workers: int, environment: dict[str, str], directory: Path) -> Node:
    for attempt in range(ATTEMPTS):
        port = free_port()
        log_path = directory / f"log-{attempt}"
        variables = variables_of(database_url, workers, port) | environment
        node = Node(port, _spawn(root, variables, log_path), log_path, variables, root)
        if node.wait_until_ready():
            return node
        node.kill()
        if "Address already in use" not in node.log():
            break
    raise RuntimeError(f"The server did not become ready.\n{node.log()}")


def _spawn(root: Path, variables: dict[str, str], log_path: Path) -> subprocess.Popen[bytes]:
    """A process group of its own, so that its workers can be found and nobody else's."""
    gunicorn = Path(sys.executable).parent / "gunicorn"
    with log_path.open("ab") as log:
        return subprocess.Popen(
            [gunicorn], cwd=root, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )


def variables_of(database_url: str, workers: int, port: int) -> dict[str, str]:
    """A clean environment: nothing of the one who runs the tests reaches the server."""
    keys = ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in MASTER_KEYS.items())
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "APP_ENV": "testing",
        "DATABASE_URL": database_url,
        "MASTER_KEYS": keys,
        "BCRYPT_ROUNDS": "4",
        "WEB_CONCURRENCY": str(workers),
        "DATABASE_POOL_SIZE": "8",  # as it is unless somebody says otherwise
        "RATELIMIT_ENABLED": "false",  # a test knocks more often than one address may
        "BIND": "127.0.0.1",
        "PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
    }


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
