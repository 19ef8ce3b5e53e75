"""The schemas of the document are exact, and its examples real: valid, and taken by the service. SECURITY 101, 136."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.support.document import closed, faults, operations, published, references, resolved
from tests.support.mail import deliver, text_of, token_of
from tests.support.people import Answer, Client
from user_service.clients.service import Scope, create_client

CONTROL = r"\u0000-\u001f\u007f-\u009f"
NO_CONTROL = f"^[^{CONTROL}]*$"
VISIBLE = rf"^[^{CONTROL}]*[^\s{CONTROL}][^{CONTROL}]*$"
LINES = VISIBLE.replace(r"\u0000-\u001f", r"\u0000-\u0009\u000b\u000c\u000e-\u001f")
PASSWORD = {"type": "string", "format": "password", "maxLength": 3072, "pattern": NO_CONTROL}
# By schema and member; what explains is left out.
FIELDS: dict[str, dict[str, Any]] = {
    "RegisterRequest": {
        "username": {
            "type": "string",
            "minLength": 3,
            "maxLength": 64,
            "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{2,63}$",
        },
        "email": {"type": "string", "format": "email", "minLength": 3, "maxLength": 254},
        "password": PASSWORD | {"minLength": 8},
    },
    "TokenRequest": {
        "username": {"type": "string", "maxLength": 254, "pattern": NO_CONTROL},
        "password": PASSWORD,
    },
    "TokenPair": {
        "access_token": {"type": "string"},
        "refresh_token": {"type": "string"},
        "token_type": {"type": "string", "const": "Bearer"},
        "expires_in": {"type": "integer", "minimum": 0},
        "refresh_expires_in": {"type": "integer", "minimum": 0},
    },
    "User": {
        "id": {"type": "string", "format": "uuid"},
        "username": {"type": "string"},
        "email": {"type": "string", "format": "email"},
        "email_verified": {"type": "boolean"},
        "created_at": {"type": "string", "format": "date-time"},
    },
    "ProfileRequest": {
        "name": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": VISIBLE},
        "phone": {"type": "string", "format": "phone", "minLength": 5, "maxLength": 40, "pattern": VISIBLE},
        "shipping_address": {
            "oneOf": [
                {"type": "string", "minLength": 1, "maxLength": 500, "pattern": LINES},
                {"$ref": "#/components/schemas/Address"},
            ]
        },
    },
    "PaymentInfoRequest": {
        "payment_token": {"type": "string", "minLength": 1, "maxLength": 512, "pattern": VISIBLE},
        "provider": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": VISIBLE},
        "brand": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": VISIBLE},
        "last4": {"type": "string", "minLength": 4, "maxLength": 4, "pattern": "^[0-9]{4}$"},
        "exp_month": {"type": "integer", "minimum": 1, "maximum": 12},
        "exp_year": {"type": "integer", "minimum": 2000, "maximum": 2099},
    },
    "Jwk": {
        "kty": {"type": "string", "const": "EC"},
        "crv": {"type": "string", "const": "P-256"},
        "x": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
        "y": {"type": "string", "pattern": "^[A-Za-z0-9_-]{43}$"},
        "kid": {"type": "string"},
        "use": {"type": "string", "const": "sig"},
        "alg": {"type": "string", "const": "ES256"},
    },
}
NULLABLE = {
    "ProfileResponse": {"phone_e164"},
    "PaymentInfo": {"token_hint", "provider", "brand", "last4", "exp_month", "exp_year"},
    "Session": {"ip", "user_agent"},
    "Pagination": {"next_cursor"},
}
REQUIRED = {
    "RegisterRequest": {"username", "email", "password"},
    "ProfileRequest": {"name", "phone", "shipping_address"},
    "ProfileChanges": set(),
    "PaymentInfoRequest": {"payment_token"},
    "LogOutRequest": set(),
    "Address": {"line1", "city", "country"},
}
EXPLAINING = ("description", "examples")
# RFC 7662, 2.1: a client of any make may send parameters that this service does not know.
OPEN_REQUESTS = {"IntrospectRequest"}


@pytest.fixture
def document() -> dict[str, Any]:
    return published("development")


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body of a request or an answer, with where it stands."""
    for method, path, operation in operations(document):
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{method} {path} {media_type}", content
        for status, response in operation["responses"].items():
            for content in resolved(document, response).get("content", {}).values():
                yield f"{method} {path} {status}", content


def sent(document: dict[str, Any]) -> set[str]:
    """The names of the schemas that request bodies are made of."""
    found: set[str] = set()
    waiting = [reference for _, _, each in operations(document) for reference in references(each.get("requestBody"))]
    while waiting:
        reference = waiting.pop()
        found.add(reference.rpartition("/")[2])
        waiting.extend(references(resolved(document, {"$ref": reference})))
    return found


def test_fields_are_described_exactly(document: dict[str, Any]) -> None:
    for name, expected in FIELDS.items():
        properties = copy.deepcopy(document["components"]["schemas"][name]["properties"])
        for field in properties.values():
            for word in EXPLAINING:
                field.pop(word, None)
        assert properties == expected, name


def test_members_that_may_be_null_say_so(document: dict[str, Any]) -> None:
    for name, expected in NULLABLE.items():
        properties = document["components"]["schemas"][name]["properties"]
        assert {member for member, field in properties.items() if "null" in field.get("type", ())} == expected, name


