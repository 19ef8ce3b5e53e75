"""Debian's Chromium, driven as a person would. What a page loads and complains about is kept for the test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MILLISECONDS = 60_000  # a busy machine, not a slow page
# What the browser notes by itself about an answer that the page expects, such as a 401.
EXPECTED = "Failed to load resource: the server responded with a status of 4"


@dataclass
class Witness:
    """What the pages of one browser context asked for, and what went wrong in them."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def hosts(self) -> set[str]:
        """Whom the pages spoke to; what is in the page itself (data:, blob:) is nobody."""
        return {url.split("/")[2] for url in self.requests if url.startswith(("http", "ws"))}

    def watch(self, context: BrowserContext) -> None:
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(f"error: {error.error}"))

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(EXPECTED):
            self.complaints.append(f"{message.type}: {message.text}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window. Without Chromium the test is left out loudly; in CI that is a failure."""
    if shutil.which(CHROMIUM) is None:
        message = "Chromium is not installed, so no page was looked at: apt install chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)  # not installed
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def browsing(browser: Browser, *, size: dict[str, int] | None = None) -> Iterator[tuple[BrowserContext, Witness]]:
    """A browser profile of its own, whose tabs share storage, and the witness of all that happens in it."""
    context = browser.new_context(viewport=size or DESKTOP, service_workers="block")  # type: ignore[arg-type]  # plain dicts
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    witness = Witness()
    witness.watch(context)
    try:
        yield context, witness
    finally:
        context.close()


def is_wider_than_the_screen(page: Page) -> bool:
    """Whether a reader has to scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
