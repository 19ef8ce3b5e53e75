"""What tokens say, for how long they count, and that they end with their user.

SECURITY 59, 61-63, 65, 66, 70, 71, 75, 77.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
import time_machine
from flask import Flask
from joserfc import jwt
from joserfc.errors import InvalidClaimError
from joserfc.jwk import KeySet
from sqlalchemy import delete, update

from tests.support.forgery import Forger, taken_apart
from tests.support.people import ADDRESS, PROFILE, Client, InProcess
from user_service import clock
from user_service.auth.models import User
from user_service.database import transaction
from user_service.runtime import runtime
from user_service.security import signing

ISSUER, AUDIENCE = "http://issuer.test/users", "http://api.test"
REFRESH_AUDIENCE = "http://users.test/token/refresh"
CLAIMS = {"iss", "aud", "sub", "sid", "gen", "jti", "iat", "exp", "type", "fresh"}
DAY = 86_400


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    """Issuer and audience differ, so that no test takes one for the other."""
    return make_app(jwt_issuer=ISSUER, jwt_audience=AUDIENCE)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it; the keys are a day old by then."""
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False) as traveller:
        yield traveller


def test_an_access_token_says_what_the_contract_lists_and_no_more(client: Client, time: time_machine.Traveller) -> None:
    """SECURITY 65, 70, 71, 77."""
    user = client.register().json["user"]
    answer = client.log_in().json
    header, claims = taken_apart(client.access_token)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "at+jwt"}
    assert claims.keys() == CLAIMS
    assert (claims["iss"], claims["aud"], claims["sub"]) == (ISSUER, AUDIENCE, user["id"])
    assert (claims["type"], claims["fresh"], claims["gen"]) == ("access", True, 1)
    assert claims["iat"] == int(clock.now().timestamp())
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == claims["exp"] - claims["iat"] == 900


def test_a_refresh_token_has_an_audience_and_a_type_of_its_own(client: Client, time: time_machine.Traveller) -> None:
    """SECURITY 59, 70, 71, 77."""
    answer = client.join().log_in().json
    (header, claims), (_, access) = taken_apart(client.refresh_token), taken_apart(client.access_token)
    assert header == {"alg": "ES256", "kid": header["kid"], "typ": "rt+jwt"}
    assert claims.keys() == CLAIMS
    assert (claims["iss"], claims["aud"]) == (ISSUER, REFRESH_AUDIENCE)
    assert (claims["type"], claims["fresh"]) == ("refresh", False)
    assert {claims[name] == access[name] for name in ("sub", "sid", "gen", "iat")} == {True}
    assert claims["jti"] != access["jti"]
    assert answer["refresh_expires_in"] == claims["exp"] - claims["iat"] == 7 * DAY


def test_ids_in_tokens_are_uuids_and_jti_never_repeats(person: Client) -> None:
    """SECURITY 65."""
    seen = []
    for _ in range(3):
        for token in (person.access_token, person.refresh_token):
            claims = taken_apart(token)[1]
            assert [str(UUID(claims[name])) for name in ("sub", "sid", "jti")] == [
                claims[name] for name in ("sub", "sid", "jti")
            ]
            seen.append(claims["jti"])
        assert person.refresh().status == 200
    assert len(set(seen)) == 6


def test_a_refreshed_access_token_is_not_fresh_and_stays_in_the_session(person: Client) -> None:
    before = taken_apart(person.access_token)[1]
    person.refresh()
    after = taken_apart(person.access_token)[1]
    assert (before["fresh"], after["fresh"]) == (True, False)
    assert (after["sid"], after["gen"]) == (before["sid"], before["gen"] + 1)


def test_lifetimes_follow_the_settings(make_app: Callable[..., Flask], time: time_machine.Traveller) -> None:
    """SECURITY 70. A session's end cuts the tokens short."""
    client = Client(InProcess(make_app(access_token_seconds=60, refresh_token_seconds=DAY, session_seconds=3600)))
    answer = client.join().log_in().json
    assert (answer["expires_in"], answer["refresh_expires_in"]) == (60, 3600)
    lives = [taken_apart(token)[1] for token in (client.access_token, client.refresh_token)]
    assert [claims["exp"] - claims["iat"] for claims in lives] == [60, 3600]


