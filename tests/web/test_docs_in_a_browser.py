"""The docs page as a reader uses it, by clicks in Chromium: the first profile without a line of code. SECURITY 142."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import PHONE, browsing, chromium, is_wider_than_the_screen
from tests.support.databases import SQLITE
from tests.support.server import serving

pytestmark = [pytest.mark.timeout(600), pytest.mark.parametrize("kind", [SQLITE], indirect=True)]


class DocsPage:
    """What a reader can do on it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        page.goto(f"{url}/docs")

    def run(self, operation: str) -> tuple[int, Any]:
        """Open an operation, send its example as it stands, and read the answer from the page."""
        block = self.page.locator(f"#operations-{operation}")
        block.locator(".opblock-summary-control").click()
        block.get_by_role("button", name="Execute").click()
        answer = block.locator(".live-responses-table .response")
        expect(answer).to_be_visible()
        status = int(answer.locator(".response-col_status").inner_text().split()[0])
        body = json.loads(answer.locator(".highlight-code pre").first.inner_text())
        block.locator(".opblock-summary-control").click()
        return status, body

    def authorize(self, token: str) -> None:
        """Paste it where the cursor is."""
        self.page.get_by_role("button", name="Authorize").click()
        dialog = self.page.locator(".dialog-ux")
        expect(dialog.locator("input").last).to_be_focused()
        self.page.keyboard.insert_text(token)
        self.page.keyboard.press("Enter")
        dialog.get_by_role("button", name="Close").last.click()


@pytest.fixture
def page_and_url(database_url: str) -> Iterator[tuple[Page, str]]:
    with serving(database_url, workers=1) as node, chromium() as browser, browsing(browser) as (context, witness):
        yield context.new_page(), node.url
        assert witness.complaints == []
        assert witness.hosts() <= {
            urlsplit(node.url).netloc,
            urlsplit(node.url).netloc.replace("127.0.0.1", "localhost"),
        }
        assert witness.requests


@pytest.mark.slow
def test_a_reader_registers_logs_in_authorizes_and_reads_the_profile(page_and_url: tuple[Page, str]) -> None:
    """By the name that the service does not call itself: the requests go where the page came from."""
    page, url = page_and_url
    docs = DocsPage(page, url.replace("127.0.0.1", "localhost"))
    status, registered = docs.run("auth-register")
    assert (status, registered["user"]["username"]) == (201, "maria.silva")
    status, tokens = docs.run("auth-log_in")
    assert status == 200
    assert docs.run("profile-get_profile")[0] == 401
    docs.authorize(tokens["access_token"])
    assert docs.run("profile-create_profile")[0] == 201
    status, profile = docs.run("profile-get_profile")
    assert (status, profile["username"], profile["name"]) == (200, "maria.silva", "María Silva")


@pytest.mark.slow
def test_the_page_is_drawn_on_a_phone_without_a_complaint(page_and_url: tuple[Page, str]) -> None:
    page, url = page_and_url
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # a plain dict
    page.goto(f"{url}/docs")
    expect(page.locator("#operations-auth-register")).to_be_visible()
    assert not is_wider_than_the_screen(page)
