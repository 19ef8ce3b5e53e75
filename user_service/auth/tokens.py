"""All that touches Flask-JWT-Extended: tokens are minted and verified here, and nowhere else.

The library signs and checks signatures, times, issuer and audience. What it lets through (any `type` but
"refresh", no `jti`, no `exp`, foreign header members) is refused here.
"""

import hashlib
import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import jwt as pyjwt
from flask import Flask, g
from flask_jwt_extended import create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException

from user_service import clock
from user_service.auth.grants import Grant
from user_service.auth.refreshing import RefreshClaims
from user_service.clock import LEEWAY_SECONDS
from user_service.errors import ClockWrong, InvalidToken, TokenExpired
from user_service.extensions import jwt
from user_service.principal import AccessClaims
from user_service.runtime import runtime
from user_service.security.signing import ALGORITHM
from user_service.security.verified_tokens import VerifiedToken, VerifiedTokens
from user_service.settings import Settings

MAX_TOKEN_CHARACTERS = 8192
LONGEST_LIFE = timedelta(days=60)
TYPES = {"access": "at+jwt", "refresh": "rt+jwt"}  # RFC 9068, 2.1; the second is ours
LAST_GENERATION = 2**31 - 1  # what the column holds
HEADER_MEMBERS = {"alg", "kid", "typ"}
# Unpadded base64url (RFC 7515, 2): PyJWT would take padding and white space as well.
COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


def init_app(app: Flask, settings: Settings) -> None:
    app.config.update(
        JWT_ALGORITHM=ALGORITHM,
        JWT_DECODE_ALGORITHMS=[ALGORITHM],
        JWT_ENCODE_ISSUER=settings.jwt_issuer,
        JWT_DECODE_ISSUER=settings.jwt_issuer,
        JWT_ENCODE_AUDIENCE=settings.jwt_audience,
        JWT_DECODE_AUDIENCE=[settings.jwt_audience, settings.refresh_audience],
        JWT_ENCODE_NBF=False,
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_TOKEN_LOCATION=["headers"],
        JWT_DECODE_LEEWAY=LEEWAY_SECONDS,
    )
    jwt.init_app(app)


def check_clock() -> None:
    """Raises ClockWrong, as of the last half minute."""
    if not runtime().key_ring.get().is_clock_right:
        raise ClockWrong


def issue(grant: Grant, *, refresh_token: str | None = None) -> dict[str, Any]:
    """The answer that hands out a pair; `refresh_token` is the one to keep where none is minted."""
    g.signing_key = runtime().key_ring.get().current_signing_key(clock.now())
    return {
        "access_token": _mint_access_token(grant),
        "refresh_token": refresh_token or _mint_refresh_token(grant),
        "token_type": "Bearer",
        "expires_in": _seconds(grant.access_expires_at - grant.granted_at),
        "refresh_expires_in": _seconds(grant.refresh_expires_at - grant.granted_at),
    }


def verify_access_token(token: str) -> AccessClaims:
    """Raises InvalidToken, TokenExpired, ClockWrong. Whether the session is closed is the database's to say."""
    check_clock()
    known: AccessClaims | None = _find(runtime().verified_tokens, token)
    if known is not None:
        return known
    claims = access_claims(token)
    verified = access_claims_of(claims)
    if "nbf" not in claims:  # ours have none, so nothing looks at it again
        remembered = VerifiedToken(g.verification_key, claims["iat"], claims["exp"], verified)
        runtime().verified_tokens.remember(token, remembered, runtime().key_ring.get().signing_keys)
    return verified


def _find(tokens: VerifiedTokens[Any], name: str) -> Any | None:
    """The claims of a token that this process knows, while all that may have changed since still holds."""
    if name not in tokens:
        return None
    known = tokens.find(name, runtime().key_ring.get().signing_keys)
    if known is None or not known.is_current(clock.now(), leeway=LEEWAY_SECONDS, longest_life=LONGEST_LIFE):
        return None
    return known.claims


def access_claims(token: str) -> dict[str, Any]:
    """All claims of a genuine access token that has not expired. Raises InvalidToken, TokenExpired, ClockWrong."""
    check_clock()
    return _verify(token, "access", runtime().settings.jwt_audience)


def access_claims_of(claims: dict[str, Any]) -> AccessClaims:
    return AccessClaims(UUID(claims["sub"]), UUID(claims["sid"]), claims["gen"])