def test_a_new_pair_has_its_whole_life_wherever_the_second_turns(
    person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, readings = clock.now(), count()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=next(readings)))
    for answer in (person.log_in(), person.refresh(), person.refresh()):
        assert (answer.json["expires_in"], answer.json["refresh_expires_in"]) == (900, 7 * DAY)
    assert next(readings) > 3


def test_tokens_carry_no_personal_data(person: Client) -> None:
    """SECURITY 71."""
    person.post("/profile", PROFILE)
    person.refresh()
    personal = (person.username, person.email, PROFILE["name"], PROFILE["phone"], *ADDRESS.values(), "127.0.0.1")
    for token in (person.access_token, person.refresh_token):
        text = json.dumps(taken_apart(token))
        assert [datum for datum in personal if len(datum) > 2 and datum in text] == []


def test_another_service_verifies_access_tokens_with_the_key_set(person: Client) -> None:
    """SECURITY 59, 75, 77. By another library than ours: it takes the access token and not the refresh token."""
    keys = KeySet.import_key_set(person.get("/.well-known/jwks.json", auth=False).json)
    wanted = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER}, aud={"essential": True, "value": AUDIENCE}, exp={"essential": True}
    )
    access, refresh = (
        jwt.decode(token or "", keys, algorithms=["ES256"]) for token in (person.access_token, person.refresh_token)
    )
    wanted.validate(access.claims)
    with pytest.raises(InvalidClaimError, match="aud"):
        wanted.validate(refresh.claims)


def test_clocks_may_differ_by_ten_seconds(person: Client, app: Flask, time: time_machine.Traveller) -> None:
    """SECURITY 61, 62, 63."""
    person.log_in()
    forger = Forger(person.access_token or "", current_key(app).private_key)
    start, end = forger.claims["iat"], forger.claims["exp"]
    expected = {start - 11: "invalid_token", start - 10: "", start + 5: "", end: "", end + 9: ""}
    expected |= {end + 10: "token_expired", end + 60: "token_expired"}
    for moment, code in expected.items():
        time.move_to(moment)
        answer = person.get("/sessions")
        assert (answer.status, answer.code if code else "") == (401 if code else 200, code), moment - start


@pytest.mark.parametrize("node_is_ahead_by", [-5, 5])
def test_nodes_with_clocks_apart_take_each_others_fresh_tokens(
    client: Client, time: time_machine.Traveller, node_is_ahead_by: int
) -> None:
    """SECURITY 63."""
    client.join()
    time.shift(node_is_ahead_by)
    assert client.get("/sessions").status == 200
    assert client.refresh().status == 200
    time.shift(-node_is_ahead_by)
    assert client.get("/sessions").status == 200


def test_the_tokens_of_a_disabled_user_are_dead_at_once(person: Client, app: Flask) -> None:
    """SECURITY 66."""
    assert person.get("/sessions").status == 200
    with app.app_context(), transaction() as session:
        session.execute(update(User).where(User.username == person.username).values(disabled_at=clock.now()))
    assert_dead(person)


def test_the_tokens_of_a_deleted_user_are_dead_at_once(person: Client, app: Flask) -> None:
    """SECURITY 65, 66. The name may be taken again; its subject is another."""
    assert person.get("/sessions").status == 200
    with app.app_context(), transaction() as session:
        session.execute(delete(User).where(User.username == person.username))
    assert_dead(person)
    heir = person.another_device()
    heir.register(person.username, person.email)
    heir.log_in()
    assert taken_apart(heir.access_token)[1]["sub"] != taken_apart(person.access_token)[1]["sub"]
    assert_dead(person)


def assert_dead(person: Client) -> None:
    for answer in (person.get("/profile/me"), person.get("/sessions"), person.refresh(person.refresh_token)):
        assert (answer.status, answer.code) == (401, "token_revoked")


def current_key(app: Flask) -> signing.SigningKey:
    with app.app_context():
        return runtime().key_ring.get().current_signing_key(clock.now())
