"""The service against its own document: what the document allows is accepted, what it forbids is refused, and every
answer is one that it names. SECURITY 101, 129-131, 136, 139.

The cases are boundaries and random ones, the same in every run, some thirty for each operation.
"""

from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis import Case, CheckContext, Config, GenerationMode, Response

from tests.support.databases import POSTGRESQL
from tests.support.document import closed, published
from tests.support.people import Client
from user_service.clients.service import Scope, create_client

ENDS_SESSIONS = ("log_out", "close_session", "close_all_sessions", "change_password")
# Formats of our own, and one that the service reads more strictly than the format does.
FORMATS = {
    # The simplest text of any length is a common password.
    "password": st.text("abcdefghijklmnopqrstuvwxyzäé 世😀", max_size=40).map("plum tractor {}.".format),
    "phone": st.from_regex(r"\+1 650-253-[0-9]{4}", fullmatch=True),
    "email": st.from_regex(r"[a-z]{3,12}[0-9]{3,12}@example\.com", fullmatch=True),
}
# Why valid data may be refused all the same: what no schema can tell.
BEYOND_SCHEMAS = {
    "invalid_cursor",
    "password_common",
    "password_contains_identity",
    "raw_card_number_refused",
    "reserved",
    "unknown_country",
}
CONFIG = {
    "generation": {"deterministic": True, "max-examples": 5, "no-shrink": True, "database": "none"},
    "phases": {"stateful": {"enabled": False}},
    "checks": {
        "max_response_time": 8,
        # 429 is the account throttle's, which nothing switches off.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "304", "401", "403", "404", "409", "412", "422", "429"]
        },
        "negative_data_rejection": {"expected-statuses": ["400", "401", "403", "404", "409", "415", "422"]},
    },
}


def document_for_drawing() -> dict[str, Any]:
    """What the service publishes, with answers closed, and without the limits of what is drawn from FORMATS.

    Tokens may have 64 KiB; texts of that length would take most of the time.
    """
    strict = closed(published("development"))
    for schema in strict["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            if field.get("format") in FORMATS:
                for limit in ("minLength", "maxLength", "pattern"):
                    field.pop(limit, None)
            if field.get("maxLength") == 65_536:
                del field["maxLength"]
    return strict


for name, strategy in FORMATS.items():
    schemathesis.openapi.format(name, strategy)
schema = schemathesis.openapi.from_dict(document_for_drawing(), config=Config.from_dict(CONFIG))


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(app_env="development")


@pytest.fixture
def client_secret(app: Flask) -> str:
    with app.app_context():
        return create_client(name="checkout", scopes=list(Scope), expires_at=None)


@pytest.mark.slow
@schema.parametrize()
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # one service serves all
def test_the_service_keeps_to_its_document(
    case: Case, kind: str, app: Flask, person: Client, client_secret: str
) -> None:
    if kind == POSTGRESQL and case.meta.generation.mode == GenerationMode.NEGATIVE:
        return  # what is refused by its shape reaches no database, and one is enough to see that
    case.operation.app = case.operation.schema.app = app
    operation = case.operation.definition.raw
    if operation["operationId"] in ENDS_SESSIONS:
        person.log_in()
    is_for_clients = any("client" in need for need in operation.get("security", ()))
    token = client_secret if is_for_clients else person.access_token
    case.call_and_validate(
        headers={"Authorization": f"Bearer {token}"},
        additional_checks=[the_code_is_documented, valid_data_is_refused_for_a_reason],
    )


def the_code_is_documented(_context: CheckContext, response: Response, case: Case) -> None:
    """A problem's code is among those that the operation names for its status."""
    documented = case.operation.definition.raw["responses"].get(str(response.status_code))
    if documented is None or response.headers.get("content-type") != ["application/problem+json"]:
        return  # other checks look at these
    assert response.json()["code"] in documented["content"]["application/problem+json"]["examples"]


def valid_data_is_refused_for_a_reason(_context: CheckContext, response: Response, case: Case) -> None:
    """Data that the schemas allow is refused only for what they cannot tell."""
    if response.status_code == 422 and case.meta.generation.mode == GenerationMode.POSITIVE:
        assert not [fault for fault in response.json()["errors"] if not is_beyond_schemas(fault, case.body)]


def is_beyond_schemas(fault: dict[str, str], body: Any) -> bool:
    if fault["pointer"].startswith("/shipping_address/"):
        return fault["code"] in ("required", "invalid_format", "unknown_country")  # its country decides
    if fault["pointer"] in ("/exp_month", "/exp_year"):
        return isinstance(body[fault["pointer"][1:]], float)  # 2.0 is an integer to JSON Schema alone
    return fault["code"] in BEYOND_SCHEMAS
