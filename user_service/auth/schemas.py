"""The bodies of registration, tokens and sessions."""

from typing import Any

from marshmallow import fields

from user_service.auth.devices import device_of
from user_service.auth.identifiers import RESERVED_USERNAMES, USERNAME, check_email
from user_service.runtime import runtime
from user_service.security.passwords import MAX_PASSWORD_BYTES, normalize
from user_service.web.body import MAX_BODY_BYTES
from user_service.web.paging import PaginationSchema
from user_service.web.principal import principal
from user_service.web.schema import Moment, Schema, Text, refusal

USER_ID = "01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b11"
SESSION_ID = "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90"
ANY_TEXT = "At most 1,024 bytes in UTF-8, composed (NFC). Never trimmed or cut."
MOST_SPELLED = 3 * MAX_PASSWORD_BYTES  # decomposed, UTF-8 grows threefold at most (UAX 15, maximum expansion factors)
NEW_PASSWORD = {
    "settings": {"minLength": "password_min_length"},
    "description": f"{ANY_TEXT} Common ones are refused, and those that hold the username or the e-mail address.",
}
COORDINATE = {"pattern": "^[A-Za-z0-9_-]{43}$", "description": "32 bytes in base64url."}
UNIQUE_EMAIL = "Unique whatever its case."
EXAMPLE_JWT = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ij…"