def test_required_members_are_listed(document: dict[str, Any]) -> None:
    for name, expected in REQUIRED.items():
        assert set(document["components"]["schemas"][name].get("required", ())) == expected, name
    assert document["components"]["schemas"]["ProfileChanges"]["minProperties"] == 1


def test_times_and_ids_have_their_formats_everywhere(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for member, field in schema.get("properties", {}).items():
            if member.endswith(("_at", "_after")):
                assert field["format"] == "date-time", (name, member)
            if member in ("id", "session_id") or (member == "sid" and name != "Introspection"):
                assert field["format"] == "uuid", (name, member)


def test_what_is_sent_is_closed_and_what_is_answered_is_open(document: dict[str, Any]) -> None:
    names = sent(document)
    assert {"RegisterRequest", "LogOutRequest", "ProfileChanges", "Address"} <= names
    for name, schema in document["components"]["schemas"].items():
        is_closed = schema.get("additionalProperties") is False
        assert is_closed == (name in names - OPEN_REQUESTS), name


def test_the_shortest_password_is_the_one_that_is_set() -> None:
    schemas = published("testing", password_min_length=15)["components"]["schemas"]
    assert schemas["RegisterRequest"]["properties"]["password"]["minLength"] == 15
    assert schemas["PasswordChange"]["properties"]["new_password"]["minLength"] == 15
    assert "minLength" not in schemas["TokenRequest"]["properties"]["password"]


def test_every_body_has_an_example_that_its_schema_takes(document: dict[str, Any]) -> None:
    strict = closed(document)
    wrong = {}
    for place, content in bodies(strict):
        examples = [resolved(strict, example)["value"] for example in content.get("examples", {}).values()]
        examples += [content["example"]] if "example" in content else []
        assert examples, place
        found = [fault for example in examples for fault in faults(strict, content["schema"], example)]
        if found:
            wrong[place] = found
    assert not wrong


def test_the_check_of_examples_finds_what_is_wrong(document: dict[str, Any]) -> None:
    strict, schema = closed(document), {"$ref": "#/components/schemas/User"}
    user = strict["paths"]["/register"]["post"]["responses"]["201"]["content"]["application/json"]["example"]["user"]
    assert not faults(strict, schema, user)
    assert faults(strict, schema, user | {"id": "7"})
    assert faults(strict, schema, user | {"created_at": "yesterday"})
    assert faults(strict, schema, user | {"password_hash": "$2b$"})


class Reader:
    """Sends the examples of the document as they stand, but for tokens, which no document can know."""

    def __init__(self, client: Client, document: dict[str, Any]) -> None:
        self.client, self.document, self.strict = client, document, closed(document)
        self.tried: set[str] = set()

    def send(self, operation: str, **tokens: str) -> Answer:
        method, path = operation.split()
        described = self.document["paths"][path][method.lower()]
        body = described["requestBody"]["content"]["application/json"]["example"] | tokens
        answer = self.client.send(method, path, body)
        content = self.strict["paths"][path][method.lower()]["responses"][str(answer.status)].get("content", {})
        for media in content.values():
            assert not faults(self.strict, media["schema"], answer.json), operation
        assert answer.status < 300, (operation, answer)
        self.tried.add(operation)
        return answer


def by_mail(app: Flask, reader: Reader) -> None:
    reader.send("POST /email/verification")
    reader.send("POST /password/forgot")
    tokens = {mail["Subject"]: token_of(mail) for mail in deliver(app) if "#" in text_of(mail)}
    reader.send("POST /email/verify", token=tokens["Verify your e-mail address"])
    reader.send("POST /password/reset", token=tokens["Reset your password"])


def test_every_request_example_is_taken_in_the_order_of_a_life(app: Flask, client: Client) -> None:
    reader = Reader(client, published("testing"))
    reader.send("POST /register")
    pair = reader.send("POST /token").json
    pair = reader.send("POST /token/refresh", old_refresh_token=pair["refresh_token"]).json
    client.access_token = pair["access_token"]
    for operation in ("POST /profile", "PUT /profile", "POST /profile/payment_info", "PUT /profile/payment_info"):
        reader.send(operation)
    reader.send("POST /account/export")
    introspect(app, reader, pair["access_token"])
    reader.send("POST /logout", refresh_token=pair["refresh_token"])
    client.access_token = reader.send("POST /token").json["access_token"]
    reader.send("PUT /account/password")
    password = reader.document["paths"]["/account/password"]["put"]["requestBody"]["content"]["application/json"]
    client.access_token = reader.send("POST /token", password=password["example"]["new_password"]).json["access_token"]
    reader.send("PUT /account/email", password=password["example"]["new_password"])
    by_mail(app, reader)
    client.access_token = reader.send("POST /token", password=password["example"]["new_password"]).json["access_token"]
    reader.send("DELETE /account", password=password["example"]["new_password"])
    with_body = {f"{m} {path}" for m, path, operation in operations(reader.document) if "requestBody" in operation}
    assert reader.tried == with_body


def introspect(app: Flask, reader: Reader, token: str) -> None:
    with app.app_context():
        secret = create_client(name="checkout", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
    kept, reader.client.access_token = reader.client.access_token, secret
    assert reader.send("POST /token/introspect", token=token).json["active"] is True
    reader.client.access_token = kept
