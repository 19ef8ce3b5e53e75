"""The payment information of the one who asks."""

from typing import Any

from flask import Response

from user_service.payment import schemas, service
from user_service.web.etag import etag_of, if_match, respond
from user_service.web.openapi import Blueprint
from user_service.web.principal import authenticated, principal

PATH = "/profile/payment_info"

blp = Blueprint("payment", __name__, description="A payment provider's token, stored sealed and never shown")
_INFO = schemas.PaymentInfoSchema()
_STORED = schemas.PaymentInfoStoredSchema()


@blp.route(PATH, methods=["POST"])
@authenticated()
@blp.arguments(schemas.PaymentInfoRequestSchema)
@blp.problems("payment_info_exists", "raw_card_number_refused")
@blp.response(201, schemas.PaymentInfoStoredSchema, headers=["ETag"])
def store_payment_info(payload: dict[str, Any]) -> Response:
    """Store your payment information

    Takes the token that your payment provider gave for a card, never the card itself. It needs no profile.
    """
    info = service.store_payment_info(principal=principal(), **payload)
    return _stored("Your payment information is stored.", info, 201)


@blp.route(PATH, methods=["PUT"])
@authenticated()
@blp.arguments(schemas.PaymentInfoRequestSchema)
@blp.problems("payment_info_not_found", "precondition_failed", "raw_card_number_refused")
@blp.response(200, schemas.PaymentInfoStoredSchema, headers=["ETag"])
def replace_payment_info(payload: dict[str, Any]) -> Response:
    """Replace your payment information

    All of it: what is left out is gone.
    """
    info = service.replace_payment_info(principal=principal(), check=if_match(_INFO), **payload)
    return _stored("Your payment information is replaced.", info, 200)


@blp.route(PATH, methods=["GET"])
@authenticated()
@blp.problems("payment_info_not_found")
@blp.alt_response(304, description="The description is the one that If-None-Match names.")
@blp.response(200, schemas.PaymentInfoSchema, headers=["ETag"])
def get_payment_info() -> Response:
    """Read the description of your payment information

    Never the token, only its last four characters.
    """
    return respond(_INFO, service.get_payment_info(principal=principal()))


@blp.route(PATH, methods=["DELETE"])
@authenticated()
@blp.problems("payment_info_not_found", "precondition_failed")
@blp.response(204)
def delete_payment_info() -> None:
    """Delete your payment information

    The token is gone for good. At the payment provider it stays valid: withdraw it there too.
    """
    service.delete_payment_info(principal=principal(), check=if_match(_INFO))


def _stored(message: str, info: service.PaymentInfoView, status: int) -> Response:
    """The tag is that of the description, so that it can be sent back in If-Match."""
    response = respond(_STORED, {"message": message, "payment_info": info}, status=status)
    response.set_etag(etag_of(_INFO.dump(info)))
    return response
