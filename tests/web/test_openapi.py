"""The API document says what is there: every route, who may call it, every status. SECURITY 96, 99, 101, 130, 136."""

import json
import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.support.databases import PUBLIC_URL
from tests.support.document import app_without_database, operations, published, references, resolved
from tests.support.people import Client
from user_service.web.catalogue import CATALOGUE

PROBLEM = "application/problem+json"
COMMON = {"500", "503", "default"}
TOKEN = {"401"}
BODY = {"400", "413", "415", "422"}
PAGE = {"400", "422"}
# The brief's operations and those without which it could not be lived, with every status each of them can answer.
STATUSES = {
    "POST /register": {"201", "409", "429"} | BODY | COMMON,
    "POST /token": {"200", "401", "403", "429"} | BODY | COMMON,
    "POST /token/refresh": {"200", "401", "429"} | BODY | COMMON,
    "POST /logout": {"204", "401", "429"} | BODY | COMMON,
    "GET /sessions": {"200"} | TOKEN | PAGE | COMMON,
    "DELETE /sessions": {"204"} | TOKEN | COMMON,
    "DELETE /sessions/{session_id}": {"204", "404"} | TOKEN | COMMON,
    "POST /profile": {"201", "409"} | TOKEN | BODY | COMMON,
    "GET /profile/me": {"200", "304", "404"} | TOKEN | COMMON,
    "PUT /profile": {"200", "404", "412"} | TOKEN | BODY | COMMON,
    "DELETE /profile": {"200", "404", "412"} | TOKEN | COMMON,
    "POST /profile/payment_info": {"201", "409"} | TOKEN | BODY | COMMON,
    "PUT /profile/payment_info": {"200", "404", "412"} | TOKEN | BODY | COMMON,
    "GET /profile/payment_info": {"200", "304", "404"} | TOKEN | COMMON,
    "DELETE /profile/payment_info": {"204", "404", "412"} | TOKEN | COMMON,
    "GET /.well-known/jwks.json": {"200"} | COMMON,
    "GET /healthz": {"200", "500", "default"},
    "GET /readyz": {"200"} | COMMON,
    "GET /errors": {"200", "500", "default"},
    "GET /errors/{code}": {"200", "404", "500", "default"},
    "GET /openapi.json": {"200", "500", "default"},
}
LIMITED = {"RateLimit", "RateLimit-Policy"}
HEADERS = {
    "POST /register 201": LIMITED,
    "POST /token 429": {"Retry-After"} | LIMITED,
    "POST /profile 201": {"ETag", "Location"},
    "GET /profile/me 200": {"ETag"},
    "GET /profile/me 304": {"ETag"},
    "PUT /profile 200": {"ETag"},
    "POST /profile/payment_info 201": {"ETag"},
    "GET /profile/payment_info 304": {"ETag"},
    "PUT /profile/payment_info 200": {"ETag"},
    "DELETE /profile/payment_info 204": set(),
    "GET /sessions 200": {"Link"},
    "POST /token 401": {"WWW-Authenticate"} | LIMITED,
    "GET /readyz 503": {"Retry-After"},
}
CONDITIONS = {
    "If-Match": {f"{method} /profile{part}" for method in ("PUT", "DELETE") for part in ("", "/payment_info")},
    "If-None-Match": {"GET /profile/me", "GET /profile/payment_info"},
}
WITHOUT_TOKEN = {f"POST {path}" for path in ("/password/forgot", "/password/reset")}
WITHOUT_TOKEN |= {f"POST {path}" for path in ("/email/verify", "/email/verification")}
WITHOUT_TOKEN |= {
    "POST /register",
    "POST /token",
    "POST /token/refresh",
    "GET /.well-known/jwks.json",
    "GET /users",
} | {f"GET {path}" for path in ("/healthz", "/readyz", "/errors", "/errors/{code}", "/openapi.json")}

# Pages for people, and for Prometheus.
NO_OPERATIONS = ("docs.", "links.", "development_mail.", "telemetry.")


@pytest.fixture
def document() -> dict[str, Any]:
    return published("development")


@pytest.mark.parametrize("app_env", ["development", "testing", "production"])
def test_the_document_is_valid_openapi_3_1(app_env: str) -> None:
    document = published(app_env)
    validate(document)
    assert document["openapi"].startswith("3.1.")
    assert next(iter(document)) == "openapi"


def test_the_command_line_prints_the_same_document() -> None:
    printed = app_without_database(app_env="production").test_cli_runner().invoke(args=["openapi", "print"])
    assert json.loads(printed.output) == published("production")