def verify_refresh_token(token: str) -> RefreshClaims:
    """Raises InvalidToken, TokenExpired, ClockWrong. One that this process minted need not prove it."""
    check_clock()
    known: RefreshClaims | None = _find(runtime().minted_tokens, _digest(token))
    if known is not None:
        return known
    claims = _verify(token, "refresh", runtime().settings.refresh_audience)
    return RefreshClaims(UUID(claims["sub"]), UUID(claims["sid"]), claims["gen"])


def _mint_access_token(grant: Grant) -> str:
    token: str = create_access_token(
        str(grant.user_id),
        fresh=grant.is_fresh,
        additional_claims=_claims(grant, grant.access_jti, grant.access_issued_at, grant.access_expires_at),
        additional_headers=_header("access"),
    )
    return token


def _mint_refresh_token(grant: Grant) -> str:
    claims = _claims(grant, grant.refresh_jti, grant.refresh_issued_at, grant.refresh_expires_at)
    token: str = create_refresh_token(
        str(grant.user_id),
        additional_claims={**claims, "aud": runtime().settings.refresh_audience},
        additional_headers=_header("refresh"),
    )
    minted = RefreshClaims(grant.user_id, grant.session_id, grant.generation)
    known = VerifiedToken(g.signing_key, claims["iat"], claims["exp"], minted)
    runtime().minted_tokens.remember(_digest(token), known, runtime().key_ring.get().signing_keys)
    return token


def _digest(token: str) -> str:
    """Refresh tokens live for weeks, so they are not kept in clear."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _claims(grant: Grant, jti: UUID, issued_at: datetime, expires_at: datetime) -> dict[str, Any]:
    return {
        "sid": str(grant.session_id),
        "gen": grant.generation,
        "jti": str(jti),
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
    }


def _header(token_type: str) -> dict[str, str]:
    return {"kid": g.signing_key.kid, "typ": TYPES[token_type]}


@jwt.encode_key_loader
def _signing_key(_identity: Any) -> Any:
    """The key that `issue` pinned, so that header and signature agree in the middle of a rotation."""
    return g.signing_key.private_key


@jwt.decode_key_loader
def _verification_key(header: dict[str, Any], claims: dict[str, Any]) -> Any:
    """The key that the header names, from our own set alone (RFC 8725, 3.1 and 3.10)."""
    kid = header.get("kid")
    expected_typ = TYPES.get(str(claims.get("type")))
    if set(header) != HEADER_MEMBERS or header["alg"] != ALGORITHM:
        raise pyjwt.InvalidTokenError("not a header of ours")
    if expected_typ is None or header["typ"] != expected_typ:
        raise pyjwt.InvalidTokenError("not a type of ours")
    key = runtime().key_ring.verification_key(kid) if isinstance(kid, str) else None
    if key is None:
        raise pyjwt.InvalidTokenError("unknown key")
    g.verification_key = key
    return key.public_key


def _verify(token: str, token_type: str, audience: str) -> dict[str, Any]:
    if len(token) > MAX_TOKEN_CHARACTERS or not COMPACT.fullmatch(token):
        raise InvalidToken
    expired = False
    try:
        claims = decode_token(token)
    except pyjwt.ExpiredSignatureError as error:
        claims, expired = error.jwt_data, True  # type: ignore[attr-defined]  # set by Flask-JWT-Extended
    except (pyjwt.PyJWTError, JWTExtendedException, ValueError, TypeError, OverflowError, RecursionError):
        raise InvalidToken from None
    if not _are_ours(claims, token_type, audience):
        raise InvalidToken
    if expired:
        raise TokenExpired
    return claims


def _are_ours(claims: dict[str, Any], token_type: str, audience: str) -> bool:
    expires_at = claims.get("exp")
    return (
        claims.get("type") == token_type
        and claims.get("iss") == runtime().settings.jwt_issuer
        and claims.get("aud") == audience
        and all(_is_uuid(claims.get(name)) for name in ("sub", "sid", "jti"))
        and type(claims.get("gen")) is int
        and 1 <= claims["gen"] <= LAST_GENERATION
        and type(claims.get("iat")) is int
        and type(expires_at) is int
        and expires_at <= (clock.now() + LONGEST_LIFE).timestamp()
    )


def _is_uuid(value: Any) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def _seconds(life: timedelta) -> int:
    return max(0, int(life.total_seconds()))
