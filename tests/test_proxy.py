"""deploy/nginx.conf as it is shipped, run by nginx: what it lets through, keeps inside, and answers itself."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import SQLITE, Databases
from tests.support.people import PROFILE, Answer, Client, OverSocket
from tests.support.server import Node, free_port, serving

CONFIGURATION = Path(__file__).parent.parent / "deploy" / "nginx.conf"
HOST = "users.example.com"


class ThroughProxy(OverSocket):
    """Requests that name the public host, as a client's would."""

    host = HOST

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        return super().send(method, path, headers={"Host": self.host, **headers}, data=data)


@pytest.fixture(scope="module")
def node(databases: Databases) -> Iterator[Node]:
    with databases.copy(SQLITE) as url, serving(url, TRUSTED_PROXIES="1") as node:
        yield node


@pytest.fixture(scope="module")
def proxy(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """nginx on a port of its own; nothing else of the file is changed."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        message = "nginx is not installed, so the shipped proxy configuration was not tried: apt install nginx-light"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    directory, port = tmp_path_factory.mktemp("nginx"), free_port()
    text = CONFIGURATION.read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
    text = text.replace("server 127.0.0.1:8000", f"server {node.url.removeprefix('http://')}")
    (directory / "nginx.conf").write_text(text)
    command = [program, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-g", "daemon off;"]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        with pytest.raises(subprocess.TimeoutExpired):  # it must not have ended
            process.wait(0.05)


@pytest.fixture
def visitor(proxy: str) -> Client:
    return Client(ThroughProxy(proxy))


def test_the_service_works_through_the_proxy(visitor: Client) -> None:
    person = visitor.join()
    assert person.post("/profile", PROFILE).status == 201
    assert person.get("/profile/me").json["name"] == PROFILE["name"]


@pytest.mark.parametrize("path", ["/internal/users/x", "/internal", "/token/introspect", "/revocations", "/metrics"])
def test_what_is_for_the_inside_stays_inside(visitor: Client, path: str) -> None:
    answer = visitor.send("POST", path, {})
    assert (answer.status, answer.code) == (404, "not_found")
    assert re.fullmatch("[0-9a-f]{32}", answer.json["request_id"])


@pytest.mark.parametrize(
    "spelling", ["//internal/users/x", "/%69nternal/users/x", "/./internal/users/x", "/a/../internal/x"]
)
def test_another_spelling_does_not_get_inside(visitor: Client, spelling: str) -> None:
    """SECURITY: neither the proxy nor the service takes these for an address inside."""
    connection = socket.create_connection(("127.0.0.1", int(visitor.transport.url.rpartition(":")[2])))
    with connection:
        connection.sendall(f"GET {spelling} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_another_host_is_nobodys(visitor: Client) -> None:
    """SECURITY 146."""
    visitor.transport.host = "evil.example"
    assert visitor.get("/healthz").status == 421


def test_a_body_that_is_too_large_is_refused_in_the_form_of_the_service(visitor: Client) -> None:
    answer = visitor.post("/register", b"{" + b" " * 70_000 + b"}")
    assert (answer.status, answer.code) == (413, "request_too_large")


def test_the_address_comes_from_the_connection_and_not_from_the_client(visitor: Client) -> None:
    """SECURITY 48: what the client says of itself is thrown away."""
    lies = {"X-Forwarded-For": "198.51.100.66", "X-Real-IP": "198.51.100.66", "Forwarded": "for=198.51.100.66"}
    visitor.register()
    visitor.send("POST", "/token", {"username": visitor.username, "password": visitor.password}, headers=lies)
    visitor.log_in()
    assert {session["ip"] for session in visitor.get("/sessions").json["data"]} == {"127.0.0.1"}
