"""A Flask service that takes User Service's access tokens.

pip install flask "pyjwt[crypto]>=2.15.1"
USER_SERVICE=https://users.example.com CLIENT_SECRET=usc_… flask --app flask_decorator run
"""

import json
import os
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.request import Request, urlopen

import jwt
from flask import Flask, Response, abort, g, make_response, request

ISSUER = os.environ["USER_SERVICE"]
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)  # JWT_AUDIENCE, where it is set
SECRET = os.environ.get("CLIENT_SECRET", "")  # flask clients create orders --scope token:introspect
KEYS = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)
NEEDED = ["iss", "aud", "sub", "sid", "jti", "iat", "exp"]


def requires_user(view: Callable[..., Any]) -> Callable[..., Any]:
    """Put the token's claims into `g.claims`; 401 without a good token, 503 where the keys cannot be fetched."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            g.claims = verify(bearer_token())
        except jwt.PyJWKClientConnectionError:
            abort(503)  # not 401: the client must not throw a good token away
        except jwt.PyJWTError:
            abort(challenge())
        return view(*args, **kwargs)

    return guarded


def verify(token: str) -> dict[str, Any]:
    """The claims of a good access token (docs/verify-tokens.md). Raises jwt.PyJWTError."""
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    key = KEYS.get_signing_key_from_jwt(token)
    options = {"require": NEEDED, "strict_aud": True}
    return jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, leeway=10, options=options)


def bearer_token() -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def challenge() -> Response:
    return make_response({"title": "Log in"}, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def is_active(token: str) -> bool:
    """Ask User Service itself: it knows of a log-out at once. For what is rare and weighty."""
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    question = Request(f"{ISSUER}/token/introspect", json.dumps({"token": token}).encode(), headers)  # noqa: S310  # the address is ours
    try:
        with urlopen(question, timeout=5) as answer:  # noqa: S310  # the address is ours
            return json.load(answer)["active"] is True
    except OSError:
        abort(503)


app = Flask(__name__)


@app.get("/orders")
@requires_user
def list_orders() -> dict[str, Any]:
    return {"orders_of": g.claims["sub"]}


@app.post("/orders")
@requires_user
def place_order() -> Any:
    if not is_active(bearer_token()):
        return challenge()
    return {"ordered_by": g.claims["sub"]}, 201
