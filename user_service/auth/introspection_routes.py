"""For services of the company that must see a log-out at once, rather than when the access token runs out."""

from typing import Any

from flask import request

from user_service.auth import introspection_schemas as schemas
from user_service.auth import tokens
from user_service.auth.revocations import Changes
from user_service.auth.revocations import list_revocations as list_changes
from user_service.clients.service import Scope
from user_service.errors import InvalidToken, TokenExpired, TokenRevoked
from user_service.web import body
from user_service.web.client import for_clients
from user_service.web.limits import Door, limited
from user_service.web.openapi import JSON, Blueprint
from user_service.web.principal import find_open_session

blp = Blueprint("services", __name__, description="For other services of the company, which have a client secret")
FORM = "application/x-www-form-urlencoded"
_REQUEST = schemas.IntrospectRequestSchema()


@blp.route("/token/introspect", methods=["POST"])
@limited(Door.INTROSPECT)
@for_clients(Scope.TOKEN_INTROSPECT)
@blp.reads(schemas.IntrospectRequestSchema, media_types=[JSON, FORM])
@blp.response(200, schemas.IntrospectionSchema)
def introspect() -> dict[str, Any]:
    """Ask whether an access token is active (RFC 7662)

    The token comes as JSON or as a form. Anything but an access token whose session is open is not active.
    """
    token = _REQUEST.load(body.form_fields("token") if request.mimetype == FORM else body.read_object())["token"]
    try:
        claims = tokens.access_claims(token)
        find_open_session(tokens.access_claims_of(claims))
    except (InvalidToken, TokenExpired, TokenRevoked):
        return {"active": False}
    return {"active": True, "token_type": "Bearer", **claims}


@blp.route("/revocations", methods=["GET"])
@limited(Door.REVOCATIONS)
@for_clients(Scope.TOKEN_INTROSPECT)
@blp.arguments(schemas.RevocationsRequestSchema, location="query")
@blp.response(200, schemas.RevocationsResponseSchema)
def list_revocations(query: dict[str, Any]) -> Changes:
    """Follow the sessions that were closed

    Poll it with the `cursor` of the answer before. Entries of the last minute may come twice: a set of `sid` does
    not mind.
    """
    return list_changes(**query)
