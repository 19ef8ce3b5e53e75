"""The parts of the API document that operations share: headers, security schemes, problems with their examples."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from marshmallow import fields

from user_service.web.catalogue import CATALOGUE
from user_service.web.problems import MEDIA_TYPE
from user_service.web.schema import Schema

BEARER, CLIENT = "bearer", "client"
REQUEST_ID = "^[A-Za-z0-9._-]{1,128}$"
INFO = {
    "summary": "Register, log in, keep a profile and a payment token.",
    "license": {"name": "MIT", "identifier": "MIT"},
}
SECURITY_SCHEMES = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` that `POST /token` and `POST /token/refresh` answer.",
    },
    CLIENT: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "opaque",
        "description": "For other services of the company: the secret that `flask clients create` showed.",
    },
}
_ETAG = {"type": "string", "pattern": '^"[0-9a-f]{32}"$', "examples": ['"5f2c8a1e0b7d4c3f9e6a2b1d8c7f4e3a"']}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {
        "description": "The id of the request: the one that was sent in this header, or a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": REQUEST_ID},
    },
    "Cache-Control": {
        "description": "`no-store`, but for what is public and the same for everybody.",
        "required": True,
        "schema": {"type": "string", "examples": ["no-store"]},
    },
    "ETag": {
        "description": "The state that is shown, for `If-Match` and `If-None-Match`.",
        "required": True,
        "schema": _ETAG,
    },
    "Location": {
        "description": "Where the profile is read.",
        "required": True,
        "schema": {"type": "string", "format": "uri-reference", "const": "/profile/me"},
    },
    "Link": {
        "description": "The next page, where there is one (RFC 8288).",
        "schema": {
            "type": "string",
            "examples": ['<https://users.example.com/sessions?limit=50&cursor=…>; rel="next"'],
        },
    },
    "Vary": {
        "description": "The answer depends on the header `Accept` of the request.",
        "required": True,
        "schema": {"type": "string", "examples": ["Accept"]},
    },
    "WWW-Authenticate": {
        "description": "How to authenticate (RFC 6750, 3).",
        "required": True,
        "schema": {"type": "string", "pattern": "^Bearer ", "examples": ['Bearer realm="user-service"']},
    },
    "RateLimit-Policy": {
        "description": "The limits of this operation: how many (`q`) in any span of so many seconds (`w`).",
        "schema": {
            "type": "string",
            "examples": ['"log-in-address";q=60;w=60, "log-in-account-and-address";q=10;w=60'],
        },
    },
    "RateLimit": {
        "description": "The limit that has the least left: how many more (`r`), and in how many seconds there will be"
        " one more (`t`).",
        "schema": {"type": "string", "examples": ['"log-in-account-and-address";r=9;t=60']},
    },
    "Retry-After": {
        "description": "How many seconds to wait.",
        "required": True,
        "schema": {"type": "integer", "minimum": 1, "examples": [2]},
    },
}
# With every answer, and with those of one status.
_ALWAYS = ("X-Request-ID", "Cache-Control")
_BY_STATUS = {304: ("ETag",), 401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
LIMITED = ("RateLimit-Policy", "RateLimit")
CONDITIONS = {
    "If-Match": "The `ETag` that you read. The change is refused with 412 where it is no longer the present one.",
    "If-None-Match": "The `ETag` that you have. The answer is 304 without a body where it is still the present one.",
}
# Which member each of these points at in its example; the others point at none.
_FAULTS = {
    "validation_failed": (
        "/email",
        "invalid_format",
        "The email address is not valid. It must have exactly one @-sign.",
    ),
    "username_taken": ("/username", "username_taken", "Somebody has this username. Choose another one."),
    "email_taken": ("/email", "email_taken", "An account with this e-mail address exists."),
    "raw_card_number_refused": ("/payment_token", "raw_card_number_refused", "This holds a card number."),
}


class FaultSchema(Schema):
    """One value that was refused."""

    pointer = fields.String(
        required=True,
        metadata={"description": "JSON Pointer to the member (RFC 6901); empty for the body as a whole."},
    )
    code = fields.String(required=True, metadata={"pattern": "^[a-z0-9_]+$", "description": "From the catalogue."})
    message = fields.String(required=True, metadata={"description": "For people."})


class ProblemSchema(Schema):
    """Problem details (RFC 9457)."""

    type = fields.Url(required=True, metadata={"description": "Where the code is explained."})
    title = fields.String(required=True, metadata={"description": "The same for every problem with this code."})
    status = fields.Integer(required=True, metadata={"minimum": 400, "maximum": 599})
    detail = fields.String(required=True, metadata={"description": "What happened and what to do next, for people."})
    code = fields.String(
        required=True, metadata={"pattern": "^[a-z0-9_]+$", "description": "For programs; from the catalogue."}
    )
    request_id = fields.String(required=True, metadata={"pattern": REQUEST_ID})
    errors = fields.List(
        fields.Nested(FaultSchema), required=True, metadata={"description": "Each value that was refused."}
    )


def register(spec: APISpec, public_url: str) -> None:
    """Put the parts where operations find them by name.

    The schemes stand in this order because the docs page puts the cursor into the last one's field.
    """
    for scheme in (CLIENT, BEARER):
        spec.components.security_scheme(scheme, SECURITY_SCHEMES[scheme])
    for name, header in HEADERS.items():
        spec.components.header(name, header, lazy=True)
    for name, description in CONDITIONS.items():
        parameter = {"description": description, "schema": {"type": "string"}}
        spec.components.parameter(name, "header", parameter, lazy=True)
    for code in CATALOGUE:
        value = problem_example(code, public_url)
        spec.components.example(code, {"summary": CATALOGUE[code].title, "value": value}, lazy=True)


def headers_of(status: int = 0, *, is_limited: bool = False) -> dict[str, str]:
    return {name: name for name in (*_ALWAYS, *_BY_STATUS.get(status, ()), *(LIMITED if is_limited else ()))}


def problem_example(code: str, public_url: str) -> dict[str, Any]:
    entry = CATALOGUE[code]
    pointer, fault, message = _FAULTS.get(code, ("", "", ""))
    return {
        "type": f"{public_url}/errors/{code}",
        "title": entry.title,
        "status": entry.status,
        "detail": entry.remedy,
        "code": code,
        "request_id": "0f8fad5bd9cb469fa16570867728950e",
        "errors": [{"pointer": pointer, "code": fault, "message": message}] if fault else [],
    }


def by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    grouped: defaultdict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(codes):
        grouped[CATALOGUE[code].status].append(code)
    return grouped


def problem_response(codes: list[str], description: str = "") -> dict[str, Any]:
    content = {"schema": ProblemSchema, "examples": {code: code for code in codes}}
    explained = "\n".join(f"- `{code}`: {CATALOGUE[code].why}" for code in codes)
    return {"description": description or explained, "content": {MEDIA_TYPE: content}}
