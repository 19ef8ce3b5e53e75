"""What the checkout and fulfilment fetch. Every read is on the record; the shipped proxy keeps it off the internet."""

from typing import Any
from uuid import UUID

from flask import request

from user_service import lifecycle
from user_service.clients.service import Scope
from user_service.errors import Fault, ReasonRefused
from user_service.internal import schemas
from user_service.web.client import client, for_clients
from user_service.web.openapi import Blueprint

blp = Blueprint("internal", __name__, description="For service clients inside the company, never on the internet")
REASON = "X-Reason"
MAX_REASON = 200
REASON_PARAMETER: dict[str, Any] = {
    "in": "header",
    "name": REASON,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_REASON, "pattern": "^[ -~]*[!-~][ -~]*$"},
    "description": "Why you need it. It stands in the user's security log.",
    "example": "order 4711",
}


@blp.route("/internal/users/<uuid:user_id>", methods=["GET"], parameters=[REASON_PARAMETER])
@for_clients(Scope.PROFILE_READ)
@blp.problems("forbidden", "insufficient_scope", "user_not_found", "validation_failed")
@blp.response(200, schemas.CustomerSchema)
def get_user(user_id: UUID) -> Any:
    """Read a user's account and profile

    For fulfilment: where to send things, and how to reach the person.
    """
    return lifecycle.read_customer_for_client(user_id=user_id, client=client().name, reason=_reason())


@blp.route(
    "/internal/users/<uuid:user_id>/payment_token",
    methods=["GET"],
    parameters=[{**REASON_PARAMETER, "required": True}],
)
@for_clients(Scope.PAYMENT_READ)
@blp.problems("forbidden", "insufficient_scope", "payment_info_not_found", "validation_failed")
@blp.response(200, schemas.PaymentTokenSchema)
def get_payment_token(user_id: UUID) -> Any:
    """Read a user's payment token

    For the checkout, which hands it to the payment provider and keeps it nowhere.
    """
    reason = _reason()
    if reason is None:
        raise ReasonRefused([Fault("/X-Reason", "required", "Say why in the header X-Reason.")])
    return lifecycle.reveal_payment_token_to_client(user_id=user_id, client=client().name, reason=reason)


def _reason() -> str | None:
    """The reason in printable ASCII, as headers have it; None without one. Raises ReasonRefused."""
    reason = request.headers.get(REASON, "").strip()
    if len(reason) > MAX_REASON:
        raise ReasonRefused([Fault("/X-Reason", "too_long", f"Use at most {MAX_REASON} characters.")])
    if not (reason.isascii() and reason.isprintable()):
        raise ReasonRefused([Fault("/X-Reason", "invalid_format", "Use printable ASCII characters.")])
    return reason or None
