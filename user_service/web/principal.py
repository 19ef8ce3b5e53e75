"""Proves who a request acts as: one token from one header, then one statement to the database."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from flask import g, request

from user_service.auth import sessions
from user_service.errors import TokenRequired, TokenRevoked
from user_service.principal import AccessClaims, Principal
from user_service.reads import find_principal
from user_service.runtime import runtime
from user_service.web.ahead import RAISED

P = ParamSpec("P")
R = TypeVar("R")
FindPrincipal = Callable[[UUID, UUID], Any | None]


def bearer_token() -> str:
    """The token of the one Authorization header. Raises TokenRequired."""
    return _token_of(request.headers.get("Authorization", ""))


def _token_of(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenRequired
    return token


def authenticated(
    find: FindPrincipal = find_principal,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view run only for a principal: `g.principal`, with the row that `find` read in `g.principal_row`.

    Raises TokenRequired, InvalidToken, TokenExpired, TokenRevoked.
    """

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            if RAISED in request.environ:
                raise request.environ.pop(RAISED)  # no name is left for it: its traceback would keep itself alive
            g.principal, g.principal_row = prove(request.environ.get("HTTP_AUTHORIZATION", ""), find)
            return view(*args, **kwargs)

        guarded.is_authenticated = True  # type: ignore[attr-defined]  # read by the API document
        return guarded

    return decorate


def prove(authorization: str, find: FindPrincipal = find_principal) -> tuple[Principal, Any]:
    """Who an Authorization header stands for, with the row that `find` read.

    Raises TokenRequired, InvalidToken, TokenExpired, TokenRevoked.
    """
    claims = runtime().verify_access_token(_token_of(authorization))
    row = find_open_session(claims, find)
    return Principal(row.user_id, claims.session_id, row.username, row.email), row


def find_open_session(claims: AccessClaims, find: FindPrincipal = find_principal) -> Any:
    """The row of the token's session, which is open, and of its user, who may act. Notes the first use.

    Raises TokenRevoked.
    """
    row = find(claims.session_id, claims.user_id)
    if row is None or row.blocked_session_id is not None or row.disabled_at is not None:
        raise TokenRevoked
    if not row.access_floor <= claims.generation <= row.generation:
        raise TokenRevoked  # a copy that was handed out twice, or of a generation that this database has not seen
    if claims.generation == row.generation and row.confirmed_at is None:
        sessions.confirm(claims.session_id, claims.generation)
    return row


def principal() -> Principal:
    """Who the request acts as, in a view that is `authenticated`."""
    proven: Principal = g.principal
    return proven
