"""deploy/nginx.conf as it is shipped, run by nginx: what it lets through, keeps inside, and answers itself."""

import re
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

import pytest
import requests

from tests.support.databases import SQLITE, Databases
from tests.support.hostile import problems_with
from tests.support.people import PROFILE, Answer, Client
from tests.support.proxy import ENVIRONMENT, HOST, PUBLIC_URL, Proxy, proxying, require_nginx
from tests.support.server import Node, serving

GET = f"GET {{}} HTTP/1.1\r\nHost: {HOST}\r\n"
# What no server takes, each by another rule.
UNREADABLE = {
    "method": f"G@T / HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
    "length": f"{GET.format('/')}Content-Length: x\r\n\r\n",
    "chunks": f"{GET.format('/')}Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "header": f"{GET.format('/')}X: {'a' * 20_000}\r\n\r\n",
}


def sent(proxy: Proxy, request: str) -> Answer:
    """What comes back for a request that no library would send."""
    context = ssl.create_default_context(cafile=str(proxy.authority))
    with (
        socket.create_connection(("127.0.0.1", int(proxy.url.rpartition(":")[2]))) as connection,
        context.wrap_socket(connection, server_hostname=HOST) as secured,
    ):
        secured.sendall(request.encode())
        response = HTTPResponse(secured)
        response.begin()
        return Answer(response.status, response.headers, response.read())


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
    assert sent(proxy, f"{GET.format(spelling)}\r\n").status == 404


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


@pytest.mark.parametrize("request_text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_refused_in_the_form_of_the_service(proxy: Proxy, request_text: str) -> None:
    answer = sent(proxy, request_text)
    assert (answer.status, answer.code) == (400, "bad_request")
    assert list(problems_with(answer, "GET", "/", public_url="")) == []


def test_its_own_answers_are_protected_as_those_of_the_service(proxy: Proxy, visitor: Client) -> None:
    """SECURITY 142, 143."""
    promise = visitor.get("/healthz").headers["Strict-Transport-Security"]
    with proxying([Node(1, proxy.process, proxy.authority)]) as lonely:
        unavailable = Client(lonely.transport()).get("/account")
    large = visitor.post("/register", b"{" + b" " * 70_000 + b"}")
    for answer in (sent(proxy, UNREADABLE["length"]), visitor.get("/metrics"), large, unavailable):
        assert answer.headers["Strict-Transport-Security"] == promise
        faults = list(problems_with(answer, "GET", "/", public_url=""))
        assert faults == (["status 503"] if answer is unavailable else [])


def test_who_came_in_the_clear_or_for_another_host_is_protected_and_promised_nothing(
    proxy: Proxy, visitor: Client
) -> None:
    """SECURITY 142, 146."""
    response = requests.get(proxy.plain_url, headers={"Host": HOST}, timeout=10)
    refused = Answer(response.status_code, response.headers, response.content)
    visitor.transport.host = "evil.example"
    misdirected = visitor.get("/healthz")
    assert list(problems_with(refused, "GET", "/", public_url="")) == []
    assert list(problems_with(misdirected, "GET", "/")) == ["Content-Type is 'text/html'"]  # and nothing else
    for answer in (refused, misdirected):
        assert "Strict-Transport-Security" not in answer.headers


@pytest.mark.parametrize("path", ["/healthz", "/profile/me", "/no/such/place", "/openapi.json", "/docs"])
def test_what_the_service_says_passes_as_it_is(proxy: Proxy, path: str) -> None:
    """Each header once: the proxy adds its own to its own answers alone."""
    answer = sent(proxy, f"{GET.format(path)}\r\n")
    assert list(problems_with(answer, "GET", path, PUBLIC_URL)) == []
    names = [name.lower() for name in answer.headers]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("path", ["/metrics", "/profile/me"])
def test_a_request_keeps_its_id_whoever_answers(proxy: Proxy, path: str) -> None:
    for wanted, is_kept in (("a.b-C_1", True), ("A" * 128, True), ("A" * 129, False), ('a"b', False), ("", False)):
        answer = sent(proxy, f"{GET.format(path)}X-Request-ID: {wanted}\r\n\r\n")
        assert (answer.headers["X-Request-ID"] == wanted) is is_kept
        assert answer.json["request_id"] == answer.headers["X-Request-ID"]


def test_who_gets_no_answer_has_the_id_that_the_node_was_given(proxy: Proxy) -> None:
    """The node that reads and hangs up may have done it; its log says so under this id."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as threads:
        node = Node(listener.getsockname()[1], proxy.process, proxy.authority)
        with proxying([node]) as lonely:
            asking = threads.submit(Client(lonely.transport()).post, "/token", {})
            listener.settimeout(60)
            connection, _ = listener.accept()
            with connection:
                given = re.search(rb"X-Request-ID: ([0-9a-f]{32})\r\n", connection.recv(65_536))
            answer = asking.result()
    assert given is not None
    assert (answer.status, answer.headers["X-Request-ID"]) == (503, given[1].decode())
