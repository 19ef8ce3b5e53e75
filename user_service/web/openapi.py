"""The API document (OpenAPI 3.1), generated from the schemas and views in use, and the blueprint that feeds it.

A view says what only it can know: its schemas, its own refusals, its headers. The rest follows from it: who has to
be authenticated, which statuses a body or a query brings along, which headers go with a status.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

import flask_smorest
import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from user_service.web import components, problems
from user_service.web.body import StrictParser
from user_service.web.json_schema import JsonSchemaPlugin
from user_service.web.links import add_conditions, add_links
from user_service.web.schema import Schema

View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """flask-smorest's decorators leave a view's type as it is; they only do not say so."""

    def __call__(self, view: View) -> View: ...


DESCRIPTION = """\
The users of a company: they register, log in, and keep a profile, a shipping address and the token under which a
payment provider knows their card.

**The first requests.** `POST /register` takes a username, an e-mail address and a password. `POST /token` takes the
username or the address with the password, and answers two tokens. Send the access token with every request that
needs one, as `Authorization: Bearer …`; it lives for `expires_in` seconds. Before it runs out, exchange the refresh
token with `POST /token/refresh` for two new ones. `POST /logout` ends both at once. Then create a profile with
`POST /profile`.

**Bodies** are JSON objects in UTF-8 with `Content-Type: application/json`, 64 KiB at most. Members that an operation
does not name are refused, and no type is converted: `1` is no string. What you send comes back unchanged, without
the white space around it. Ids are UUIDs, times are RFC 3339 in UTC. Answers may get new members in time: ignore what
you do not know.

**Refusals** are problem details, `application/problem+json` (RFC 9457). Programs read `code`, people read `detail`,
and `errors` points at each member of the body or the query that was refused. `GET /errors` explains every code.
When you report one, add the `request_id`; it is in the header `X-Request-ID` of every answer, and you may choose it
by sending that header (1 to 128 of `A-Z a-z 0-9 . _ -`).

**Changes made by two at once.** Profile and payment information come with an `ETag`. Send it back in `If-Match` with a
change, and the change is refused with 412 where somebody was faster; send it in `If-None-Match` with a GET, and the
answer is an empty 304 as long as nothing has changed.

**Lists** come in pages: follow the header `Link: <…>; rel="next"`, or pass `pagination.next_cursor` on as `cursor`.
"""

AUTHENTICATED = ("token_required", "invalid_token", "token_expired", "token_revoked")
FOR_CLIENTS = ("token_required", "invalid_token", "token_expired", "forbidden", "insufficient_scope")
WITH_BODY = ("bad_request", "invalid_json", "request_too_large", "unsupported_media_type", "validation_failed")
WITH_QUERY = ("bad_request", "validation_failed")
JSON = "application/json"
MARKS = ("is_authenticated", "client_scope", "is_limited")  # what guards leave on the views they guard
ANYWHERE = ("internal_error", "service_unavailable")


class Api(flask_smorest.Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's API with problem details for errors, and a document made from our own parts."""

    ERROR_SCHEMA = components.ProblemSchema
    DEFAULT_ERROR_RESPONSE_NAME = "Problem"

    def __init__(self, app: Flask) -> None:
        self._settings = app.extensions["user_service"].settings
        self._undocumented: list[Blueprint] = []
        self._lock = Lock()
        super().__init__(app, spec_kwargs={"marshmallow_plugin": JsonSchemaPlugin(self._settings)})
        self.spec.options.setdefault("info", {}).update(components.INFO)
        self._render, self.spec.to_dict = self.spec.to_dict, self.to_dict  # `flask openapi print` asks for it there

    def register_blueprint(self, blueprint: "Blueprint") -> None:
        """Add the routes at once, and their documentation when it is first read: it is most of the work of a start."""
        self._app.extensions["flask-smorest"]["blp_name_to_api"][blueprint.name] = self
        self._app.register_blueprint(blueprint)
        self._undocumented.append(blueprint)

    def to_dict(self) -> dict[str, Any]:
        with self._lock:
            while self._undocumented:
                blueprint = self._undocumented.pop(0)
                blueprint.register_views_in_doc(self, self._app, self.spec, name=blueprint.name, parameters=None)
                self.spec.tag({"name": blueprint.name, "description": blueprint.description})
        document = self._render()
        return {"openapi": document["openapi"], **document}  # readers look for the version first

    @cached_property
    def document(self) -> bytes:
        """The API document in JSON, made once."""
        return orjson.dumps(self.to_dict())

    @cached_property
    def problem_codes(self) -> frozenset[str]:
        """The codes that operations answer; the other ones stand in `errors` alone, or in commands."""
        return frozenset(self.to_dict()["components"]["examples"])

    def handle_http_exception(self, error: HTTPException) -> Any:
        return problems.http_error(error)

    def _register_responses(self) -> None:
        """flask-smorest's own are plain JSON. Whatever an operation does not name is a problem too."""
        components.register(self.spec, self._settings.public_url)
        self.spec.components.response(
            self.DEFAULT_ERROR_RESPONSE_NAME,
            {
                **components.problem_response(["too_many_requests"], "Every other refusal, such as too many requests."),
                "headers": components.headers_of(),
            },
        )

    def _register_etag_headers(self) -> None:
        """They are among the components."""

    def _register_pagination_header(self) -> None:
        """Pages are told by `Link`."""


