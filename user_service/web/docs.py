"""The API document, its page (Swagger UI from its wheel: no other host is asked), and the catalogue of errors."""

from pathlib import Path

import flask_swagger_ui
import orjson
from flask import Blueprint, Flask, Response, send_from_directory

from user_service.errors import DomainError
from user_service.web.catalogue import CATALOGUE, Entry
from user_service.web.openapi import Api

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
START = """\
window.ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null
});
"""

CACHE_SECONDS = 300

blp = Blueprint("docs", __name__)


class ErrorNotFound(DomainError):
    code = "error_not_found"
    detail = "There is no such code in the catalogue. Check its spelling."


@blp.get("/docs")
def docs_page() -> Response:
    response = _cacheable(Response(PAGE, mimetype="text/html"))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@blp.get("/docs/start.js")
def docs_start() -> Response:
    return _cacheable(Response(START, mimetype="text/javascript"))


@blp.get("/docs/<any({}):name>".format(",".join(repr(name) for name in ASSET_NAMES)))
def docs_asset(name: str) -> Response:
    return _cacheable(send_from_directory(ASSETS, name))


@blp.get("/errors")
def list_errors() -> Response:
    """The catalogue of problem codes."""
    return _json({"data": [_described(code, entry) for code, entry in CATALOGUE.items()]})


@blp.get("/errors/<code>")
def explain_error(code: str) -> Response:
    """What a problem's `type` leads to."""
    if code not in CATALOGUE:
        raise ErrorNotFound
    return _json(_described(code, CATALOGUE[code]))


def init_app(app: Flask, api: Api) -> None:
    """Call it when every other blueprint is registered: the API document is complete then."""
    app.register_blueprint(blp)
    document = orjson.dumps(api.spec.to_dict())
    app.add_url_rule("/openapi.json", "openapi", lambda: _cacheable(Response(document, mimetype="application/json")))


def _described(code: str, entry: Entry) -> dict[str, object]:
    return {"code": code, "status": entry.status, "title": entry.title, "why": entry.why, "remedy": entry.remedy}


def _json(document: dict[str, object]) -> Response:
    return _cacheable(Response(orjson.dumps(document), mimetype="application/json"))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
