"""Some hundreds of forged tokens, each tried at every door. None gets in, and none harms whom it names.

SECURITY 53-62, 64, 67-69, 73, 74, 77.
"""

import socket
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from flask import Flask
from jwt.utils import der_to_raw_signature, raw_to_der_signature

from tests.support import forgery, lies
from tests.support.databases import SQLITE
from tests.support.doors import (
    DOORS,
    LOGOUT_DOORS,
    PROFILE_DOOR,
    REFRESH_DOOR,
    Attempt,
    Door,
    assert_none_gets_in,
    assert_still_in,
    complaint_about,
)
from tests.support.forgery import NOBODY, P256_ORDER, Forger, Key, Tokens
from tests.support.people import PROFILE, Client
from user_service import clock
from user_service.runtime import runtime

ISSUER, AUDIENCE = "http://issuer.test/users", "http://api.test"
Family = Callable[[Forger], Tokens]
FAMILIES: tuple[Family, ...] = (
    forgery.unsigned,
    forgery.badly_signed,
    forgery.keyed_with_a_guess,
    lies.naming_another_key,
    lies.of_another_type,
    lies.with_wrong_times,
    lies.of_wrong_parties,
    lies.with_wrong_headers,
    lies.misshapen,
)
# The database is not asked about any of these, so one kind of it is enough.
ON_ONE_DATABASE = pytest.mark.parametrize("kind", [SQLITE])


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """Issuer and audience differ, so that no test takes one for the other."""
    return make_app(jwt_issuer=ISSUER, jwt_audience=AUDIENCE)


