"""Who forgot the password gets a link by mail, and nobody else learns or gains anything. SECURITY 45, 103-113."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask
from sqlalchemy import event, select

from tests.support.mail import deliver, outbox, text_of, token_of
from tests.support.people import Answer, Client
from user_service.database import fetch_all
from user_service.extensions import db
from user_service.mail.models import OneTimeToken

MakeApp = Callable[..., Flask]
NEW_PASSWORD = "staple ember window tide"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def person(person: Client, app: Flask) -> Client:
    """Somebody whose mail so far has been sent."""
    deliver(app)
    return person


def forget(client: Client, email: str | None = None, **headers: str) -> Answer:
    return client.post("/password/forgot", {"email": email or client.email}, auth=False, headers=headers)


def mailed_token(client: Client, app: Flask) -> str:
    assert forget(client).status == 202
    [mail] = deliver(app)
    return token_of(mail)


def reset(client: Client, token: str, password: str = NEW_PASSWORD) -> Answer:
    return client.post("/password/reset", {"token": token, "new_password": password}, auth=False)


def test_the_answer_is_the_same_for_known_and_unknown_addresses(person: Client, app: Flask) -> None:
    """SECURITY 103: the same words after the same statements, for the address is looked up at delivery."""
    statements: list[list[str]] = []
    answers = []
    with app.app_context():
        for engine in db.engines.values():
            event.listen(engine, "before_cursor_execute", lambda *args: statements[-1].append(args[2]))
    for email in (person.email, "nobody.at.all@example.com", person.email.upper()):
        statements.append([])
        answers.append(forget(person, email))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert statements[0] == statements[1] == statements[2] != []
    assert [mail["To"] for mail in deliver(app)] == [person.email]
    assert [row for row in outbox(app) if row.sought_email_key] == [], "what strangers typed is not kept"


def test_asking_changes_nothing(person: Client, app: Flask) -> None:
    """SECURITY 104."""
    before = person.get("/account").json
    mailed_token(person, app)
    assert person.get("/account").json == before
    assert person.another_device().log_in().status == 200


def test_a_reset_ends_all_sessions_tells_so_and_logs_nobody_in(person: Client, app: Flask) -> None:
    """SECURITY 111, 52."""
    answer = reset(person, mailed_token(person, app))
    assert (answer.status, answer.body) == (204, b"")
    assert person.get("/account").code == "token_revoked"
    assert person.refresh(person.refresh_token).code == "token_revoked"
    assert person.log_in().code == "invalid_credentials"
    assert person.log_in(password=NEW_PASSWORD).status == 200
    assert person.get("/account").json["email_verified"]
    assert "Your password was reset" in [mail["Subject"] for mail in deliver(app)]
    actions = [event["action"] for event in person.get("/account/events").json["data"]]
    assert {"auth.password.reset", "mail.link_sent", "auth.session.closed"} <= set(actions)


def test_a_reset_lets_in_whom_guesses_had_locked_out(time: time_machine.Traveller, person: Client, app: Flask) -> None:
    """SECURITY 45: the owner's way out, where even the right password is not looked at."""
    guesses = [person.log_in(password="not the password") for _ in range(10)]
    assert {guess.status for guess in guesses} == {401}
    assert person.log_in().status == 429
    assert reset(person, mailed_token(person, app)).status == 204
    assert person.log_in(password=NEW_PASSWORD).status == 200


def test_a_link_works_once(person: Client, app: Flask) -> None:
    """SECURITY 109."""
    token = mailed_token(person, app)
    assert reset(person, token).status == 204
    again = reset(person, token, "another staple of ember")
    assert (again.status, again.code) == (401, "one_time_token_invalid")
    assert person.log_in(password=NEW_PASSWORD).status == 200


def test_a_link_lives_for_thirty_minutes_from_its_delivery(
    time: time_machine.Traveller, person: Client, app: Flask
) -> None:
    """SECURITY 108: however long the mail had to wait."""
    forget(person)
    time.shift(90 * MINUTE)
    [mail] = deliver(app)
    time.shift(30 * MINUTE - timedelta(seconds=1))
    assert reset(person, token_of(mail), "short").status == 422
    time.shift(timedelta(seconds=1))
    assert reset(person, token_of(mail)).code == "one_time_token_invalid"


def test_a_refused_password_leaves_the_link_as_it_is(person: Client, app: Flask) -> None:
    """SECURITY 112: the rules of registration."""
    token = mailed_token(person, app)
    for password, code in (
        ("short", "password_too_short"),
        ("password1234", "password_common"),
        (f"x {person.username} x", "password_contains_identity"),
    ):
        answer = reset(person, token, password)
        assert (answer.status, answer.fault_codes()) == (422, {"/new_password": code})
    assert reset(person, token).status == 204


def test_a_newer_link_voids_the_older_ones(time: time_machine.Traveller, person: Client, app: Flask) -> None:
    """SECURITY 110."""
    first = mailed_token(person, app)
    time.shift(MINUTE)
    second = mailed_token(person, app)
    assert reset(person, first).code == "one_time_token_invalid"
    assert reset(person, second).status == 204


def test_links_that_waited_become_one(time: time_machine.Traveller, person: Client, app: Flask) -> None:
    """SECURITY 110: whatever order they would have gone out in."""
    for _ in range(3):
        forget(person)
        time.shift(MINUTE)
    [mail] = deliver(app)
    assert reset(person, token_of(mail)).status == 204


