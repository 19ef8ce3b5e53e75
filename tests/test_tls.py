"""TLS to the database and to Redis is used and verified where the URL asks for it. SECURITY 128."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import running_app
from tests.support.databases import SQLITE, Databases, migrate, require_postgres
from tests.support.people import Client, InProcess
from tests.support.postgres import PostgresServer, throwaway_server
from tests.support.proxy import certificate
from tests.support.redis import throwaway_redis
from tests.support.server import free_port
from user_service import windows

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def server_with_tls() -> Iterator[tuple[PostgresServer, int]]:
    require_postgres()
    with throwaway_server() as server:
        public, private = certificate("database")
        owner = server.directory.stat()
        for name, content in (("server.crt", public), ("server.key", private)):
            path = server.directory / name
            path.write_bytes(content)
            path.chmod(0o600)
            os.chown(path, owner.st_uid, owner.st_gid)
        server.stop()
        port = free_port()
        files = {"ssl_cert_file": server.directory / "server.crt", "ssl_key_file": server.directory / "server.key"}
        server.start(
            listen_addresses=HOST, port=str(port), ssl="on", **{name: str(path) for name, path in files.items()}
        )
        yield server, port


def url(port: int, root: Path) -> str:
    return f"postgresql+psycopg://postgres@{HOST}:{port}/postgres?sslmode=verify-full&sslrootcert={root}"


def test_a_server_that_the_root_vouches_for_is_used_and_another_is_not(
    server_with_tls: tuple[PostgresServer, int], tmp_path: Path
) -> None:
    server, port = server_with_tls
    right, wrong = tmp_path / "right.crt", tmp_path / "wrong.crt"
    right.write_bytes((server.directory / "server.crt").read_bytes())
    wrong.write_bytes(certificate("somebody else")[0])
    migrate(url(port, right))
    with running_app(url(port, right)) as app:
        assert Client(InProcess(app)).get("/readyz").status == 200
    with running_app(url(port, wrong)) as app:
        answer = Client(InProcess(app)).get("/readyz")
        assert (answer.status, "/database" in answer.fault_codes()) == (503, True)
        assert Client(InProcess(app)).register().code == "service_unavailable"


def test_a_redis_that_the_root_vouches_for_counts_and_another_is_told_nothing(
    databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "CONNECT_SECONDS", 15)  # a busy machine is no proof of anything
    monkeypatch.setattr(windows, "ANSWER_SECONDS", 15)
    files = {name: tmp_path / name for name in ("redis.crt", "redis.key", "wrong.crt")}
    for path, content in zip(files.values(), (*certificate("redis"), certificate("somebody else")[0]), strict=True):
        path.write_bytes(content)
    port = free_port()
    options = {"tls_port": str(port), "tls_auth_clients": "no", "requirepass": "hunter2-canary"}
    options |= {"tls_cert_file": str(files["redis.crt"]), "tls_key_file": str(files["redis.key"])}
    with throwaway_redis(**options) as server, databases.copy(SQLITE) as database_url:
        for root, amount in (("redis.crt", 60), ("wrong.crt", 15)):
            redis_url = f"rediss://:hunter2-canary@{HOST}:{port}/1?ssl_ca_certs={files[root]}"
            with running_app(database_url, ratelimit_enabled=True, redis_url=redis_url) as app:
                answer = Client(InProcess(app)).log_in("nobody", "wrong as can be")
                assert answer.headers["RateLimit-Policy"].startswith(f'"log-in-address";q={amount};w=60')
            with server.client() as client:
                assert client.info("commandstats")["cmdstat_eval"]["calls"] == 1
