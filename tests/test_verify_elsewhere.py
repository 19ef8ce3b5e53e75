"""Other services verify access tokens offline, as docs/verify-tokens.md shows them. SECURITY 59, 64, 71, 75-77."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt as pyjwt
import pytest
import time_machine
from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.conftest import running_app
from tests.support.crowd import bearer, claims_of
from tests.support.databases import PUBLIC_URL, SQLITE, Databases
from tests.support.forgery import ABSENT, Forger, badly_signed, bringing_a_key, keyed_with_the_public_key, unsigned
from tests.support.people import Client, InProcess, OverSocket
from tests.support.server import Node, serving
from user_service.clients.service import Scope, create_client
from user_service.keys import rotation
from user_service.runtime import runtime

PAGE = Path(__file__).resolve().parents[1] / "docs" / "verify-tokens.md"
EXAMPLE_URL = "https://users.example.com"
VERIFIERS = {"PyJWT": "jwt.PyJWKClient(", "joserfc": "from joserfc import"}
BAD_TOKEN = (pyjwt.PyJWTError, JoseError, ValueError)

Verify = Callable[[str], dict[str, Any]]


def snippet(sign: str, url: str) -> dict[str, Any]:
    """What the page's one Python block with this sign in it defines, set up for the service at `url`."""
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    [source] = [block for block in blocks if sign in block]
    names: dict[str, Any] = {}
    exec(compile(source.replace(EXAMPLE_URL, url), PAGE.name, "exec"), names)
    return names


@dataclass(frozen=True)
class Elsewhere:
    """A running service and its database."""

    node: Node
    database_url: str

    @contextmanager
    def app(self) -> Iterator[Flask]:
        """The same application in this process: a second node, which has just read the keys."""
        names = dict.fromkeys(("public_url", "jwt_issuer", "jwt_audience"), self.node.url)
        with running_app(self.database_url, **names) as app, app.app_context():
            yield app

    def join(self) -> Client:
        return Client(OverSocket(self.node.url)).join()

    def forger(self, token: str) -> Forger:
        with self.app():
            kid = pyjwt.get_unverified_header(token)["kid"]
            return Forger(token, runtime().key_ring.get().signing_keys[kid].private_key)

    def fetches(self) -> int:
        """How often somebody asked for the keys."""
        return self.node.log().count("/.well-known/jwks.json")


@pytest.fixture(scope="module")
def elsewhere(databases: Databases) -> Iterator[Elsewhere]:
    with databases.copy(SQLITE) as url, serving(url, workers=1) as node:
        yield Elsewhere(node, url)


