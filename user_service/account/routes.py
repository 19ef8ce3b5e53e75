"""The account of the one who asks: what spans log-in, profile and payment."""

from typing import Any
from uuid import UUID

from flask import Response

from user_service import lifecycle
from user_service.account import schemas
from user_service.audit.service import list_events as list_audit_events
from user_service.auth import tokens
from user_service.auth.password_service import change_password as set_new_password
from user_service.auth.schemas import TokenPairSchema
from user_service.auth.service import get_user
from user_service.auth.verification import request_email_change
from user_service.web.limits import Door, limited
from user_service.web.openapi import Blueprint
from user_service.web.paging import PageRequestSchema, page
from user_service.web.principal import authenticated, principal

blp = Blueprint("account", __name__, description="The account, its password and its security log")


@blp.route("/account", methods=["GET"])
@authenticated()
@blp.problems()
@blp.response(200, schemas.AccountSchema)
def get_account() -> Any:
    """Read your account

    Who you are to this service. `pending_email` is the address that waits to be proven.
    """
    return get_user(principal().user_id)


@blp.route("/account/password", methods=["PUT"])
@authenticated()
@limited(Door.CHANGE_PASSWORD)
@blp.arguments(schemas.PasswordChangeSchema)
@blp.problems("wrong_password")
@blp.response(200, TokenPairSchema)
def change_password(payload: dict[str, str]) -> dict[str, Any]:
    """Change your password

    Every session ends, on every device; the answer holds the tokens of a new one.
    """
    return tokens.issue(set_new_password(principal=principal(), **payload))


@blp.route("/account/email", methods=["PUT"])
@authenticated()
@limited(Door.CHANGE_EMAIL)
@blp.arguments(schemas.EmailChangeRequestSchema)
@blp.problems("wrong_password", "email_taken")
@blp.response(202, schemas.EmailChangeResponseSchema)
def change_email(payload: dict[str, str]) -> dict[str, Any]:
    """Change your e-mail address

    A link goes to the new address; until it is opened the old one counts, and it is told. Your present address, sent
    again, takes back a change that waits.
    """
    pending = request_email_change(principal=principal(), **payload)
    if pending is None:
        return {"message": "Your address stays as it is.", "pending_email": None}
    return {
        "message": f"A mail is on its way to {pending}. Your address changes when its link is opened.",
        "pending_email": pending,
    }


@blp.route("/account/events", methods=["GET"])
@authenticated()
@blp.arguments(PageRequestSchema, location="query")
@blp.problems()
@blp.response(200, schemas.EventsResponseSchema, headers=["Link"])
def list_events(query: dict[str, Any]) -> Response:
    """Read your security log

    Newest first: log-ins and refused ones, ended sessions, refresh tokens that came back, changes.
    """
    user_id = principal().user_id

    def fetch(before: UUID | None, limit: int) -> list[Any]:
        return list_audit_events(user_id=user_id, before=before, limit=limit)

    return page(f"events:{user_id}", fetch, schemas.EventSchema(), **query)


@blp.route("/account/export", methods=["POST"])
@authenticated()
@limited(Door.EXPORT)
@blp.arguments(schemas.PasswordSchema)
@blp.problems("wrong_password")
@blp.response(200, schemas.ExportSchema)
def export_account(payload: dict[str, str]) -> Any:
    """Take along all that is held about you

    Account, profile, the description of your payment information, sessions and security events in one document.
    """
    return lifecycle.export_account(principal=principal(), **payload)


@blp.route("/account", methods=["DELETE"])
@authenticated()
@limited(Door.ERASE)
@blp.arguments(schemas.PasswordSchema)
@blp.problems("wrong_password")
@blp.response(200, schemas.DeletedSchema)
def delete_account(payload: dict[str, str]) -> dict[str, Any]:
    """Delete your account for good

    Every session ends, and what is sealed of you can be opened by nobody from then on. Your username and your
    address are free for others.
    """
    receipt = lifecycle.delete_account(principal=principal(), **payload)
    return {"message": "Your account is deleted. Keep the receipt.", "receipt": receipt}
