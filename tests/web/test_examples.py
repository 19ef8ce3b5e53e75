"""Every example of a request runs as it stands, one after the other, and succeeds as documented.

Only tokens and ids are put in: nobody can know them before they are made.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask

from tests.support.document import operations, published, resolved
from tests.support.mail import deliver, token_of
from tests.support.people import Answer, Client, InProcess
from user_service.clients.service import Scope, create_client

JSON = "application/json"
# A sensible order; what is not named here comes in between, in the order of the document.
FIRST = ("register", "verify_email", "log_in", "refresh", "get_account", "create_profile", "store_payment_info")
LAST = (
    "export_account",
    "delete_payment_info",
    "delete_profile",
    "close_session",
    "log_out",
    "close_all_sessions",
    "delete_account",
    "change_password",
    "reset_password",
)
ENDS_SESSIONS = ("close_session", "log_out", "close_all_sessions", "delete_account", "change_password")
BY_A_MAILED_TOKEN = ("verify_email", "reset_password")
BY_A_CLIENT = ("introspect", "list_revocations", "get_user", "get_payment_token")


class Reader:
    """Somebody who tries every example of the page from the top to the bottom."""

    def __init__(self, app: Flask) -> None:
        self.app, self.client = app, Client(InProcess(app))
        self.mailed_token = ""
        self.ids: dict[str, str] = {}
        with app.app_context():
            self.secret = create_client(name="checkout", scopes=list(Scope), expires_at=None)

    def begin(self, operation_id: str) -> None:
        """Be registered and logged in where the operation before may have ended that."""
        if operation_id in ENDS_SESSIONS:
            self.log_in()
        if operation_id == "reset_password":
            self.client.post("/password/forgot", {"email": "maria@example.com"}, auth=False)
        if operation_id in BY_A_MAILED_TOKEN:
            self.mailed_token = token_of(deliver(self.app)[-1])

    def log_in(self) -> None:
        document = published("development")["paths"]
        self.client.post("/register", document["/register"]["post"]["requestBody"]["content"][JSON]["example"])
        example = document["/token"]["post"]["requestBody"]["content"][JSON]["example"]
        self.client.log_in(example["username"], example["password"])

    def run(self, method: str, path: str, operation: dict[str, Any], parameters: list[dict[str, Any]]) -> Answer:
        body = operation.get("requestBody", {}).get("content", {}).get(JSON, {}).get("example")
        headers = {p["name"]: p["example"] for p in parameters if p["in"] == "header" and "example" in p}
        if operation["operationId"] in BY_A_CLIENT:
            headers["Authorization"] = f"Bearer {self.secret}"
        answer = self.client.send(
            method, self._filled(path, parameters), self._with_tokens(body, operation["operationId"]), headers=headers
        )
        self._learn(answer)
        return answer

    def _filled(self, path: str, parameters: list[dict[str, Any]]) -> str:
        known = {p["name"]: str(p["example"]) for p in parameters if "example" in p} | self.ids
        if "{session_id}" in path:
            known["session_id"] = self._open_session()
        return re.sub("{(.*?)}", lambda name: known[name[1]], path)

    def _with_tokens(self, body: dict[str, Any] | None, operation_id: str) -> dict[str, Any] | None:
        tokens = {
            "old_refresh_token": self.client.refresh_token,
            "refresh_token": self.client.refresh_token,
            "token": self.mailed_token if operation_id in BY_A_MAILED_TOKEN else self.client.access_token,
        }
        return body and body | {name: tokens[name] for name in body if name in tokens}

    def _learn(self, answer: Answer) -> None:
        if answer.status not in (200, 201) or "json" not in answer.headers["Content-Type"]:
            return
        told = answer.json
        if "refresh_token" in told:
            self.client.access_token, self.client.refresh_token = told["access_token"], told["refresh_token"]
        if "user" in told:
            self.ids["user_id"] = told["user"]["id"]

    def _open_session(self) -> str:
        return self.client.get("/sessions").json["data"][0]["id"]


def in_order(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    def place(found: tuple[str, str, dict[str, Any]]) -> int:
        name = found[2]["operationId"]
        if name in FIRST:
            return FIRST.index(name)
        return 100 + LAST.index(name) if name in LAST else 10

    yield from sorted(operations(document), key=place)


@pytest.fixture
def reader(make_app: Callable[..., Flask]) -> Reader:
    return Reader(make_app(app_env="development"))


def test_every_example_runs_as_it_stands(reader: Reader) -> None:
    document = published("development")
    answers = {}
    for method, path, operation in in_order(document):
        reader.begin(operation["operationId"])
        listed = [*operation.get("parameters", ()), *document["paths"][path].get("parameters", ())]
        parameters = [resolved(document, parameter) for parameter in listed]
        answers[f"{method} {path}"] = reader.run(method, path, operation, parameters).status
    refused = {name: status for name, status in answers.items() if status >= 300}
    assert not refused
    assert len(answers) > 30
