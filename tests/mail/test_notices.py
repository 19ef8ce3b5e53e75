"""What people are told without having asked. SECURITY 52."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from flask import Flask

from tests.support.mail import deliver, html_of, text_of
from tests.support.people import Client, InProcess

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{}.0) Gecko/20100101 Firefox/{}.0"
HOME, AWAY = "203.0.113.7", "198.51.100.9"


class From(InProcess):
    """Requests from an address, by a user agent."""

    def __init__(self, app: Flask, address: str, agent: str) -> None:
        super().__init__(app)
        self.address, self.agent = address, agent

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None):
        self.app.wsgi_app, inner = self._placed(self.app.wsgi_app), self.app.wsgi_app
        try:
            return super().send(method, path, headers={"User-Agent": self.agent, **headers}, data=data)
        finally:
            self.app.wsgi_app = inner

    def _placed(self, inner):
        def placed(environ, start_response):
            return inner({**environ, "REMOTE_ADDR": self.address}, start_response)

        return placed


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.fixture
def ada(app: Flask) -> Client:
    """Somebody who logged in once, at home, with Firefox; the mail so far was sent."""
    client = Client(From(app, HOME, FIREFOX.format(147, 147))).join()
    assert "Verify your e-mail address" in [mail["Subject"] for mail in deliver(app)]
    return client


def log_in_from(ada: Client, address: str, agent: str) -> Client:
    other = ada.another_device()
    other.transport = From(ada.transport.app, address, agent)
    assert other.log_in().status == 200
    return other


def test_the_first_log_in_and_known_devices_are_not_told(ada: Client, app: Flask) -> None:
    log_in_from(ada, HOME, FIREFOX.format(147, 147))
    log_in_from(ada, HOME, FIREFOX.format(148, 148))
    assert deliver(app) == []


@pytest.mark.parametrize(
    ("address", "agent", "subject"),
    [
        (AWAY, FIREFOX.format(147, 147), "New log-in from Firefox on Linux"),
        (HOME, "Mozilla/5.0 (iPhone) Safari/604.1", "New log-in from Safari on iPhone"),
        (HOME, "click.evil.example/1.0", "New log-in"),
    ],
)
def test_a_log_in_from_a_new_device_is_told_once(
    ada: Client, app: Flask, address: str, agent: str, subject: str
) -> None:
    """SECURITY 52: in our own words, for the agent's are a stranger's."""
    log_in_from(ada, address, agent)
    log_in_from(ada, address, agent)
    [mail] = deliver(app)
    assert (mail["To"], mail["Subject"]) == (ada.email, subject)
    assert address in text_of(mail)
    assert "evil" not in mail.as_string() + html_of(mail)


def test_after_thirty_days_a_device_is_new_again(time: time_machine.Traveller, ada: Client, app: Flask) -> None:
    time.shift(timedelta(days=31))
    log_in_from(ada, HOME, FIREFOX.format(147, 147))
    assert [mail["Subject"] for mail in deliver(app)] == ["New log-in from Firefox on Linux"]


def test_a_session_that_is_closed_for_a_reused_token_is_told(ada: Client, app: Flask) -> None:
    spent = ada.refresh_token
    assert ada.refresh().status == ada.refresh().status == 200
    assert ada.refresh(spent).code == "refresh_token_reused"
    assert [mail["Subject"] for mail in deliver(app)] == ["We logged out one of your devices"]


def test_a_replay_that_is_answered_to_another_network_is_told(ada: Client, app: Flask) -> None:
    spent = ada.refresh_token
    assert ada.refresh().status == 200
    assert ada.refresh(spent).status == 200
    assert deliver(app) == [], "a second tab"
    thief = Client(From(app, AWAY, "curl/8.5.0"))
    assert thief.refresh(spent).status == 200
    [mail] = deliver(app)
    assert "two networks" in mail["Subject"]
    assert AWAY in text_of(mail)