def test_it_introduces_the_service(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": PUBLIC_URL}]
    assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert {"title", "summary", "description", "version"} < set(document["info"])
    assert all(tag["description"] for tag in document["tags"])
    named = [f"{method} {path}" for method, path, _ in operations(document)]
    mentioned = re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`]*)`", document["info"]["description"])
    assert mentioned
    assert not [operation for operation in mentioned if operation not in named]


@pytest.mark.parametrize("app_env", ["development", "production"])
def test_every_route_is_in_the_document_and_nothing_else(app_env: str) -> None:
    rules = app_without_database(app_env=app_env).url_map.iter_rules()
    routes = {
        f"{method} {path}"
        for rule in rules
        if not rule.endpoint.startswith(NO_OPERATIONS)
        for path in [re.sub("<(?:[^:<>]+:)?([^<>]+)>", "{\\1}", rule.rule)]
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert {f"{method} {path}" for method, path, _ in operations(published(app_env))} == routes


@pytest.mark.parametrize("app_env", ["testing", "production"])
def test_the_list_of_users_is_documented_under_development_alone(app_env: str) -> None:
    assert "/users" in published("development")["paths"]
    assert "/users" not in published(app_env)["paths"]
    for trace in ("UsersResponse", "ListedUser", "`GET /users`", "evelopment only"):
        assert trace not in json.dumps(published(app_env))


def test_every_operation_tells_what_it_is(document: dict[str, Any]) -> None:
    found = list(operations(document))
    tags = {tag["name"] for tag in document["tags"]}
    for method, path, operation in found:
        assert operation["summary"], (method, path)
        assert not operation["summary"].endswith("."), (method, path)
        assert operation["description"].endswith("."), (method, path)
        assert len(operation["tags"]) == 1, (method, path)
        assert tags.issuperset(operation["tags"]), (method, path)
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)


def test_every_reference_leads_somewhere_and_every_component_is_used(document: dict[str, Any]) -> None:
    used = set(references(document))
    assert all(resolved(document, {"$ref": reference}) for reference in used)
    parts = {f"#/components/{kind}/{name}" for kind, of_kind in document["components"].items() for name in of_kind}
    assert parts == used


def test_statuses_are_those_that_can_occur(document: dict[str, Any]) -> None:
    documented = {f"{method} {path}": set(operation["responses"]) for method, path, operation in operations(document)}
    assert {name: documented[name] for name in STATUSES} == STATUSES


def test_headers_stand_with_the_statuses_that_carry_them(document: dict[str, Any]) -> None:
    documented = {}
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            headers = set(resolved(document, response)["headers"])
            assert headers >= {"X-Request-ID", "Cache-Control"}, (method, path, status)
            documented[f"{method} {path} {status}"] = headers - {"X-Request-ID", "Cache-Control"}
    assert {name: documented[name] for name in HEADERS} == HEADERS
    assert all("WWW-Authenticate" in headers for name, headers in documented.items() if name.endswith(" 401"))
    assert all("Retry-After" in headers for name, headers in documented.items() if name.endswith(" 503"))


def test_conditions_are_parameters_where_they_work(document: dict[str, Any]) -> None:
    for header, expected in CONDITIONS.items():
        reference = {"$ref": f"#/components/parameters/{header}"}
        found = {f"{m} {path}" for m, path, each in operations(document) if reference in each.get("parameters", [])}
        assert found == expected
        assert not resolved(document, reference).get("required")


def test_every_refusal_is_problem_details_with_examples(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if status < "400" or (path, status) == ("/readyz", "503"):
                continue
            content = resolved(document, response)["content"]
            assert list(content) == [PROBLEM], (method, path, status)
            assert content[PROBLEM]["schema"] == {"$ref": "#/components/schemas/Problem"}, (method, path, status)
            for code, example in content[PROBLEM]["examples"].items():
                value = resolved(document, example)["value"]
                assert value["type"] == f"{PUBLIC_URL}/errors/{code}"
                assert value["code"] == code
                assert status in (str(value["status"]), "default"), (method, path, status)
                assert CATALOGUE[code].status == value["status"]


def test_the_hook_of_flask_smorest_still_makes_unnamed_refusals_problems(document: dict[str, Any]) -> None:
    """`Api._register_responses` overrides a private hook; were it renamed, plain JSON errors would come back."""
    assert list(document["components"]["responses"]) == ["Problem"]
    assert list(document["components"]["responses"]["Problem"]["content"]) == [PROBLEM]
    for _, _, operation in operations(document):
        assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}


def test_who_needs_a_token_is_who_the_views_guard(document: dict[str, Any]) -> None:
    app = app_without_database(app_env="development")
    guarded = {name.rpartition(".")[2]: view for name, view in app.view_functions.items()}
    for method, path, operation in operations(document):
        view = guarded[operation["operationId"]]
        expected: list[dict[str, list[str]]] | None = None
        if getattr(view, "is_authenticated", False):
            expected = [{"bearer": []}]
        elif hasattr(view, "client_scope"):
            expected = [{"client": [view.client_scope]}]
        elif path == "/logout":
            expected = [{"bearer": []}, {}]
        assert operation.get("security") == expected, (method, path)
        assert (expected is None) == (f"{method} {path}" in WITHOUT_TOKEN), (method, path)
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["components"]["securitySchemes"]["bearer"]["bearerFormat"] == "JWT"


def test_operations_that_need_a_token_refuse_without_one(client: Client, document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        if operation.get("security"):
            address = re.sub("{.*?}", "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90", path)
            answer = client.send(method, address)
            assert answer.code == "token_required", (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer"), (method, path)


def test_a_wrong_method_is_refused_with_those_that_work(client: Client) -> None:
    """flask-smorest's own handler would drop `Allow`."""
    document = published("testing")
    for path, item in document["paths"].items():
        answer = client.send("PATCH", re.sub("{.*?}", "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90", path))
        assert (answer.status, answer.code) == (405, "method_not_allowed"), path
        methods = {method.upper() for method in item if method != "parameters"}
        methods |= {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert answer.headers["Allow"] == ", ".join(sorted(methods)), path


def test_a_repeated_parameter_is_refused_as_documented(person: Client) -> None:
    answer = person.get("/sessions?limit=1&limit=2")
    documented = published("testing")["paths"]["/sessions"]["get"]["responses"]["400"]["content"][PROBLEM]["examples"]
    assert answer.status == 400
    assert answer.code in documented
