"""The right to leave: the data key first, then every row; what is left leads back to nobody."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Flask
from sqlalchemy import select

from tests.support.mail import deliver, outbox, token_of
from tests.support.people import PAYMENT, PROFILE, Client
from user_service.audit.models import AuditEvent
from user_service.database import Base
from user_service.extensions import db
from user_service.keys.models import SealedDataKey
from user_service.profile.models import Profile


def leave(person: Client, password: str | None = None) -> Any:
    return person.send("DELETE", "/account", {"password": password or person.password})


def everything(app: Flask) -> str:
    """Every value of every table as text."""
    with app.app_context():
        return "\n".join(
            repr(tuple(row)) for table in Base.metadata.sorted_tables for row in db.session.execute(select(table))
        )


def test_who_leaves_gets_a_receipt_and_is_gone(person: Client, app: Flask) -> None:
    """SECURITY 147."""
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    before = datetime.now(UTC)
    user_id = person.get("/account").json["id"]
    answer = leave(person)
    assert answer.status == 200
    receipt = answer.json["receipt"]
    erased_at, until = (datetime.fromisoformat(receipt[name]) for name in ("erased_at", "backups_unreadable_after"))
    assert erased_at >= before - timedelta(seconds=1)
    assert until - erased_at == timedelta(days=30)
    assert {"account", "profile", "payment_info", "sessions", "data_key"} <= set(receipt["erased"])
    left = everything(app)
    for trace in (person.username, person.email, PROFILE["name"], user_id, user_id.replace("-", ""), "127.0.0.1"):
        assert str(trace) not in left, trace


def test_every_session_is_over_at_once_on_every_node(person: Client, make_app: Callable[..., Flask]) -> None:
    """SECURITY 66, 147."""
    other = person.another_device()
    other.log_in()
    assert leave(person).status == 200
    person.transport.app = make_app()
    for client in (person, other):
        assert client.get("/profile/me").code == "token_revoked"
        assert client.refresh().code == "token_revoked"
    assert person.log_in().code == "invalid_credentials"


def test_the_log_goes_on_under_a_pseudonym(person: Client, app: Flask) -> None:
    """SECURITY 147: what happened stays, to whom does not."""
    person.post("/profile", PROFILE)
    receipt = leave(person).json["receipt"]
    with app.app_context():
        events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
    assert {str(event.user_id) for event in events} == {receipt["id"]}
    assert [event.action for event in events][-1] == "account.deleted"
    assert {"auth.user.registered", "auth.login.succeeded", "profile.created"} <= {event.action for event in events}
    assert {(event.ip, event.user_agent, event.session_id) for event in events} == {(None, None, None)}


def test_name_and_address_are_free_again_and_the_id_is_not(person: Client, newcomer: Callable[[], Client]) -> None:
    """SECURITY 65."""
    first = person.get("/account").json["id"]
    leave(person)
    successor = newcomer()
    assert successor.register(person.username, person.email).status == 201
    successor.log_in()
    assert successor.get("/account").json["id"] != first
    assert successor.get("/profile/me").code == "profile_not_found"


def test_it_needs_the_password_and_a_wrong_one_erases_nothing(person: Client) -> None:
    person.post("/profile", PROFILE)
    assert leave(person, "not the password").code == "wrong_password"
    assert person.get("/profile/me").status == 200


def test_an_older_dump_does_not_open_without_the_data_key(person: Client, app: Flask) -> None:
    """SECURITY 147, RELIABILITY 37: the rows of yesterday, the master keys of today, and no data key."""
    person.post("/profile", PROFILE)
    with app.app_context():
        tables = (Base.metadata.tables["users"], Profile.__table__)
        dump = [(table, [dict(row._mapping) for row in db.session.execute(select(table))]) for table in tables]
        db.session.rollback()
    leave(person)
    with app.app_context():
        for table, rows in dump:
            for row in rows:
                db.session.execute(table.insert(), row)
        db.session.commit()
        assert db.session.scalars(select(SealedDataKey)).first() is None
    assert person.log_in().status == 200
    answer = person.get("/profile/me")
    assert answer.status == 500
    assert PROFILE["phone"] not in answer.text


def test_no_mail_remembers_who_left(person: Client, app: Flask) -> None:
    """SECURITY 147: mail that was sent, that waits or failed, to the address of now, of before, and one to come."""
    registered_with, address, wanted = person.email, "second.nest@example.org", "third.nest@example.net"
    deliver(app)
    for email in (address, wanted):
        assert person.put("/account/email", {"email": email, "password": person.password}).status == 202
        if email == address:
            [change] = [mail for mail in deliver(app) if mail["To"] == address]
            assert person.post("/email/verify", {"token": token_of(change)}, auth=False).status == 200
    assert person.post("/password/forgot", {"email": address}).status == 202
    assert all(email in everything(app) for email in (registered_with, address, wanted))
    assert sum(row.sent_at is None for row in outbox(app)) >= 4
    assert leave(person).status == 200
    left = everything(app)
    for trace in (registered_with, address, wanted, person.username):
        assert trace not in left
    assert (outbox(app), deliver(app)) == ([], [])


def test_two_who_delete_at_once_are_one_erasure(person: Client) -> None:
    other = person.another_device()
    other.log_in()
    assert leave(person).status == 200
    assert leave(other).code == "token_revoked"


def test_the_search_finds_who_is_still_there(person: Client, app: Flask) -> None:
    """The negative control of the first test."""
    held = everything(app)
    assert person.username in held
    assert "127.0.0.1" in held
