"""The API document, its page (Swagger UI from its wheel: no other host is asked), and the catalogue of errors."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import flask
import flask_swagger_ui
import orjson
from flask import Flask, Response, send_from_directory
from flask_smorest import current_api
from marshmallow import fields

from user_service.errors import DomainError
from user_service.web.catalogue import CATALOGUE, Entry
from user_service.web.openapi import Api, Blueprint
from user_service.web.schema import Schema

ASSETS = Path(flask_swagger_ui.__file__).parent / "dist"
ASSET_NAMES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
# Swagger UI styles its elements one by one and draws its icons from data: URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>User Service API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# Requests go where the page came from: the policy allows no other host, and a developer may have typed localhost.
START = """\
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
  persistAuthorization: false,
  validatorUrl: null,
  requestInterceptor: (request) => {
    const { pathname, search } = new URL(request.url, location.origin);
    request.url = location.origin + pathname + search;
    return request;
  }
});
"""

DOCUMENT_SCHEMA = {
    "type": "object",
    "properties": {
        "openapi": {"type": "string", "pattern": "^3\\.1\\."},
        "info": {"type": "object"},
        "paths": {"type": "object"},
    },
    "required": ["openapi", "info", "paths"],
}
DOCUMENT_EXAMPLE = {"openapi": "3.1.0", "info": {"title": "User Service", "version": "1"}, "paths": {}}
CACHE_SECONDS = 300

pages = flask.Blueprint("docs", __name__)
blp = Blueprint("reference", __name__, description="This document, and what each error code means")


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


@pages.get("/docs")
def docs_page() -> Response:
    response = _cacheable(Response(PAGE, mimetype="text/html"))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@pages.get("/docs/start.js")
def docs_start() -> Response:
    return _cacheable(Response(START, mimetype="text/javascript"))


@pages.get("/docs/<any({}):name>".format(",".join(repr(name) for name in ASSET_NAMES)))
def docs_asset(name: str) -> Response:
    return _cacheable(send_from_directory(ASSETS, name, conditional=False))


@blp.route("/errors", methods=["GET"])
@blp.problems(needs_database=False)
@blp.response(200, ErrorCodesResponseSchema)
def list_errors() -> Response:
    """List all error codes

    Those of problems, and those that stand in their `errors`.
    """
    return _json({"data": [_described(code, entry) for code, entry in CATALOGUE.items()]})


@blp.route(
    "/errors/<code>",
    methods=["GET"],
    parameters=[{"name": "code", "in": "path", "description": "A problem's `code`.", "example": "profile_exists"}],
)
@blp.problems("error_not_found", needs_database=False)
@blp.response(200, ErrorCodeSchema)
def explain_error(code: str) -> Response:
    """Explain an error code

    The `type` of a problem leads here.
    """
    if code not in CATALOGUE:
        raise ErrorNotFound
    return _json(_described(code, CATALOGUE[code]))


@blp.route("/openapi.json", methods=["GET"])
@blp.problems(needs_database=False)
@blp.response(200, DOCUMENT_SCHEMA, example=DOCUMENT_EXAMPLE)
def api_document() -> Response:
    """This document

    OpenAPI 3.1, for code generators and for the page at `/docs`.
    """
    return _cacheable(Response(current_api.document, mimetype="application/json"))


def init_app(app: Flask, api: Api) -> None:
    """Call it when every other blueprint is registered: the API document is complete then."""
    app.register_blueprint(pages)
    api.register_blueprint(blp)


def _described(code: str, entry: Entry) -> dict[str, Any]:
    return {"code": code, **asdict(entry)}


def _json(document: dict[str, Any]) -> Response:
    return _cacheable(Response(orjson.dumps(document), mimetype="application/json"))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
