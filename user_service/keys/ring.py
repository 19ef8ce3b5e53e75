"""The keys of a running process: loaded from the database, made there when it has none, read anew now and then."""

import math
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import Row, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from user_service import clock, database_clock
from user_service.database import fetch_all, retried, transaction
from user_service.extensions import db
from user_service.keys.models import SealedSigningKey, ServiceSecret
from user_service.security import signing
from user_service.security.passwords import PasswordHasher, Runs, run_here
from user_service.security.signing import SigningKey
from user_service.security.vault import Binding, IntegrityFailure, MasterKeyMissing, MasterKeys, MasterKeyWrong, binding

RELOAD_SECONDS = 30
UNKNOWN_KEY_RELOAD_SECONDS = 2
PEPPER = "password_pepper"
CURSOR_KEY = "cursor_key"
DIGEST_KEY = "digest_key"
PURPOSES = (PEPPER, CURSOR_KEY, DIGEST_KEY)
GENERATE_LOCK = 0x757365725F6B6579  # a PostgreSQL advisory lock: one node makes the first keys

log = structlog.get_logger("keys")


@dataclass(frozen=True, slots=True)
class Keys:
    """One loading of the keys. It is replaced as a whole, so a request sees one state of them."""

    signing_keys: Mapping[str, SigningKey]
    hasher: PasswordHasher = field(repr=False)
    cursor_key: bytes = field(repr=False)
    digest_key: bytes = field(repr=False)
    is_clock_right: bool
    loaded_at: float

    def current_signing_key(self, at: datetime) -> SigningKey:
        """The youngest of the active keys. A key that is on its way out signs until its successor is active.

        Where this node's clock is behind the first key's, that one signs: a clock set back stops nobody.
        """
        keys = sorted(self.signing_keys.values(), key=lambda key: (key.activates_at, key.kid))
        active = [key for key in keys if key.is_active(at)]
        return active[-1] if active else next(key for key in keys if key.activates_at > at)


