"""Invented people: the same number is always the same person, on every machine."""

import hashlib
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from user_service.seed.africa_oceania import AFRICA_OCEANIA
from user_service.seed.americas import AMERICAS
from user_service.seed.asia_east import ASIA_EAST
from user_service.seed.asia_west import ASIA_WEST
from user_service.seed.europe_east import EUROPE_EAST
from user_service.seed.europe_west import EUROPE_WEST
from user_service.seed.locale import Locale, Name

LOCALES: tuple[Locale, ...] = (*AMERICAS, *EUROPE_WEST, *EUROPE_EAST, *ASIA_WEST, *ASIA_EAST, *AFRICA_OCEANIA)
POSTAL_LETTERS = "AEHNPRTWXY"  # in use at every place of British, Canadian and Irish codes where a letter may stand
TOKENS = (  # provider, prefix, length of the rest
    ("stripe", "pm_", 24),
    ("adyen", "", 16),
    ("mollie", "mdt_", 10),
    ("razorpay", "token_", 14),
    ("braintree", "", 8),
)
BRANDS = ("visa", "mastercard", "amex", "jcb", "unionpay", "maestro", "elo", "mir", "rupay")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """What the person's payment provider gave out."""

    token: str
    provider: str | None
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


@dataclass(frozen=True, slots=True)
class Person:
    """`payment` is None for those who never stored any. `country` is where the phone is from."""

    username: str
    email: str
    country: str
    name: str
    phone: str
    shipping_address: str | dict[str, str]
    payment: PaymentMethod | None


class Dice:
    """Repeatable chance. Not `random`, whose choices may differ between versions of Python."""

    def __init__(self, seed: int) -> None:
        self._number = int.from_bytes(hashlib.blake2b(b"person %d" % seed).digest())  # 512 bits: enough for one life

    def below(self, limit: int) -> int:
        self._number, value = divmod(self._number, limit)
        return value

    def choice(self, options: Sequence[T]) -> T:
        return options[self.below(len(options))]

    def text(self, length: int, alphabet: str) -> str:
        return "".join(self.choice(alphabet) for _ in range(length))


def person(number: int) -> Person:
    """The person of this number, counted from 1. Numbers go round the locales, so that any few are of many."""
    dice = Dice(number)
    locale = LOCALES[(number - 1) % len(LOCALES)]
    is_woman = dice.below(2) == 0
    given = dice.choice(locale.women if is_woman else locale.men)
    family = dice.choice(locale.women_families if is_woman else locale.men_families)
    name = _full_name(dice, locale, given, family)
    username = _username(dice, given, family, number)
    return Person(
        username=username,
        email=f"{given.ascii}.{family.ascii}{number}@{dice.choice(locale.domains)}",
        country=locale.country,
        name=name,
        phone=_fill(dice, locale, dice.choice(locale.phones)),
        shipping_address=_address(dice, locale, name),
        payment=_payment(dice),
    )


def _full_name(dice: Dice, locale: Locale, given: Name, family: Name) -> str:
    """Every third Indonesian has one name alone."""
    if locale.country == "ID" and dice.below(3) == 0:
        return given.written
    return locale.name.format(given=given.written, family=family.written)


def _username(dice: Dice, given: Name, family: Name, number: int) -> str:
    """The names have no digits, so the number at the end makes each one unique."""
    first, last = given.ascii, family.ascii
    styles = (
        f"{first}.{last}",
        f"{first}_{last}",
        f"{first[0]}{last}",
        f"{first}-{last[0]}",
        f"{first.title()}{last.title()}",
    )
    return f"{dice.choice(styles)}{number}"


def _address(dice: Dice, locale: Locale, name: str) -> str | dict[str, str]:
    place = dice.choice(locale.places)
    line1 = _fill(dice, locale, dice.choice(locale.line1).format(street=dice.choice(locale.streets)))
    line2 = _fill(dice, locale, dice.choice(locale.line2)) if locale.line2 else ""
    postal_code = _fill(dice, locale, place.postal_code)
    if dice.below(2):
        text = locale.text.format(
            name=name, line1=line1, line2=line2, city=place.city, region=place.region, postal_code=postal_code
        )
        return text.translate(str.maketrans(string.digits, locale.digits))
    parts = {
        "line1": line1,
        "line2": line2 if dice.below(3) == 0 else "",
        "city": place.city,
        "region": place.region,
        "postal_code": postal_code,
        "country": locale.country,
    }
    return {part: value for part, value in parts.items() if value}


def _fill(dice: Dice, locale: Locale, pattern: str) -> str:
    alphabets = {"#": string.digits, "?": string.digits[1:], "*": locale.digits, "@": POSTAL_LETTERS}
    return "".join(dice.choice(alphabets[mark]) if mark in alphabets else mark for mark in pattern)


def _payment(dice: Dice) -> PaymentMethod | None:
    """Two of five have some, and half of those a description with it."""
    if dice.below(5) > 1:
        return None
    provider, prefix, length = dice.choice(TOKENS)
    token = prefix + dice.text(length, string.ascii_letters + string.digits)
    if dice.below(2):
        return PaymentMethod(token, None, None, None, None, None)
    last4 = dice.text(4, string.digits)
    return PaymentMethod(token, provider, dice.choice(BRANDS), last4, 1 + dice.below(12), 2028 + dice.below(10))
