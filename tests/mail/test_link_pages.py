"""The pages that mailed links lead to: strict, alone, the same for everybody. SECURITY 113, 114."""

import re

import pytest

from tests.support.document import app_without_database
from tests.support.people import Answer
from tests.web.test_docs_page import Page
from user_service.mail.kinds import Purpose

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def get(path: str, **changes: object) -> Answer:
    with app_without_database(**changes).test_client().get(path) as response:
        return Answer(response.status_code, response.headers, response.get_data())


@pytest.mark.parametrize("purpose", Purpose)
def test_every_link_leads_to_a_page_under_a_strict_policy(purpose: Purpose) -> None:
    answer = get(f"/links/{purpose.value}")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    page = Page(answer.text)
    assert page.inline == []
    assert {asset for asset in page.assets if asset != "data:,"} == {"links.js", "links.css"}


def test_its_script_and_its_style_are_served_here() -> None:
    for name, media_type in (("links.js", "text/javascript"), ("links.css", "text/css")):
        answer = get(f"/links/{name}")
        assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (200, media_type)
        assert not re.search(r"https?://|innerHTML|eval\(", answer.text)


def test_nothing_else_is_a_link() -> None:
    for path in ("/links", "/links/", "/links/other", "/links/page.html", "/links/../config.py"):
        assert get(path).code == "not_found"


def test_the_mail_of_development_is_shown_in_development_alone(tmp_path, monkeypatch) -> None:
    from user_service import clock
    from user_service.database import new_id
    from user_service.mail import transports
    from user_service.mail.composing import compose
    from user_service.mail.kinds import Kind

    monkeypatch.setattr(transports, "MAILBOX", tmp_path / "mail")
    app = app_without_database(app_env="development")
    assert "None yet" in app.test_client().get("/development/mail").text
    with app.app_context():
        values = {"recipient": "ada@example.com", "username": "ada", "happened_at": clock.now()}
        link = {"link": "http://users.test/links/verify-email#token", "minutes": 30}
        mail = compose(Kind.VERIFY_EMAIL, message_id=new_id(), **values, **link)
        transports.ConsoleTransport().send(new_id(), mail)
    page = app.test_client().get("/development/mail").text
    assert "To: ada@example.com" in page
    assert '<a href="http://users.test/links/verify-email#token">' in page
    for app_env in ("testing", "production"):
        assert get("/development/mail", app_env=app_env).code == "not_found"