class KeyRing:
    """Thread-safe. `get()` costs nothing while the keys are fresh."""

    def __init__(self, *, master_keys: MasterKeys, bcrypt_rounds: int, run: Runs = run_here) -> None:
        self.master_keys = master_keys
        self._run = run
        self._bcrypt_rounds = bcrypt_rounds
        self.is_up_to_date = True
        self._keys: Keys | None = None
        self._looked_at = -math.inf
        self._lock = threading.Lock()

    def get(self) -> Keys:
        """The keys, at most RELOAD_SECONDS old. Raises MasterKeyMissing, MasterKeyWrong."""
        return self._fresh(RELOAD_SECONDS)

    def verification_key(self, kid: str) -> SigningKey | None:
        """The key of this id, unless it has expired. An unknown id looks again, at most every two seconds."""
        key = self.get().signing_keys.get(kid)
        if key is None and self._may_look_again():
            key = self._fresh(0).signing_keys.get(kid)
        if key is not None and key.expires_at is not None and key.expires_at <= clock.now():
            return None
        return key

    def _may_look_again(self) -> bool:
        """Forged ids must not make every request read the keys."""
        with self._lock:
            if time.monotonic() - self._looked_at < UNKNOWN_KEY_RELOAD_SECONDS:
                return False
            self._looked_at = time.monotonic()
            return True

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
            if self._keys is None:
                self._keys = self._load()
            elif time.monotonic() - self._keys.loaded_at >= max_age:
                self._keys = self._reload(self._keys)
            return self._keys

    def _reload(self, known: Keys) -> Keys:
        """Without the database, or without a master key that the rows now need, the known keys stay in use."""
        try:
            keys = self._load()
        except (SQLAlchemyError, MasterKeyMissing) as error:
            log.warning("keys.not_reloaded", error=type(error).__name__)
            self.is_up_to_date = False
            return replace(known, loaded_at=time.monotonic())
        self.is_up_to_date = True
        return keys

    def _load(self) -> Keys:
        loaded_at = time.monotonic()
        rows = self._secret_rows()
        signing_rows = self._signing_rows()
        if not {row.purpose for row in rows} >= set(PURPOSES) or not any(_is_active(row) for row in signing_rows):
            self._generate_missing()
            rows, signing_rows = self._secret_rows(), self._signing_rows()
        by_purpose: dict[str, dict[str, bytes]] = {purpose: {} for purpose in PURPOSES}
        for row in rows:
            if row.purpose not in by_purpose:
                continue
            by_purpose[row.purpose][row.id] = self._open(
                row.master_key_id, row.sealed_secret, binding("service_secrets", "sealed_secret", row.id)
            )
        signing_keys = {key.kid: key for key in self._open_signing_keys(signing_rows)}
        hasher = self._hasher(by_purpose[PEPPER])
        newest = {purpose: next(iter(of_purpose.values())) for purpose, of_purpose in by_purpose.items()}
        is_clock_right = database_clock.report()
        return Keys(signing_keys, hasher, newest[CURSOR_KEY], newest[DIGEST_KEY], is_clock_right, loaded_at)

    def _hasher(self, peppers: Mapping[str, bytes]) -> PasswordHasher:
        """The hasher costs one hash to make (its decoy), so it is kept while the peppers stay the same."""
        if self._keys is not None and self._keys.hasher.has_peppers(peppers):
            return self._keys.hasher
        return PasswordHasher(rounds=self._bcrypt_rounds, peppers=peppers, run=self._run)

    def _secret_rows(self) -> list[Row[Any]]:
        """Newest first: the newest pepper is the current one."""
        table = ServiceSecret.__table__
        return fetch_all(select(table).order_by(table.c.created_at.desc(), table.c.id))

    def _signing_rows(self) -> list[Row[Any]]:
        return fetch_all(select(SealedSigningKey.__table__))

    def _open_signing_keys(self, rows: list[Row[Any]]) -> list[SigningKey]:
        return [
            signing.from_private_bytes(
                row.kid,
                self._open(
                    row.master_key_id,
                    row.sealed_private_key,
                    binding("signing_keys", "sealed_private_key", row.kid),
                ),
                row.activates_at,
                row.expires_at,
            )
            for row in rows
        ]

    def _open(self, master_key_id: str, envelope: bytes, bound_to: Binding) -> bytes:
        """Without any one of these keys nothing works, so it is the configuration that is wrong, not one row."""
        try:
            return self.master_keys.open(master_key_id, envelope, bound_to)
        except IntegrityFailure:
            raise MasterKeyWrong(master_key_id) from None

    @retried
    def _generate_missing(self) -> None:
        """Make what a new database lacks. Nodes that start together wait here for the first one."""
        with transaction() as session:
            if db.engine.dialect.name == "postgresql":
                session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": GENERATE_LOCK})
            present = set(session.scalars(select(ServiceSecret.purpose)))
            for purpose in PURPOSES:
                if purpose not in present:
                    session.add(self._new_secret(purpose))
            if not any(_is_active(key) for key in session.scalars(select(SealedSigningKey))):
                add_signing_key(session, self.master_keys, activates_at=clock.now())

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


def _is_active(row: Any) -> bool:
    now = clock.now()
    return bool(row.activates_at <= now and (row.expires_at is None or now < row.expires_at))


def add_signing_key(session: Session, master_keys: MasterKeys, *, activates_at: datetime) -> SealedSigningKey:
    """Add a new key pair to the open transaction. It is published from now on."""
    key = signing.generate(activates_at)
    master_key_id, envelope = master_keys.seal(
        key.private_bytes(), binding("signing_keys", "sealed_private_key", key.kid)
    )
    row = SealedSigningKey(
        kid=key.kid,
        master_key_id=master_key_id,
        sealed_private_key=envelope,
        created_at=clock.now(),
        activates_at=activates_at,
        expires_at=None,
    )
    session.add(row)
    return row
