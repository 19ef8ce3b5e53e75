"""Password hashes: bcrypt over a keyed prehash.

bcrypt reads 72 bytes and stops at NUL, so it is given base64(HMAC-SHA-384(pepper, NFC(password))): 64
characters whatever the password (OWASP Password Storage Cheat Sheet, pre-hashing and peppering). The HMAC is
keyed, so a leaked plain digest of the same password from elsewhere cannot be tried against the hash.
"""

import base64
import hmac
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

import bcrypt

T = TypeVar("T")
SCHEME = "bcrypt-hmac-sha384"
MAX_PASSWORD_BYTES = 1024
MIN_ROUNDS = 10  # in production (OWASP Password Storage Cheat Sheet)


def normalize(password: str) -> str:
    """NFC, so that composed and decomposed spellings are one password (NIST SP 800-63B-4, 3.1.1.2)."""
    return unicodedata.normalize("NFC", password)


class Runs(Protocol):
    """Calls what it is given, somewhere, and gives back the result. May raise HashingBusy."""

    def __call__(self, work: Callable[[], T]) -> T: ...


def run_here(work: Callable[[], T]) -> T:
    return work()


class PasswordHasher:
    """Hashes and verifies under peppers known by id; the current pepper comes first. `run` is where bcrypt runs."""

    def __init__(self, *, rounds: int, peppers: Mapping[str, bytes], run: Runs = run_here) -> None:
        self._rounds = rounds
        self._run: Runs = run_here
        self._peppers = dict(peppers)
        self._current = next(iter(peppers))
        # What an unknown user's password is compared with, so that it costs what a known one's costs.
        self._decoy = self.hash(secrets.token_urlsafe(32))
        self._run = run

    def hash(self, password: str) -> tuple[str, str]:
        """Returns the hash and its scheme, which names the pepper. Raises HashingBusy."""
        prehash = self._prehash(password, self._current)
        password_hash = self._run(lambda: bcrypt.hashpw(prehash, bcrypt.gensalt(self._rounds)))
        return password_hash.decode(), f"{SCHEME}:{self._current}"

    def verify(self, password: str, password_hash: str, scheme: str) -> bool:
        """Compare in constant time. Raises HashingBusy; ValueError for a scheme or pepper that is not known here."""
        name, _, pepper_id = scheme.partition(":")
        if name != SCHEME or pepper_id not in self._peppers:
            raise ValueError(f"unknown password scheme {scheme!r}")
        prehash = self._prehash(password, pepper_id)
        return self._run(lambda: bcrypt.checkpw(prehash, password_hash.encode()))

    def verify_decoy(self, password: str) -> bool:
        """Spend the time of a verification for a user who does not exist. Always false."""
        self.verify(password, *self._decoy)
        return False

    def needs_rehash(self, password_hash: str, scheme: str) -> bool:
        """Whether the cost or the pepper has changed since this hash was made."""
        return scheme != f"{SCHEME}:{self._current}" or int(password_hash.split("$")[2]) != self._rounds

    def has_peppers(self, peppers: Mapping[str, bytes]) -> bool:
        """Whether these are the peppers in use, the current one included."""
        return self._peppers == dict(peppers) and self._current == next(iter(peppers))

    def _prehash(self, password: str, pepper_id: str) -> bytes:
        digest = hmac.digest(self._peppers[pepper_id], normalize(password).encode(), "sha384")
        return base64.b64encode(digest)
