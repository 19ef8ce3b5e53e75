"""A client that speaks the API in the words of a story. It works on a test client and over a socket alike."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

import requests

PASSWORD = "plum tractor sings low"
ADDRESS = {
    "line1": "1600 Amphitheatre Parkway",
    "city": "Mountain View",
    "region": "CA",
    "postal_code": "94043",
    "country": "US",
}
PROFILE = {"name": "Ada Lovelace", "phone": "+1 650-253-0000", "shipping_address": ADDRESS}
PAYMENT = {
    "payment_token": "pm_1QdX2eLkdIwHu7ixt7hBaMtr",
    "provider": "stripe",
    "brand": "visa",
    "last4": "4242",
    "exp_month": 8,
    "exp_year": 2030,
}
_numbers = itertools.count(1)


@dataclass
class Answer:
    """What came back, whichever way it came."""

    status: int
    headers: Any
    body: bytes
    text: str = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; the answer must be problem details."""
        assert self.headers["Content-Type"] == "application/problem+json", self
        return self.json["code"]

    def fault_codes(self) -> dict[str, str]:
        return {fault["pointer"]: fault["code"] for fault in self.json["errors"]}


class InProcess:
    """Requests to an application in this process, as from the given address."""

    def __init__(self, app: Any, address: str = "127.0.0.1") -> None:
        self.app = app
        self.address = address

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        came_from = {"REMOTE_ADDR": self.address}
        response = self.app.test_client().open(path, method=method, headers=headers, data=data, environ_base=came_from)
        return Answer(response.status_code, response.headers, response.get_data())


class OverSocket:
    """Requests to a server; the connection is kept, as real clients do. One object for each thread."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        response = self.session.request(
            method, self.url + path, headers=headers, data=data, timeout=60, allow_redirects=False
        )
        return Answer(response.status_code, response.headers, response.content)


class Client:
    """One client of the API: it knows how to send, and carries the tokens that it was given."""

    def __init__(self, transport: InProcess | OverSocket) -> None:
        self.transport = transport
        self.access_token: str | None = None
        self.refresh_token: str | None = None
        self.username = ""
        self.email = ""
        self.password = PASSWORD

    def send(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, auth: bool = True
    ) -> Answer:
        sent = dict(headers or {})
        data: bytes | None = None
        if isinstance(body, bytes):
            data = body
        elif body is not None:
            data = json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        if auth and self.access_token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.access_token}"
        return self.transport.send(method, path, headers=sent, data=data)

    def get(self, path: str, **kwargs: Any) -> Answer:
        return self.send("GET", path, **kwargs)

    def post(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.send("POST", path, body, **kwargs)

    def put(self, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.send("PUT", path, body, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> Answer:
        return self.send("DELETE", path, **kwargs)

    def register(self, username: str | None = None, email: str | None = None, password: str | None = None) -> Answer:
        self.username = username or f"person{next(_numbers)}"
        self.email = email or f"{self.username}@example.com"
        self.password = password or self.password
        body = {"username": self.username, "email": self.email, "password": self.password}
        return self.post("/register", body, auth=False)

    def log_in(self, username: str | None = None, password: str | None = None) -> Answer:
        body = {"username": username or self.username, "password": password or self.password}
        return self._keep_tokens(self.post("/token", body, auth=False))

    def refresh(self, token: str | None = None) -> Answer:
        """Exchange the token; keeps the pair unless another token than its own was sent."""
        answer = self.post("/token/refresh", {"old_refresh_token": token or self.refresh_token}, auth=False)
        return answer if token else self._keep_tokens(answer)

    def join(self) -> Client:
        """Register and log in."""
        assert self.register().status == 201
        assert self.log_in().status == 200
        return self

    def another_device(self) -> Client:
        """The same person on another device: same credentials, no tokens."""
        other = Client(self.transport)
        other.username, other.email, other.password = self.username, self.email, self.password
        return other

    def _keep_tokens(self, answer: Answer) -> Answer:
        if answer.status == 200:
            self.access_token = answer.json["access_token"]
            self.refresh_token = answer.json["refresh_token"]
        return answer
