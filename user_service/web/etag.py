"""Entity tags over what is shown, and the conditions that clients put on them (RFC 9110, 8.8.3 and 13)."""

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from flask import Response, request
from marshmallow import Schema

from user_service.errors import PreconditionFailed


def etag_of(representation: Any) -> str:
    """A strong tag, without its quotes."""
    return _tag(orjson.dumps(representation))


def _tag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:32]


def represent(schema: Schema, shown: Any) -> tuple[bytes, str]:
    """The body that shows it, and its tag without quotes."""
    body = orjson.dumps(schema.dump(shown))
    return body, _tag(body)


def respond(schema: Schema, shown: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with the representation and its tag; 304 without a body where the client has it already."""
    body, tag = represent(schema, shown)
    headers = {"ETag": f'"{tag}"', **(headers or {})}
    is_conditional = "HTTP_IF_NONE_MATCH" in request.environ and request.method in ("GET", "HEAD")
    if is_conditional and request.if_none_match.contains_weak(tag):
        return Response(status=304, headers=headers)
    return Response(body, status, headers, content_type="application/json")


def if_match(schema: Schema) -> Callable[[Any], None]:
    """A check for a service to make on what it is about to change, under its lock. Raises PreconditionFailed."""

    def check(shown: Any) -> None:
        # A header that cannot be read holds for no state.
        if "If-Match" in request.headers and not request.if_match.contains(etag_of(schema.dump(shown))):
            raise PreconditionFailed

    return check
