"""Forges tokens as somebody does who has seen genuine ones and does not have the key (SECURITY 53-57)."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, get_default_algorithms
from jwt.utils import base64url_decode, base64url_encode, raw_to_der_signature

Key = ec.EllipticCurvePrivateKey
Sign = Callable[[bytes], bytes]
Tokens = Iterator[tuple[str, str]]

ABSENT = object()  # as the new value of a member, it takes the member away
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
NOBODY = "00000000-0000-4000-8000-000000000000"

NONES = ["none", "None", "NONE", "nOnE", "nonE", "none ", " none", "none\0", "no\u200bne", "n\u043ene", "null",
         "", None, True, False, 0, 1, [], ["none"], ["ES256", "none"], {}, {"alg": "none"},
         "ES256,none"]  # fmt: skip  # a table
WORDS = """
    secret password changeme change-me default test testing dev development admin root key jwt jwt-secret
    jwt_secret_key secret-key secret_key super-secret supersecret your-256-bit-secret your-secret-key
    my-secret-key mysecretkey flask flask-secret SECRET_KEY JWT_SECRET_KEY hello letmein qwerty 123456 12345678
    0123456789abcdef abcdefghijklmnopqrstuvwxyz012345 token signing user_service user-service production
    shhhhh hunter2 correct-horse app example None
"""


class Forger:
    """Holds one genuine token and a key pair of their own. `stolen_key` is for lies that are well signed."""

    def __init__(self, token: str, stolen_key: Key) -> None:
        self.token = token
        self.parts = token.split(".")
        self.header, self.claims = taken_apart(token)
        self.signature = base64url_decode(self.parts[2])
        self.stolen_key = stolen_key
        self.own_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def kind(self) -> str:
        return self.claims["type"]

    def lie(self, claims: Mapping[str, Any] | None = None, header: Mapping[str, Any] | None = None) -> str:
        """The token with some members changed, signed as the service signs."""
        return compact(changed(self.header, header), changed(self.claims, claims), es256(self.stolen_key))

    def imitate(self, sign: Sign | None = None, **header: Any) -> str:
        """The same claims under another header, signed with a key of the forger's."""
        return compact(changed(self.header, header), self.claims, sign or es256(self.own_key))

    def with_signature(self, signature: bytes) -> str:
        return f"{self.parts[0]}.{self.parts[1]}.{encoded(signature)}"


def taken_apart(token: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified."""
    header, claims, _ = (token or "").split(".")
    return json.loads(base64url_decode(header)), json.loads(base64url_decode(claims))


def compact(header: Any, claims: Any, sign: Sign) -> str:
    """A token in compact form. Text and bytes stand for themselves; all else is written as JSON."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{encoded(sign(signed.encode()))}"


def encoded(part: Any) -> str:
    if isinstance(part, str):
        part = part.encode()
    return base64url_encode(part if isinstance(part, bytes) else json.dumps(part).encode()).decode()


def changed(members: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**members, **(changes or {})}.items() if value is not ABSENT}


def es256(key: Any) -> Sign:
    return signer("ES256", key)


def signer(algorithm: str, key: Any) -> Sign:
    return lambda signed: get_default_algorithms()[algorithm].sign(signed, key)


def shown(value: Any) -> str:
    return "absent" if value is ABSENT else repr(value)[:60]


def unsigned(forger: Forger) -> Tokens:
    """SECURITY 53."""
    for alg in NONES:
        header = encoded(changed(forger.header, {"alg": alg}))
        for name, signature in (("no", ""), ("a senseless", "AAAA"), ("the old", forger.parts[2])):
            yield f"alg {shown(alg)} and {name} signature", f"{header}.{forger.parts[1]}.{signature}"


def badly_signed(forger: Forger) -> Tokens:
    """SECURITY 54."""
    yield "without a signature", ".".join(forger.parts[:2])
    yield "with an empty signature", f"{forger.parts[0]}.{forger.parts[1]}."
    for name, signature in _signatures(forger.signature).items():
        yield f"signature {name}", forger.with_signature(signature)
    yield "signed with a foreign key", forger.imitate()
    yield "signed with a foreign key, without kid", forger.imitate(kid=ABSENT)
    yield "signed over the header alone", forger.with_signature(es256(forger.stolen_key)(forger.parts[0].encode()))
    yield "signed over the claims alone", forger.with_signature(es256(forger.stolen_key)(forger.parts[1].encode()))
    yield "signed with another hash", forger.imitate(signer("ES384", forger.stolen_key))
    for algorithm, key in _foreign_keys().items():
        yield f"signed by {algorithm}", forger.imitate(signer(algorithm, key), alg=algorithm)
        yield f"signed by {algorithm} under ES256", forger.imitate(signer(algorithm, key))
    yield from _altered(forger)


