"""The bodies of recovery and verification."""

from marshmallow import fields

from user_service.auth.schemas import NEW_PASSWORD, Email, Password, TokenText
from user_service.web.schema import Schema

EXAMPLE_TOKEN = "Jq0aTg3oS5v8Yx1fLk7Wc2Zr9Hn4Bd6EpMuQiVtXyNs"  # noqa: S105  # an example
LINK_TOKEN = "What follows the # in the mailed link."  # noqa: S105  # a description


class MailRequestSchema(Schema):
    example = {"email": "maria@example.com"}

    email = Email(required=True)


class OneTimeTokenRequestSchema(Schema):
    example = {"token": EXAMPLE_TOKEN}

    token = TokenText(required=True, description=LINK_TOKEN)


class ResetRequestSchema(Schema):
    example = {"token": EXAMPLE_TOKEN, "new_password": "staple ember window tide"}

    token = TokenText(required=True, description=LINK_TOKEN)
    new_password = Password(required=True, metadata=NEW_PASSWORD)


class SentResponseSchema(Schema):
    """The same for every address, known or not."""

    example = {"message": "If there is an account to this address, a mail is on its way."}

    message = fields.String(required=True)


class ProvenResponseSchema(Schema):
    example = {"message": "Your e-mail address is verified.", "email": "maria@example.com", "email_verified": True}

    message = fields.String(required=True)
    email = fields.String(required=True, metadata={"format": "email"})
    email_verified = fields.Boolean(required=True)
