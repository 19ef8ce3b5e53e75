"""The bodies of payment information."""

import re
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from user_service.security.cards import contains_card_number
from user_service.web.schema import Coded, Integer, Moment, Schema, Text, refusal

CARD_REFUSED = Coded(
    "raw_card_number_refused", "This holds a card number. Send the token that your payment provider gave for it."
)


SCANNED = 1024  # of what is refused anyway, for its name or its length


class CardFreeText(Text):
    """Text without a card number anywhere in it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if contains_card_number(text):
            raise ValidationError(CARD_REFUSED)
        return text


class Last4(CardFreeText):
    def __init__(self, **kw: Any):
        super().__init__(min_length=4, max_length=4, metadata={"pattern": "^[0-9]{4}$"}, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        digits = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch("[0-9]{4}", digits):
            raise refusal("invalid_format", "These are the last four digits of the card.")
        return digits


class PaymentInfoRequestSchema(Schema):
    example = {
        "payment_token": "pm_1QdX2eLkdIwHu7ixt7hBaMtr",
        "provider": "stripe",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 8,
        "exp_year": 2030,
    }

    payment_token = CardFreeText(
        required=True, max_length=512, metadata={"description": "The provider's token, never a card number."}
    )
    provider = CardFreeText(max_length=64, metadata={"description": "Who gave the token."})
    brand = CardFreeText(max_length=64, metadata={"description": "The card's."})
    last4 = Last4()
    exp_month = Integer(low=1, high=12)
    exp_year = Integer(low=2000, high=2099)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def no_card_number_in_numbers(self, data: dict[str, Any], original: Any, **_kwargs: Any) -> None:
        """A card number sent as a JSON number, or under a name that does not exist here, is refused as one too."""
        if not isinstance(original, dict):
            return
        found = [name for name, value in original.items() if _hides_card_number(name, value)]
        if found:
            raise ValidationError({name: [CARD_REFUSED] for name in found})


def _hides_card_number(name: str, value: Any) -> bool:
    if contains_card_number(name[:SCANNED]):
        return True
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return contains_card_number(str(value)[:SCANNED])
    return False


class PaymentInfoSchema(Schema):
    """What is stored, but for the token itself."""

    example = {
        "token_hint": "aMtr",
        "provider": "stripe",
        "brand": "visa",
        "last4": "4242",
        "exp_month": 8,
        "exp_year": 2030,
        "status": "active",
        "created_at": "2026-11-23T09:32:00.000Z",
        "updated_at": "2026-11-23T09:32:00.000Z",
    }

    token_hint = fields.String(
        required=True,
        allow_none=True,
        metadata={
            "minLength": 4,
            "maxLength": 4,
            "description": "The last four characters of a token of 12 or more; null for a shorter one.",
        },
    )
    provider = fields.String(required=True, allow_none=True)
    brand = fields.String(required=True, allow_none=True)
    last4 = fields.String(required=True, allow_none=True, metadata={"pattern": "^[0-9]{4}$"})
    exp_month = fields.Integer(required=True, allow_none=True, metadata={"minimum": 1, "maximum": 12})
    exp_year = fields.Integer(required=True, allow_none=True, metadata={"minimum": 2000, "maximum": 2099})
    status = fields.String(
        required=True,
        metadata={
            "enum": ["active", "expiring", "expired"],
            "description": "By the card's date: `expiring` within 30 days of its end.",
        },
    )
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class PaymentInfoStoredSchema(Schema):
    example = {"message": "Your payment information is stored.", "payment_info": PaymentInfoSchema.example}

    message = fields.String(required=True, metadata={"description": "For people."})
    payment_info = fields.Nested(PaymentInfoSchema, required=True)
