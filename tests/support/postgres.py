"""A throwaway PostgreSQL server, from the binaries that the system has. Works as root too."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.support.processes import children

# Tests make thousands of databases; what need not outlive the machine lies in memory.
MEMORY = Path("/dev/shm") if Path("/dev/shm").is_dir() else None


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`, newest version first."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -float(path.parent.name))
    on_path = shutil.which("initdb")
    if on_path:
        candidates.append(Path(on_path).resolve().parent)
    return next((path for path in candidates if (path / "initdb").exists() and (path / "postgres").exists()), None)


@dataclass
class PostgresServer:
    directory: Path
    binaries: Path
    process: subprocess.Popen[bytes] | None = None
    databases: int = 0
    port: int = 5432
    settings: dict[str, str] = field(default_factory=dict)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.directory}&port={self.port}"

    def connect(self, database: str = "postgres") -> psycopg.Connection:
        where = f"host={self.directory} port={self.port} user=postgres dbname={database}"
        return psycopg.connect(where, autocommit=True)

    def create_database(self, template: str = "template1") -> str:
        self.databases += 1
        name = f"t{self.databases}"
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name

    def drop_database(self, name: str) -> None:
        with self.connect() as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.binaries / program, *arguments], check=True, capture_output=True, text=True, **_as_ordinary_user()
        )

    def start(self, **settings: str) -> None:
        """Start, and wait until it answers. What was set at an earlier start stays."""
        self.settings |= settings
        self.port = int(self.settings.get("port", self.port))
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "max_connections": "300",
            **self.settings,
        }
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.binaries / "postgres", "-D", self.directory / "data", *arguments],
                stdout=log,
                stderr=log,
                **_as_ordinary_user(),
            )
        self._wait()

    def _wait(self) -> None:
        for _ in range(1200):  # a crash is recovered from first
            try:
                self.connect().close()
            except psycopg.OperationalError:
                assert self.process is not None
                try:
                    self.process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
                raise RuntimeError((self.directory / "log").read_text()) from None
            return
        raise RuntimeError("PostgreSQL did not start: " + (self.directory / "log").read_text())

    def crash(self) -> None:
        """End all its processes at once, as a machine that dies does. What they had not written is lost."""
        for pid in self.freeze():
            os.kill(pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(30)
        self.process = None

    def freeze(self) -> list[int]:
        """Stop all its processes where they are, the first one first, so that it starts no others. Their ids."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)
        everybody = [self.process.pid, *children(self.process.pid)]
        for pid in everybody:
            os.kill(pid, signal.SIGSTOP)
        return everybody

    def promote(self) -> None:
        """A standby takes over: from here on it takes writes. Waits until it does."""
        with self.connect() as connection:
            connection.execute("SELECT pg_promote()")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(2)  # SIGINT: fast shutdown
            self.process.wait(30)
            self.process = None


@contextmanager
def throwaway_server(**settings: str) -> Iterator[PostgresServer]:
    is_durable = settings.get("fsync", "off") != "off"
    with _server(None if is_durable else MEMORY) as server:
        data = str(server.directory / "data")
        server.run("initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        server.start(**settings)
        yield server


@contextmanager
def standby_of(primary: PostgresServer, name: str = "standby", **settings: str) -> Iterator[PostgresServer]:
    """A copy that follows the primary by streaming replication, under a name for `synchronous_standby_names`."""
    with _server(primary.directory.parent) as server:
        where = f"host={primary.directory} port={primary.port} user=postgres application_name={name}"
        options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"]
        server.run("pg_basebackup", "-D", str(server.directory / "data"), "-d", where, *options)
        server.start(**settings)
        yield server


@contextmanager
def _server(parent: Path | None) -> Iterator[PostgresServer]:
    """A directory for one, removed at the end with what runs in it."""
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("no PostgreSQL binaries")
    directory = Path(tempfile.mkdtemp(prefix="pg-", dir=parent))
    server = PostgresServer(directory, binaries)
    try:
        ordinary = _as_ordinary_user()
        if ordinary:
            os.chown(directory, ordinary["user"], ordinary["group"])
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _as_ordinary_user() -> dict:
    """PostgreSQL refuses to run as root, so root lends it another user's rights."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("no ordinary user to run PostgreSQL as")
