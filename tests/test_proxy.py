"""deploy/nginx.conf as it is shipped, run by nginx: what it lets through, keeps inside, and answers itself."""

import re
import socket
import ssl
from collections.abc import Iterator

import pytest
import requests

from tests.support.databases import SQLITE, Databases
from tests.support.people import PROFILE, Client
from tests.support.proxy import ENVIRONMENT, HOST, Proxy, proxying, require_nginx
from tests.support.server import Node, serving


@pytest.fixture(scope="module")
def node(databases: Databases) -> Iterator[Node]:
    require_nginx()
    with databases.copy(SQLITE) as url, serving(url, **ENVIRONMENT) as node:
        yield node


@pytest.fixture(scope="module")
def proxy(node: Node) -> Iterator[Proxy]:
    with proxying([node]) as proxy:
        yield proxy


@pytest.fixture
def visitor(proxy: Proxy) -> Client:
    return Client(proxy.transport())


def test_the_service_works_through_the_proxy(visitor: Client) -> None:
    """SECURITY 143: over TLS, and with the promise that it stays so."""
    person = visitor.join()
    assert person.post("/profile", PROFILE).status == 201
    shown = person.get("/profile/me")
    assert shown.json["name"] == PROFILE["name"]
    assert re.fullmatch(r"max-age=\d{8,}; includeSubDomains", shown.headers["Strict-Transport-Security"])


@pytest.mark.parametrize("path", ["/", "/token", "/healthz"])
def test_what_is_sent_in_the_clear_is_refused_and_not_redirected(proxy: Proxy, path: str) -> None:
    """SECURITY 143."""
    answer = requests.post(proxy.plain_url + path, json={}, headers={"Host": HOST}, timeout=10, allow_redirects=False)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/internal/users/x", "/internal", "/token/introspect", "/revocations", "/metrics"])
def test_what_is_for_the_inside_stays_inside(visitor: Client, path: str) -> None:
    answer = visitor.send("POST", path, {})
    assert (answer.status, answer.code) == (404, "not_found")
    assert re.fullmatch("[0-9a-f]{32}", answer.json["request_id"])


@pytest.mark.parametrize(
    "spelling", ["//internal/users/x", "/%69nternal/users/x", "/./internal/users/x", "/a/../internal/x"]
)
def test_another_spelling_does_not_get_inside(proxy: Proxy, spelling: str) -> None:
    """SECURITY: neither the proxy nor the service takes these for an address inside."""
    context = ssl.create_default_context(cafile=str(proxy.authority))
    with (
        socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as secured,
    ):
        secured.sendall(f"GET {spelling} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
        answer = secured.makefile("rb").read()
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


def test_without_any_node_the_proxy_answers_as_the_service_would(proxy: Proxy) -> None:
    """The port is free, so nobody listens there."""
    with proxying([Node(1, proxy.process, proxy.authority)]) as lonely:
        answer = Client(lonely.transport()).get("/account")
    assert (answer.status, answer.code) == (503, "service_unavailable")
    assert answer.headers["Retry-After"].isdigit()
