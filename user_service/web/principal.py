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

P = ParamSpec("P")
R = TypeVar("R")
FindPrincipal = Callable[[UUID, UUID], Any | None]


def bearer_token() -> str:
    """The token of the one Authorization header. Raises TokenRequired."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
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
            _authenticate(find)
            return view(*args, **kwargs)

        guarded.is_authenticated = True  # type: ignore[attr-defined]  # read by the API document
        return guarded

    return decorate


def _authenticate(find: FindPrincipal) -> None:
    claims = runtime().verify_access_token(bearer_token())
    row = find_open_session(claims, find)
    g.principal = Principal(row.user_id, claims.session_id, row.username, row.email)
    g.principal_row = row


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
