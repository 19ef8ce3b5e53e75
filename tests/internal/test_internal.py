"""What the checkout and fulfilment fetch: by scope, with a reason, on the record."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.crowd import bearer, trail
from tests.support.people import PAYMENT, PROFILE, Answer, Client
from user_service.audit.events import Action
from user_service.clients.service import Scope, create_client

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def secret_of(app: Flask) -> Callable[..., str]:
    """Make a client of some scopes, and say its secret."""

    def make(*scopes: Scope, name: str = "shop") -> str:
        with app.app_context():
            return create_client(name=name, scopes=scopes, expires_at=None)

    return make


@pytest.fixture
def customer(person: Client) -> Client:
    assert person.post("/profile", PROFILE).status == 201
    assert person.post("/profile/payment_info", PAYMENT).status == 201
    return person


def ask(
    customer: Client, secret: str, what: str = "", *, user_id: str | None = None, reason: str | None = ""
) -> Answer:
    headers = {"Authorization": f"Bearer {secret}"}
    if reason is not None:
        headers["X-Reason"] = reason or "order 4711"
    user_id = user_id or customer.get("/account").json["id"]
    return customer.get(f"/internal/users/{user_id}{what}", headers=headers)


def test_the_checkout_gets_the_token_in_clear(customer: Client, secret_of: Callable[..., str]) -> None:
    answer = ask(customer, secret_of(Scope.PAYMENT_READ), "/payment_token")
    assert answer.status == 200
    assert answer.json == {**PAYMENT, "status": "active"}
    assert answer.headers["Cache-Control"] == "no-store"


def test_fulfilment_gets_account_and_profile(customer: Client, secret_of: Callable[..., str]) -> None:
    shown = ask(customer, secret_of(Scope.PROFILE_READ), reason=None).json
    account = customer.get("/account").json
    assert {name: shown[name] for name in ("id", "username", "email", "email_verified", "created_at")} == {
        name: account[name] for name in ("id", "username", "email", "email_verified", "created_at")
    }
    assert {name: shown["profile"][name] for name in PROFILE} == PROFILE
    assert shown["disabled"] is False
    assert "payment_token" not in str(shown)


def test_a_user_without_a_profile_has_none(person: Client, secret_of: Callable[..., str]) -> None:
    assert ask(person, secret_of(Scope.PROFILE_READ)).json["profile"] is None


def test_every_read_is_in_the_users_own_log_with_client_and_reason(
    customer: Client, secret_of: Callable[..., str]
) -> None:
    secret = secret_of(*Scope)
    ask(customer, secret, "/payment_token", reason="order 1")
    ask(customer, secret, reason="parcel 2")
    events = {event["action"]: event["detail"] for event in customer.get("/account/events").json["data"]}
    assert events["payment.token.read_by_client"] == {"client": "shop", "reason": "order 1"}
    assert events["profile.read_by_client"] == {"client": "shop", "reason": "parcel 2"}


def test_a_read_is_on_the_record_with_the_id_of_its_request(
    customer: Client, secret_of: Callable[..., str], database_url: str
) -> None:
    """So that the line in the log of the service that asked is found."""
    headers = {**bearer(secret_of(*Scope)), "X-Reason": "order 1", "X-Request-ID": "checkout-4711"}
    user_id = customer.get("/account").json["id"]
    for what, action in (("", Action.PROFILE_READ_BY_CLIENT), ("/payment_token", Action.PAYMENT_TOKEN_READ_BY_CLIENT)):
        assert customer.get(f"/internal/users/{user_id}{what}", headers=headers).status == 200
        [row] = trail(database_url, user_id, action)
        assert (row.request_id, row.ip) == ("checkout-4711", "127.0.0.1")


@pytest.mark.parametrize("reason", [None, "x" * 201, "caf\u00e9"])
def test_the_payment_token_needs_a_reason_that_can_be_kept(
    customer: Client, secret_of: Callable[..., str], reason: str | None
) -> None:
    answer = ask(customer, secret_of(Scope.PAYMENT_READ), "/payment_token", reason=reason)
    assert (answer.status, list(answer.fault_codes())) == (422, ["/X-Reason"])
    actions = [event["action"] for event in customer.get("/account/events").json["data"]]
    assert "payment.token.read_by_client" not in actions


def test_a_scope_opens_its_own_door_alone(customer: Client, secret_of: Callable[..., str]) -> None:
    profile, payment = secret_of(Scope.PROFILE_READ), secret_of(Scope.PAYMENT_READ, name="till")
    assert ask(customer, profile, "/payment_token").code == "insufficient_scope"
    assert ask(customer, payment).code == "insufficient_scope"


def test_users_have_no_business_inside(customer: Client) -> None:
    """SECURITY 97: not even for their own data."""
    for what in ("", "/payment_token"):
        answer = ask(customer, customer.access_token or "", what)
        assert (answer.status, answer.code) == (403, "forbidden")
        assert ask(customer, "usc_" + "x" * 43, what).code == "invalid_token"


def test_who_is_not_there_is_404(customer: Client, secret_of: Callable[..., str]) -> None:
    secret = secret_of(*Scope)
    assert ask(customer, secret, user_id=NOBODY).code == "user_not_found"
    assert ask(customer, secret, "/payment_token", user_id=NOBODY).code == "payment_info_not_found"
    assert ask(customer, secret, user_id="not-an-id").code == "not_found"
