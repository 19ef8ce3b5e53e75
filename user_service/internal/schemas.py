"""The bodies for other services of the company."""

from marshmallow import fields

from user_service.auth.schemas import USER_ID
from user_service.payment.schemas import PaymentInfoSchema
from user_service.profile.schemas import ProfileResponseSchema
from user_service.web.schema import Moment, Schema


class CustomerProfileSchema(ProfileResponseSchema):
    class Meta:
        exclude = ("id", "username", "email")


_PROFILE = {
    name: value
    for name, value in ProfileResponseSchema.example.items()
    if name not in CustomerProfileSchema.Meta.exclude
}


class CustomerSchema(Schema):
    """A user as fulfilment needs them."""

    example = {
        "id": USER_ID,
        "username": "maria.silva",
        "email": "maria@example.com",
        "email_verified": False,
        "disabled": False,
        "created_at": "2026-11-23T09:30:00.000Z",
        "profile": _PROFILE,
    }

    id = fields.UUID(required=True, attribute="user.user_id")
    username = fields.String(required=True, attribute="user.username")
    email = fields.String(required=True, attribute="user.email")
    email_verified = fields.Function(
        lambda customer: customer.user.email_verified_at is not None, required=True, metadata={"type": "boolean"}
    )
    disabled = fields.Function(
        lambda customer: customer.user.disabled_at is not None, required=True, metadata={"type": "boolean"}
    )
    created_at = Moment(required=True, attribute="user.registered_at")
    profile = fields.Nested(CustomerProfileSchema, required=True, allow_none=True)


class PaymentTokenSchema(Schema):
    """The payment token in clear, for the checkout."""

    example = {
        "payment_token": "pm_1QdX2eLkdIwHu7ixt7hBaMtr",
        **{name: PaymentInfoSchema.example[name] for name in ("provider", "brand", "last4")},
        "exp_month": 8,
        "exp_year": 2030,
        "status": "active",
    }

    payment_token = fields.String(required=True)
    provider = fields.String(required=True, allow_none=True)
    brand = fields.String(required=True, allow_none=True)
    last4 = fields.String(required=True, allow_none=True)
    exp_month = fields.Integer(required=True, allow_none=True)
    exp_year = fields.Integer(required=True, allow_none=True)
    status = fields.String(required=True, metadata={"enum": ["active", "expiring", "expired"]})
