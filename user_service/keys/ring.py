"""The keys of a running process: loaded from the database, made there when it has none, read anew now and then."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, text

from user_service import clock
from user_service.database import fetch_all, transaction
from user_service.extensions import db
from user_service.keys.models import SealedSigningKey, ServiceSecret
from user_service.security import signing
from user_service.security.passwords import PasswordHasher
from user_service.security.signing import SigningKey
from user_service.security.vault import MasterKeys, binding

RELOAD_SECONDS = 30
UNKNOWN_KEY_RELOAD_SECONDS = 2
PEPPER = "password_pepper"
CURSOR_KEY = "cursor_key"
PURPOSES = (PEPPER, CURSOR_KEY)
GENERATE_LOCK = 0x757365725F6B6579  # a PostgreSQL advisory lock: one node makes the first keys


@dataclass(frozen=True, slots=True)
class Keys:
    """One loading of the keys. It is replaced as a whole, so a request sees one state of them."""

    signing_keys: Mapping[str, SigningKey]
    hasher: PasswordHasher
    cursor_key: bytes
    loaded_at: float

    def current_signing_key(self, at: datetime) -> SigningKey:
        """The youngest key that is active and not on its way out."""
        active = [key for key in self.signing_keys.values() if key.activates_at <= at and key.expires_at is None]
        return max(active, key=lambda key: (key.activates_at, key.kid))


class KeyRing:
    """Thread-safe. `get()` costs nothing while the keys are fresh."""

    def __init__(self, *, master_keys: MasterKeys, bcrypt_rounds: int) -> None:
        self.master_keys = master_keys
        self._bcrypt_rounds = bcrypt_rounds
        self._keys: Keys | None = None
        self._lock = threading.Lock()

    def get(self) -> Keys:
        """The keys, at most RELOAD_SECONDS old. Raises MasterKeyMissing, IntegrityFailure."""
        return self._fresh(RELOAD_SECONDS)

    def verification_key(self, kid: str) -> SigningKey | None:
        """The key of this id, unless it has expired. An unknown id looks again, at most every two seconds."""
        key = self.get().signing_keys.get(kid)
        if key is None:
            key = self._fresh(UNKNOWN_KEY_RELOAD_SECONDS).signing_keys.get(kid)
        if key is not None and key.expires_at is not None and key.expires_at <= clock.now():
            return None
        return key

    def published(self) -> list[SigningKey]:
        """The keys of the JWKS: coming, current and those whose tokens still live."""
        now = clock.now()
        keys = self.get().signing_keys.values()
        return sorted(
            (key for key in keys if key.expires_at is None or key.expires_at > now),
            key=lambda key: key.activates_at,
            reverse=True,
        )

    def _fresh(self, max_age: float) -> Keys:
        keys = self._keys
        if keys is not None and time.monotonic() - keys.loaded_at < max_age:
            return keys
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys.loaded_at >= max_age:
                self._keys = self._load()
            return self._keys

    def _load(self) -> Keys:
        loaded_at = time.monotonic()
        rows = self._secret_rows()
        if {row.purpose for row in rows} != set(PURPOSES) or not self._signing_rows():
            self._generate_missing()
            rows = self._secret_rows()
        by_purpose: dict[str, dict[str, bytes]] = {purpose: {} for purpose in PURPOSES}
        for row in rows:
            by_purpose[row.purpose][row.id] = self.master_keys.open(
                row.master_key_id, row.sealed_secret, binding("service_secrets", "sealed_secret", row.id)
            )
        signing_keys = {key.kid: key for key in self._open_signing_keys()}
        hasher = self._hasher(by_purpose[PEPPER])
        return Keys(signing_keys, hasher, next(iter(by_purpose[CURSOR_KEY].values())), loaded_at)

    def _hasher(self, peppers: Mapping[str, bytes]) -> PasswordHasher:
        """The hasher costs one hash to make (its decoy), so it is kept while the peppers stay the same."""
        if self._keys is not None and self._keys.hasher.has_peppers(peppers):
            return self._keys.hasher
        return PasswordHasher(rounds=self._bcrypt_rounds, peppers=peppers)

    def _secret_rows(self) -> list[Row[Any]]:
        """Newest first: the newest pepper is the current one."""
        table = ServiceSecret.__table__
        return fetch_all(select(table).order_by(table.c.created_at.desc(), table.c.id))

    def _signing_rows(self) -> list[Row[Any]]:
        return fetch_all(select(SealedSigningKey.__table__))

    def _open_signing_keys(self) -> list[SigningKey]:
        return [
            signing.from_private_bytes(
                row.kid,
                self.master_keys.open(
                    row.master_key_id,
                    row.sealed_private_key,
                    binding("signing_keys", "sealed_private_key", row.kid),
                ),
                row.activates_at,
                row.expires_at,
            )
            for row in self._signing_rows()
        ]

    def _generate_missing(self) -> None:
        """Make what a new database lacks. Nodes that start together wait here for the first one."""
        with transaction() as session:
            if db.engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": GENERATE_LOCK})
            present = set(session.scalars(select(ServiceSecret.purpose)))
            for purpose in PURPOSES:
                if purpose not in present:
                    session.add(self._new_secret(purpose))
            if session.scalars(select(SealedSigningKey.kid)).first() is None:
                session.add(self._new_signing_key())

    def _new_secret(self, purpose: str) -> ServiceSecret:
        secret_id = secrets.token_urlsafe(12)
        master_key_id, envelope = self.master_keys.seal(
            secrets.token_bytes(48), binding("service_secrets", "sealed_secret", secret_id)
        )
        return ServiceSecret(
            id=secret_id,
            purpose=purpose,
            master_key_id=master_key_id,
            sealed_secret=envelope,
            created_at=clock.now(),
        )

    def _new_signing_key(self) -> SealedSigningKey:
        now = clock.now()
        key = signing.generate(activates_at=now)
        master_key_id, envelope = self.master_keys.seal(
            key.private_bytes(), binding("signing_keys", "sealed_private_key", key.kid)
        )
        return SealedSigningKey(
            kid=key.kid,
            master_key_id=master_key_id,
            sealed_private_key=envelope,
            created_at=now,
            activates_at=now,
            expires_at=None,
        )
