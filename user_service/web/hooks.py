"""What happens around every request: its id, where it came from, the headers of every answer, one log line."""

import re
import secrets
import time

import structlog
from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.middleware.proxy_fix import ProxyFix

from user_service import metrics
from user_service.audit.service import Origin, origin
from user_service.settings import Settings
from user_service.web.addresses import client_address

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
TRACE_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?P<more>-.{0,200})?",
    re.ASCII,
)
SECURITY_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)
HSTS_SECONDS = 2 * 365 * 86_400
MAX_USER_AGENT = 256

log = structlog.get_logger("requests")


def init_app(app: Flask, settings: Settings) -> None:
    app.before_request(_begin)
    app.after_request(_end)
    if settings.public_url.startswith("https:"):
        app.after_request(_promise_https)
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        proxy = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)
        app.wsgi_app = proxy  # type: ignore[method-assign]  # how Flask says to wrap an application
    elif settings.app_env == "production":
        app.before_request(_Unheard())


class _Unheard:
    """Says once that a proxy tells where requests come from, and that nobody listens."""

    def __init__(self) -> None:
        self._is_told = False

    def __call__(self) -> None:
        if not self._is_told and "HTTP_X_FORWARDED_FOR" in request.environ:
            self._is_told = True
            log.warning("proxy.unheard", remedy="If it is your own proxy, set TRUSTED_PROXIES; else have it removed.")


def _begin() -> None:
    g.started_at = time.perf_counter()
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)
    clear_contextvars()
    bind_contextvars(request_id=g.request_id)
    trace = request.headers.get("traceparent")
    if trace is not None:
        _join_trace(trace)
    agent = request.headers.get("User-Agent")
    address = client_address()
    origin.set(Origin(g.request_id, str(address) if address else None, _printable(agent) if agent else None))


def _end(response: Response) -> Response:
    present = {name.lower() for name, _ in response.headers}
    response.headers.extend(header for header in SECURITY_HEADERS if header[0].lower() not in present)
    response.headers["X-Request-ID"] = g.request_id
    if response.status_code == 204:
        response.headers.pop("Content-Type", None)  # there is no content to be of a type
    # The rule, not the path: what a client puts into a path may be anything, a secret too.
    rule = request.url_rule.rule if request.url_rule else None
    seconds = time.perf_counter() - g.started_at
    metrics.count_request(rule or "none", response.status_code, seconds)
    log.info(
        "request",
        method=request.method if rule else "OTHER",
        route=rule,
        status=response.status_code,
        milliseconds=round(seconds * 1000, 1),
    )
    return response


def _promise_https(response: Response) -> Response:
    response.headers["Strict-Transport-Security"] = f"max-age={HSTS_SECONDS}; includeSubDomains"
    return response


def _join_trace(parent: str) -> None:
    """Note in the lines of the log which trace the request is part of (W3C Trace Context, 3.2)."""
    match = TRACE_PARENT.fullmatch(parent)
    if match and match["version"] != "ff" and (match["version"] != "00" or not match["more"]):
        bind_contextvars(trace_id=match["trace"])


def _printable(text: str) -> str:
    if text.isprintable():
        return text[:MAX_USER_AGENT]
    return "".join(character for character in text if character.isprintable())[:MAX_USER_AGENT]
