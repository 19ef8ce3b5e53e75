"""The log of a server in production: JSON from the first line to the last, and no secret. SECURITY 150-152."""

import base64
import json
import socket

import pytest

from tests.support.databases import MASTER_KEYS, SQLITE, Databases
from tests.support.server import serving

CANARY = "canary-5f1c"


def raw(port: int, request: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.slow
def test_a_server_in_production_writes_nothing_but_json_and_no_secret(databases: Databases) -> None:
    """SECURITY 150-152: from its start to its stop, and about requests that never reach the application."""
    with databases.copy(SQLITE) as url:
        settings = {"APP_ENV": "production", "BCRYPT_ROUNDS": "10", "LOG_LEVEL": "DEBUG"}
        with serving(url, workers=1, **settings) as node:
            for head in (
                f"GET /healthz HTTP/1.1\nHost: x\nAuthorization: Bearer {CANARY}\n\n",
                f"GET /healthz?token={CANARY} HTTP/1.1\nHost: x\nAuthorization Bearer {CANARY}\n\n",
                f"GET /healthz HTTP/1.1\nHost: x\nAuthorization : Bearer {CANARY}\n\n",
                f"GET /{CANARY}\x1b[31m HTTP/9.9\n\n",
                f"{CANARY}\n\n",
                f"POST /token HTTP/1.1\nHost: x\nTransfer-Encoding: {CANARY}\n\n",
                f"POST /token HTTP/1.1\nHost: x\nContent-Length: {CANARY}\n\n",
            ):
                raw(node.port, head)
            assert node.stop() == 0
            text = node.log()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["route"] for line in lines if line["event"] == "request"].count("/healthz") >= 1
    assert "\x1b" not in text
    keys = {base64.b64encode(key).decode() for key in MASTER_KEYS.values()}
    assert not [secret for secret in keys | {CANARY} if secret in text]
