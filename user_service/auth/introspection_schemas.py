"""The bodies for services that must see a log-out at once."""

from marshmallow import EXCLUDE, fields

from user_service.auth.schemas import EXAMPLE_JWT, SESSION_ID, USER_ID, TokenText
from user_service.web.paging import PageRequestSchema
from user_service.web.schema import Moment, Schema


class IntrospectRequestSchema(Schema):
    """RFC 7662, 2.1: other parameters, such as token_type_hint, are ignored."""

    example = {"token": EXAMPLE_JWT}

    class Meta:
        unknown = EXCLUDE

    token = TokenText(required=True)


class IntrospectionSchema(Schema):
    """RFC 7662, 2.2. An inactive token has `active` alone."""

    example = {
        "active": True,
        "token_type": "Bearer",
        "iss": "https://users.example.com",
        "aud": "https://users.example.com",
        "sub": USER_ID,
        "sid": SESSION_ID,
        "jti": "6f1f0c2a-7b11-4f9f-9d37-8a4e7c1f0193",
        "iat": 1795426200,
        "exp": 1795427100,
    }

    active = fields.Boolean(required=True)
    token_type = fields.String()
    iss = fields.String()
    aud = fields.String()
    sub = fields.String()
    sid = fields.String()
    jti = fields.String()
    iat = fields.Integer()
    exp = fields.Integer()


class RevocationsRequestSchema(PageRequestSchema):
    class Meta:
        unknown = EXCLUDE
        exclude = ("cursor",)

    since = fields.String(
        load_default=None,
        allow_none=False,
        metadata={"description": "`cursor` of the answer before; leave it out at first."},
    )


class RevocationSchema(Schema):
    sid = fields.UUID(required=True, attribute="session_id", metadata={"description": "The tokens' `sid`."})
    reason = fields.String(required=True)
    blocked_at = Moment(required=True)
    expires_at = Moment(required=True, metadata={"description": "No token of the session can be alive after this."})


class RevocationsResponseSchema(Schema):
    example = {
        "data": [
            {
                "sid": SESSION_ID,
                "reason": "logged_out",
                "blocked_at": "2026-11-23T09:45:00.000Z",
                "expires_at": "2026-11-30T09:55:00.000Z",
            }
        ],
        "cursor": "WyIyMDI2LTExLTIz…",
        "has_more": False,
    }

    data = fields.List(fields.Nested(RevocationSchema), required=True, attribute="rows")
    cursor = fields.String(required=True)
    has_more = fields.Boolean(required=True)
