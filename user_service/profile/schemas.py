"""The bodies of the profile."""

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from user_service.profile.formats import MAX_DIGITS, MIN_DIGITS, address_problems, is_phone
from user_service.security.cards import is_card_number
from user_service.web.schema import Coded, CodedField, Moment, Schema, Text, refusal

CARD_REFUSED = Coded("raw_card_number_refused", "This looks like a card number, which has no place here.")


ADDRESS = {"description": "Free-form text with line breaks, or an object in parts. It comes back in the same form."}


class PlainText(Text):
    """Text that is not, as a whole, a card number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if any(is_card_number(line) for line in text.splitlines()):
            raise ValidationError(CARD_REFUSED)
        return text


class Phone(Text):
    def __init__(self, **kw: Any):
        metadata = {
            "format": "phone",
            "description": f"{MIN_DIGITS} to {MAX_DIGITS} digits, and + ( ) - . / or spaces between them;"
            " an extension may follow: x 12.",
        }
        super().__init__(max_length=40, min_length=MIN_DIGITS, metadata=metadata, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        phone = super()._deserialize(value, attr, data, **kwargs)
        if not is_phone(phone):
            message = f"Use {MIN_DIGITS} to {MAX_DIGITS} digits, and + ( ) - . / or spaces between them."
            raise refusal("invalid_format", message)
        return phone


class AddressSchema(Schema):
    """An address in parts; which of them are required, and the form of the postal code, follow the country."""

    example = {
        "line1": "1600 Amphitheatre Parkway",
        "city": "Mountain View",
        "region": "CA",
        "postal_code": "94043",
        "country": "US",
    }
    json_schema = {"additionalProperties": False}

    line1 = PlainText(required=True, max_length=200)
    line2 = PlainText(max_length=200)
    city = PlainText(required=True, max_length=100)
    region = PlainText(max_length=100)
    postal_code = PlainText(max_length=20)
    country = Text(
        required=True,
        min_length=2,
        max_length=2,
        metadata={"pattern": "^[A-Z]{2}$", "description": "ISO 3166-1, such as JP."},
    )

    @validates_schema
    def follow_the_country(self, data: dict[str, str], **_kwargs: Any) -> None:
        problems = address_problems(data)
        if problems:
            raise ValidationError({member: [Coded(code, message)] for member, code, message in problems})


class ShippingAddress(CodedField):
    """Free-form text with line breaks, or an object in parts; given back as it was sent."""

    _text = PlainText(max_length=500, lines=True)
    _object = AddressSchema()
    alternatives = (_text, _object)  # read by the API document

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return self._text.deserialize(value)
        if not isinstance(value, dict):
            raise refusal("invalid_type", "This must be a string or an object.")
        return self._object.load(value)


class ProfileRequestSchema(Schema):
    example = {
        "name": "María Silva",
        "phone": "+55 11 96123-4567",
        "shipping_address": {
            "line1": "Avenida Paulista, 1578",
            "city": "São Paulo",
            "region": "SP",
            "postal_code": "01310-200",
            "country": "BR",
        },
    }

    name = PlainText(required=True, max_length=200)
    phone = Phone(required=True)
    shipping_address = ShippingAddress(required=True, metadata=ADDRESS)


class ProfileChangesSchema(ProfileRequestSchema):
    """What is to change; the rest keeps its value."""

    example = {"phone": "+55 11 96123-4568"}
    json_schema = {"minProperties": 1}

    name = PlainText(max_length=200)
    phone = Phone()
    shipping_address = ShippingAddress(metadata=ADDRESS)

    @validates_schema
    def change_something(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if not data:
            raise refusal("required", "Send at least one of name, phone and shipping_address.")


class ProfileResponseSchema(Schema):
    example = {
        "id": "01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b11",
        "username": "maria.silva",
        "email": "maria@example.com",
        **ProfileRequestSchema.example,
        "phone_e164": "+5511961234567",
        "created_at": "2026-11-23T09:31:00.000Z",
        "updated_at": "2026-11-23T09:31:00.000Z",
    }

    id = fields.UUID(required=True, metadata={"description": "The user's: the `sub` of the tokens."})
    username = fields.String(required=True)
    email = fields.String(required=True, metadata={"format": "email"})
    name = fields.String(required=True)
    phone = fields.String(required=True, metadata={"format": "phone", "description": "As it was sent."})
    phone_e164 = fields.String(
        required=True,
        allow_none=True,
        metadata={"pattern": "^\\+[1-9][0-9]{4,14}$", "description": "The normal form of a valid number."},
    )
    shipping_address = ShippingAddress(required=True, metadata={"description": "As it was sent."})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class MessageSchema(Schema):
    example = {"message": "Your profile is deleted, and the stored payment information with it."}

    message = fields.String(required=True, metadata={"description": "For people."})
