"""The catalogue of errors: as JSON for programs, and as pages for people who follow a problem's `type`."""

import base64
import hashlib
from collections import defaultdict
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from flask import Response, request
from flask_smorest import current_api
from jinja2 import Environment
from marshmallow import fields

from user_service.errors import DomainError
from user_service.runtime import runtime
from user_service.web.catalogue import CATALOGUE, Entry
from user_service.web.components import problem_example
from user_service.web.openapi import JSON, Blueprint
from user_service.web.schema import Schema

HTML = "text/html"
CACHE_SECONDS = 300
VALIDATION_FAILED = 422
STYLE = """
:root { color-scheme: light dark; --edge: #8884; --soft: #8881; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 0 auto; padding: 1rem; }
h1, h2, h3 { line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--edge); }
h3 { margin: 1.5rem 0 0; }
p { margin: .25rem 0; }
code, pre { font: .95em ui-monospace, monospace; background: var(--soft); border-radius: .25rem; }
code { padding: .1em .25em; }
pre { padding: .75rem; white-space: pre-wrap; overflow-wrap: anywhere; }
a { color: inherit; text-underline-offset: .15em; }
nav { border-top: 1px solid var(--edge); margin-top: 2.5rem; padding-top: .5rem; }
"""
# One style sheet, told by its digest, and nothing else: no script, no picture, no form (CSP Level 3, 8.3).
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}';"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
_FRAME = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{% block title %}{% endblock %} · User Service</title>
<style>{{ style|safe }}</style>
</head>
<body>
<main>
{% block main %}{% endblock %}
</main>
<nav><a href="/errors">All error codes</a> · <a href="/docs">API</a></nav>
</body>
</html>
"""
_LIST = """\
{% extends frame %}
{% block title %}Error codes{% endblock %}
{% block main %}
<h1>Error codes</h1>
<p>Every refusal is a problem (RFC 9457) with one of these in its <code>code</code>. Where it refuses single values,
its <code>errors</code> points at each of them, with a code of its own that is among those of 422.</p>
{% for status, name, entries in groups %}
<h2>{{ status }} {{ name }}</h2>
{% for code, entry in entries %}
<h3 id="{{ code }}"><a href="/errors/{{ code }}">{{ code }}</a></h3>
<p>{{ entry.why }}</p>
<p><strong>What to do:</strong> {{ entry.remedy }}</p>
{% endfor %}
{% endfor %}
{% endblock %}
"""
_ONE = """\
{% extends frame %}
{% block title %}{{ entry.title }}{% endblock %}
{% block main %}
<h1>{{ entry.title }}</h1>
<p><code>{{ code }}</code>, with the HTTP status {{ entry.status }} {{ name }}</p>
<h2>Why it happens</h2>
<p>{{ entry.why }}</p>
<h2>What to do</h2>
<p>{{ entry.remedy }}</p>
<h2>What it looks like</h2>
<pre>{{ example }}</pre>
<p>When you report it, add the <code>request_id</code> of yours.</p>
{% endblock %}
"""
_TEMPLATES = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
_TEMPLATES.globals |= {"frame": _TEMPLATES.from_string(_FRAME), "style": STYLE}
_LIST_PAGE, _ONE_PAGE = _TEMPLATES.from_string(_LIST), _TEMPLATES.from_string(_ONE)

blp = Blueprint("errors", __name__, description="What each error code means")


class ErrorNotFound(DomainError):
    code = "error_not_found"
    detail = "There is no such code in the catalogue. Check its spelling."


class ErrorCodeSchema(Schema):
    """What a code means. Codes are added, and never changed or taken away."""

    example = {"code": "profile_exists", **asdict(CATALOGUE["profile_exists"])}

    code = fields.String(required=True, metadata={"pattern": "^[a-z0-9_]+$"})
    status = fields.Integer(
        required=True, metadata={"minimum": 400, "maximum": 599, "description": "The HTTP status it comes with."}
    )
    title = fields.String(required=True)
    why = fields.String(required=True, metadata={"description": "Why it happens."})
    remedy = fields.String(required=True, metadata={"description": "What to do."})


class ErrorCodesResponseSchema(Schema):
    example = {"data": [ErrorCodeSchema.example]}

    data = fields.List(fields.Nested(ErrorCodeSchema), required=True)


@blp.route("/errors", methods=["GET"])
@blp.problems(needs_database=False)
@blp.also_as(HTML)
@blp.response(200, ErrorCodesResponseSchema, headers=["Vary"])
def list_errors() -> Response:
    """List all error codes

    Those of problems, and those that stand in their `errors`. A browser gets a page.
    """
    if _wants_page():
        return _page(_LIST_PAGE.render(groups=_by_status()))
    return _json({"data": [_described(code, entry) for code, entry in CATALOGUE.items()]})


@blp.route(
    "/errors/<code>",
    methods=["GET"],
    parameters=[{"name": "code", "in": "path", "description": "A problem's `code`.", "example": "profile_exists"}],
)
@blp.problems("error_not_found", needs_database=False)
@blp.also_as(HTML)
@blp.response(200, ErrorCodeSchema, headers=["Vary"])
def explain_error(code: str) -> Response:
    """Explain an error code

    The `type` of a problem leads here. A browser gets a page.
    """
    if code not in CATALOGUE:
        raise ErrorNotFound
    entry = CATALOGUE[code]
    if _wants_page():
        return _page(_ONE_PAGE.render(code=code, entry=entry, name=_phrase(entry.status), example=_example(code)))
    return _json(_described(code, entry))


def _wants_page() -> bool:
    """Whether the client would rather have HTML than JSON (RFC 9110, 12.5.1); who does not say so gets JSON."""
    return request.accept_mimetypes.best_match([JSON, HTML]) == HTML


def _by_status() -> list[tuple[int, str, list[tuple[str, Entry]]]]:
    groups: defaultdict[int, list[tuple[str, Entry]]] = defaultdict(list)
    for code, entry in CATALOGUE.items():
        groups[entry.status].append((code, entry))
    return [(status, _phrase(status), groups[status]) for status in sorted(groups)]


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _example(code: str) -> str:
    """A problem with this code or, where no operation answers it as a problem, one that has it in its `errors`."""
    public_url, entry = runtime().settings.public_url, CATALOGUE[code]
    example = problem_example(code, public_url)
    if entry.status == VALIDATION_FAILED and code not in current_api.problem_codes:
        fault = {"pointer": "/name", "code": code, "message": entry.why}
        example = {**problem_example("validation_failed", public_url), "errors": [fault]}
    return orjson.dumps(example, option=orjson.OPT_INDENT_2).decode()


def _described(code: str, entry: Entry) -> dict[str, Any]:
    return {"code": code, **asdict(entry)}


def _page(text: str) -> Response:
    response = _cacheable(Response(text, mimetype=HTML))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


def _json(document: dict[str, Any]) -> Response:
    return _cacheable(Response(orjson.dumps(document), mimetype=JSON))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    response.headers["Vary"] = "Accept"
    return response
