"""Proves which service of the company a request comes from."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import g

from user_service.clients.service import SECRET_PREFIX, Client, Scope, find_client
from user_service.errors import Forbidden, InsufficientScope, InvalidToken
from user_service.runtime import runtime
from user_service.web.principal import bearer_token

P = ParamSpec("P")
R = TypeVar("R")


def for_clients(scope: Scope) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for a service client with this scope.

    Raises TokenRequired, InvalidToken, InsufficientScope, and Forbidden for a user's own access token.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            g.client = _prove(scope)
            return view(*args, **kwargs)

        guarded.client_scope = scope.value  # type: ignore[attr-defined]  # read by the API document
        return guarded

    return decorate


def client() -> Client:
    """Who asks, in a view that is `for_clients`."""
    proven: Client = g.client
    return proven


def _prove(scope: Scope) -> Client:
    secret = bearer_token()
    if not secret.startswith(SECRET_PREFIX):
        runtime().verify_access_token(secret)
        raise Forbidden
    found = find_client(secret)
    if found is None:
        raise InvalidToken
    if scope.value not in found.scopes:
        raise InsufficientScope
    return found
