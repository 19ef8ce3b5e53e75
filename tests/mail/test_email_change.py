"""An address takes the place of another once it is proven by mail. SECURITY 115, 116."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from tests.mail.test_verification import NEW_EMAIL, NEW_PASSWORD, change, mail_to, shown, verify
from tests.support.mail import deliver, outbox, text_of, token_of
from tests.support.people import Client
from user_service.database import fetch_all
from user_service.extensions import db


def test_the_old_address_counts_until_the_new_one_is_proven_and_is_told(person: Client, app: Flask) -> None:
    """SECURITY 115."""
    deliver(app)
    old = person.email
    answer = change(person)
    assert (answer.status, answer.json["pending_email"]) == (202, NEW_EMAIL)
    assert shown(person) == (old, False, NEW_EMAIL)
    mails = {mail["To"]: mail for mail in deliver(app)}
    assert set(mails) == {old, NEW_EMAIL}
    assert "about to change" in mails[old]["Subject"]
    assert NEW_EMAIL not in text_of(mails[old])
    assert person.another_device().log_in(NEW_EMAIL).code == "invalid_credentials"
    assert person.another_device().log_in(old).status == 200
    deliver(app)
    assert verify(person, token_of(mails[NEW_EMAIL])).json["email"] == NEW_EMAIL
    assert shown(person) == (NEW_EMAIL, True, None)
    assert person.another_device().log_in(NEW_EMAIL).status == 200
    assert person.another_device().log_in(old).code == "invalid_credentials"
    assert [(mail["To"], mail["Subject"]) for mail in deliver(app) if "changed" in mail["Subject"]] == [
        (old, "Your e-mail address was changed")
    ]
    actions = {event["action"] for event in person.get("/account/events").json["data"]}
    assert {"auth.email.change_requested", "auth.email.changed"} <= actions


def test_a_change_needs_the_password(person: Client, app: Flask) -> None:
    """SECURITY 115."""
    deliver(app)
    answer = change(person, password="not the password")
    assert (answer.status, answer.code) == (403, "wrong_password")
    assert shown(person)[2] is None
    assert deliver(app) == []


def test_a_taken_address_is_refused_as_at_registration(person: Client, newcomer: Callable[[], Client]) -> None:
    other = newcomer().join()
    answer = change(person, other.email.upper())
    assert (answer.status, answer.code, answer.fault_codes()) == (409, "email_taken", {"/email": "email_taken"})
    assert shown(person)[2] is None


def test_an_address_that_is_taken_meanwhile_is_refused_at_the_proof(
    person: Client, app: Flask, newcomer: Callable[[], Client]
) -> None:
    """A pending address blocks nobody; who is first to have it, has it."""
    old = person.email
    deliver(app)
    change(person)
    token = mail_to(app, NEW_EMAIL)
    assert newcomer().register("faster", NEW_EMAIL.upper()).status == 201
    answer = verify(person, token)
    assert (answer.status, answer.code) == (409, "email_taken")
    assert shown(person)[0] == old


def test_another_spelling_of_the_own_address_can_be_had(person: Client, app: Flask) -> None:
    deliver(app)
    other = person.email.replace("person", "PERSON")
    assert change(person, other).status == 202
    assert verify(person, mail_to(app, other)).status == 200
    assert shown(person) == (other, True, None)


def test_the_present_address_takes_back_a_change(person: Client, app: Flask) -> None:
    deliver(app)
    change(person)
    token = mail_to(app, NEW_EMAIL)
    answer = change(person, person.email)
    assert (answer.status, answer.json["pending_email"]) == (202, None)
    assert verify(person, token).code == "one_time_token_invalid"


def test_a_second_change_replaces_the_first(person: Client, app: Flask) -> None:
    """SECURITY 110, 116."""
    deliver(app)
    change(person, "first@example.com")
    first = mail_to(app, "first@example.com")
    change(person, "second@example.com")
    assert verify(person, first).code == "one_time_token_invalid"
    assert verify(person, mail_to(app, "second@example.com")).status == 200


@pytest.mark.parametrize("by_mail", [False, True], ids=["changed", "reset"])
def test_a_pending_change_fails_when_the_password_changes(person: Client, app: Flask, by_mail: bool) -> None:
    """SECURITY 116: whoever fears for the account stops the change by that."""
    deliver(app)
    change(person)
    token = mail_to(app, NEW_EMAIL)
    if by_mail:
        person.post("/password/forgot", {"email": person.email})
        body = {"token": mail_to(app, person.email), "new_password": NEW_PASSWORD}
        assert person.post("/password/reset", body).status == 204
    else:
        body = {"current_password": person.password, "new_password": NEW_PASSWORD}
        assert person.put("/account/password", body).status == 200
    assert verify(person, token).code == "one_time_token_invalid"
    person.log_in(password=NEW_PASSWORD)
    assert shown(person)[2] is None


def test_a_link_to_the_old_address_dies_with_the_change(person: Client, app: Flask) -> None:
    """SECURITY 116: the old mailbox opens nothing any more, also by what still waits for it."""
    deliver(app)
    old = person.email
    change(person)
    new = mail_to(app, NEW_EMAIL)
    person.post("/password/forgot", {"email": old})
    by_old = mail_to(app, old)
    person.post("/password/forgot", {"email": old})
    assert verify(person, new).status == 200
    body = {"token": by_old, "new_password": NEW_PASSWORD}
    assert person.post("/password/reset", body).code == "one_time_token_invalid"
    assert [mail for mail in deliver(app) if mail["To"] == old and "#" in text_of(mail)] == []


def test_sessions_outlive_a_change_of_the_address(person: Client, app: Flask) -> None:
    deliver(app)
    change(person)
    assert verify(person, mail_to(app, NEW_EMAIL)).status == 200
    assert person.get("/account").status == 200
    assert person.refresh().status == 200


def test_a_pending_address_dies_with_the_account(person: Client, app: Flask) -> None:
    change(person)
    assert person.send("DELETE", "/account", {"password": person.password}).status == 200
    assert outbox(app) == []
    with app.app_context():
        assert fetch_all(select(db.metadata.tables["one_time_tokens"])) == []
