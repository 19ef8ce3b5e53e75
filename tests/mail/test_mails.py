"""What mails look like, and what can never get into them. SECURITY 118."""

from email import policy
from email.parser import BytesParser

import pytest
from flask import Flask

from tests.support.document import app_without_database
from tests.support.mail import html_of, text_of
from user_service import clock
from user_service.database import new_id
from user_service.mail.composing import compose
from user_service.mail.kinds import Kind

CONTEXT = {
    "link": "https://users.example.com/links/x#token",
    "minutes": 30,
    "device": "Firefox on Linux",
    "ip": "203.0.113.7",
    "by_mail": False,
}


@pytest.fixture
def app() -> Flask:
    return app_without_database()


def made(app: Flask, kind: Kind = Kind.PASSWORD_CHANGED, **changes: object):
    values = {"recipient": "ada@example.com", "username": "ada", "happened_at": clock.now(), **CONTEXT, **changes}
    if kind.purpose is None:
        values.pop("link")
    with app.app_context():
        return compose(kind, message_id=new_id(), **values)


@pytest.mark.parametrize("kind", Kind)
def test_every_mail_says_what_happened_in_text_and_html(app: Flask, kind: Kind) -> None:
    mail = made(app, kind)
    assert 10 < len(mail["Subject"]) < 70
    for said in (text_of(mail), html_of(mail)):
        assert "Hello ada," in said
        assert "{{" not in said
        assert "None" not in said
        assert (CONTEXT["link"] in said) == (kind.purpose is not None)
    assert "<p>" not in text_of(mail)
    assert "\n\n\n" not in text_of(mail)
    assert mail["From"] == "User Service <user-service@localhost>"
    assert {"Date", "Message-ID", "Auto-Submitted"} <= set(mail.keys())


@pytest.mark.parametrize("kind", Kind)
def test_a_mail_does_without_device_and_address(app: Flask, kind: Kind) -> None:
    mail = made(app, kind, device=None, ip=None)
    assert "None" not in mail["Subject"] + text_of(mail) + html_of(mail)


def test_the_sender_is_the_configured_one() -> None:
    mail = made(app_without_database(mail_from="Shøp & Sons <no-reply@shop.example>"))
    [sender] = mail["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Shøp & Sons", "no-reply@shop.example")
    assert mail["Message-ID"].endswith("@shop.example>")
    assert "Shøp & Sons" in text_of(mail)
    assert "Shøp &amp; Sons" in html_of(mail)


HOSTILE = ["x\r\nBcc: y@evil.example", "x\nBcc: y@evil.example", "x\rBcc: y", "x\r\n\r\nbody", "x\u2028Bcc: y", "x\0y"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["device", "ip", "username"])
def test_no_line_break_gets_into_a_header(app: Flask, field: str, value: str) -> None:
    """SECURITY 118: whatever a template were to tell, and wherever."""
    try:
        mail = made(app, Kind.NEW_DEVICE, **{field: value})
    except ValueError:
        return
    read = BytesParser(policy=policy.default).parsebytes(mail.as_bytes())
    assert "Bcc" not in read
    assert read["To"] == "ada@example.com"
    assert read.is_multipart()


@pytest.mark.parametrize("value", ["ada@example.com\r\nBcc: y@z.example", "a@b.example, c@d.example", "a b@c.example"])
def test_no_recipient_becomes_two(app: Flask, value: str) -> None:
    """SECURITY 118."""
    try:
        mail = made(app, recipient=value)
    except ValueError:
        return
    read = BytesParser(policy=policy.SMTPUTF8).parsebytes(mail.as_bytes())
    assert len(read["To"].addresses) == 1
    assert "Bcc" not in read


def test_markup_is_text(app: Flask) -> None:
    mail = made(app, Kind.NEW_DEVICE, ip="<img src=//evil.example>")
    assert "<img" not in html_of(mail)
    assert "&lt;img" in html_of(mail)


def test_an_address_of_another_script_keeps_its_letters(app: Flask) -> None:
    mail = made(app, recipient="jörg@müller.example")
    assert mail["To"].addresses[0].addr_spec == "jörg@xn--mller-kva.example"
