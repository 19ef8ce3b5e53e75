"""A FastAPI service that takes User Service's access tokens.

pip install fastapi httpx uvicorn "pyjwt[crypto]>=2.15.1"
USER_SERVICE=https://users.example.com CLIENT_SECRET=usc_… uvicorn fastapi_dependency:app
"""

import os
from typing import Annotated, Any

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ["USER_SERVICE"]
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)  # JWT_AUDIENCE, where it is set
SECRET = os.environ.get("CLIENT_SECRET", "")  # flask clients create orders --scope token:introspect
KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)
NEEDED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp"]
CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}

Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def verified_claims(bearer: Bearer) -> dict[str, Any]:
    """The claims of a good access token. No `async`: fetching the keys may wait, so FastAPI runs it in a thread."""
    try:
        return verify(bearer.credentials if bearer else "")
    except jwt.PyJWKClientConnectionError:
        raise HTTPException(503) from None  # not 401: the client must not throw a good token away
    except jwt.PyJWTError:
        raise HTTPException(401, "Log in", CHALLENGE) from None


def verify(token: str) -> dict[str, Any]:
    """As in docs/verify-tokens.md. Raises jwt.PyJWTError."""
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    key = KEYS.get_signing_key_from_jwt(token)
    options = {"require": NEEDED, "strict_aud": True}
    return jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=10, options=options)


User = Annotated[dict[str, Any], Depends(verified_claims)]


def active_claims(claims: User, bearer: Bearer) -> dict[str, Any]:
    """As above, and User Service itself says that the session is open. For what is rare and weighty."""
    token = bearer.credentials if bearer else ""
    try:
        answer = httpx.post(
            f"{ISSUER}/token/introspect", json={"token": token}, headers={"Authorization": f"Bearer {SECRET}"}
        )
        is_active = answer.raise_for_status().json()["active"]
    except httpx.HTTPError:
        raise HTTPException(503) from None
    if not is_active:
        raise HTTPException(401, "Log in", CHALLENGE)
    return claims


ActiveUser = Annotated[dict[str, Any], Depends(active_claims)]
app = FastAPI()


@app.get("/orders")
def list_orders(user: User) -> dict[str, Any]:
    return {"orders_of": user["sub"]}


@app.post("/orders", status_code=201)
def place_order(user: ActiveUser) -> dict[str, Any]:
    return {"ordered_by": user["sub"]}
