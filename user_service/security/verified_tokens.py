"""Remembers which tokens are known to be genuine, so that a signature is checked once and not with every request.

Authenticity alone is remembered. Whether the session was closed or the user disabled is asked of the database each
time; times and the life of the key are compared anew each time, as for a token that was never seen.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from user_service.security.signing import SigningKey

CAPACITY = 8_192  # tokens in each process; about 1 KB each, where the text is kept
Claims = TypeVar("Claims")


@dataclass(frozen=True, slots=True)
class VerifiedToken(Generic[Claims]):
    """What was signed, and with which key. Times are in seconds since 1970."""

    key: SigningKey
    issued_at: int
    expires_at: int
    claims: Claims

    def is_current(self, at: datetime, *, leeway: int, longest_life: timedelta) -> bool:
        """Whether the full verification would find the times right at this moment."""
        now = at.timestamp()
        if self.key.expires_at is not None and self.key.expires_at <= at:
            return False
        return self.issued_at - leeway <= now < self.expires_at + leeway and self.expires_at <= (
            now + longest_life.total_seconds()
        )


class VerifiedTokens(Generic[Claims]):
    """By exact text, the oldest first to go. Thread-safe; it forgets everything when the set of keys changes.

    Only what has been verified, or was made here, enters, so nobody without genuine tokens can push anything out.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._known: dict[str, VerifiedToken[Claims]] = {}
        self._keys: Mapping[str, SigningKey] = {}

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, token: str) -> bool:
        return token in self._known

    def find(self, token: str, keys: Mapping[str, SigningKey]) -> VerifiedToken[Claims] | None:
        """What was remembered of this token under these keys."""
        if keys is not self._keys:
            self._follow(keys)
        return self._known.get(token)

    def remember(self, token: str, verified: VerifiedToken[Claims], keys: Mapping[str, SigningKey]) -> None:
        """Keep it, if the key that proved it is still among these, which are in use now."""
        if keys is not self._keys:
            self._follow(keys)
        with self._lock:
            if keys is not self._keys or keys.get(verified.key.kid) is not verified.key:
                return
            self._known[token] = verified
            while len(self._known) > self._capacity:
                del self._known[next(iter(self._known))]

    def _follow(self, keys: Mapping[str, SigningKey]) -> None:
        with self._lock:
            if _described(keys) != _described(self._keys):
                self._known = {}
            self._keys = keys


def _described(keys: Mapping[str, SigningKey]) -> dict[str, Any]:
    """The keys are loaded anew now and then; this stays equal while they are the same ones."""
    return {kid: (key.public_key, key.expires_at) for kid, key in keys.items()}