@pytest.fixture(params=VERIFIERS)
def verify(request: pytest.FixtureRequest, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> Verify:
    """As another service copied it from the page."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return snippet(VERIFIERS[request.param], elsewhere.node.url)["verify"]


def is_refused(verify: Verify, token: str) -> bool:
    try:
        verify(token)
    except BAD_TOKEN:
        return True
    return False


def keys_of(client: Client) -> KeySet:
    return KeySet.import_key_set(client.get("/.well-known/jwks.json", auth=False).json)


def test_another_library_verifies_an_access_token_by_the_published_keys_alone(person: Client) -> None:
    token = jwt.decode(person.access_token, keys_of(person), algorithms=["ES256"])
    assert set(token.header) == {"alg", "kid", "typ"}
    assert (token.header["alg"], token.header["typ"]) == ("ES256", "at+jwt")
    expected = {"iss": PUBLIC_URL, "aud": PUBLIC_URL, "type": "access"}
    assert token.claims.items() >= expected.items()
    assert token.claims["exp"] - token.claims["iat"] == 900
    jwt.JWTClaimsRegistry(exp={"essential": True}).validate(token.claims)


def test_a_refresh_token_says_that_it_is_for_nobody_else(person: Client) -> None:
    """SECURITY 59: genuine, and still not to be taken for an access token by who checks `typ` or `aud`."""
    token = jwt.decode(person.refresh_token, keys_of(person), algorithms=["ES256"])
    assert token.header["typ"] == "rt+jwt"
    assert token.claims["aud"] == f"{PUBLIC_URL}/token/refresh"
    with pytest.raises(JoseError):
        jwt.JWTClaimsRegistry(aud={"essential": True, "value": PUBLIC_URL}).validate(token.claims)


def test_tokens_of_the_old_and_the_new_key_are_verified_during_a_rotation(make_app: Callable[..., Flask]) -> None:
    """SECURITY 76."""
    app = make_app()
    early = Client(InProcess(app)).join()
    with app.app_context():
        rotation.rotate_signing_key(at_once=True)
    late = Client(InProcess(make_app())).join()
    kids = [pyjwt.get_unverified_header(client.access_token)["kid"] for client in (early, late)]
    assert kids[0] != kids[1]
    for client in (early, late):
        assert jwt.decode(client.access_token, keys_of(late), algorithms=["ES256"]).claims["sub"]


def test_the_snippets_take_a_good_token(elsewhere: Elsewhere, verify: Verify) -> None:
    person = elsewhere.join()
    assert verify(person.access_token) == claims_of(person.access_token)
    person.refresh()
    assert verify(person.access_token)["sid"] == claims_of(person.access_token)["sid"]


def test_the_snippets_refuse_a_refresh_token(elsewhere: Elsewhere, verify: Verify) -> None:
    """SECURITY 59, 77."""
    assert is_refused(verify, elsewhere.join().refresh_token)


def lies(forger: Forger, now: int) -> dict[str, str]:
    """Well signed, and not to be believed: SECURITY 61, 64, 77."""
    claims: dict[str, dict[str, Any]] = {
        "expired": {"exp": now - 60},
        "without an end": {"exp": ABSENT},
        "of another issuer": {"iss": "https://other.example.com"},
        "of an issuer that begins the same": {"iss": forger.claims["iss"] + "/"},
        "without an issuer": {"iss": ABSENT},
        "for somebody else": {"aud": "https://other.example.com"},
        "for the refresh endpoint": {"aud": forger.claims["iss"] + "/token/refresh"},
        "for nobody": {"aud": ABSENT},
        "without a user": {"sub": ABSENT},
        "without a session": {"sid": ABSENT},
        "without an id": {"jti": ABSENT},
    }
    headers: dict[str, dict[str, Any]] = {
        "of the refresh type": {"typ": "rt+jwt"},
        "of any type": {"typ": "JWT"},
        "of no type": {"typ": ABSENT},
        "of an unknown key": {"kid": "unknown"},
    }
    return {name: forger.lie(change) for name, change in claims.items()} | {
        name: forger.lie(header=change) for name, change in headers.items()
    }


def test_the_snippets_refuse_what_is_well_signed_and_wrong(elsewhere: Elsewhere, verify: Verify) -> None:
    person = elsewhere.join()
    forger = elsewhere.forger(person.access_token)
    assert verify(forger.lie())
    tokens = lies(forger, int(datetime.now(UTC).timestamp()))
    assert [name for name, token in tokens.items() if not is_refused(verify, token)] == []


def test_the_snippets_refuse_forgeries(elsewhere: Elsewhere, verify: Verify) -> None:
    """SECURITY 53-57."""
    person = elsewhere.join()
    forger = elsewhere.forger(person.access_token)
    published = person.get("/.well-known/jwks.json").text
    forged = [
        *unsigned(forger),
        *badly_signed(forger),
        *keyed_with_the_public_key(forger, published),
        *bringing_a_key(forger, "http://127.0.0.1:9"),
        *((text, text) for text in ("", "garbage", "a.b.c", "..", "é.é.é")),
    ]
    assert [name for name, token in forged if not is_refused(verify, token)] == []
    assert verify(person.access_token)


def test_the_snippets_stop_taking_a_token_when_it_ends(elsewhere: Elsewhere, verify: Verify) -> None:
    token = elsewhere.join().access_token
    with time_machine.travel(datetime.fromtimestamp(claims_of(token)["exp"], UTC), tick=False) as traveller:
        traveller.shift(timedelta(seconds=9))
        assert verify(token)
        traveller.shift(timedelta(seconds=2))
        assert is_refused(verify, token)


def test_a_key_that_is_new_is_fetched_when_its_first_token_comes(
    elsewhere: Elsewhere, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 76: ten seconds after the last look, without a restart."""
    early = elsewhere.join()
    assert verify(early.access_token)
    with elsewhere.app():
        kid, _ = rotation.rotate_signing_key(at_once=True)
    with elsewhere.app() as app:
        late = Client(InProcess(app)).join()
    while kid not in early.get("/.well-known/jwks.json").text:
        early.get("/account", headers=bearer(late.access_token))
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 11)
    monkeypatch.setattr("jwt.jwks_client.time", later)
    monkeypatch.setitem(verify.__globals__, "time", later)
    assert pyjwt.get_unverified_header(late.access_token)["kid"] == kid
    assert verify(late.access_token)
    assert verify(early.access_token)


def test_made_up_key_ids_fetch_nothing_again_and_again(elsewhere: Elsewhere, verify: Verify) -> None:
    token = elsewhere.join().access_token
    assert verify(token)
    forger, before = elsewhere.forger(token), elsewhere.fetches()
    assert before > 0
    assert all(is_refused(verify, forger.lie(header={"kid": f"made-up-{number}"})) for number in range(50))
    assert elsewhere.fetches() - before <= 1
    assert verify(token)


def test_the_follower_hears_of_every_log_out(elsewhere: Elsewhere, verify: Verify) -> None:
    with elsewhere.app():
        secret = create_client(name=f"orders-{id(verify)}", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
    follower = snippet("class Revocations", elsewhere.node.url)["Revocations"](elsewhere.node.url, secret)
    staying, leaving = elsewhere.join(), elsewhere.join()
    for client in (staying, leaving):
        follower.poll()
        assert not follower.is_closed(verify(client.access_token))
    assert leaving.post("/logout").status == 204
    follower.poll()
    assert follower.is_closed(verify(leaving.access_token))
    assert not follower.is_closed(verify(staying.access_token))
    with time_machine.travel(datetime.now(UTC) + timedelta(days=8)):
        follower.poll()
        assert follower.closed == {}