class Username(Text):
    def __init__(self, **kw: Any):
        metadata = {"pattern": f"^{USERNAME.pattern}$", "description": "Unique whatever its case. Some are reserved."}
        super().__init__(min_length=3, max_length=64, trim=False, metadata=metadata, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        username = super()._deserialize(value, attr, data, **kwargs)
        if not USERNAME.fullmatch(username):
            message = "Use letters A-Z, digits, dot, underscore and hyphen; begin with a letter or a digit."
            raise refusal("invalid_format", message)
        if username.lower() in RESERVED_USERNAMES:
            raise refusal("reserved", "This name is reserved. Choose another one.")
        return username


class Email(Text):
    def __init__(self, **kw: Any):
        super().__init__(min_length=3, max_length=254, metadata={"format": "email", "description": UNIQUE_EMAIL}, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        email = super()._deserialize(value, attr, data, **kwargs)
        try:
            check_email(email, allow_test_domains=runtime().settings.app_env != "production")
        except ValueError as error:
            raise refusal("invalid_format", str(error)) from None
        return email


class Password(Text):
    """Any characters but control characters; never trimmed, cut or folded. Measured as it is kept, in NFC."""

    def __init__(self, **kw: Any):
        metadata = {"maxLength": MOST_SPELLED, "format": "password", "description": ANY_TEXT} | kw.pop("metadata", {})
        super().__init__(min_length=0, max_length=MAX_BODY_BYTES, trim=False, metadata=metadata, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        password = super()._deserialize(value, attr, data, **kwargs)
        if len(password.encode()) > MOST_SPELLED or len(normalize(password).encode()) > MAX_PASSWORD_BYTES:
            raise refusal("password_too_long", "Use at most 1,024 bytes.")
        return password


class TokenText(Text):
    """A token. An empty one, or one that is too long, is a bad token (401), not a bad request: no limits here."""

    def __init__(self, *, description: str = "A token as it was issued.", **kw: Any):
        metadata = {"maxLength": None, "description": description}
        super().__init__(min_length=0, max_length=MAX_BODY_BYTES, trim=False, metadata=metadata, **kw)


class RegisterRequestSchema(Schema):
    example = {"username": "maria.silva", "email": "maria@example.com", "password": "correct horse battery"}

    username = Username(required=True)
    email = Email(required=True)
    password = Password(required=True, metadata=NEW_PASSWORD)


class UserSchema(Schema):
    """Who logs in."""

    id = fields.UUID(required=True, metadata={"description": "The `sub` of the tokens."})
    username = fields.String(required=True)
    email = fields.String(required=True, metadata={"format": "email"})
    email_verified = fields.Boolean(required=True, attribute="is_email_verified")
    created_at = Moment(required=True)


class RegisterResponseSchema(Schema):
    example = {
        "message": "Welcome, maria.silva. Log in with POST /token.",
        "user": {
            "id": USER_ID,
            "username": "maria.silva",
            "email": "maria@example.com",
            "email_verified": False,
            "created_at": "2026-11-23T09:30:00.000Z",
        },
    }

    message = fields.String(required=True, metadata={"description": "For people."})
    user = fields.Nested(UserSchema, required=True)


class TokenRequestSchema(Schema):
    example = {"username": "maria.silva", "password": "correct horse battery"}

    username = Text(
        required=True,
        min_length=0,
        max_length=254,
        trim=False,
        metadata={"description": "The username or the e-mail address."},
    )
    password = Password(required=True)


class TokenPairSchema(Schema):
    example = {
        "access_token": EXAMPLE_JWT,
        "refresh_token": EXAMPLE_JWT,
        "token_type": "Bearer",
        "expires_in": 900,
        "refresh_expires_in": 604800,
    }

    access_token = fields.String(
        required=True, metadata={"description": "A JWT; other services verify it with the JWKS."}
    )
    refresh_token = fields.String(
        required=True, metadata={"description": "For `POST /token/refresh` and `POST /logout` alone. Keep it safe."}
    )
    token_type = fields.String(required=True, metadata={"const": "Bearer"})
    expires_in = fields.Integer(
        required=True, metadata={"minimum": 0, "description": "How many seconds the access token lives from now on."}
    )
    refresh_expires_in = fields.Integer(
        required=True, metadata={"minimum": 0, "description": "How many seconds the refresh token lives from now on."}
    )


class RefreshRequestSchema(Schema):
    example = {"old_refresh_token": EXAMPLE_JWT}

    old_refresh_token = TokenText(required=True)


class LogOutRequestSchema(Schema):
    example = {"refresh_token": EXAMPLE_JWT}

    refresh_token = TokenText(description="Where the access token is gone.")


class SessionSchema(Schema):
    """A log-in on one device."""

    id = fields.UUID(required=True)
    current = fields.Function(
        lambda row: row.id == principal().session_id,
        required=True,
        metadata={"type": "boolean", "description": "Whether this request belongs to it."},
    )
    created_at = Moment(required=True)
    last_used_at = Moment(required=True)
    expires_at = Moment(
        required=True,
        attribute="refresh_expires_at",
        metadata={"description": "When it ends if it is not refreshed."},
    )
    ip = fields.String(required=True, allow_none=True, metadata={"description": "The address it was opened from."})
    user_agent = fields.String(required=True, allow_none=True, metadata={"maxLength": 256})
    device = fields.Function(
        lambda row: device_of(row.user_agent),
        required=True,
        metadata={"type": "string", "description": "The user agent in words."},
    )


class SessionsResponseSchema(Schema):
    example = {
        "data": [
            {
                "id": SESSION_ID,
                "current": True,
                "created_at": "2026-11-23T09:30:00.000Z",
                "last_used_at": "2026-11-23T09:45:12.000Z",
                "expires_at": "2026-11-30T09:45:00.000Z",
                "ip": "203.0.113.7",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
                "device": "Firefox on Linux",
            }
        ],
        "pagination": {"next_cursor": None, "has_more": False},
    }

    data = fields.List(fields.Nested(SessionSchema), required=True)
    pagination = fields.Nested(PaginationSchema, required=True)


class JwkSchema(Schema):
    """The public half of a key that signs tokens (RFC 7517, RFC 7518, 6.2)."""

    kty = fields.String(required=True, metadata={"const": "EC"})
    crv = fields.String(required=True, metadata={"const": "P-256"})
    x = fields.String(required=True, metadata=COORDINATE)
    y = fields.String(required=True, metadata=COORDINATE)
    kid = fields.String(required=True, metadata={"description": "As in the header of the tokens it signed."})
    use = fields.String(required=True, metadata={"const": "sig"})
    alg = fields.String(required=True, metadata={"const": "ES256"})


class JwksSchema(Schema):
    """A JSON Web Key Set (RFC 7517)."""

    example = {
        "keys": [
            {
                "kty": "EC",
                "crv": "P-256",
                "x": "sxzQaJvQYVBbU__l-__ATmaH8_sC5I5OIY0dKay_h0Q",
                "y": "NHnWA2OgrgNiNgjFSWPIxx29LoAZEKOrB4xh8YTrNcE",
                "kid": "cMP_PP3jITYWFEpT",
                "use": "sig",
                "alg": "ES256",
            },
        ]
    }

    keys = fields.List(fields.Nested(JwkSchema), required=True)
