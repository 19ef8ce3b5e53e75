"""Where a request begins and ends, told in two ways at once. Raw sockets against the server of production.

SECURITY 138 (framing), 133 (broken chunked bodies), 135 (size), 145 (server names), 129 (nothing breaks).
"""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from urllib.parse import urlsplit

import pytest

from tests.conftest import running_app
from tests.support.databases import SQLITE, Databases
from tests.support.hostile import leaks
from tests.support.processes import local_doors
from tests.support.server import Node, serving
from user_service.clients.service import Scope, create_client

PATIENCE_SECONDS = 8
# Whoever has this answered has two requests taken for one, or one for two.
SMUGGLED = b"GET /healthz HTTP/1.1\r\nHost: users.test\r\nX-Request-ID: smuggled\r\n\r\n"
HOST = b"Host: users.test\r\n"
ENDPOINTS = (b"POST /token", b"POST /token/refresh", b"PUT /profile", b"GET /healthz", b"POST /no/such/place")
READING = ENDPOINTS[:2]  # the others answer without a look at the body

AMBIGUOUS_HEADS = [
    *(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",),
    *(b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",),
    *(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",),
    *(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",),
    *(b"Transfer-Encoding: chunked, chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n"),
    *(b"Transfer-Encoding: chunked, gzip\r\n", b"Transfer-Encoding: xchunked\r\n"),
    *(b"Transfer-Encoding: chunk\r\n", b'Transfer-Encoding: "chunked"\r\n'),
    *(b"Transfer-Encoding: \r\nContent-Length: 5\r\n", b"Transfer-Encoding: \x0bchunked\r\n"),
    *(b"Transfer-Encoding: chunked\x00\r\n", b"Transfer-Encoding: ch\xc3\xbcnked\r\n"),
    *(b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding\t: chunked\r\n"),
    *(b"Transfer-Encoding:\r\n chunked\r\n", b" Transfer-Encoding: chunked\r\n"),
    *(b"X-A: b\r\n\tTransfer-Encoding: chunked\r\n", b"X-A: b\nTransfer-Encoding: chunked\r\n"),
    *(b"X-A: b\rTransfer-Encoding: chunked\r\n", b"Content-Length: 5\r\nContent-Length: 5\r\n"),
    *(b"Content-Length: 5\r\nContent-Length: 66\r\n", b"Content-Length: 5, 5\r\n", b"Content-Length: 5,66\r\n"),
    *(b"Content-Length: +5\r\n", b"Content-Length: -5\r\n", b"Content-Length: 0x5\r\n"),
    *(b"Content-Length: 5.0\r\n", b"Content-Length: 5e0\r\n", b"Content-Length: 5_0\r\n"),
    *(b"Content-Length: 5 5\r\n", b"Content-Length: \xd9\xa5\r\n", b"Content-Length: \r\n"),
    *(b"Content-Length: five\r\n", b"Content-Length : 5\r\n", b" Content-Length: 5\r\n", b"Content-Length\r\n"),
    *(b": 5\r\n", b"X-A: b\x00c\r\nContent-Length: 5\r\n", b"Host: evil.example\r\nContent-Length: 5\r\n"),
]
BROKEN_CHUNKS = [
    *(b"-5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"+2\r\n{}\r\n0\r\n\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"0_2\r\n{}\r\n0\r\n\r\n"),
    *(b"g\r\n{}\r\n0\r\n\r\n", b"\r\n{}\r\n0\r\n\r\n", b" 2\r\n{}\r\n0\r\n\r\n", b"2 \r\n{}\r\n0\r\n\r\n"),
    *(b"1\r\n{}\r\n0\r\n\r\n", b"3\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"2\r\n{}\n0\r\n\r\n", b"2\r\n{}0\r\n\r\n"),
    *(b"2;a\nb\r\n{}\r\n0\r\n\r\n", b"2;a\rb\r\n{}\r\n0\r\n\r\n", b"\xd9\xa2\r\n{}\r\n0\r\n\r\n"),
    *(b"ffffffffffffffffff\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nno header\r\n\r\n", b"2\r\n{}\r\n-0\r\n\r\n"),
]
CUT_SHORT = [
    b"Transfer-Encoding: chunked\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0",
    b"Content-Length: 60\r\n\r\n",
    b"Content-Length: 60\r\n\r\n{",
    b"Content-Length: 60\r\n\r\n{}",
    b'Content-Length: 60\r\n\r\n{"username":"a","password":"b"}',
]
NO_REQUESTS = [
    *(b"get /healthz HTTP/1.1", b"G{T /healthz HTTP/1.1", b"GET  /healthz HTTP/1.1", b"GET\t/healthz\tHTTP/1.1"),
    *(
        b"GET /healthz HTTP/2.0",
        b"GET /healthz HTTP/1.1 x",
        b"GET /healthz",
        b"GET /heal thz HTTP/1.1",
        b"GET HTTP/1.1",
    ),
    *(b" GET /healthz HTTP/1.1", b"GET /healthz http/1.1", b"GET /healthz HTTP/11", b"GET @evil.example HTTP/1.1"),
    *(b"PRI * HTTP/2.0", b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2", b"\x16\x03\x01\x00\xa5\x01", b"\x00\x00\x00", b"{}"),
    *(b"GET /\xc3\xa9 HTTP/1.1", b"GET /healthz\x00 HTTP/1.1", b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"\xff\xfe"),
]


@pytest.fixture(scope="module")
def node(databases: Databases) -> Iterator[Node]:
    with databases.copy(SQLITE) as url, serving(url, workers=1) as running:
        yield running


def spoken(node: Node, sent: bytes) -> bytes:
    """All that the server says until it closes, to a client that has said all of this and nothing more."""
    address = urlsplit(node.url)
    with socket.create_connection((str(address.hostname), int(address.port or 0)), PATIENCE_SECONDS) as connection:
        received = bytearray()
        with suppress(ConnectionError, OSError):  # it may close while it is still being spoken to
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while part := connection.recv(65_536):
                received += part
    return bytes(received)


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def complaints(received: bytes, allowed: set[int]) -> list[str]:
    """What is wrong with what came back to one request that may be answered once, or not at all."""
    found = statuses(received)
    wrong = [] if b"smuggled" not in received else ["the smuggled request was answered"]
    # After its answer the server looks at what is left of the body, and may say once more that it is broken.
    if found[1:] == [400]:
        found.pop()
    wrong += [] if len(found) <= 1 and set(found) <= allowed else [f"statuses {found}"]
    body = received.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
    return wrong + [f"it gives away {leak}" for leak in leaks(body.replace("127.0.0.1", ""))]


def request(endpoint: bytes, head: bytes, body: bytes = b"") -> bytes:
    return endpoint + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + head + b"\r\n" + body


def test_two_requests_in_one_message_are_answered_where_they_are_two(node: Node) -> None:
    """The counter-proof: what the other tests take for smuggled is seen here."""
    received = spoken(node, request(b"GET /healthz", b"") + SMUGGLED)
    assert statuses(received) == [200, 200]
    assert b"smuggled" in received


def test_a_request_whose_frame_is_ambiguous_is_refused(node: Node) -> None:
    """A transfer coding that a server does not know is 501 (RFC 9112, 6.1); all else is the client's fault."""
    assert len(AMBIGUOUS_HEADS) >= 39
    failures = []
    for endpoint, head in product(ENDPOINTS, AMBIGUOUS_HEADS):
        received = spoken(node, request(endpoint, head, b"0\r\n\r\n" + SMUGGLED))
        allowed = {400, 501} if b"Transfer-Encoding:" in head else {400}
        failures += [f"{endpoint!r} {head!r}: {complaint}" for complaint in complaints(received, allowed)]
    assert not failures, failures
    assert_it_goes_on(node)


def test_a_broken_chunk_is_refused_and_what_follows_is_not_read(node: Node) -> None:
    failures = []
    for endpoint, chunks in product(ENDPOINTS, BROKEN_CHUNKS):
        received = spoken(node, request(endpoint, b"Transfer-Encoding: chunked\r\n", chunks + SMUGGLED))
        allowed = {400} if endpoint in READING else {200, 400, 401, 404}
        failures += [f"{endpoint!r} {chunks!r}: {complaint}" for complaint in complaints(received, allowed)]
        if endpoint in READING and statuses(received) == [400]:
            failures += [] if b'"code":"invalid_json"' in received else [f"{chunks!r} is no problem: {received!r}"]
    assert not failures, failures
    assert_it_goes_on(node)


def test_a_body_that_ends_before_its_length_is_refused(node: Node) -> None:
    """RFC 9112, 6.3: such a message is incomplete, so nobody may act on the part that came."""
    failures = []
    for endpoint, rest in product(READING, CUT_SHORT):
        received = spoken(node, endpoint + b" HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + rest)
        failures += [f"{endpoint!r} {rest!r}: {complaint}" for complaint in complaints(received, {400})]
    assert not failures, failures
    assert_it_goes_on(node)


def test_a_form_is_read_as_strictly(node: Node) -> None:
    """Introspection takes one: a broken, cut or oversized form is refused as JSON is, and not read in part."""
    head = form_head(node)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    broken = [chunks for chunks in BROKEN_CHUNKS if spoken(node, chunked + chunks)[9:12] != b"400"]
    cut = [rest for rest in CUT_SHORT if spoken(node, head + rest)[9:12] != b"400"]
    assert (broken, cut) == ([], [])
    long = b"token=x&pad=" + b"a" * 70_000
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts(long)) + b"0\r\n\r\n"
    assert statuses(spoken(node, chunked + chunks)) == [413]
    assert b'{"active":false}' in spoken(node, chunked + b"7\r\ntoken=x\r\n0\r\n\r\n")
    assert_it_goes_on(node)


def form_head(node: Node) -> bytes:
    """The beginning of a request to introspect, by a service that may."""
    with running_app(node.variables["DATABASE_URL"]) as app, app.app_context():
        secret = create_client(name="gateway", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
    media_type = b"Content-Type: application/x-www-form-urlencoded\r\n"
    return (
        b"POST /token/introspect HTTP/1.1\r\n" + HOST + media_type + b"Authorization: Bearer %s\r\n" % secret.encode()
    )


def test_a_body_that_nobody_reads_is_not_taken_for_the_next_request(node: Node) -> None:
    chunk = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
    failures = []
    for endpoint in (b"GET /healthz", b"POST /no/such/place", b"PUT /profile", b"PATCH /token", b"HEAD /docs"):
        for framed in (
            request(endpoint, b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED),
            request(endpoint, b"Transfer-Encoding: chunked\r\n", chunk),
        ):
            failures += [f"{framed!r}: {fault}" for fault in complaints(spoken(node, framed), {200, 401, 404, 405})]
    assert not failures, failures


def test_what_is_no_request_is_refused(node: Node) -> None:
    failures = []
    for line in NO_REQUESTS:
        received = spoken(node, line + b"\r\n" + HOST + b"\r\n" + SMUGGLED)
        failures += [f"{line[:40]!r}: {complaint}" for complaint in complaints(received, {400, 414})]
    for head, status in (
        (b"X-A: " + b"a" * 70_000 + b"\r\n", 431),
        (b"X-A: b\r\n" * 400, 431),
        (b"Expect: x\r\n", 417),
    ):
        received = spoken(node, request(b"GET /healthz", head) + SMUGGLED)
        failures += [f"{head[:20]!r}: {complaint}" for complaint in complaints(received, {status, 400})]
    bare = (request(b"GET /healthz", b"") + SMUGGLED).replace(b"\r\n", b"\n")
    failures += complaints(spoken(node, bare), {400})
    assert not failures, failures
    assert_it_goes_on(node)


def test_a_body_over_the_limit_is_413_however_it_is_framed(node: Node) -> None:
    """Also where what fits would be a request of its own: a body is never cut to the limit and then read."""
    valid = b'{"username":"a","password":"b"}'
    bodies = [b"x" * 65_537, b"x" * 3_000_000, valid + b" " * 65_536, valid + b" " * (65_536 - len(valid)) + b"x" * 99]
    for body in bodies:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts(body)) + b"0\r\n\r\n"
        for framed in (
            request(b"POST /token", b"Content-Length: %d\r\n" % len(body), body),
            request(b"POST /token", b"Transfer-Encoding: chunked\r\n", chunks),
        ):
            received = spoken(node, framed)
            assert statuses(received) == [413], (framed[:200], received[-300:])
            assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "request_too_large"


def parts(body: bytes) -> list[bytes]:
    return [body[start : start + 50_000] for start in range(0, len(body), 50_000)]


def test_a_chunked_body_inside_the_limit_is_read_as_any_other(node: Node) -> None:
    body = b'{"username":"nobody.here","password":"b"}'
    chunks = b"".join(b"1;extension=x\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    received = spoken(node, request(b"POST /token", b"Transfer-Encoding: chunked\r\n", chunks))
    assert statuses(received) == [401]
    assert b'"code":"invalid_credentials"' in received


def test_no_server_tells_its_version(node: Node) -> None:
    for sent in (request(b"GET /healthz", b""), request(b"GET /no/such/place", b""), b"x\r\n\r\n"):
        head = spoken(node, sent).partition(b"\r\n\r\n")[0].decode()
        server = re.search(r"(?im)^server: (.*)$", head)
        assert server is None or not re.search(r"\d", server[1]), head
        assert not re.search(r"(?im)^(x-powered-by|via|x-runtime|x-generator):", head)


def test_headers_spelled_with_underscores_are_not_taken_for_others(node: Node) -> None:
    head = b"Content_Length: 66\r\nTransfer_Encoding: chunked\r\nX_Request_ID: taken\r\nContent-Length: 2\r\n"
    received = spoken(node, request(b"POST /token", head, b"{}"))
    assert statuses(received) == [422]
    assert b"taken" not in received


def assert_it_goes_on(node: Node) -> None:
    assert statuses(spoken(node, request(b"GET /readyz", b""))) == [200]
    log = node.log()
    assert "request.failed" not in log
    assert "Traceback" not in log


def test_no_door_is_open_beside_the_port(node: Node) -> None:
    """gunicorn would take commands at a socket of its own, from whoever may write to it."""
    assert [local_doors(pid) for pid in (node.pid, *node.workers())] == [[], []]
