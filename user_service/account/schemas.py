"""The bodies of the account."""

from marshmallow import fields

from user_service.auth.devices import device_of
from user_service.auth.schemas import NEW_PASSWORD, SESSION_ID, USER_ID, Email, Password, SessionSchema
from user_service.payment.schemas import PaymentInfoSchema
from user_service.profile.schemas import ProfileResponseSchema
from user_service.web.paging import PaginationSchema
from user_service.web.schema import Moment, Schema


class AccountSchema(Schema):
    example = {
        "id": USER_ID,
        "username": "maria.silva",
        "email": "maria@example.com",
        "email_verified": False,
        "pending_email": None,
        "created_at": "2026-11-23T09:30:00.000Z",
        "password_changed_at": "2026-11-23T09:30:00.000Z",
    }

    id = fields.UUID(required=True)
    username = fields.String(required=True)
    email = fields.String(required=True, metadata={"format": "email"})
    email_verified = fields.Function(
        lambda user: user.email_verified_at is not None, required=True, metadata={"type": "boolean"}
    )
    pending_email = fields.String(required=True, allow_none=True, metadata={"format": "email"})
    created_at = Moment(required=True)
    password_changed_at = Moment(required=True)


class PasswordChangeSchema(Schema):
    example = {"current_password": "correct horse battery", "new_password": "staple ember window tide"}

    current_password = Password(required=True)
    new_password = Password(required=True, metadata=NEW_PASSWORD)


class PasswordSchema(Schema):
    example = {"password": "correct horse battery"}

    password = Password(required=True)


class EmailChangeRequestSchema(Schema):
    example = {"email": "maria.silva@example.com", "password": "correct horse battery"}

    email = Email(required=True)
    password = Password(required=True)


class EmailChangeResponseSchema(Schema):
    example = {
        "message": "A mail is on its way to maria.silva@example.com. Your address changes when its link is opened.",
        "pending_email": "maria.silva@example.com",
    }

    message = fields.String(required=True)
    pending_email = fields.String(required=True, allow_none=True, metadata={"format": "email"})


class EventSchema(Schema):
    """An entry of the security log."""

    id = fields.UUID(required=True)
    occurred_at = Moment(required=True)
    action = fields.String(required=True, metadata={"description": "Such as auth.login.succeeded."})
    outcome = fields.String(required=True, metadata={"enum": ["success", "refused"]})
    session_id = fields.UUID(required=True, allow_none=True)
    ip = fields.String(required=True, allow_none=True)
    user_agent = fields.String(required=True, allow_none=True)
    device = fields.Function(
        lambda row: device_of(row.user_agent),
        required=True,
        metadata={"type": "string", "description": "The user agent in words."},
    )
    detail = fields.Dict(required=True)


class EventsResponseSchema(Schema):
    example = {
        "data": [
            {
                "id": "01939b1c-8a4e-7e01-b0a4-52c3c3d1f0aa",
                "occurred_at": "2026-11-23T09:30:00.000Z",
                "action": "auth.login.succeeded",
                "outcome": "success",
                "session_id": SESSION_ID,
                "ip": "203.0.113.7",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
                "device": "Firefox on Linux",
                "detail": {},
            }
        ],
        "pagination": {"next_cursor": None, "has_more": False},
    }

    data = fields.List(fields.Nested(EventSchema), required=True)
    pagination = fields.Nested(PaginationSchema, required=True)


class HeldSessionSchema(SessionSchema):
    class Meta:
        exclude = ("current",)

    refreshed_from = fields.String(
        required=True, allow_none=True, metadata={"description": "The network of the last refresh."}
    )


class MailSchema(Schema):
    """A mail about the account that was sent lately, or waits to be."""

    id = fields.UUID(required=True)
    kind = fields.String(required=True, metadata={"description": "Such as password_changed."})
    recipient = fields.String(
        required=True,
        allow_none=True,
        metadata={"description": "Null where it is the address of the account, or where it has been sent."},
    )
    context = fields.Dict(required=True, metadata={"description": "What it tells."})
    created_at = Moment(required=True)
    sent_at = Moment(required=True, allow_none=True)


class ExportSchema(Schema):
    """All that is held about you. Passwords, tokens and keys are not: they cannot be read back."""

    exported_at = Moment(required=True)
    account = fields.Nested(AccountSchema, required=True)
    profile = fields.Nested(ProfileResponseSchema, required=True, allow_none=True)
    payment_info = fields.Nested(PaymentInfoSchema, required=True, allow_none=True)
    sessions = fields.List(fields.Nested(HeldSessionSchema), required=True)
    security_events = fields.List(fields.Nested(EventSchema), required=True)
    mails = fields.List(fields.Nested(MailSchema), required=True)

    example = {
        "exported_at": "2026-11-23T10:00:00.000Z",
        "account": AccountSchema.example,
        "profile": ProfileResponseSchema.example,
        "payment_info": PaymentInfoSchema.example,
        "sessions": [],
        "security_events": EventsResponseSchema.example["data"],
        "mails": [],
    }


class ReceiptSchema(Schema):
    id = fields.UUID(required=True, metadata={"description": "The pseudonym under which the security log goes on."})
    erased_at = Moment(required=True)
    erased = fields.List(fields.String(), required=True)
    backups_unreadable_after = Moment(
        required=True, metadata={"description": "From then on no backup can be read either."}
    )


class DeletedSchema(Schema):
    example = {
        "message": "Your account is deleted. Keep the receipt.",
        "receipt": {
            "id": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "erased_at": "2026-11-23T10:05:00.000Z",
            "erased": ["account", "profile", "payment_info", "sessions", "data_key"],
            "backups_unreadable_after": "2026-12-23T10:05:00.000Z",
        },
    }

    message = fields.String(required=True)
    receipt = fields.Nested(ReceiptSchema, required=True)
