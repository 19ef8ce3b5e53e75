"""Lets pages of other origins in: those of `CORS_ORIGINS`, letter for letter, and nobody else (Fetch, 3.2).

Tokens travel in the Authorization header, so no credentials are ever allowed: a browser adds none by itself.
"""

from flask import Flask, Response, request

from user_service.settings import Settings

ANY = "*"
REQUEST_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID"
EXPOSED_HEADERS = "ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-ID"
PREFLIGHT_SECONDS = 600


def init_app(app: Flask, settings: Settings) -> None:
    """Without allowed origins nothing is done for any request."""
    if not settings.cors_origins:
        return

    @app.after_request
    def share(response: Response) -> Response:
        response.vary.add("Origin")  # what one origin was answered is not for another one's cache
        if origin := _allowed_origin(settings.cors_origins):
            _allow(response, origin)
        return response


def _allowed_origin(origins: tuple[str, ...]) -> str | None:
    origin = request.headers.get("Origin")
    if origin is None:
        return None
    return ANY if ANY in origins else origin if origin in origins else None


def _allow(response: Response, origin: str) -> None:
    """An answer may be read; after a preflight, the request may be sent. Flask answers OPTIONS with `Allow`."""
    response.headers["Access-Control-Allow-Origin"] = origin
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = response.headers.get("Allow", "")
        response.headers["Access-Control-Allow-Headers"] = REQUEST_HEADERS
        response.headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    else:
        response.headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
