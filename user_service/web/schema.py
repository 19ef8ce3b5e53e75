"""The ground of every schema: strict types, unknown members refused, and a code beside each message."""

import unicodedata
from typing import Any

import marshmallow
from marshmallow import ValidationError, fields


class Coded(str):
    """A message for people with a code for programs."""

    code: str

    def __new__(cls, code: str, message: str) -> "Coded":
        text = super().__new__(cls, message)
        text.code = code
        return text

    def __deepcopy__(self, _memo: object) -> "Coded":  # schemas are copied deeply, and their messages with them
        return self


def refusal(code: str, message: str) -> ValidationError:
    """A validation error that carries a code."""
    return ValidationError(Coded(code, message))


class Schema(marshmallow.Schema):
    """Unknown members are refused (the default of marshmallow) and every error has a code."""

    error_messages = {
        "unknown": Coded("unknown_field", "There is no such member here. Leave it out."),
        "type": Coded("invalid_type", "This must be an object."),
    }

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Nothing that is shown has an index, which marshmallow would try first."""
        if "." in attr:
            return super().get_attribute(obj, attr, default)
        return obj.get(attr, default) if isinstance(obj, dict) else getattr(obj, attr, default)


_CODES = {"null": "null", "required": "required"}


class CodedField(fields.Field[Any]):
    """Gives the built-in messages of a field their codes."""

    default_error_messages = {
        "required": "This member is required.",
        "null": "This must not be null. Leave the member out instead.",
        "invalid": "This has the wrong type.",
    }

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        error = super().make_error(key, **kwargs)
        return refusal(_CODES.get(key, "invalid_type"), str(error.messages[0]))


class Text(CodedField, fields.String):
    """A string of 1 to `max_length` characters without control characters; outer white space is cut off.

    `lines=True` lets line breaks through. `trim=False` leaves the text as it came.
    """

    default_error_messages = {"invalid": "This must be a string."}

    def __init__(self, *, max_length: int, min_length: int = 1, lines: bool = False, trim: bool = True, **kw: Any):
        self.max_length, self.min_length, self.lines, self.trim = max_length, min_length, lines, trim
        metadata = {"minLength": min_length, "maxLength": max_length, **kw.pop("metadata", {})}
        super().__init__(metadata={name: told for name, told in metadata.items() if told is not None}, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if has_control_characters(text, allow_lines=self.lines):
            raise refusal("control_character", "This must not contain control characters.")
        if self.trim:
            text = text.strip()
        if len(text) < self.min_length:
            raise refusal("too_short", _at_least(self.min_length))
        if len(text) > self.max_length:
            raise refusal("too_long", f"Use at most {self.max_length} characters.")
        return text


class Integer(CodedField, fields.Integer):
    """A JSON integer: 1.0, "1" and true are none."""

    default_error_messages = {"invalid": "This must be an integer."}

    def __init__(self, *, low: int, high: int, **kw: Any):
        self.low, self.high = low, high
        super().__init__(strict=True, metadata={"minimum": low, "maximum": high, **kw.pop("metadata", {})}, **kw)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        if not self.low <= value <= self.high:
            raise refusal("out_of_range", f"This must be from {self.low} to {self.high}.")
        return value


def has_control_characters(text: str, *, allow_lines: bool = False) -> bool:
    if text.isprintable():  # a hundred times faster than looking at each character, and true of most
        return False
    allowed = "\n\r" if allow_lines else ""
    return any(unicodedata.category(character) == "Cc" and character not in allowed for character in text)


def _at_least(length: int) -> str:
    return "This must not be empty." if length == 1 else f"Use at least {length} characters."


def utc(moment: Any) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    if moment is None:
        return None
    return f"{moment.isoformat(timespec='milliseconds').removesuffix('+00:00')}Z"


class Moment(fields.Field[Any]):
    """A time in an answer."""

    def __init__(self, **kw: Any):
        super().__init__(
            dump_only=True, metadata={"example": "2026-11-23T09:30:00.000Z", **kw.pop("metadata", {})}, **kw
        )

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return utc(value)