def test_a_changed_password_kills_the_link(person: Client, app: Flask) -> None:
    """SECURITY 108."""
    token = mailed_token(person, app)
    body = {"current_password": person.password, "new_password": NEW_PASSWORD}
    forget(person)
    assert person.put("/account/password", body).status == 200
    assert reset(person, token, "another staple of ember").code == "one_time_token_invalid"
    assert [mail["Subject"] for mail in deliver(app)] == ["Your password was changed"], "no link that was asked before"


def test_the_database_holds_no_token_that_works(person: Client, app: Flask) -> None:
    """SECURITY 108: neither in the outbox before delivery, nor after it, and 256 random bits."""
    of_resets = select(OneTimeToken.__table__).where(OneTimeToken.__table__.c.purpose == "reset-password")
    forget(person)
    with app.app_context():
        assert fetch_all(of_resets) == []
    [mail] = deliver(app)
    with app.app_context():
        [row] = fetch_all(of_resets)
    token = token_of(mail)
    assert len(row.digest) == 32
    assert token not in str(tuple(row)) + str(outbox(app))
    for guess in (row.digest.hex(), token[:-1], f"{token}A", token.swapcase(), ""):
        assert reset(person, guess).code in ("one_time_token_invalid", "validation_failed"), guess


def test_a_token_is_good_for_its_own_purpose_alone(app: Flask, client: Client) -> None:
    """SECURITY 108, 114."""
    client.register()
    [mail] = deliver(app)
    verify = token_of(mail)
    assert reset(client, verify).code == "one_time_token_invalid"
    assert client.post("/email/verify", {"token": mailed_token(client, app)}).code == "one_time_token_invalid"
    assert client.post("/email/verify", {"token": verify}).status == 200


def test_the_host_of_the_link_comes_from_the_configuration(person: Client, app: Flask) -> None:
    """SECURITY 106."""
    evil = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "gopher",
        "Forwarded": "host=evil.example;proto=gopher",
        "X-Original-Host": "evil.example",
    }
    forget(person, **evil)
    [mail] = deliver(app)
    assert "evil" not in mail.as_string()
    assert "\nhttp://users.test/links/reset-password#" in text_of(mail)


def test_a_front_end_may_take_the_links(make_app: MakeApp, client: Client) -> None:
    client.register()
    [mail] = deliver(make_app(link_base_url="https://shop.example/mail"))
    assert "\nhttps://shop.example/mail/verify-email#" in text_of(mail)


@pytest.mark.parametrize("spelling", ["ADA@EXAMPLE.COM", "ada@Example.com", "ADA@ｅxample.com"])
def test_the_mail_goes_to_the_stored_address(client: Client, app: Flask, spelling: str) -> None:
    """SECURITY 107."""
    client.register("ada", "ada@example.com")
    deliver(app)
    forget(client, spelling)
    assert [mail["To"] for mail in deliver(app)] == ["ada@example.com"]


def test_a_look_alike_finds_nobody(client: Client, app: Flask) -> None:
    """SECURITY 107: Django's CVE-2019-19844."""
    client.register("mike", "mike@example.com")
    deliver(app)
    for spelling in ("mıke@example.com", "mike@examplе.com"):
        forget(client, spelling)
    assert deliver(app) == []


def test_one_account_gets_a_bounded_number_of_links_and_always_a_live_one(
    time: time_machine.Traveller, person: Client, app: Flask
) -> None:
    """SECURITY 105: who floods an owner with mails neither floods nor locks out the owner."""
    tokens, lived = [], []
    for _ in range(60):
        forget(person)
        tokens += [token_of(mail) for mail in deliver(app)]
        lived.append(reset(person, tokens[-1], "short").status)
        time.shift(MINUTE)
    assert len(tokens) <= 8
    assert set(lived) == {422}, "the newest link works at any time"


def test_a_mail_that_was_perhaps_sent_is_sent_again_and_both_links_work_together_once(
    time: time_machine.Traveller, person: Client, app: Flask
) -> None:
    """A mailbox may keep the first of two mails with one Message-ID: it must not hold a dead link."""
    first = mailed_token(person, app)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE outbox_messages SET sent_at = NULL, next_attempt_at = created_at")
    [again] = [mail for mail in deliver(app) if "Reset" in mail["Subject"]]
    assert reset(person, first).status == 204
    assert reset(person, token_of(again)).code == "one_time_token_invalid"


def test_who_is_disabled_gets_no_link_and_cannot_use_one(person: Client, app: Flask) -> None:
    token = mailed_token(person, app)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET disabled_at = created_at")
    assert reset(person, token).code == "one_time_token_invalid"
    forget(person)
    assert deliver(app) == []


def test_who_leaves_takes_links_and_requests_along(person: Client, app: Flask) -> None:
    token = mailed_token(person, app)
    forget(person)
    assert person.send("DELETE", "/account", {"password": person.password}).status == 200
    assert reset(person, token).code == "one_time_token_invalid"
    assert (outbox(app), deliver(app)) == ([], [])


def test_only_a_post_body_is_read(person: Client, app: Flask) -> None:
    """SECURITY 113."""
    token = mailed_token(person, app)
    for method, path in (("GET", "/password/reset"), ("HEAD", "/password/reset")):
        assert person.send(method, f"{path}?token={token}&new_password={NEW_PASSWORD}").status == 405
    answer = person.post(f"/password/reset?token={token}", {"new_password": NEW_PASSWORD}, auth=False)
    assert answer.fault_codes() == {"/token": "required"}
    assert reset(person, token).status == 204


def test_what_came_by_mail_is_not_in_the_export(person: Client, app: Flask) -> None:
    token = mailed_token(person, app)
    document = person.post("/account/export", {"password": person.password}).json
    assert token not in json.dumps(document)
    assert {mail["kind"] for mail in document["mails"]} == {"verify_email", "reset_password"}
