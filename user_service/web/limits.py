"""Limits on requests, by address and by account. `doors.py` has the numbers, `counting.py` counts.

Every answer of a limited door tells the limits that were asked (draft-ietf-httpapi-ratelimit-headers), a refusal
when to come back.
"""

import math
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Response, after_this_request, g, request

from user_service import metrics
from user_service.auth.identifiers import email_key, username_key
from user_service.counting import Count
from user_service.doors import By, Door
from user_service.errors import DomainError
from user_service.runtime import runtime
from user_service.web import body
from user_service.web.addresses import client_address, network_of

__all__ = ["Door", "count_account", "limited"]

P = ParamSpec("P")
R = TypeVar("R")
COUNTS = "user_service.counts"
MAX_NAME = 254  # characters of a username or an address


class LimitReached(DomainError):
    code = "too_many_requests"
    detail = "Too many requests. Wait as many seconds as the header Retry-After says."


def limited(door: Door) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let through as many as the door's limits say. Raises LimitReached.

    Where the account is the one that is logged in, it stands below `authenticated`.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            _count(door, _subjects(door))
            return view(*args, **kwargs)

        guarded.is_limited = True  # type: ignore[attr-defined]  # read by the API document
        return guarded

    return decorate


def count_account(door: Door, account: object) -> None:
    """Count by an account that only the view could find out. Raises LimitReached."""
    _count(door, {By.ACCOUNT: str(account)})


def _subjects(door: Door) -> dict[By, str]:
    address, account = network_of(client_address()), _account(door)
    subjects = {By.ALL: "", By.ADDRESS: address}
    if account is not None:
        subjects |= {By.ACCOUNT: account, By.BOTH: f"{account} {address}"}
    return subjects


def _account(door: Door) -> str | None:
    """Who is meant, in the one form that names are compared by; None where nobody can be told."""
    if door.member is None:
        principal = g.get("principal")
        return str(principal.user_id) if principal else None
    try:
        name = body.read_object().get(door.member)
    except DomainError:
        return None  # the view reads the same body and refuses it
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        return None
    return email_key(name) if "@" in name else username_key(name)


def _count(door: Door, subjects: dict[By, str]) -> None:
    if not runtime().settings.ratelimit_enabled:
        return
    counts = runtime().counter.count(door, subjects)
    _tell(counts)
    if not all(count.is_allowed for count in counts):
        metrics.count_limit(door.name.lower())
        raise LimitReached


def _tell(counts: list[Count]) -> None:
    """See to it that this request's answer tells them."""
    told: list[Count] = request.environ.setdefault(COUNTS, [])
    if not told:
        after_this_request(_add_headers)
    told.extend(counts)


def _add_headers(response: Response) -> Response:
    """All policies, and of the limits the tightest: the one that has the least left."""
    counts: list[Count] = request.environ[COUNTS]
    tightest = min(counts, key=lambda count: (count.is_allowed, count.remaining, -count.seconds))
    seconds = max(1, math.ceil(tightest.seconds))
    policies = [f'"{count.name}";q={count.rate.amount};w={count.rate.seconds}' for count in counts]
    response.headers["RateLimit-Policy"] = ", ".join(policies)
    response.headers["RateLimit"] = f'"{tightest.name}";r={tightest.remaining};t={seconds}'
    if not tightest.is_allowed:
        response.headers["Retry-After"] = str(seconds)
    return response