def _signatures(genuine: bytes) -> dict[str, bytes]:
    r, s = genuine[:32], genuine[32:]
    zero, one, order, ones = bytes(32), (1).to_bytes(32, "big"), P256_ORDER.to_bytes(32, "big"), b"\xff" * 32
    return {
        **{f"cut to {length} bytes": genuine[:length] for length in (1, 8, 31, 32, 33, 48, 63)},
        **{f"with byte {at} flipped": _flip(genuine, at) for at in (0, 15, 31, 32, 47, 63)},
        **{f"of {length} zeros": bytes(length) for length in (1, 32, 64, 65, 72, 128)},
        "with r = 0": zero + s,
        "with s = 0": r + zero,
        "r = s = 1": one + one,
        "r = s = the order": order + order,
        "with r = the order": order + s,
        "with s = the order": r + order,
        "all ones": ones + ones,
        "with r and s swapped": s + r,
        "twice": genuine + genuine,
        "with a zero before": b"\0" + genuine,
        "with a zero behind": genuine + b"\0",
        "reversed": genuine[::-1],
        "in hexadecimal": genuine.hex().encode(),
        "in DER": raw_to_der_signature(genuine, ec.SECP256R1()),
    }


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@cache
def _foreign_keys() -> dict[str, Any]:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return {
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "ES512": ec.generate_private_key(ec.SECP521R1()),
        "ES256K": ec.generate_private_key(ec.SECP256K1()),
        "RS256": rsa_key,
        "PS256": rsa_key,
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }


def _altered(forger: Forger) -> Tokens:
    """Another text under the signature of the genuine one."""
    claims = {"sub": NOBODY, "sid": NOBODY, "jti": NOBODY, "exp": forger.claims["exp"] + 86_400, "gen": 2,
              "type": "refresh" if forger.kind == "access" else "access", "fresh": None,
              "aud": "*"}  # fmt: skip  # a table
    for name, value in claims.items():
        text = encoded(changed(forger.claims, {name: value}))
        yield f"genuine but for {name}", f"{forger.parts[0]}.{text}.{forger.parts[2]}"
    spaced = encoded(json.dumps(forger.claims, indent=1))
    yield "genuine but for white space inside", f"{forger.parts[0]}.{spaced}.{forger.parts[2]}"


def keyed_with_the_public_key(forger: Forger, published: str) -> Tokens:
    """SECURITY 55. `published` is the key set as it is served."""
    for name, secret in _public_forms(forger, published).items():
        yield from _by_secret(forger, f"the public key {name}", secret, ("sha256", "sha384", "sha512"))


def _public_forms(forger: Forger, published: str) -> dict[str, bytes]:
    public = forger.stolen_key.public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.loads(published)["keys"][0]
    return {
        "in PEM": pem,
        "in PEM without its last line break": pem.rstrip(),
        "in PEM with CRLF": pem.replace(b"\n", b"\r\n"),
        "in PEM without its frame": b"".join(pem.splitlines()[1:-1]),
        "in DER": der,
        "in DER as base64": b64encode(der),
        "as a point": public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        "as a compressed point": public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        "as the key set": published.encode(),
        "as a JWK": json.dumps(jwk).encode(),
        "as a compact JWK": json.dumps(jwk, separators=(",", ":")).encode(),
        "as a sorted JWK": json.dumps(jwk, sort_keys=True, separators=(",", ":")).encode(),
        "as x": jwk["x"].encode(),
        "as x in bytes": base64url_decode(jwk["x"]),
        "by its id": forger.header["kid"].encode(),
    }


def keyed_with_a_guess(forger: Forger) -> Tokens:
    """SECURITY 56."""
    guesses = {guess for word in WORDS.split() for guess in (word, word.capitalize(), f"{word}123")}
    for guess in ("", *sorted(guesses)):
        yield from _by_secret(forger, f"the secret {guess!r}", guess.encode(), ("sha256",))


def _by_secret(forger: Forger, name: str, secret: bytes, hashes_: tuple[str, ...]) -> Tokens:
    for digest in hashes_:
        algorithm = f"HS{digest[3:]}"
        token = forger.imitate(lambda signed, digest=digest: hmac.digest(secret, signed, digest), alg=algorithm)
        yield f"{algorithm} with {name}", token


def bringing_a_key(forger: Forger, url: str) -> Tokens:
    """SECURITY 57. At `url` the forger waits for somebody who fetches the key."""
    own = _jwk(forger.own_key)
    certificate = b64encode(_certificate(forger.own_key)).decode()
    host = url.removeprefix("http://")
    brought = {
        "jwk": [own, {**own, "kid": forger.header["kid"]}, _jwk(forger.stolen_key), {"kty": "oct", "k": "c2VjcmV0"}],
        "jku": [url, f"http://users.test@{host}", f"{url}#users.test", "file:///dev/null", [url], {"url": url}],
        "x5u": [url, f"{url}/.well-known/jwks.json"],
        "x5c": [[certificate], certificate, []],
    }
    for member, values in brought.items():
        for number, value in enumerate(values, 1):
            for kid in (forger.header["kid"], own["x"], url, ABSENT):
                yield f"{member} {number} with kid {shown(kid)}", forger.imitate(kid=kid, **{member: value})


def _jwk(key: Key) -> dict[str, Any]:
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)


def _certificate(key: Key) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "users.test")])
    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.not_valid_before(start).not_valid_after(start + timedelta(days=9))
    return dated.serial_number(x509.random_serial_number()).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
