"""Introspection as RFC 7662 has it, for services that must see a log-out at once. SECURITY 59, 64, 66, 71, 86."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from flask import Flask
from sqlalchemy import delete, update

from tests.support.crowd import bearer, claims_of
from tests.support.forgery import Forger, unsigned
from tests.support.people import PROFILE, Answer, Client, InProcess
from user_service import clock
from user_service.auth import introspection_routes
from user_service.auth.models import User
from user_service.clients.service import Scope, create_client
from user_service.database import transaction
from user_service.doors import Rate
from user_service.errors import ServiceUnavailable
from user_service.runtime import runtime

FORM = "application/x-www-form-urlencoded"
CLAIMS = {"active", "token_type", "iss", "aud", "sub", "sid", "jti", "iat", "exp"}
PAST_LEEWAY = timedelta(seconds=11)


@pytest.fixture
def service(app: Flask) -> Client:
    """Another service of the company, which may introspect."""
    return service_of(app)


def service_of(app: Flask) -> Client:
    with app.app_context():
        secret = create_client(name="gateway", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
    client = Client(InProcess(app))
    client.access_token = secret
    return client


def ask(service: Client, token: str | None, **parameters: str) -> dict[str, Any]:
    answer = service.post("/token/introspect", {"token": token, **parameters})
    assert answer.status == 200, answer
    return answer.json


def ask_by_form(service: Client, text: str, media_type: str = FORM) -> Answer:
    return service.post("/token/introspect", text.encode(), headers={"Content-Type": media_type})


def is_inactive(service: Client, token: str | None) -> bool:
    """`active` alone: why it is not active is nobody's business (RFC 7662, 2.2)."""
    return ask(service, token) == {"active": False}


def forger_for(app: Flask, token: str) -> Forger:
    with app.app_context():
        [key] = runtime().key_ring.get().signing_keys.values()
    return Forger(token, key.private_key)


def test_an_active_token_tells_its_claims_and_nothing_about_the_person(service: Client, person: Client) -> None:
    """SECURITY 71."""
    person.post("/profile", PROFILE)
    answer = service.post("/token/introspect", {"token": person.access_token})
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.json) == CLAIMS
    claims = claims_of(person.access_token)
    assert answer.json == {"active": True, "token_type": "Bearer"} | {
        name: claims[name] for name in CLAIMS - {"active", "token_type"}
    }
    told = (person.username, person.email, PROFILE["name"], PROFILE["phone"], "refresh")
    assert not [word for word in told if word in answer.text]


def test_the_token_comes_as_json_or_as_a_form(service: Client, person: Client) -> None:
    by_json = ask(service, person.access_token)
    by_form = ask_by_form(service, urlencode({"token": person.access_token}))
    assert (by_form.status, by_form.json) == (200, by_json)
    with_charset = ask_by_form(service, urlencode({"token": person.access_token}), f"{FORM}; charset=UTF-8")
    assert with_charset.json == by_json
    assert by_json["active"] is True


def test_a_hint_and_other_parameters_mean_nothing(service: Client, person: Client) -> None:
    """RFC 7662, 2.1."""
    for hint in ("access_token", "refresh_token", "something else"):
        assert ask(service, person.access_token, token_type_hint=hint)["active"] is True
        assert ask(service, person.refresh_token, token_type_hint=hint) == {"active": False}
    form = urlencode({"token_type_hint": "access_token", "resource": "x", "token": person.access_token})
    assert ask_by_form(service, form).json["active"] is True


def test_a_refresh_token_is_never_active(service: Client, person: Client) -> None:
    """SECURITY 59."""
    assert is_inactive(service, person.refresh_token)
    assert person.refresh().status == 200, "and asking does not use it up"


def test_what_is_no_token_of_ours_is_not_active(app: Flask, service: Client, person: Client) -> None:
    """SECURITY 53, 54."""
    forger = forger_for(app, person.access_token)
    forged = dict(unsigned(forger))
    forged |= {
        "garbage": "garbage",
        "dots": "..",
        "a space before": f" {person.access_token}",
        "padding": f"{person.access_token}=",
        "a foreign key": forger.imitate(),
        "another type": forger.lie({"type": "reset"}),
        "another user": forger.lie({"sub": "00000000-0000-4000-8000-000000000000"}),
        "a later generation": forger.lie({"gen": 7}),
        "a client's secret": service.access_token,
        "a long text": "x" * 60_000,
    }
    assert [name for name, token in forged.items() if not is_inactive(service, token)] == []
    assert ask(service, person.access_token)["active"] is True


def test_a_token_of_another_issuer_or_for_another_audience_is_not_active(make_app: Callable[..., Flask]) -> None:
    """SECURITY 64: signed by the same keys, and genuine there."""
    service = service_of(make_app())
    for setting in ("jwt_issuer", "jwt_audience"):
        elsewhere = make_app(**{setting: "http://other.test"})
        stranger = Client(InProcess(elsewhere)).join()
        assert stranger.get("/account").status == 200
        assert is_inactive(service, stranger.access_token)