class Blueprint(flask_smorest.Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    """A blueprint whose bodies are read strictly and whose examples stand with the schemas."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._prepare_doc_cbks.append(self._complete_doc)

    def route(self, rule: str, **kwargs: Any) -> Decorator:
        register = super().route(rule, **kwargs)

        def decorate(view: View) -> View:
            marks = {mark: getattr(view, mark, None) for mark in MARKS}
            register(note(view, operation_id=view.__name__, takes_an_id="<uuid:" in rule, **marks))
            return view

        return decorate

    def arguments(self, schema: type[Schema], **kwargs: Any) -> Decorator:
        if kwargs.get("location", "json") == "json":
            kwargs.setdefault("example", getattr(schema, "example", None))
        return cast(Decorator, super().arguments(schema(), **kwargs))  # one schema for all requests

    def response(
        self, status_code: int, schema: Any = None, *, headers: Sequence[str] = (), **kwargs: Any
    ) -> Decorator:
        kwargs.setdefault("example", getattr(schema, "example", None))
        named = {name: name for name in headers}
        decorate = cast(Decorator, super().response(status_code, schema, headers=named, **kwargs))
        return lambda view: _noted(decorate, view) if view.__annotations__["return"] is Response else decorate(view)

    def alt_response(self, status_code: int, *, headers: Sequence[str] = (), **kwargs: Any) -> Decorator:
        named = {name: name for name in headers}
        decorate = cast(Decorator, super().alt_response(status_code, headers=named, **kwargs))
        return lambda view: _noted(decorate, view)

    def problems(self, *codes: str, needs_database: bool = True) -> Decorator:
        """Document the refusals that are an operation's own."""
        return lambda view: note(view, problems=(*codes, *(ANYWHERE if needs_database else ANYWHERE[:1])))

    def reads(self, schema: type[Schema], *, required: bool = True, media_types: Sequence[str] = (JSON,)) -> Decorator:
        """Document a body that the view reads itself."""
        content = {"schema": schema, "example": getattr(schema, "example", None)}
        body = {"required": required, "content": {media_type: dict(content) for media_type in media_types}}
        return lambda view: note(view, body=body)

    def also_as(self, media_type: str) -> Decorator:
        """Document that the view answers text of this type too, to who prefers it."""
        return lambda view: note(view, also_as=media_type)

    def optionally_authenticated(self, view: View) -> View:
        """Document that the view takes an access token and can do without."""
        return note(view, is_optionally_authenticated=True)

    @staticmethod
    def _complete_doc(doc: dict[str, Any], doc_info: dict[str, Any], *, api: Api, **_: Any) -> dict[str, Any]:
        """Add what follows from the rest. flask-smorest calls it last, for each operation."""
        notes = doc_info["notes"]
        doc["operationId"] = notes["operation_id"]
        if "body" in notes:
            doc["requestBody"] = notes["body"]
        for content in doc.get("requestBody", {}).get("content", {}).values():
            api.ma_plugin.close(content["schema"])
        if security := security_of(notes):
            doc["security"] = security
        for status, codes in components.by_status(codes_of(doc, notes)).items():
            doc["responses"][status] = components.problem_response(codes)
        add_conditions(doc)
        add_links(doc)
        if "also_as" in notes:
            doc["responses"][200]["content"][notes["also_as"]] = {
                "schema": {"type": "string"},
                "example": "<!doctype html>…",
            }
        doc["responses"] = {status: doc["responses"][status] for status in sorted(doc["responses"], key=str)}
        for status, response in doc["responses"].items():
            if status != "default":  # that one is a component and has its headers
                common = components.headers_of(status, is_limited=bool(notes["is_limited"]))
                response["headers"] = {**common, **response.get("headers", {})}
        return doc


def _noted(decorate: Decorator, view: View) -> View:
    """The view with flask-smorest's notes, without the wrapper around it that would only hand its answer on."""
    view._apidoc = decorate(view)._apidoc  # type: ignore[attr-defined]  # flask-smorest keeps its notes on the view
    return view


def note(view: View, **notes: Any) -> View:
    """Leave notes for the document on a view, where flask-smorest keeps its own."""
    known = getattr(view, "_apidoc", {})
    view._apidoc = {**known, "notes": {**known.get("notes", {}), **notes}}  # type: ignore[attr-defined]  # flask-smorest keeps its notes on the view
    return view


def security_of(notes: dict[str, Any]) -> list[dict[str, list[str]]]:
    """What the view's guard asks for (`web/principal.py`, `web/client.py`); empty where there is none."""
    if notes["client_scope"]:
        return [{components.CLIENT: [notes["client_scope"]]}]
    if notes["is_authenticated"]:
        return [{components.BEARER: []}]
    return [{components.BEARER: []}, {}] if "is_optionally_authenticated" in notes else []


def codes_of(doc: dict[str, Any], notes: dict[str, Any]) -> Iterable[str]:
    """The operation's own codes, and those that come with a token, a body, a query, an id in the path, a limit."""
    if notes["is_authenticated"]:
        yield from AUTHENTICATED
    if notes["client_scope"]:
        yield from FOR_CLIENTS
    if "requestBody" in doc:
        yield from WITH_BODY
    if any(isinstance(parameter, dict) and parameter["in"] == "query" for parameter in doc.get("parameters", ())):
        yield from WITH_QUERY
    if notes["takes_an_id"]:
        yield "not_found"
    if notes["is_limited"]:
        yield "too_many_requests"
    yield from notes.get("problems", ANYWHERE)
