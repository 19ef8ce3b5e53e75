"""A mail is a row in the transaction of what it tells about; a worker sends it, and one worker alone."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import at_once
from tests.support.mail import deliver, outbox, text_of
from tests.support.people import Client
from user_service import clock
from user_service.database import new_id, transaction
from user_service.extensions import db
from user_service.mail.claims import LEASE, MAX_ATTEMPTS, claim, finish, pause_after, put_off
from user_service.mail.delivery import Result, deliver_due
from user_service.mail.kinds import Kind
from user_service.mail.outbox import backlog, enqueue
from user_service.mail.transports import MemoryTransport, ServerAway, TryLater, Undeliverable

MakeApp = Callable[..., Flask]
SECOND = timedelta(seconds=1)
NEW_PASSWORD = "staple ember window tide"


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


class Moody:
    """A transport that fails as it is told, then works."""

    def __init__(self, *moods: Exception) -> None:
        self.moods = list(moods)
        self.mails: list[EmailMessage] = []

    def send(self, _message_id: UUID, mail: EmailMessage) -> None:
        if self.moods:
            raise self.moods.pop(0)
        self.mails.append(mail)

    def close(self) -> None:
        pass


@pytest.fixture
def told(person: Client, app: Flask) -> Client:
    """Somebody who has changed the password, which is told by the only mail there is.

    On a clock that stands still, ids tell no order.
    """
    deliver(app)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM outbox_messages")
    body = {"current_password": person.password, "new_password": NEW_PASSWORD}
    answer = person.put("/account/password", body)
    assert answer.status == 200
    person.password, person.access_token = NEW_PASSWORD, answer.json["access_token"]
    return person


def last(app: Flask):
    return outbox(app)[-1]


def send_by(app: Flask, transport: Moody) -> dict[Result, int]:
    with app.app_context():
        return dict(deliver_due(transport))


def test_a_changed_password_is_told_once(told: Client, app: Flask) -> None:
    [mail] = deliver(app)
    assert (mail["To"], mail["Subject"]) == (told.email, "Your password was changed")
    assert told.username in text_of(mail)
    assert deliver(app) == []
    assert (last(app).sent_at is not None, last(app).next_attempt_at) == (True, None)


def test_what_is_rolled_back_is_told_to_nobody(person: Client, app: Flask) -> None:
    deliver(app)

    def fail() -> None:
        with transaction():
            enqueue(Kind.PASSWORD_CHANGED, user_id=new_id())
            raise ZeroDivisionError

    with app.app_context():
        with pytest.raises(ZeroDivisionError):
            fail()
        assert backlog().waiting == 0


def test_the_attempt_is_counted_before_it_is_made_and_a_worker_that_dies_loses_nothing(
    time: time_machine.Traveller, told: Client, app: Flask
) -> None:
    """RELIABILITY 31: whoever is killed between sending and writing sends again, under the same Message-ID."""

    class Killed(BaseException):
        pass

    class Dying(MemoryTransport):
        def send(self, message_id: UUID, mail: EmailMessage) -> None:
            super().send(message_id, mail)
            assert last(app).attempts == 1
            raise Killed

    transport = Dying()
    with app.app_context(), pytest.raises(Killed):
        deliver_due(transport)
    assert deliver(app) == [], "it may still be under way"
    time.shift(LEASE)
    [again] = deliver(app)
    assert again["Message-ID"] == transport.mails[0]["Message-ID"]
    assert last(app).attempts == 2


def test_a_mail_that_is_put_off_comes_again_after_pauses_that_grow(
    time: time_machine.Traveller, told: Client, app: Flask
) -> None:
    transport = Moody(TryLater("SMTP 451"), ServerAway("ConnectionRefusedError"))
    for pause in (timedelta(seconds=5), timedelta(seconds=10)):
        assert send_by(app, transport) == {Result.PUT_OFF: 1}
        time.shift(pause - SECOND)
        assert send_by(app, transport) == {}
        time.shift(SECOND)
    assert last(app).last_error == "ConnectionRefusedError"
    assert send_by(app, transport) == {Result.DELIVERED: 1}
    assert len(transport.mails) == 1


def test_pauses_grow_up_to_an_hour() -> None:
    pauses = [pause_after(attempts) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert pauses[:3] == [timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=20)]
    assert pauses[-1] == timedelta(hours=1)
    assert timedelta(hours=20) < sum(pauses, timedelta()) < timedelta(hours=30)


@pytest.mark.parametrize("attempts", [1, MAX_ATTEMPTS])
def test_giving_up_can_be_seen_and_undone(
    time: time_machine.Traveller, told: Client, app: Flask, attempts: int
) -> None:
    """A refusal for good gives up at once, any other after the last attempt."""
    moods = [Undeliverable("SMTP 550")] if attempts == 1 else [TryLater("SMTP 451")] * attempts
    transport = Moody(*moods)
    for _ in range(attempts):
        result = send_by(app, transport)
        time.shift(timedelta(hours=1))
    assert result == {Result.GAVE_UP: 1}
    runner = app.test_cli_runner()
    [listed] = json.loads(runner.invoke(args=["mail", "list", "--json"]).output)
    assert (listed["state"], listed["attempts"], listed["kind"]) == ("given up", attempts, "password_changed")
    assert told.email not in json.dumps(listed)
    assert "given up" in runner.invoke(args=["mail", "list"]).output
    told.log_in()
    event = next(e for e in told.get("/account/events").json["data"] if e["action"] == "mail.not_delivered")
    assert (event["outcome"], event["detail"]["kind"]) == ("refused", "password_changed")
    assert runner.invoke(args=["mail", "retry", listed["id"]]).exit_code == 0
    assert [mail["To"] for mail in deliver(app) if "password" in mail["Subject"]] == [told.email]


def test_a_retry_names_what_it_means(app: Flask) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["mail", "retry"]).exit_code == 2
    assert runner.invoke(args=["mail", "retry", "--all"]).output.startswith("0 messages")
    assert runner.invoke(args=["mail", "retry", str(new_id())]).exit_code == 1


def test_a_server_that_is_away_costs_one_message_an_attempt_and_not_all(told: Client, app: Flask) -> None:
    with app.app_context(), transaction():
        for _ in range(3):
            enqueue(Kind.PASSWORD_CHANGED, user_id=last(app).user_id, by_mail=False, device=None, ip=None)
    assert send_by(app, Moody(ServerAway("TimeoutError"))) == {Result.PUT_OFF: 1}
    assert sorted(row.attempts for row in outbox(app) if row.sent_at is None) == [0, 0, 0, 1]


def test_a_message_that_cannot_be_made_holds_up_no_other(told: Client, app: Flask) -> None:
    with app.app_context(), transaction():
        enqueue(Kind.NEW_DEVICE, user_id=last(app).user_id)  # what its template tells is missing
        enqueue(Kind.PASSWORD_CHANGED, user_id=last(app).user_id, by_mail=True, device=None, ip=None)
    transport = Moody()
    assert send_by(app, transport) == {Result.DELIVERED: 2, Result.PUT_OFF: 1}
    assert [row.last_error for row in outbox(app) if row.sent_at is None] == ["UndefinedError"]


def test_no_two_workers_ever_have_one_message(told: Client, make_app: MakeApp, app: Flask) -> None:
    """RELIABILITY 31: twelve messages, eight workers on applications of their own."""
    with app.app_context(), transaction():
        for _ in range(12):
            enqueue(Kind.PASSWORD_CHANGED, user_id=last(app).user_id, by_mail=False, device=None, ip=None)
    apps = [make_app() for _ in range(4)]

    def claims(index: int) -> list[UUID]:
        with apps[index % 4].app_context():
            taken = []
            while (found := claim()) is not None:
                taken.append(found.id)
            return taken

    taken = [message_id for found in at_once(8, claims) for message_id in found]
    # SKIP LOCKED may show nobody anything for a moment, so what is left is taken by the last.
    taken += claims(0)
    assert len(taken) == len(set(taken)) == 13


def test_who_comes_back_late_does_not_settle_what_is_anothers(
    time: time_machine.Traveller, told: Client, app: Flask
) -> None:
    with app.app_context():
        slow = claim()
        assert slow is not None
        time.shift(LEASE)
        assert claim() is not None
        put_off(slow, "TimeoutError")
        assert last(app).last_error is None
        finish(slow)
        assert last(app).sent_at is None


def test_who_leaves_takes_the_mail_along(told: Client, app: Flask) -> None:
    """SECURITY 147: what waits for a person dies with the account."""
    assert told.log_in().status == 200
    assert told.send("DELETE", "/account", {"password": told.password}).status == 200
    assert outbox(app) == []


def test_a_mail_to_nobody_is_dropped(app: Flask) -> None:
    with app.app_context(), transaction():
        enqueue(Kind.PASSWORD_CHANGED, user_id=new_id(), by_mail=False, device=None, ip=None)
    assert deliver(app) == []
    assert outbox(app) == []


def test_one_account_gets_so_many_mails_an_hour_and_then_one_now_and_then(
    time: time_machine.Traveller, told: Client, app: Flask
) -> None:
    """SECURITY 105: no flood, and no silence either."""
    user_id = last(app).user_id
    sent = 0
    for _ in range(60):
        with app.app_context(), transaction():
            enqueue(Kind.REFRESH_REPLAYED, user_id=user_id, device=None, ip="203.0.113.7")
        sent += len([mail for mail in deliver(app) if "two networks" in mail["Subject"]])
        time.shift(timedelta(minutes=1))
    assert sent == 3 + 2
    assert outbox(app)[-1].sent_at is not None or len(outbox(app)) < 60


def test_the_backlog_tells_how_much_waits_and_since_when(
    time: time_machine.Traveller, told: Client, app: Flask
) -> None:
    with app.app_context():
        since = clock.now()
        time.shift(timedelta(minutes=5))
        found = backlog()
    assert (found.waiting, found.oldest_at, found.gave_up) == (1, since, 0)
