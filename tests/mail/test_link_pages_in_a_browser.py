"""A mailed link, opened on a phone and used by keyboard in Chromium. SECURITY 113, 114."""

import pytest
from playwright.sync_api import expect

from tests.conftest import running_app
from tests.support.browser import browsing, chromium, is_wider_than_the_screen
from tests.support.databases import SQLITE
from tests.support.mail import deliver, token_of
from tests.support.people import Client, OverSocket
from tests.support.server import serving

NEW_PASSWORD = "staple ember window tide"
PHONE = {"width": 360, "height": 640}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE], indirect=True)
def test_a_password_is_reset_by_keyboard_and_the_token_is_sent_by_the_button_alone(database_url: str) -> None:
    with serving(database_url, workers=1) as node, chromium() as browser, browsing(browser) as (context, _witness):
        person = Client(OverSocket(node.url))
        person.register()
        person.post("/password/forgot", {"email": person.email})
        with running_app(database_url) as app:
            [token] = [token_of(mail) for mail in deliver(app) if "Reset" in mail["Subject"]]
        page = context.new_page()
        page.set_viewport_size(PHONE)
        posts = []
        page.on("request", lambda request: posts.extend([request.url] * (request.method == "POST")))
        page.goto(f"{node.url}/links/reset-password#{token}")
        assert not is_wider_than_the_screen(page)
        assert posts == []
        page.get_by_label("New password").focus()
        page.keyboard.type("short")
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Use at least 8 characters.")
        page.get_by_label("New password").fill(NEW_PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("Your password is changed")
        assert token not in page.url
        assert len(posts) == 2
        assert not [url for url in posts if token in url]
        assert token not in node.log()
        assert person.log_in(password=NEW_PASSWORD).status == 200
