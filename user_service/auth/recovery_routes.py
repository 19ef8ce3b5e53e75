"""Recovery and verification: what is asked for by address, and done with a token that came by mail."""

from typing import Any

from user_service.auth import recovery, verification
from user_service.auth import recovery_schemas as schemas
from user_service.web.limits import Door, limited
from user_service.web.openapi import Blueprint

SENT = {"message": "If there is an account to this address, a mail is on its way."}

blp = Blueprint("recovery", __name__, description="Verification of addresses, and recovery by mail")


@blp.route("/password/forgot", methods=["POST"])
@limited(Door.FORGOT_PASSWORD)
@blp.arguments(schemas.MailRequestSchema)
@blp.problems()
@blp.response(202, schemas.SentResponseSchema)
def forgot_password(payload: dict[str, str]) -> dict[str, str]:
    """Ask for a link to reset your password

    Nothing changes until the link is used. The answer is the same for every address.
    """
    recovery.request_reset(**payload)
    return SENT


@blp.route("/password/reset", methods=["POST"])
@limited(Door.RESET_PASSWORD)
@blp.arguments(schemas.ResetRequestSchema)
@blp.problems("one_time_token_invalid")
@blp.response(204)
def reset_password(payload: dict[str, str]) -> None:
    """Reset your password

    With the token of the mailed link. Every session ends, and the address counts as verified. A password that is
    refused leaves the token as it is. Then log in.
    """
    recovery.complete_reset(**payload)


@blp.route("/email/verification", methods=["POST"])
@limited(Door.SEND_VERIFICATION)
@blp.arguments(schemas.MailRequestSchema)
@blp.problems()
@blp.response(202, schemas.SentResponseSchema)
def send_verification(payload: dict[str, str]) -> dict[str, str]:
    """Ask for a new link to verify your e-mail address

    The answer is the same for every address, and for one that is verified already.
    """
    verification.request_verification(**payload)
    return SENT


@blp.route("/email/verify", methods=["POST"])
@limited(Door.VERIFY_EMAIL)
@blp.arguments(schemas.OneTimeTokenRequestSchema)
@blp.problems("one_time_token_invalid", "email_taken")
@blp.response(200, schemas.ProvenResponseSchema)
def verify_email(payload: dict[str, str]) -> dict[str, Any]:
    """Verify an e-mail address

    With the token of the mailed link: that of the registration, or of a change of the address, which it completes.
    """
    user = verification.prove_email(**payload)
    return {"message": "Your e-mail address is verified.", "email": user.email, "email_verified": True}
