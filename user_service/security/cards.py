"""Recognises payment card numbers, so that none is ever stored (PCI DSS 4.0.1, 3.3 and 3.5).

A card number is 13 to 19 digits with a known issuer prefix and a valid check digit (ISO/IEC 7812-1, Annex B),
written in any decimal digits, in groups parted by white space, dashes, dots or invisible characters.
"""

import re
import unicodedata
from functools import lru_cache

# Issuer prefixes as inclusive ranges, with the lengths in use under each.
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = tuple(
    (low, high, frozenset(lengths))
    for low, high, lengths in (
        ("4", "4", (13, 16, 18, 19)),  # Visa
        ("51", "55", (16,)),  # Mastercard
        ("2221", "2720", (16,)),  # Mastercard
        ("34", "34", (15,)),  # American Express
        ("37", "37", (15,)),  # American Express
        ("300", "305", (14, 16, 19)),  # Diners Club
        ("3095", "3095", (14, 16, 19)),  # Diners Club
        ("36", "36", (14, 16, 19)),  # Diners Club
        ("38", "39", (14, 16, 19)),  # Diners Club
        ("3528", "3589", (16, 17, 18, 19)),  # JCB
        ("6011", "6011", (16, 19)),  # Discover
        ("644", "659", (16, 19)),  # Discover, RuPay, Troy
        ("62", "62", (16, 17, 18, 19)),  # UnionPay
        ("81", "82", (16, 17, 18, 19)),  # UnionPay, RuPay
        ("60", "60", (16,)),  # RuPay, Hipercard
        ("508", "508", (16,)),  # RuPay
        ("50", "50", (13, 14, 15, 16, 17, 18, 19)),  # Maestro, Elo, Verve, Dankort
        ("56", "58", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        ("63", "63", (13, 14, 15, 16, 17, 18, 19)),  # Maestro, Elo, InterPayment
        ("67", "69", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
        ("2200", "2204", (16, 17, 18, 19)),  # Mir
        ("2205", "2205", (16,)),  # BORICA
        ("9792", "9792", (16,)),  # Troy
    )
)
_SEPARATOR = re.compile(r"[\s._·•‧・‒–—−-]", re.UNICODE)
_RUN = re.compile(r"[0-9](?:[0-9 ]*[0-9])?")
_WHOLE = re.compile(rf"(?:%B|;)?({_RUN.pattern})(?:[=^].*)?", re.DOTALL)
_MIN_DIGITS, _MAX_DIGITS = 13, 19


def contains_card_number(text: str) -> bool:
    """Whether a card number stands anywhere in the text, track data (ISO/IEC 7813) included."""
    return any(_run_has_card(run) for run in _RUN.findall(_plain(text)))


def is_card_number(text: str) -> bool:
    """Whether the text as a whole is a card number, or what a card's stripe says (ISO/IEC 7813)."""
    whole = _WHOLE.fullmatch(_plain(text).strip())
    return whole is not None and _is_card(whole[1].replace(" ", ""))


def _plain(text: str) -> str:
    """Decimal digits of every script as 0-9, separators as one space each, invisible characters gone."""
    return "".join(_plain_character(character) for character in unicodedata.normalize("NFKC", text))


@lru_cache(maxsize=1024)
def _plain_character(character: str) -> str:
    digit = unicodedata.decimal(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me"):
        return ""
    return " " if category == "Pd" or _SEPARATOR.match(character) else character


def _run_has_card(run: str) -> bool:
    """Look from the start of each group of digits: after a number, an expiry or a service code may follow at once."""
    groups = run.split()
    for first in range(len(groups)):
        digits = "".join(groups[first : first + _MAX_DIGITS])[:_MAX_DIGITS]
        if len(digits) < _MIN_DIGITS:
            return False
        if any(_passes_luhn(digits[:length]) for length in _lengths(digits[:4]) if length <= len(digits)):
            return True
    return False


def _is_card(digits: str) -> bool:
    return len(digits) in _lengths(digits[:4]) and _passes_luhn(digits)


@lru_cache(maxsize=10_000)
def _lengths(first_four: str) -> frozenset[int]:
    """How long the numbers may be that begin like this."""
    return frozenset().union(*(lengths for low, high, lengths in _ISSUERS if low <= first_four[: len(low)] <= high))


def _passes_luhn(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + position % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
