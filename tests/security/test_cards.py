"""Card numbers are recognised in every dress; what payment providers hand out is not taken for one. SECURITY 119."""

import random
import time
from uuid import UUID

import pytest

from user_service.security.cards import contains_card_number, is_card_number

VISA = "4111111111111111"
# Numbers that issuers and providers publish for testing.
_PUBLISHED = """
    4111111111111111 4012888888881881 4222222222222 5555555555554444 5105105105105100 2223003122003222
    378282246310005 371449635398431 341111111111111 30569309025904 38520000023237
    3530111333300000 3566002020360505 6011111111111117 6011000990139424 6200000000000005 6205500000000000004
    6759649826438453 5018000000000009 6304000000000000 8171999927660000 2201382000000013
    6062826786276634
"""
PUBLISHED = _PUBLISHED.split()
# Issuer prefixes with the lengths of their numbers (ISO/IEC 7812-1; the schemes' own documents).
ISSUERS = {
    "visa": ([4], [13, 16, 18, 19]),
    "mastercard": ([51, 55, 2221, 2720], [16]),
    "american express": ([34, 37], [15]),
    "diners club": ([300, 305, 3095, 36, 38, 39], [14, 16, 19]),
    "jcb": ([3528, 3589], [16, 17, 18, 19]),
    "discover": ([6011, 644, 649, 65], [16, 19]),
    "unionpay": ([62, 81], [16, 17, 18, 19]),
    "maestro": ([50, 56, 58, 63, 67, 69], [13, 14, 15, 16, 17, 18, 19]),
    "mir": ([2200, 2204], [16, 17, 18, 19]),
    "rupay": ([60, 508, 82], [16]),
    "troy": ([9792], [16]),
}
SEPARATORS = [
    " ",
    "-",
    ".",
    "\u00a0",
    "\u2007",
    "\u2009",
    "\u3000",
    "‐",
    "–",
    "—",
    "−",
    "·",
    "\uff0d",
    "\uff0e",
    "  ",
    " - ",
]
ZERO_WIDTH = ["\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u180e", "\u2062", "\u202e"]
OTHER_DIGITS = {"full-width": 0xFF10, "Arabic-Indic": 0x0660, "Devanagari": 0x0966, "Thai": 0x0E50, "bold": 0x1D7CE}


def luhn_sum(digits: str) -> int:
    odd, even = digits[-1::-2], digits[-2::-2]
    return sum(map(int, odd)) + sum(sum(divmod(2 * int(digit), 10)) for digit in even)


def card_number(prefix: object, length: int, rng: random.Random) -> str:
    """A number of this issuer and length with a valid check digit."""
    body = str(prefix) + "".join(rng.choices("0123456789", k=length - 1 - len(str(prefix))))
    return body + str(-luhn_sum(body + "0") % 10)


def in_digits(text: str, zero: int) -> str:
    return "".join(chr(zero + int(character)) for character in text)


def grouped(digits: str, separator: str, size: int = 4) -> str:
    return separator.join(digits[start : start + size] for start in range(0, len(digits), size))


def test_numbers_of_every_issuer_and_length_are_found() -> None:
    rng = random.Random(7)
    numbers = [
        card_number(prefix, length, rng)
        for prefixes, lengths in ISSUERS.values()
        for prefix in prefixes
        for length in lengths
    ]
    missed = [number for number in [*numbers, *PUBLISHED] if not contains_card_number(number)]
    assert missed == []
    assert [number for number in [*numbers, *PUBLISHED] if not is_card_number(number)] == []


def test_a_wrong_check_digit_makes_it_no_card_number() -> None:
    altered = [
        number[:-1] + str((int(number[-1]) + step) % 10)
        for number in (VISA, "5555555555554444", "378282246310005", "6011111111111117")
        for step in range(1, 10)
    ]
    assert [number for number in altered if is_card_number(number)] == []


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
def test_separators_are_seen_through(separator: str) -> None:
    for size in (1, 2, 4, 8):
        text = grouped(VISA, separator, size)
        assert contains_card_number(text), text
        assert is_card_number(text), text
    assert contains_card_number(f"{VISA[:4]}{separator}{VISA[4:]}")


@pytest.mark.parametrize("character", ZERO_WIDTH, ids=ascii)
def test_invisible_characters_are_seen_through(character: str) -> None:
    assert contains_card_number(grouped(VISA, character, 1))
    assert is_card_number(f"{character}{VISA}{character}")


@pytest.mark.parametrize("character", ["\ufe0f", "\ufe0f\u20e3", "\u034f", "\u0332"], ids=ascii)
def test_marks_that_combine_with_a_digit_are_seen_through(character: str) -> None:
    """Variation selectors, keycaps, the grapheme joiner: people read the same digits."""
    assert contains_card_number("".join(digit + character for digit in VISA))


