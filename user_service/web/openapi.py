"""The API document (OpenAPI 3.1), generated from the schemas in use, and the blueprint that feeds it."""

from collections import defaultdict
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import flask_smorest
from marshmallow import fields
from werkzeug.exceptions import HTTPException

from user_service.web import problems
from user_service.web.body import StrictParser
from user_service.web.catalogue import CATALOGUE
from user_service.web.schema import Schema

View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """flask-smorest's decorators leave a view's type as it is; they only do not say so."""

    def __call__(self, view: View) -> View: ...


DESCRIPTION = """\
Register, log in, keep a profile with a shipping address and a payment token.

Log in with `POST /token`, send the access token as `Authorization: Bearer …`, and exchange the refresh token with
`POST /token/refresh` before the access token runs out. Every refusal is `application/problem+json` (RFC 9457); its
`code` is explained at `/errors/<code>`.
"""


class FaultSchema(Schema):
    pointer = fields.String(required=True, metadata={"description": "JSON Pointer to the member (RFC 6901)."})
    code = fields.String(required=True)
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """Problem details (RFC 9457)."""

    type = fields.Url(required=True, metadata={"description": "Where the code is explained."})
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True, metadata={"description": "What to do next."})
    code = fields.String(required=True)
    request_id = fields.String(required=True, allow_none=True)
    errors = fields.List(fields.Nested(FaultSchema), required=True)


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's API with problem details for errors."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> Any:
        return problems.http_error(error)


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A blueprint whose bodies are read strictly and whose examples stand with the schemas."""

    ARGUMENTS_PARSER = StrictParser()

    def route(self, rule: str, **kwargs: Any) -> Decorator:
        return cast(Decorator, super().route(rule, **kwargs))

    def arguments(self, schema: Any, **kwargs: Any) -> Decorator:
        if kwargs.get("location", "json") == "json":
            kwargs.setdefault("example", getattr(schema, "example", None))
        return cast(Decorator, super().arguments(schema, **kwargs))

    def response(self, status_code: int, schema: Any = None, **kwargs: Any) -> Decorator:
        kwargs.setdefault("example", getattr(schema, "example", None))
        return cast(Decorator, super().response(status_code, schema, **kwargs))

    def alt_response(self, status_code: int, **kwargs: Any) -> Decorator:
        return cast(Decorator, super().alt_response(status_code, **kwargs))

    def problems(self, *codes: str) -> Decorator:
        """Document the refusals of an operation, grouped by status; 500 and 503 can always occur."""
        by_status: defaultdict[int, list[str]] = defaultdict(list)
        for code in (*codes, "internal_error", "service_unavailable"):
            by_status[CATALOGUE[code].status].append(code)

        def decorate(view: View) -> View:
            for status, of_status in by_status.items():
                view = self._problem_response(status, of_status)(view)
            return view

        return decorate

    def _problem_response(self, status: int, codes: list[str]) -> Decorator:
        return self.alt_response(
            status,
            schema=ProblemSchema,
            content_type=problems.MEDIA_TYPE,
            description=" · ".join(f"`{code}`: {CATALOGUE[code].why}" for code in codes),
            examples={code: {"value": problem_example(code)} for code in codes},
        )


def problem_example(code: str) -> dict[str, Any]:
    entry = CATALOGUE[code]
    return {
        "type": f"https://users.example.com/errors/{code}",
        "title": entry.title,
        "status": entry.status,
        "detail": entry.remedy,
        "code": code,
        "request_id": "0f8fad5bd9cb469fa16570867728950e",
        "errors": [],
    }


AUTHENTICATED = ("token_required", "invalid_token", "token_expired", "token_revoked")
WITH_BODY = ("bad_request", "invalid_json", "request_too_large", "unsupported_media_type", "validation_failed")
