"""Seals values so that a stolen database shows none of them.

A master key (from the configuration) wraps one data key per user; the data key seals the user's fields with
AES-256-GCM (NIST SP 800-38D) under a fresh random nonce of 96 bits. What a seal is bound to (table, column
and row) is authenticated with it, so that a sealed value does not open anywhere else.

Layout of an envelope: version (1 byte, 0x01) · key id (16 bytes) · nonce (12 bytes) · ciphertext and tag.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import NewType
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = b"\x01"
KEY_ID_BYTES = 16
NONCE_BYTES = 12
HEADER_BYTES = 1 + KEY_ID_BYTES + NONCE_BYTES


class Envelope(bytes):
    """Sealed bytes. The type is what a sealed column accepts; plain bytes are refused."""


class IntegrityFailure(Exception):
    """A sealed value does not open where it lies: it was altered, moved, or sealed under another key."""


class MasterKeyMissing(Exception):
    """A row is sealed under a master key that the configuration does not hold."""

    problem = "MASTER_KEYS lacks the key {!r}, which rows of this database are sealed with"

    def __init__(self, key_id: str) -> None:
        super().__init__(self.problem.format(key_id))
        self.key_id = key_id


class MasterKeyWrong(MasterKeyMissing):
    """The configuration holds another key under the id than the rows were sealed with, or they were altered."""

    problem = "MASTER_KEYS holds another key {!r} than rows of this database are sealed with, or they were altered"


Binding = NewType("Binding", bytes)


def binding(table: str, column: str, row_id: UUID | str) -> Binding:
    """The associated data of one field: where it lies."""
    return Binding(f"{table}|{column}|{row_id}".encode())


def _seal(cipher: AESGCM, key_id: bytes, plaintext: bytes, bound_to: bytes) -> Envelope:
    nonce = secrets.token_bytes(NONCE_BYTES)
    header = VERSION + key_id
    return Envelope(header + nonce + cipher.encrypt(nonce, plaintext, header + bound_to))


def _open(cipher: AESGCM, key_id: bytes, envelope: bytes, bound_to: bytes) -> bytes:
    header = VERSION + key_id
    if envelope[: 1 + KEY_ID_BYTES] != header:
        raise IntegrityFailure("the envelope names another key or version")
    try:
        return cipher.decrypt(envelope[len(header) : HEADER_BYTES], envelope[HEADER_BYTES:], header + bound_to)
    except (InvalidTag, ValueError):
        raise IntegrityFailure("the envelope does not open here") from None


class DataKey:
    """The key of one user's sealed fields."""

    def __init__(self, key_id: UUID, key: bytes) -> None:
        self.key_id = key_id
        self._cipher = AESGCM(key)

    def seal(self, text: str, bound_to: Binding) -> Envelope:
        return _seal(self._cipher, self.key_id.bytes, text.encode(), bound_to)

    def open(self, envelope: bytes, bound_to: Binding) -> str:
        """Raises IntegrityFailure."""
        return _open(self._cipher, self.key_id.bytes, envelope, bound_to).decode()


class MasterKeys:
    """The key-encryption keys, the current one first."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self.current_id = next(iter(keys))
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._fingerprints = {key_id: _fingerprint(key_id) for key_id in keys}

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self._ciphers)

    def seal(self, secret: bytes, bound_to: Binding) -> tuple[str, Envelope]:
        """Seal under the current key; returns that key's id with the envelope."""
        key_id = self.current_id
        return key_id, _seal(self._ciphers[key_id], self._fingerprints[key_id], secret, bound_to)

    def open(self, key_id: str, envelope: bytes, bound_to: Binding) -> bytes:
        """Raises MasterKeyMissing, IntegrityFailure."""
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise MasterKeyMissing(key_id)
        return _open(cipher, self._fingerprints[key_id], envelope, bound_to)

    def new_data_key(self, key_id: UUID, user_id: UUID) -> tuple[DataKey, str, Envelope]:
        """A fresh data key and its wrap, bound to the user's id."""
        key = secrets.token_bytes(32)
        return DataKey(key_id, key), *self.seal(key, binding("data_keys", "wrapped_key", user_id))

    def open_data_key(self, key_id: UUID, master_key_id: str, wrapped: bytes, user_id: UUID) -> DataKey:
        """Raises MasterKeyMissing, IntegrityFailure."""
        return DataKey(key_id, self.open(master_key_id, wrapped, binding("data_keys", "wrapped_key", user_id)))


def _fingerprint(key_id: str) -> bytes:
    """A master key's id in the fixed width that an envelope has room for."""
    return hashlib.sha256(key_id.encode()).digest()[:KEY_ID_BYTES]
