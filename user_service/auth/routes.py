"""Registration, tokens, sessions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask import Response

from user_service.auth import refreshing, schemas, service, sessions, tokens
from user_service.auth.models import CloseReason
from user_service.errors import DomainError
from user_service.runtime import runtime
from user_service.web import body
from user_service.web.limits import Door, count_account, limited
from user_service.web.openapi import Blueprint
from user_service.web.paging import PageRequestSchema, page
from user_service.web.principal import authenticated, bearer_token, principal

JWKS_SECONDS = 300
SESSION = {
    "name": "session_id",
    "in": "path",
    "description": "An `id` of `GET /sessions`.",
    "example": schemas.SESSION_ID,
}

blp = Blueprint("auth", __name__, description="Registration, log-in, tokens and sessions")


@blp.route("/register", methods=["POST"])
@limited(Door.REGISTER)
@blp.arguments(schemas.RegisterRequestSchema)
@blp.problems("username_taken", "email_taken")
@blp.response(201, schemas.RegisterResponseSchema)
def register(payload: dict[str, str]) -> dict[str, Any]:
    """Register a new user

    Username and e-mail address are unique whatever their case. The password is refused when it is among the
    common ones, or contains the username or the e-mail address.
    """
    user = service.register_user(**payload)
    return {"message": f"Welcome, {user.username}. Log in with POST /token.", "user": user}


@blp.route("/token", methods=["POST"])
@limited(Door.LOG_IN)
@blp.arguments(schemas.TokenRequestSchema)
@blp.problems("invalid_credentials", "account_disabled", "email_not_verified")
@blp.response(200, schemas.TokenPairSchema)
def log_in(payload: dict[str, str]) -> dict[str, Any]:
    """Log in

    Answers an access token, to be sent with every request, and a refresh token, to be kept safe. An unknown
    user and a wrong password get the same answer.
    """
    tokens.check_clock()
    return tokens.issue(service.log_in(**payload))


@blp.route("/token/refresh", methods=["POST"])
@limited(Door.REFRESH)
@blp.arguments(schemas.RefreshRequestSchema)
@blp.problems("invalid_token", "token_expired", "token_revoked", "refresh_token_reused")
@blp.response(200, schemas.TokenPairSchema)
def refresh(payload: dict[str, str]) -> dict[str, Any]:
    """Exchange a refresh token for a new pair

    The token is spent by it. If the answer is lost, present the same token again: it answers the same successor
    until that was used. A token that was spent longer ago closes the session.
    """
    claims = tokens.verify_refresh_token(payload["old_refresh_token"])
    count_account(Door.REFRESH, claims.user_id)
    if runtime().settings.refresh_token_rotation:
        return tokens.issue(refreshing.rotate(claims))
    return tokens.issue(refreshing.renew(claims), refresh_token=payload["old_refresh_token"])


@blp.route("/logout", methods=["POST"])
@limited(Door.LOG_OUT)
@blp.reads(schemas.LogOutRequestSchema, required=False)
@blp.optionally_authenticated
@blp.problems("token_required", "invalid_token", "token_expired")
@blp.response(204)
def log_out() -> None:
    """Log out

    Ends the session: its access token and its refresh token are refused from now on. Send the access token in
    the header or, where that is gone, `{"refresh_token": …}` in the body.
    """
    claims = _claims_to_log_out()
    sessions.close_session(user_id=claims.user_id, session_id=claims.session_id, reason=CloseReason.LOGGED_OUT)


@blp.route("/sessions", methods=["GET"])
@authenticated()
@blp.arguments(PageRequestSchema, location="query")
@blp.response(200, schemas.SessionsResponseSchema, headers=["Link"])
def list_sessions(query: dict[str, Any]) -> Response:
    """List your sessions

    Newest first. A session is a log-in on one device; it ends by a log-out, or when it is no longer refreshed.
    """
    user_id = principal().user_id

    def fetch(before: UUID | None, limit: int) -> Sequence[Any]:
        return sessions.list_sessions(user_id=user_id, before=before, limit=limit)

    return page(f"sessions:{user_id}", fetch, schemas.SessionSchema(), **query)


@blp.route("/sessions", methods=["DELETE"])
@authenticated()
@blp.response(204)
def close_all_sessions() -> None:
    """End all your sessions

    This one included: log in again after it.
    """
    sessions.close_all_sessions(user_id=principal().user_id, reason=CloseReason.CLOSED_BY_USER)


@blp.route("/sessions/<uuid:session_id>", methods=["DELETE"], parameters=[SESSION])
@authenticated()
@blp.problems("session_not_found")
@blp.response(204)
def close_session(session_id: UUID) -> None:
    """End one of your sessions

    Its tokens are refused from now on, here and everywhere.
    """
    sessions.close_own_session(user_id=principal().user_id, session_id=session_id)


@blp.route("/.well-known/jwks.json", methods=["GET"])
@blp.response(200, schemas.JwksSchema)
def jwks() -> Any:
    """The public keys that verify access tokens

    Coming, current and still valid old ones (RFC 7517).
    """
    keys = [key.jwk() for key in runtime().key_ring.published()]
    return {"keys": keys}, {"Cache-Control": f"public, max-age={JWKS_SECONDS}"}


def _claims_to_log_out() -> Any:
    """The access token's claims, or the refresh token's where the access token is missing or no longer good."""
    payload = {} if body.is_absent() else _LOG_OUT.load(body.read_object())
    try:
        return tokens.verify_access_token(bearer_token())
    except DomainError:
        if "refresh_token" not in payload:
            raise
    return tokens.verify_refresh_token(payload["refresh_token"])


_LOG_OUT = schemas.LogOutRequestSchema()
