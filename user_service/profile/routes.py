"""The profile of the one who asks."""

from typing import Any

from flask import Response, g

from user_service import lifecycle
from user_service.profile import schemas, service
from user_service.reads import find_principal_with_profile
from user_service.web.etag import if_match, represent, respond
from user_service.web.openapi import Blueprint
from user_service.web.principal import authenticated, principal, prove

blp = Blueprint("profile", __name__, description="Name, phone and shipping address")
_PROFILE = schemas.ProfileResponseSchema()


@blp.route("/profile", methods=["POST"])
@authenticated()
@blp.arguments(schemas.ProfileRequestSchema)
@blp.problems("profile_exists", "raw_card_number_refused")
@blp.response(201, schemas.ProfileResponseSchema, headers=["ETag", "Location"])
def create_profile(payload: dict[str, Any]) -> Response:
    """Create your profile

    One for each user. The phone number and the address are stored encrypted.
    """
    profile = service.create_profile(principal=principal(), **payload)
    return respond(_PROFILE, profile, status=201, headers={"Location": "/profile/me"})


@blp.route("/profile/me", methods=["GET"])
@authenticated(find_principal_with_profile)
@blp.problems("profile_not_found")
@blp.alt_response(304, description="The profile is the one that If-None-Match names.")
@blp.response(200, schemas.ProfileResponseSchema, headers=["ETag"])
def get_profile() -> Response:
    """Read your profile

    As it was sent, with the normal form of the phone number where it is a valid one.
    """
    return respond(_PROFILE, service.view_of(principal(), g.principal_row))


def read_profile(authorization: str) -> tuple[bytes, str]:
    """What `get_profile` answers, with its tag, from the header alone: for web/ahead.py.

    What else is asked of a request by decorators of `get_profile` is not asked here.
    """
    owner, row = prove(authorization, find_principal_with_profile)
    return represent(_PROFILE, service.view_of(owner, row))


@blp.route("/profile", methods=["PUT"])
@authenticated(find_principal_with_profile)
@blp.arguments(schemas.ProfileChangesSchema)
@blp.problems("profile_not_found", "precondition_failed", "raw_card_number_refused")
@blp.response(200, schemas.ProfileResponseSchema, headers=["ETag"])
def update_profile(changes: dict[str, Any]) -> Response:
    """Change your profile

    A member that is left out keeps its value. Send `If-Match` with the ETag that you read to be sure that nobody
    changed the profile in between.
    """
    change = {"principal": principal(), "seen": g.principal_row, "changes": changes}
    return respond(_PROFILE, service.update_profile(**change, check=if_match(_PROFILE)))


@blp.route("/profile", methods=["DELETE"])
@authenticated()
@blp.problems("profile_not_found", "precondition_failed")
@blp.response(200, schemas.MessageSchema)
def delete_profile() -> dict[str, str]:
    """Delete your profile

    The stored payment information goes with it. The account stays.
    """
    lifecycle.delete_profile(principal=principal(), check=if_match(_PROFILE))
    return schemas.MessageSchema.example
