"""The key pairs that sign tokens: ES256 alone (RFC 7518, 3.4), so that no confusion of algorithms is possible."""

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm

ALGORITHM = "ES256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair. It signs from `activates_at` on; after `expires_at` nothing it signed is accepted."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)
    activates_at: datetime
    expires_at: datetime | None = None

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self.private_key.public_key()

    def is_active(self, at: datetime) -> bool:
        """Whether it may sign."""
        return self.activates_at <= at and (self.expires_at is None or at < self.expires_at)

    def private_bytes(self) -> bytes:
        """PKCS #8 in DER, to be sealed; it never leaves the process in clear."""
        return self.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def jwk(self) -> dict[str, Any]:
        """The public half as RFC 7517 has it."""
        public = ECAlgorithm.to_jwk(self.public_key, as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def generate(activates_at: datetime) -> SigningKey:
    return SigningKey(secrets.token_hex(8), ec.generate_private_key(ec.SECP256R1()), activates_at)


def from_private_bytes(
    kid: str, private_bytes: bytes, activates_at: datetime, expires_at: datetime | None
) -> SigningKey:
    private_key = load_der_private_key(private_bytes, password=None)
    assert isinstance(private_key, ec.EllipticCurvePrivateKey)
    return SigningKey(kid, private_key, activates_at, expires_at)
