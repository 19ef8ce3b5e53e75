"""Limits on requests: moving windows by address, counted in Redis where there is one, else in each process.

While Redis is away each process counts by itself, so a limit is never off and never an error.
"""

import ipaddress
import math
import time
from collections.abc import Callable
from enum import Enum
from typing import ParamSpec, TypeVar

from flask import Flask, Response, request

from user_service.extensions import limiter
from user_service.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
REDIS_SECONDS = 0.2
IPV6_PREFIX = 64


class Door(Enum):
    """A door and how often one address may knock. docs/limits.md has the same table."""

    INTROSPECT = "1200 per minute"
    REVOCATIONS = "120 per minute"


def init_app(app: Flask, settings: Settings) -> None:
    app.config.update(
        RATELIMIT_ENABLED=settings.ratelimit_enabled,
        RATELIMIT_STORAGE_URI=settings.redis_url or "memory://",
        RATELIMIT_STORAGE_OPTIONS=_redis_options() if settings.redis_url else {},
        RATELIMIT_STRATEGY="moving-window",
        RATELIMIT_IN_MEMORY_FALLBACK_ENABLED=settings.redis_url is not None,
    )
    limiter.init_app(app)
    app.after_request(_tell)


def limited(door: Door) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let one address through as often as the table says, then answer 429."""
    limit = limiter.limit(door.value, key_func=_address, scope=door.name.lower())

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        guarded = limit(view)
        guarded.is_limited = True  # type: ignore[attr-defined]  # read by the API document
        return guarded

    return decorate


def _redis_options() -> dict[str, float]:
    return {"socket_connect_timeout": REDIS_SECONDS, "socket_timeout": REDIS_SECONDS}


def _address() -> str:
    """The client's address; of IPv6 the network that one customer is given (RFC 6177)."""
    try:
        address = ipaddress.ip_address(request.remote_addr or "")
    except ValueError:
        return "unknown"
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def _tell(response: Response) -> Response:
    """Say how much is left, on good answers too (draft-ietf-httpapi-ratelimit-headers), and when to come back."""
    limit = limiter.current_limit if limiter.enabled else None
    if limit is None:
        return response
    seconds = max(1, math.ceil(limit.reset_at - time.time()))
    window = limit.limit.get_expiry()
    response.headers["RateLimit-Policy"] = f'"default";q={limit.limit.amount};w={window}'
    response.headers["RateLimit"] = f'"default";r={max(0, limit.remaining)};t={seconds}'
    if response.status_code == 429:
        response.headers["Retry-After"] = str(seconds)
    return response
