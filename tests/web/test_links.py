"""The links of the API document lead somewhere, and who walks along them against a running service finds no fault.

Each walk begins as somebody who has just logged in; a log-in on the way changes who it is. SECURITY 129-131.
"""

import json
from collections.abc import Iterator

import pytest
import schemathesis
from schemathesis import AuthContext, BaseSchema, Case, Config
from schemathesis.engine import events, from_schema

from tests.conftest import running_app
from tests.support.document import operations, published, resolved
from tests.support.people import Client, OverSocket
from tests.support.server import Node, serving
from tests.web.test_schemathesis import CONFIG, document_for_drawing
from user_service.clients.service import Scope, create_client
from user_service.web.links import LINKS

WALKS, STEPS = 60, 10


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    with serving(database_url, workers=1, APP_ENV="development") as running:
        yield running


@pytest.fixture
def client_secret(database_url: str) -> str:
    with running_app(database_url) as app, app.app_context():
        return create_client(name="checkout", scopes=list(Scope), expires_at=None)


def test_every_link_leads_to_an_operation_and_fills_what_it_takes() -> None:
    document = published("production")
    by_id = {
        operation["operationId"]: {
            **operation,
            "parameters": [*operation.get("parameters", ()), *document["paths"][path].get("parameters", ())],
        }
        for _, path, operation in operations(document)
    }
    assert set(LINKS) <= set(by_id)
    for links in LINKS.values():
        for link in links.values():
            target = by_id[link["operationId"]]
            names = {resolved(document, parameter)["name"] for parameter in target["parameters"]}
            assert set(link.get("parameters", ())) <= names, link
            if "requestBody" in link:
                content = target["requestBody"]["content"]["application/json"]
                assert set(link["requestBody"]) <= set(resolved(document, content["schema"])["properties"]), link


def test_the_links_stand_with_what_succeeded() -> None:
    for _, _, operation in operations(published("production")):
        for status, response in operation["responses"].items():
            expected = LINKS.get(operation["operationId"], {}) if status.startswith("2") else {}
            assert response.get("links", {}) == expected, operation["operationId"]


class Bearer:
    """Whose token goes with a request: a service client's, nobody's where the body has one, or an open session's."""

    node: Node
    secret: str

    def __init__(self) -> None:
        self.person = Client(OverSocket(self.node.url)).join()

    def get(self, case: Case, _context: AuthContext) -> str | None:
        operation = case.operation.definition.raw
        if "client" in json.dumps(operation.get("security", ())):
            return self.secret
        if operation["operationId"] == "log_out" and isinstance(case.body, dict):
            return None
        if self.person.get("/account").status == 401:
            self.person.join()
        return self.person.access_token

    def set(self, case: Case, data: str | None, _context: AuthContext) -> None:
        if data:
            case.headers["Authorization"] = f"Bearer {data}"


def schema_for_walks(node: Node, client_secret: str) -> BaseSchema:
    phases = {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing")}
    generation = {**CONFIG["generation"], "max-examples": WALKS, "mode": "positive"}
    phases["stateful"] = {"enabled": True, "max-steps": STEPS, "generation": generation}
    config = Config.from_dict({**CONFIG, "phases": phases, "base-url": node.url})
    schema = schemathesis.openapi.from_dict(document_for_drawing(), config=config)
    provider = type("Provider", (Bearer,), {"node": node, "secret": client_secret})
    schema.auth(refresh_interval=None)(provider)
    return schema


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_who_walks_along_the_links_finds_no_fault(node: Node, client_secret: str) -> None:
    followed: set[str] = set()
    faults: list[str] = []
    for event in from_schema(schema_for_walks(node, client_secret)).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            faults.append(str(event))
        if isinstance(event, events.ScenarioFinished):
            record = event.recorder
            faults += [str(check) for checks in record.checks.values() for check in checks if check.failure_info]
            walked = [each.value.operation.definition.raw for each in record.cases.values() if each.transition]
            followed |= {operation["operationId"] for operation in walked}
    assert not faults, "\n".join(faults)
    assert len(followed) >= 8, followed