@pytest.mark.parametrize("zero", OTHER_DIGITS.values(), ids=list(OTHER_DIGITS))
def test_digits_of_every_script_are_digits(zero: int) -> None:
    assert contains_card_number(in_digits(VISA, zero))
    assert is_card_number(grouped(in_digits(VISA, zero), "-"))
    assert contains_card_number(VISA[:8] + in_digits(VISA[8:], zero))


@pytest.mark.parametrize(
    "text",
    [
        "%B4111111111111111^CARDHOLDER/ANY^30121011000000000000?",
        ";4111111111111111=30121011000000000?",
        "4111111111111111=30121011000000000",
        "4111111111111111D30121011000000000F",
        "B4111 1111 1111 1111^DOE/J",
        "4111111111111111 12/30 123",
        "411111111111111112301",
        "card: 4111-1111-1111-1111, cvv 123",
        "tok_4111111111111111",
        "x4111111111111111y",
        "2026 4111 1111 1111 1111",
        "4111 1111 1111 1111 2030",
        "id=7;pan=378282246310005",
        "\n4111111111111111\n",
    ],
)
def test_a_card_number_is_found_inside_other_text(text: str) -> None:
    """Track data and a number that something follows at once included."""
    assert contains_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        *("4111111111111111", " 4111 1111 1111 1111 ", "4111.1111.1111.1111", "4111111111111111=30121011000000000"),
        *(";4111111111111111=30121011000000000?", "%B4111111111111111^CARDHOLDER/ANY^30121011000000000000?"),
    ],
)
def test_a_text_that_is_a_card_number_as_a_whole(text: str) -> None:
    assert is_card_number(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "Flat 4111111111111111", "4111111111111111 Main Street", "411111111111", "4111111111111111a"),
        *("x4111111111111111y", "card: 4111-1111-1111-1111", "tok_4111111111111111", "4111 1111 1111 1111 2030"),
        *(";4111111111111112=30121011000000000?", "%B^4111111111111111"),
    ],
)
def test_a_text_that_is_more_or_less_than_a_card_number(text: str) -> None:
    assert not is_card_number(text)


PROVIDER_TOKENS = [
    "pm_1QdX2eLkdIwHu7ixt7hBaMtr",
    "tok_1MzFoZ2eZvKYlo2CqKp2VSZm",
    "src_1Iik84JkxDYc0wYzZ0e6nT0V",
    "card_1OqJ3A2eZvKYlo2C4k9cH7pd",
    "cus_NffrFeUfNV2Hib",
    "seti_1PgafmB7WZ01zgkW6dKueIc5",
    "tokencc_bf_5n7hmk_gk4r4t_mjpcb3_w9jr5k_7w2",
    "fake-valid-nonce",
    "4d6f2b0e-8a51-0b1c-7d2c-2f5c9a7e13bd",
    "8415718415718415",
    "8313842560770001",
    "8314442372419167",
    "4111111111111112",
    "ccof:CA4SEHsFwWeZjNuyJrAqRkfFhGEoAQ",
    "cnon:card-nonce-ok",
    "tkn_test_5086aa4ab3e2",
    "B-5TY79103H5841234K",
    "8kk84554nd0362913",
    "sub_sched_2026-11-23T09:30:00Z",
    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "123456789012",
    "0000000000000000",
    "9999999999999999",
]


@pytest.mark.parametrize("token", PROVIDER_TOKENS)
def test_tokens_of_payment_providers_are_no_card_numbers(token: str) -> None:
    assert not contains_card_number(token)


def test_random_tokens_are_hardly_ever_taken_for_a_card_number() -> None:
    """A run of 13 digits that passes for a card is rare in UUIDs and in hexadecimal: fewer than one in five hundred."""
    rng = random.Random(7)
    uuids = [str(UUID(int=rng.getrandbits(128), version=4)) for _ in range(5_000)]
    plain = [value.replace("-", "") for value in uuids]
    assert sum(map(contains_card_number, uuids)) < 10
    assert sum(map(contains_card_number, plain)) < 10


def test_the_longest_texts_are_looked_through_at_once() -> None:
    """SECURITY 140."""
    bombs = ["4" * 512, "4 " * 256, "4-" * 256, "4\u200b" * 256, "4x" * 256, " " * 512, in_digits("4" * 512, 0xFF10)]
    for bomb in bombs:
        started = time.process_time()
        contains_card_number(bomb)
        assert time.process_time() - started < 0.1, ascii(bomb[:4])
