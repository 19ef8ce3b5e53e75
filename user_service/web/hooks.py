"""What happens around every request: its id, where it came from, the headers of every answer, one log line."""

import random
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from flask import Flask
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.middleware.proxy_fix import ProxyFix

from user_service import metrics
from user_service.audit.service import Origin, origin
from user_service.settings import Settings
from user_service.web.addresses import parse_address
from user_service.web.ahead import RULE

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
Environ = dict[str, Any]
Headers = list[tuple[str, str]]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[bytes]]


def init_app(app: Flask, settings: Settings) -> None:
    app.wsgi_app = Around(app.wsgi_app, settings)  # type: ignore[method-assign]  # how Flask says to wrap an application
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        proxy = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=0)
        app.wsgi_app = proxy  # type: ignore[method-assign]  # how Flask says to wrap an application


class Around:
    """The application as the server calls it. Flask's own hooks cost several times as much
    (docs/decisions/0024-a-request-costs-what-flask-costs.md)."""

    def __init__(self, application: Application, settings: Settings) -> None:
        self._application = application
        self._headers = {name.lower(): (name, value) for name, value in SECURITY_HEADERS}
        if settings.public_url.startswith("https:"):
            promise = f"max-age={HSTS_SECONDS}; includeSubDomains"
            self._headers["strict-transport-security"] = ("Strict-Transport-Security", promise)
        self._must_tell_of_proxies = settings.app_env == "production" and not settings.trusted_proxies

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        started_at = time.perf_counter()
        request_id = _begin(environ)
        if self._must_tell_of_proxies and "HTTP_X_FORWARDED_FOR" in environ:
            self._tell_of_proxies()

        def start(status: str, headers: Headers, exc_info: Any = None) -> Any:
            code = int(status[:3])
            complete = self._complete(code, headers, request_id)
            _end(environ, code, time.perf_counter() - started_at)
            return start_response(status, complete, exc_info)

        return self._application(environ, start)

    def _complete(self, status: int, headers: Headers, request_id: str) -> Headers:
        if status == 204:  # there is no content to be of a type
            headers = [header for header in headers if header[0] != "Content-Type"]
        present = {name.lower() for name, _ in headers}
        ours = [header for name, header in self._headers.items() if name not in present]
        return [*headers, *ours, ("X-Request-ID", request_id)]

    def _tell_of_proxies(self) -> None:
        """Once: a proxy tells where requests come from, and nobody listens."""
        self._must_tell_of_proxies = False
        log.warning("proxy.unheard", remedy="If it is your own proxy, set TRUSTED_PROXIES; else have it removed.")


def _begin(environ: Environ) -> str:
    """Note where the request comes from, for audit and log; returns its id."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    # A name and no secret. To ask the kernel for chance would let another thread in, and cost a switch.
    request_id = sent if sent and REQUEST_ID.fullmatch(sent) else f"{random.getrandbits(128):032x}"
    clear_contextvars()
    bind_contextvars(request_id=request_id)
    trace = environ.get("HTTP_TRACEPARENT")
    if trace is not None:
        _join_trace(trace)
    agent = environ.get("HTTP_USER_AGENT")
    address = parse_address(environ.get("REMOTE_ADDR", ""))
    origin.set(Origin(request_id, str(address) if address else None, _printable(agent) if agent else None))
    return request_id


def _end(environ: Environ, status: int, seconds: float) -> None:
    """Count the request and tell of it, by its rule and not its path: what a client puts there may be a secret."""
    rule, method = _what_was_asked(environ)
    metrics.count_request(rule or "none", status, seconds)
    log.info(
        "request",
        method=method,
        route=rule,
        status=status,
        milliseconds=round(seconds * 1000, 1),
    )


def _what_was_asked(environ: Environ) -> tuple[str | None, str]:
    """The rule and the method; None and OTHER where there is no such address."""
    if RULE in environ:
        return environ[RULE], environ["REQUEST_METHOD"]
    asked = environ.get("werkzeug.request")
    if asked is None or asked.url_rule is None:
        return None, "OTHER"
    return asked.url_rule.rule, asked.method


def _join_trace(parent: str) -> None:
    """Note in the lines of the log which trace the request is part of (W3C Trace Context, 3.2)."""
    match = TRACE_PARENT.fullmatch(parent)
    if match and match["version"] != "ff" and (match["version"] != "00" or not match["more"]):
        bind_contextvars(trace_id=match["trace"])


def _printable(text: str) -> str:
    if text.isprintable():
        return text[:MAX_USER_AGENT]
    return "".join(character for character in text if character.isprintable())[:MAX_USER_AGENT]
