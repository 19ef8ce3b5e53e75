"""The right to see: one document with all that is held about the caller, and nothing that is held of others."""

from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.support.people import PAYMENT, PROFILE, Client
from user_service.audit.models import AuditEvent
from user_service.auth.models import LoginSession, User
from user_service.database import Base
from user_service.extensions import db
from user_service.mail.models import OutboxMessage
from user_service.payment.models import PaymentInfo
from user_service.profile.models import Profile

# Every column of every table that holds something about a person: where the export shows it, or why it does not.
KEY, SECRET, STATE = "a normal form of what is shown", "a secret", "the inner state of tokens, told by the times shown"
SHOWN: dict[type[Base], tuple[str, dict[str, str]]] = {
    User: (
        "account",
        {
            "id": "id",
            "username": "username",
            "username_key": KEY,
            "email": "email",
            "email_key": KEY,
            "email_verified_at": "email_verified",
            "pending_email": "pending_email",
            "verify_by": "72 hours after created_at, or none",
            "password_hash": SECRET,
            "password_scheme": SECRET,
            "password_changed_at": "password_changed_at",
            "disabled_at": "who is disabled cannot ask",
            "created_at": "created_at",
            "updated_at": "the latest of the times shown",
        },
    ),
    Profile: (
        "profile",
        {
            "user_id": "id",
            "name": "name",
            "sealed_phone": "phone",
            "sealed_phone_e164": "phone_e164",
            "sealed_shipping_address": "shipping_address",
            "created_at": "created_at",
            "updated_at": "updated_at",
        },
    ),
    PaymentInfo: (
        "payment_info",
        {
            "user_id": "the account's id",
            "sealed_payment_token": "token_hint",
            **{name: name for name in ("provider", "brand", "last4", "exp_month", "exp_year")},
            "created_at": "created_at",
            "updated_at": "updated_at",
        },
    ),
    LoginSession: (
        "sessions",
        {
            "id": "id",
            "user_id": "the account's id",
            "created_at": "created_at",
            "last_used_at": "last_used_at",
            "ends_at": "expires_at",
            "refresh_expires_at": "expires_at",
            **dict.fromkeys(("generation", "refresh_jti", "access_jti", "issued_at", "confirmed_at"), STATE),
            **dict.fromkeys(("is_replayed", "access_floor"), STATE),
            "ip": "ip",
            "user_agent": "user_agent",
            "refreshed_from": "refreshed_from",
        },
    ),
    OutboxMessage: (
        "mails",
        {
            **{name: name for name in ("id", "kind", "recipient", "context", "created_at", "sent_at")},
            "user_id": "the account's id",
            "sought_email_key": KEY,
            **dict.fromkeys(("attempts", "next_attempt_at", "gave_up_at", "last_error"), "how the sending goes"),
        },
    ),
    AuditEvent: (
        "security_events",
        {
            **{name: name for name in ("id", "occurred_at", "action", "outcome", "session_id", "ip", "user_agent")},
            "user_id": "the account's id",
            "request_id": "made by machines for machines",
            "detail": "detail",
        },
    ),
}
KEYS = {"data_keys", "service_secrets", "signing_keys"}
NOT_OF_PERSONS = {*KEYS, "login_throttles", "one_time_tokens", "token_blocklist", "service_clients"}


def exported(person: Client) -> dict[str, Any]:
    answer = person.post("/account/export", {"password": person.password})
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json


def test_every_column_of_every_table_is_in_the_export_or_has_a_reason(person: Client) -> None:
    """SECURITY 148: a new column or table cannot be forgotten."""
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    document = exported(person)
    assert {model.__tablename__ for model in SHOWN} | NOT_OF_PERSONS == set(Base.metadata.tables)
    for model, (section, columns) in SHOWN.items():
        assert set(columns) == set(model.__table__.columns.keys()), model
        held = document[section][0] if isinstance(document[section], list) else document[section]
        missing = {shown for shown in columns.values() if " " not in shown} - set(held)
        assert not missing, (section, missing)


def test_the_export_says_what_the_tables_hold(person: Client, app: Flask) -> None:
    """SECURITY 148."""
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    person.another_device().log_in()
    document = exported(person)
    assert document["account"] == person.get("/account").json
    assert document["profile"] == person.get("/profile/me").json
    assert document["payment_info"] == person.get("/profile/payment_info").json
    with app.app_context():
        sessions = db.session.scalars(select(LoginSession.id)).all()
        events = db.session.scalars(select(AuditEvent.id)).all()
    assert {session["id"] for session in document["sessions"]} == {str(session_id) for session_id in sessions}
    assert {event["id"] for event in document["security_events"]} == {str(event_id) for event_id in events}


def test_the_export_holds_no_secret_and_nothing_of_others(person: Client, newcomer: Callable[[], Client]) -> None:
    """SECURITY 148."""
    other = newcomer().join()
    person.post("/profile/payment_info", PAYMENT)
    text = person.post("/account/export", {"password": person.password}).text
    for secret in (person.password, person.access_token, person.refresh_token, PAYMENT["payment_token"], "$2b$"):
        assert str(secret) not in text
    listed = [row["id"] for path in ("/sessions", "/account/events") for row in other.get(path).json["data"]]
    assert len(listed) > 2
    theirs = [other.username, other.email, other.get("/account").json["id"], *listed]
    assert [datum for datum in theirs if datum in text] == []


def test_the_security_log_holds_nothing_of_others(person: Client, newcomer: Callable[[], Client]) -> None:
    other = newcomer().join()
    shown = {row["id"] for row in person.get("/account/events").json["data"]}
    assert shown
    assert shown.isdisjoint(row["id"] for row in other.get("/account/events").json["data"])


def test_who_has_nothing_but_an_account_gets_that(person: Client) -> None:
    document = exported(person)
    assert (document["profile"], document["payment_info"]) == (None, None)


def test_the_export_needs_the_password(person: Client) -> None:
    """SECURITY 148."""
    assert person.post("/account/export", {"password": "not the password"}).code == "wrong_password"
    assert person.post("/account/export", {}).code == "validation_failed"
    assert exported(person)["security_events"][1]["action"] == "auth.password.refused"
