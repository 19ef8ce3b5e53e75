"""Answers one read before Flask dispatches (docs/decisions/0026-one-read-ahead-of-flask.md).

The functions that do the work are those of the view; left out are Flask's request, routing and response. Whatever asks
for more than the plain thing goes to Flask, and what is raised goes there too: the view raises it again, so that every
refusal and every error is made in one place.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

from user_service.settings import Settings

RAISED = "user_service.raised"
RULE = "user_service.rule"
# Longer labels, and what else a name may hold, are Flask's to judge.
HOST = re.compile(r"(?:[a-z0-9-]{1,50}\.)*[a-z0-9-]{1,50}(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)
# What asks for more than the plain thing: another place, a query, a condition, a body, another protocol.
TELLING = (
    *("SCRIPT_NAME", "QUERY_STRING", "HTTP_IF_NONE_MATCH"),
    *("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_UPGRADE"),
)

Environ = dict[str, Any]
Read = Callable[[str], tuple[bytes, str]]


def init_app(app: Flask, settings: Settings, path: str, read: Read) -> None:
    """Have `read` answer this path: it takes the Authorization header, and returns the body and its tag."""
    if not settings.cors_origins:  # who lets other origins in adds to every answer
        app.wsgi_app = Ahead(app, path, read)  # type: ignore[method-assign]  # how Flask says to wrap an application


class Ahead:
    def __init__(self, app: Flask, path: str, read: Read) -> None:
        self._app, self._application = app, app.wsgi_app
        self._path, self._read = path, read

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != self._path or not _is_plain(environ):
            return self._application(environ, start_response)
        try:
            with self._app.app_context():
                body, tag = self._read(environ.get("HTTP_AUTHORIZATION", ""))
        except Exception as error:
            environ[RAISED] = error
            return self._application(environ, start_response)
        environ[RULE] = self._path
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("ETag", f'"{tag}"')]
        start_response("200 OK", headers)
        return [body]


def _is_plain(environ: Environ) -> bool:
    return (
        environ["REQUEST_METHOD"] == "GET"
        and environ["wsgi.url_scheme"] in ("http", "https")
        and not any(map(environ.get, TELLING))
        and HOST.fullmatch(environ.get("HTTP_HOST", "")) is not None
    )
