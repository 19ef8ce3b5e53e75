"""A throwaway Redis, from the system's `redis-server`: tests kill it, freeze it, empty it, spoil the way to it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

START_SECONDS = 20
STOP_SECONDS = 20


def require_redis() -> str:
    """The program. Without it the tests are left out loudly; in CI that is a failure."""
    program = shutil.which("redis-server")
    if program is None:
        message = "redis-server is not installed, so shared limits were not tried: apt install redis-server"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed
    return program


@dataclass
class RedisServer:
    """One server on a Unix socket; `options` are of redis.conf and may add a port."""

    program: str
    directory: Path
    options: dict[str, str]
    process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        return self.directory / "redis.sock"

    @property
    def url(self) -> str:
        return f"unix://{self.socket}"

    @contextmanager
    def client(self) -> Iterator[redis.Redis]:
        password = self.options.get("requirepass")
        with redis.Redis(unix_socket_path=str(self.socket), password=password, decode_responses=True) as client:
            yield client

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        options = {"port": "0", "unixsocket": str(self.socket), "save": "", "appendonly": "no"} | self.options
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([self.program, *arguments], cwd=self.directory, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Redis did not start: " + (self.directory / "log").read_text())
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.02)

    def answers(self) -> bool:
        with self.client() as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def kill(self) -> None:
        """End it at once, as a crash would. What it held is lost."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
            self.process = None
        self.socket.unlink(missing_ok=True)

    def freeze(self) -> None:
        """It takes connections and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def throwaway_redis(**options: str) -> Iterator[RedisServer]:
    """A running server, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="redis-") as directory:
        server = RedisServer(
            require_redis(), Path(directory), {name.replace("_", "-"): v for name, v in options.items()}
        )
        try:
            server.start()
            yield server
        finally:
            server.kill()


class DribblingLink:
    """A way to a Redis on which answers come byte by byte, each after a pause: no single wait is ever long."""

    def __init__(self, server: RedisServer, *, pause_seconds: float) -> None:
        self.path = server.directory / "link.sock"
        self._target = str(server.socket)
        self._pause = pause_seconds
        self._is_over = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        return f"unix://{self.path}"

    def __enter__(self) -> "DribblingLink":
        self._run(self._accept)
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _run(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._run(self._serve, self._listener.accept()[0])

    def _serve(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, contextlib.suppress(OSError):
            server.connect(self._target)
            client.settimeout(0.05)
            while not self._is_over.is_set():
                with contextlib.suppress(TimeoutError):
                    question = client.recv(65536)
                    if not question:
                        return
                    server.sendall(question)
                    self._dribble(server.recv(65536), client)

    def _dribble(self, answer: bytes, client: socket.socket) -> None:
        for byte in answer:
            if self._is_over.wait(self._pause):
                return
            client.sendall(bytes([byte]))