@pytest.fixture
def victim(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    return person


@pytest.fixture
def stolen_key(app: Flask) -> Key:
    with app.app_context():
        return runtime().key_ring.get().current_signing_key(clock.now()).private_key


@pytest.fixture
def forgers(victim: Client, stolen_key: Key) -> list[Forger]:
    """One with an access token, one with a refresh token."""
    return [Forger(token, stolen_key) for token in (victim.access_token, victim.refresh_token)]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def attempts(forgers: list[Forger], family: Family, *, code: str = "invalid_token") -> list[Attempt]:
    return [Attempt(name, forger.kind, token, code) for forger in forgers for name, token in family(forger)]


def named(family: Any) -> str:
    return family.__name__


@ON_ONE_DATABASE
@pytest.mark.parametrize("family", FAMILIES, ids=named)
def test_no_forged_token_gets_in(victim: Client, forgers: list[Forger], family: Family) -> None:
    """SECURITY 53, 54, 56, 58, 60, 61, 62, 64, 67-69, 74, 77."""
    assert_none_gets_in(victim, attempts(forgers, family))


def test_no_token_without_proper_ids_gets_in(victim: Client, forgers: list[Forger]) -> None:
    """Not one of `sub`, `sid`, `jti` and `gen` may be missing or of another form."""
    assert_none_gets_in(victim, attempts(forgers, lies.without_proper_ids))


@ON_ONE_DATABASE
def test_no_token_keyed_with_the_public_key_gets_in(victim: Client, forgers: list[Forger]) -> None:
    """SECURITY 55."""
    published = victim.get("/.well-known/jwks.json").text
    assert_none_gets_in(victim, attempts(forgers, lambda forger: forgery.keyed_with_the_public_key(forger, published)))


@ON_ONE_DATABASE
def test_a_key_that_a_token_brings_is_neither_used_nor_fetched(
    victim: Client, forgers: list[Forger], listener: socket.socket
) -> None:
    """SECURITY 57."""
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    assert_none_gets_in(victim, attempts(forgers, lambda forger: forgery.bringing_a_key(forger, url)))
    with pytest.raises(BlockingIOError):  # nobody is waiting to be let in
        listener.accept()


def test_the_listener_would_have_noticed(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()):
        listener.accept()[0].close()


def test_an_expired_token_is_told_so_where_it_belongs(victim: Client, forgers: list[Forger]) -> None:
    """SECURITY 61, 73."""
    assert_none_gets_in(victim, attempts(forgers, lies.expired, code="token_expired"))


def test_access_and_refresh_tokens_do_not_stand_in_for_each_other(victim: Client) -> None:
    """SECURITY 59."""
    genuine = {"access": victim.access_token or "", "refresh": victim.refresh_token or ""}
    complaints = [
        complaint_about(victim, door, Attempt(kind, kind, token))
        for kind, token in genuine.items()
        for door in DOORS
        if door.kind != kind
    ]
    assert complaints == [None] * 4
    assert_still_in(victim)


def test_a_token_of_a_generation_to_come_gets_nowhere(victim: Client, forgers: list[Forger]) -> None:
    """Well signed, and of a generation that the session has not reached."""
    complaints = [
        f"gen {generation!r:.20} at {door.name}: {complaint}"
        for generation in (2, 3, 2**31 - 1)
        for forger in forgers
        for door in (PROFILE_DOOR, REFRESH_DOOR)
        if door.kind == forger.kind
        if (complaint := _complaint_about_revoked(victim, door, forger.lie({"gen": generation})))
    ]
    assert not complaints
    assert_still_in(victim)


def test_a_token_of_somebody_or_of_some_session_unknown_gets_nowhere(
    victim: Client, forgers: list[Forger], newcomer: Callable[[], Client]
) -> None:
    """SECURITY 74. Well signed, with the victim's session under another name, or the reverse. Logging out is
    idempotent, so it answers 204, and closes nothing.
    """
    other = Forger(newcomer().join().access_token or "", forgers[0].stolen_key).claims
    strangers = [{"sub": NOBODY}, {"sid": NOBODY}, {"sub": str(uuid4()), "sid": str(uuid4())}]
    for changes in (*strangers, {"sub": other["sub"]}, {"sid": other["sid"]}):
        for forger in forgers:
            token = forger.lie(changes)
            door = next(door for door in (PROFILE_DOOR, REFRESH_DOOR) if door.kind == forger.kind)
            assert _complaint_about_revoked(victim, door, token) is None
            assert [door.send(victim, token).status for door in LOGOUT_DOORS if door.kind == forger.kind] == [204]
    assert_still_in(victim)


def test_what_is_signed_as_the_service_signs_gets_in(victim: Client, forgers: list[Forger]) -> None:
    """The forger's tools work: without a lie every door opens. So it was the lies that the others were refused for."""
    access, refresh = (forger.lie() for forger in forgers)
    assert PROFILE_DOOR.send(victim, access).status == 200
    assert REFRESH_DOOR.send(victim, refresh).status == 200
    for door, token in zip(LOGOUT_DOORS, (access, refresh), strict=True):
        assert door.send(victim, token).status == 204


def test_the_twin_of_a_signature_dies_with_its_session(victim: Client, forgers: list[Forger]) -> None:
    """SECURITY 54, 86. ES256 knows two signatures, (r, s) and (r, n - s); the session is revoked, not a text."""
    twin = forgers[0].with_signature(_twin(forgers[0].signature))
    assert twin != victim.access_token
    assert victim.post("/logout").status == 204
    assert PROFILE_DOOR.send(victim, twin).code == "token_revoked"


@ON_ONE_DATABASE
def test_the_longest_token_has_eight_thousand_characters(victim: Client, forgers: list[Forger]) -> None:
    """SECURITY 69: whoever signed it. So nothing that is longer is taken apart."""
    for door, forger in zip((PROFILE_DOOR, REFRESH_DOOR), forgers, strict=True):
        sizes = {filled: len(forger.lie({"note": "x" * filled})) for filled in (5_400, 5_800)}
        assert min(sizes.values()) < 8192 < max(sizes.values())
        statuses = {filled: door.send(victim, forger.lie({"note": "x" * filled})).status for filled in sizes}
        assert statuses == {5_400: 200, 5_800: 401}


@ON_ONE_DATABASE
def test_the_table_is_long(forgers: list[Forger]) -> None:
    """At least 300 different tokens of each kind, and 130 guessed secrets."""
    for forger in forgers:
        tokens = dict(chain.from_iterable(family(forger) for family in FAMILIES))
        assert len(set(tokens.values())) >= 300
        assert len(dict(forgery.keyed_with_a_guess(forger))) >= 130


def _complaint_about_revoked(client: Client, door: Door, token: str) -> str | None:
    return complaint_about(client, door, Attempt(door.name, door.kind, token, "token_revoked"))


def _twin(signature: bytes) -> bytes:
    curve = ec.SECP256R1()
    r, s = decode_dss_signature(raw_to_der_signature(signature, curve))
    return der_to_raw_signature(encode_dss_signature(r, P256_ORDER - s), curve)
