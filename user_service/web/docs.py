"""The API document and its page: Swagger UI from its wheel, so that no other host is asked."""

from pathlib import Path

import flask
import flask_swagger_ui
from flask import Flask, Response, send_from_directory
from flask_smorest import current_api

from user_service.web import error_pages
from user_service.web.openapi import Api, Blueprint

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
blp = Blueprint("reference", __name__, description="This document")


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
    api.register_blueprint(error_pages.blp)
    api.register_blueprint(blp)


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
