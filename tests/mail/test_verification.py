"""Addresses are proven by mail: that of the registration, and one that takes its place. SECURITY 114-117."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import select

from tests.support.mail import deliver, text_of, token_of
from tests.support.people import PROFILE, Answer, Client, InProcess
from user_service.auth.models import User
from user_service.database import fetch_all
from user_service.pruning import prune

MakeApp = Callable[..., Flask]
NEW_PASSWORD = "staple ember window tide"
NEW_EMAIL = "new.address@example.com"
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
HALF_AN_HOUR = HOUR / 2


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


def verify(client: Client, token: str) -> Answer:
    return client.post("/email/verify", {"token": token}, auth=False)


def change(client: Client, email: str = NEW_EMAIL, password: str | None = None) -> Answer:
    return client.put("/account/email", {"email": email, "password": password or client.password})


def mail_to(app: Flask, recipient: str) -> str:
    """The token of the one mail to this address."""
    [mail] = [mail for mail in deliver(app) if mail["To"] == recipient and "#" in text_of(mail)]
    return token_of(mail)


def shown(client: Client) -> tuple[str, bool, str | None]:
    account = client.get("/account").json
    return account["email"], account["email_verified"], account["pending_email"]


def test_a_registration_is_followed_by_a_mail_whose_link_verifies(person: Client, app: Flask) -> None:
    """SECURITY 114."""
    assert shown(person) == (person.email, False, None)
    token = mail_to(app, person.email)
    answer = verify(person, token)
    assert (answer.status, answer.json["email"]) == (200, person.email)
    assert shown(person) == (person.email, True, None)
    assert verify(person, token).code == "one_time_token_invalid"


def test_looking_at_a_link_does_not_spend_it(person: Client, app: Flask) -> None:
    """SECURITY 114: scanners of mail open what they find."""
    token = mail_to(app, person.email)
    for method in ("GET", "HEAD"):
        for path in (f"/email/verify?token={token}", f"/links/verify-email?token={token}"):
            assert person.send(method, path).status in (200, 405)
    assert not person.get("/account").json["email_verified"]
    assert verify(person, token).status == 200


@pytest.mark.parametrize(("after", "status"), [(HALF_AN_HOUR - SECOND, 200), (HALF_AN_HOUR, 401)])
def test_a_link_lives_for_thirty_minutes_from_its_delivery(
    time: time_machine.Traveller, person: Client, app: Flask, after: timedelta, status: int
) -> None:
    """SECURITY 114: whether it proves the address of the registration or the one that is to take its place."""
    token = mail_to(app, person.email)
    assert change(person).status == 202
    token_of_the_change = mail_to(app, NEW_EMAIL)
    time.shift(after)
    answers = [verify(person, each) for each in (token, token_of_the_change)]
    assert [answer.status for answer in answers] == [status] * 2
    assert person.refresh().status == 200
    assert shown(person) == ((NEW_EMAIL, True, None) if status == 200 else (person.email, False, NEW_EMAIL))


def test_a_new_mail_goes_out_where_one_is_due(person: Client, app: Flask, newcomer: Callable[[], Client]) -> None:
    """SECURITY 114: the newest link alone works. No token is needed, and the answer tells nothing."""
    first = mail_to(app, person.email)
    stranger = newcomer()
    answers = [stranger.post("/email/verification", {"email": email}) for email in (person.email, "no@example.com")]
    assert [answer.status for answer in answers] == [202, 202]
    assert len({answer.body for answer in answers}) == 1
    second = mail_to(app, person.email)
    assert verify(person, first).code == "one_time_token_invalid"
    assert verify(person, second).status == 200
    assert stranger.post("/email/verification", {"email": person.email}).body == answers[0].body
    assert deliver(app) == []


@pytest.fixture
def strict(make_app: MakeApp) -> Flask:
    """Where nobody logs in without a proven address."""
    return make_app(require_email_verification=True)


def test_where_verification_is_required_the_right_password_alone_learns_of_it(strict: Flask) -> None:
    """SECURITY 41."""
    client = Client(InProcess(strict))
    client.register()
    refused, unknown = client.log_in(password="not the password"), client.log_in("nobody.at.all")
    assert refused.status == unknown.status == 401
    assert {**refused.json, "request_id": ""} == {**unknown.json, "request_id": ""}
    answer = client.log_in()
    assert (answer.status, answer.code) == (403, "email_not_verified")
    verify(client, mail_to(strict, client.email))
    assert client.log_in().status == 200


def test_a_reset_verifies_too(strict: Flask) -> None:
    client = Client(InProcess(strict))
    client.register()
    deliver(strict)
    client.post("/password/forgot", {"email": client.email})
    token = mail_to(strict, client.email)
    assert client.post("/password/reset", {"token": token, "new_password": NEW_PASSWORD}).status == 204
    assert client.log_in(password=NEW_PASSWORD).status == 200


def users(app: Flask) -> list[str]:
    with app.app_context():
        return sorted(row.username for row in fetch_all(select(User.__table__)))


def test_an_account_that_is_not_verified_for_72_hours_frees_its_names(
    time: time_machine.Traveller, strict: Flask
) -> None:
    squatter, verified = Client(InProcess(strict)), Client(InProcess(strict))
    squatter.register("mine", "mine@example.com")
    verified.register("proven")
    verify(verified, mail_to(strict, verified.email))
    owner = Client(InProcess(strict))
    time.shift(72 * HOUR)
    assert owner.register("mine", "mine@example.com").code == "username_taken"
    time.shift(SECOND)
    time.shift(72 * HOUR)
    with strict.app_context():
        assert prune()["users"] == 1
        assert prune()["users"] == 0
    assert users(strict) == ["proven"]
    assert owner.register("mine", "mine@example.com").status == 201


def test_names_are_free_at_registration_even_where_nobody_prunes(time: time_machine.Traveller, strict: Flask) -> None:
    first, second = Client(InProcess(strict)), Client(InProcess(strict))
    first.register("mine", "mine@example.com")
    deliver(strict)
    time.shift(72 * HOUR + timedelta(seconds=1))
    assert second.register("MINE", "other@example.com").status == 201
    assert users(strict) == ["MINE"]


def test_whoever_was_let_in_is_never_erased(time: time_machine.Traveller, make_app: MakeApp, strict: Flask) -> None:
    """The setting may be switched on for a service that has lived without it, and off for a while."""
    lenient = make_app()
    early, late = Client(InProcess(lenient)), Client(InProcess(strict))
    early.register("early")
    late.register("late")
    late.transport = InProcess(lenient)
    assert late.log_in().status == 200
    assert late.post("/profile", PROFILE).status == 201
    time.shift(1000 * HOUR)
    with strict.app_context():
        assert prune()["users"] == 0
    assert users(strict) == ["early", "late"]


def test_where_verification_is_not_required_nobody_is_erased(
    time: time_machine.Traveller, strict: Flask, app: Flask
) -> None:
    Client(InProcess(strict)).register("late")
    time.shift(1000 * HOUR)
    with app.app_context():
        assert prune()["users"] == 0


def test_a_squatter_loses_everything_to_the_owner_of_the_address(
    app: Flask, client: Client, newcomer: Callable[[], Client]
) -> None:
    """SECURITY 117: the owner recovers the account by mail; sessions, links and a planned change are over."""
    squatter, owner = client, newcomer()
    squatter.register("squatter", "owner@example.com")
    squatter.log_in()
    deliver(app)
    assert change(squatter, "squatters.own@example.com").status == 202
    planted = mail_to(app, "squatters.own@example.com")
    assert owner.register("rightful", "owner@example.com").code == "email_taken"
    owner.post("/password/forgot", {"email": "owner@example.com"})
    token = mail_to(app, "owner@example.com")
    assert owner.post("/password/reset", {"token": token, "new_password": NEW_PASSWORD}).status == 204
    assert squatter.get("/account").code == "token_revoked"
    assert squatter.refresh().code == "token_revoked"
    assert squatter.log_in().code == "invalid_credentials"
    assert verify(squatter, planted).code == "one_time_token_invalid"
    assert owner.log_in("owner@example.com", NEW_PASSWORD).status == 200
    assert shown(owner) == ("owner@example.com", True, None)
