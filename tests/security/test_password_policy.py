"""Which passwords are refused: the short, the common, those that hold a name; nothing else. SECURITY 18, 19, 22-26."""

import runpy
import unicodedata
from importlib.util import find_spec
from pathlib import Path

import pytest

from user_service.security.password_policy import is_common, problems_of

MIN_LENGTH = 8
MOST_COMMON = 3_000


def codes(password: str, *, username: str = "maria.silva", email: str = "ms@example.com", minimum: int = MIN_LENGTH):
    problems = problems_of(password, min_length=minimum, username=username, email=email)
    assert all(message for _, message in problems)
    return [code for code, _ in problems]


def most_common_passwords() -> list[str]:
    """The most used ones of eight characters and more, the most used first, as the policy's own source has them."""
    [directory] = find_spec("zxcvbn").submodule_search_locations
    lists = runpy.run_path(str(Path(directory) / "frequency_lists.py"))["FREQUENCY_LISTS"]
    return [word for word in lists["passwords"] if len(word) >= MIN_LENGTH][:MOST_COMMON]


def test_the_length_is_counted_in_characters_and_not_in_bytes() -> None:
    """SECURITY 18."""
    assert codes("q7#Vz!m") == ["password_too_short"]
    assert codes("q7#Vz!mK") == []
    assert codes("😀🚜🍑🎺🧊🪁🦔") == ["password_too_short"]
    assert codes("😀🚜🍑🎺🧊🪁🦔🛶") == []
    assert codes("plum tractor", minimum=15) == ["password_too_short"]
    assert codes("plum tractor sings", minimum=15) == []


def test_both_spellings_of_a_password_are_equally_long() -> None:
    """SECURITY 18, 24: composed and decomposed spellings are one password, so both are refused or neither is."""
    composed = "éàùô"
    decomposed = unicodedata.normalize("NFD", composed)
    assert len(decomposed) == MIN_LENGTH
    assert codes(composed) == codes(decomposed) == ["password_too_short"]


def test_the_longest_password_has_1024_bytes() -> None:
    """SECURITY 19."""
    assert codes("😀" * 256) == codes("xy zw" * 204 + "abcd") == []
    assert codes("😀" * 256 + "x") == codes("xy zw" * 205) == ["password_too_long"]


@pytest.mark.parametrize(
    "password",
    [
        "plum tractor sings low",
        "aaaa bbbb cccc dddd",
        "   spaced   out   ",
        "only-lowercase-letters-here",
        "90417 28836 11507",
        "Größenwahn im Hühnerstall",
        "пароль из леса",
        "東京の夜は静かで長い",
        "🎺 🧊 🪁 🦔 🛶",
        "'; DROP TABLE users; --",
    ],
)
def test_there_are_no_rules_of_composition(password: str) -> None:
    """SECURITY 22."""
    assert codes(password) == []


def test_the_most_common_passwords_are_refused() -> None:
    """SECURITY 25."""
    words = most_common_passwords()
    assert len(words) == MOST_COMMON
    assert [word for word in words if not is_common(word)] == []


@pytest.mark.parametrize(
    "words",
    [
        "987654321 87654321 98765432 abcdefgh 123123123 12341234 12121212 69696969 00000000 88888888 aaaaaaaa xxxxxxxx",
        "jennifer michelle victoria jonathan danielle nicholas benjamin kimberly alexander patricia williams anderson",
        "december november american chocolate facebook lovelove virginia marshall franklin mitchell butterfly computer",
        "sunshine2 princess! 1football football7 summer123 angel101 veronica1 facebook1 123summer iloveyou. myspace12",
        "01011990 19900101 12311999 31121999 20011231",
    ],
)
def test_what_other_rankings_have_among_the_first_is_refused(words: str) -> None:
    """SECURITY 25: names, words, sequences, repetitions, dates, and words with a digit or three; all in wide use."""
    assert [word for word in words.split() if not is_common(word)] == []


@pytest.mark.parametrize(
    "password", ["plum7tractor", "1987lamp", "q7#Vz!mK", "90417288", "31131999", "tr4ctor9", "vxqzlamp"]
)
def test_short_ones_that_nobody_uses_are_accepted(password: str) -> None:
    assert codes(password) == [], password


def test_a_common_password_is_common_in_any_case() -> None:
    for word in most_common_passwords()[:200]:
        assert is_common(word.upper()), word
        assert is_common(word.capitalize()), word


@pytest.mark.parametrize(
    "password", ["password1234567", "qwertyuiopasdfgh", "Password1", "iloveyou1", "1234567890123456", "QWERTYUIOP"]
)
def test_common_passwords_are_told_apart_from_short_ones(password: str) -> None:
    assert codes(password) == ["password_common"]


def test_what_nobody_uses_is_not_common() -> None:
    assert not is_common("plum tractor sings low")
    assert not is_common("xK4#9vQz")


@pytest.mark.parametrize(
    "password",
    [
        "maria.silva",
        "MARIA.SILVA",
        "xx maria.silva xx",
        "prefix-Jane.Doe-2026",
        "prefix-jane.doe@example.com-2026",
        "User Service 2026!",
        "my-userservice-login",
        "my-user_service-login",
        "my-user-service-login",
    ],
)
def test_names_of_the_user_and_of_the_service_are_refused(password: str) -> None:
    """SECURITY 26."""
    assert codes(password, email="jane.doe@example.com") == ["password_contains_identity"]


def test_a_name_is_found_in_either_spelling() -> None:
    decomposed = unicodedata.normalize("NFD", "xx josé.pérez xx")
    assert codes(decomposed, email="josé.pérez@example.com") == ["password_contains_identity"]


def test_a_name_of_three_characters_may_stand_in_a_password_but_not_be_it() -> None:
    assert codes("bob likes trains", username="bob", email="bob@example.com") == []
    assert codes("bob", username="bob", email="x@example.com", minimum=3) == ["password_contains_identity"]


def test_every_reason_is_told_at_once() -> None:
    assert codes("password123", username="password123") == ["password_common", "password_contains_identity"]
