"""Keyset pages: a cursor names the last row that was shown, so every page costs the same."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import orjson
from flask import Response, request
from itsdangerous import BadData, URLSafeSerializer
from marshmallow import EXCLUDE, Schema, fields

from user_service.errors import Fault, InvalidCursor
from user_service.runtime import runtime
from user_service.web.schema import Schema as StrictSchema
from user_service.web.schema import refusal

DEFAULT_LIMIT = 50
MAX_LIMIT = 200


class _Limit(fields.Field[int]):
    """Query strings hold text, so here digits are read as a number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 5):
            raise refusal("invalid_type", "This must be a whole number.")
        if not 1 <= int(value) <= MAX_LIMIT:
            raise refusal("out_of_range", f"This must be from 1 to {MAX_LIMIT}.")
        return int(value)


class PageRequestSchema(StrictSchema):
    class Meta:
        unknown = EXCLUDE  # a proxy may add parameters of its own

    limit = _Limit(
        load_default=DEFAULT_LIMIT,
        metadata={"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "How many to show."},
    )
    cursor = fields.String(
        load_default=None,
        allow_none=False,
        metadata={"description": "`next_cursor` of the page before. Leave it out for the first page."},
    )


class PaginationSchema(StrictSchema):
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "For the parameter `cursor`; null on the last page."}
    )
    has_more = fields.Boolean(required=True)


def page(
    kind: str,
    fetch: Callable[[UUID | None, int], Sequence[Any]],
    schema: Schema,
    *,
    limit: int,
    cursor: str | None,
) -> Response:
    """Answer one page. `kind` binds a cursor to its list and its reader. Raises InvalidCursor."""
    rows = fetch(_open_cursor(kind, cursor), limit + 1)
    shown, has_more = rows[:limit], len(rows) > limit
    next_cursor = _signer(kind).dumps(shown[-1].id.hex) if has_more else None
    body = {"data": schema.dump(shown, many=True), "pagination": {"next_cursor": next_cursor, "has_more": has_more}}
    response = Response(orjson.dumps(body), mimetype="application/json")
    if next_cursor:
        query = urlencode({"limit": limit, "cursor": next_cursor})
        response.headers["Link"] = f'<{runtime().settings.public_url}{request.path}?{query}>; rel="next"'
    return response


def _open_cursor(kind: str, cursor: str | None) -> UUID | None:
    if cursor is None:
        return None
    try:
        return UUID(hex=_signer(kind).loads(cursor))
    except (BadData, ValueError, TypeError, AttributeError):
        raise InvalidCursor([Fault("/cursor", "invalid_cursor", InvalidCursor.detail)]) from None


def _signer(kind: str) -> URLSafeSerializer:
    return URLSafeSerializer(runtime().key_ring.get().cursor_key, salt=f"cursor:{kind}")
