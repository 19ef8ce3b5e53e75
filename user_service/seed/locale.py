"""How the invented people of one place write their names, streets and phones."""

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Name:
    """A name in its own script, and what its owner would make of it in a username."""

    written: str
    ascii: str


@dataclass(frozen=True, slots=True)
class Place:
    city: str
    region: str
    postal_code: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Locale:
    """One country in one language.

    In patterns `#` is a digit, `?` a digit other than zero, `*` a digit of the locale's own numerals and `@` a
    letter that postal codes use. `{street}` and the like are filled in by `people.py`.
    """

    country: str
    women: tuple[Name, ...]
    men: tuple[Name, ...]
    women_families: tuple[Name, ...]
    men_families: tuple[Name, ...]
    places: tuple[Place, ...]
    streets: tuple[str, ...]
    line1: tuple[str, ...]
    line2: tuple[str, ...]
    phones: tuple[str, ...]
    text: str
    name: str
    digits: str
    domains: tuple[str, ...]


def locale(
    country: str,
    *,
    women: str,
    men: str,
    families: str,
    places: str,
    streets: str,
    line1: str,
    phones: str,
    text: str,
    women_families: str = "",
    line2: str = "",
    name: str = "{given} {family}",
    digits: str = "0123456789",
    domain: str = "",
) -> Locale:
    """Read the lists, whose items are parted by commas.

    A name is written `Łukasz=lukasz`, or alone where its letters without their accents are the ASCII form. A
    place is `city|region|postal code`. `line1` and `line2` have alternatives parted by a semicolon; `domain`
    joins the three domains that are kept for examples (RFC 2606).
    """
    return Locale(
        country=country,
        women=_names(women),
        men=_names(men),
        women_families=_names(women_families or families),
        men_families=_names(families),
        places=tuple(_place(item) for item in _items(places)),
        streets=_items(streets),
        line1=_items(line1, ";"),
        line2=_items(line2, ";"),
        phones=_items(phones),
        text=text,
        name=name,
        digits=digits,
        domains=("example.com", "example.org", "example.net", *_items(domain)),
    )


def _items(text: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(separator) if item.strip())


def _names(text: str) -> tuple[Name, ...]:
    return tuple(_name(item) for item in _items(text))


def _name(item: str) -> Name:
    written, _, given_ascii = item.partition("=")
    return Name(written, given_ascii or _without_accents(written))


def _without_accents(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text).lower() if "a" <= letter <= "z")


def _place(item: str) -> Place:
    city, region, postal_code = item.split("|")
    return Place(city, region, postal_code)