def test_an_expired_token_is_not_active(service: Client, person: Client) -> None:
    lives_until = claims_of(person.access_token)["exp"]
    with time_machine.travel(lives_until, tick=False) as time:
        assert ask(service, person.access_token)["active"] is True, "clocks may disagree by ten seconds"
        time.shift(PAST_LEEWAY)
        assert is_inactive(service, person.access_token)


def test_a_log_out_is_seen_at_once_on_every_node(make_app: Callable[..., Flask]) -> None:
    """SECURITY 86."""
    here, there = make_app(), make_app()
    person, service = Client(InProcess(here)).join(), service_of(there)
    assert ask(service, person.access_token)["active"] is True
    assert person.post("/logout").status == 204
    assert is_inactive(service, person.access_token)


def test_a_token_from_before_a_change_of_the_password_is_not_active(service: Client, person: Client) -> None:
    body = {"current_password": person.password, "new_password": "staple ember window tide"}
    changed = person.put("/account/password", body).json
    assert is_inactive(service, person.access_token)
    assert ask(service, changed["access_token"])["active"] is True


def test_the_access_token_before_a_refresh_stays_active_until_it_expires(service: Client, person: Client) -> None:
    """As it stays usable with the service itself: both must say the same."""
    before = person.access_token
    person.refresh()
    for token in (before, person.access_token):
        assert ask(service, token)["active"] is (person.get("/account", headers=bearer(token)).status == 200) is True


def test_a_token_of_a_disabled_or_deleted_user_is_not_active(
    app: Flask, service: Client, newcomer: Callable[[], Client]
) -> None:
    """SECURITY 66."""
    disabled, deleted = newcomer().join(), newcomer().join()
    with app.app_context(), transaction() as session:
        session.execute(update(User).where(User.username == disabled.username).values(disabled_at=clock.now()))
        session.execute(delete(User).where(User.username == deleted.username))
    for person in (disabled, deleted):
        assert is_inactive(service, person.access_token)
        assert person.get("/account").code == "token_revoked"


def test_a_question_without_a_token_is_refused(service: Client) -> None:
    cases: list[tuple[Answer, int]] = [
        (service.post("/token/introspect", {}), 422),
        (service.post("/token/introspect", {"token": None}), 422),
        (service.post("/token/introspect", {"token": 1}), 422),
        (service.post("/token/introspect", {"token": ["a"]}), 422),
        (ask_by_form(service, ""), 422),
        (ask_by_form(service, "token_type_hint=access_token"), 422),
        (service.post("/token/introspect"), 400),
        (ask_by_form(service, json.dumps({"token": "x"}), "text/plain"), 415),
        (ask_by_form(service, "token=" + "x" * 70_000), 413),
        (ask_by_form(service, "token=x", f"{FORM}; charset=iso-8859-1"), 415),
        (ask_by_form(service, "token=x&a=1" + "&b=2" * 100), 400),
        (service.post("/token/introspect", b"token=\xff", headers={"Content-Type": FORM}), 400),
    ]
    assert [(answer.status, bool(answer.code)) for answer, _ in cases] == [(status, True) for _, status in cases]


def test_a_text_that_is_no_token_is_not_active(service: Client) -> None:
    assert [text for text in ("", " ", "x", "a.b.c", "x" * 60_000) if not is_inactive(service, text)] == []


def test_a_token_that_nobody_can_look_up_now_is_not_called_inactive(
    service: Client, person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_claims: Any) -> None:
        raise ServiceUnavailable

    monkeypatch.setattr(introspection_routes, "find_open_session", fail)
    assert service.post("/token/introspect", {"token": person.access_token}).status == 503


def test_a_token_in_the_address_is_not_read(service: Client, person: Client) -> None:
    """RFC 7662, 4: addresses stand in logs."""
    answer = service.send("POST", f"/token/introspect?token={person.access_token}", {})
    assert answer.status == 422
    assert service.get(f"/token/introspect?token={person.access_token}").status == 405


@pytest.mark.parametrize(("method", "path"), [("POST", "/token/introspect"), ("GET", "/revocations")])
def test_both_doors_for_services_are_limited(make_app: Callable[..., Flask], method: str, path: str) -> None:
    """By address, whatever the secret: who guesses one is stopped too."""
    limits = dict.fromkeys(("introspect-address", "revocations-address"), Rate(3, 60))
    service = service_of(make_app(ratelimit_enabled=True, limits=limits))
    body = {"token": "made up"} if method == "POST" else None
    assert [service.send(method, path, body).status for _ in range(2)] == [200, 200]
    service.access_token = "usc_" + "x" * 43
    assert service.send(method, path, body).status == 401
    refused = service.send(method, path, body)
    assert (refused.status, refused.code) == (429, "too_many_requests")
    assert refused.headers["Retry-After"].isdigit()
