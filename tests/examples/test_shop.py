"""The small shop, used by people: two tabs, a phone, tokens that live for five seconds, an answer that is lost.

Nobody who did not log out is ever logged out.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from tests.support.browser import PHONE, Witness, browsing, chromium, is_wider_than_the_screen
from tests.support.databases import SQLITE, Databases
from tests.support.people import PASSWORD
from tests.support.server import Node, free_port, serving

SERVER = Path(__file__).resolve().parents[2] / "examples" / "shop" / "serve.py"
LIFE_SECONDS = 5
AFTER_EXPIRY = (LIFE_SECONDS + 1) * 1000
PROFILE = {
    "Name": "Ada Lovelace",
    "Phone": "+1 650-253-0000",
    "Street and number": "1600 Amphitheatre Parkway",
    "City": "Mountain View",
    "Region or state": "CA",
    "Postal code": "94043",
    "Country": "US",
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@contextmanager
def open_shop(service: str, port: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, SERVER, "--service", service, "--port", str(port)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.communicate()


class Shop:
    """One tab, in the words of the one who looks at it."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.page: Page = context.new_page()
        self.page.clock.install()
        self.page.goto(url)

    def form(self, title: str) -> Locator:
        return self.page.get_by_role("form", name=title)

    def submit(self, title: str, button: str, values: dict[str, str]) -> Locator:
        form = self.form(title)
        for label, value in values.items():
            form.get_by_label(label).fill(value)
        form.get_by_role("button", name=button).click()
        return form

    def register(self, username: str, password: str = PASSWORD) -> Locator:
        values = {"Username": username, "E-mail address": f"{username}@example.com", "Password": password}
        return self.submit("New here?", "Register", values)

    def log_in(self, username: str) -> None:
        self.submit("Log in", "Log in", {"Username": username, "Password": PASSWORD})

    def save(self, values: dict[str, str]) -> Locator:
        return self.submit("Where we deliver", "Save", values)

    def look_again(self) -> None:
        self.page.get_by_role("button", name="Look again").click()

    def has_looked(self) -> None:
        """What "Look again" asked for has come: until then its button cannot be pressed."""
        expect(self.page.get_by_role("button", name="Look again")).to_be_enabled()

    def is_logged_in_as(self, username: str) -> None:
        expect(self.page.get_by_text(f"Hello, {username}!")).to_be_visible()

    def is_logged_out(self) -> None:
        expect(self.form("Log in")).to_be_visible()
        expect(self.form("Where we deliver")).to_be_hidden()

    def says(self, text: str) -> None:
        expect(self.page.get_by_role("status")).to_have_text(text)

    def sessions(self) -> Locator:
        return self.page.get_by_role("listitem")

    def let_the_token_expire(self) -> None:
        """By the clock of the page; the service's leeway of ten seconds would hide it on its own clock."""
        self.page.clock.fast_forward(AFTER_EXPIRY)


def fault_at(form: Locator, label: str) -> Locator:
    """What stands beside a field; it must be tied to it for those who cannot see where it stands."""
    field = form.get_by_label(label)
    expect(field).to_have_attribute("aria-invalid", "true")
    return form.page.locator(f"#{field.get_attribute('aria-describedby')}")


@contextmanager
def refreshes_held(context: BrowserContext) -> Iterator[list[Route]]:
    """Requests for new tokens wait in the browser until the end, and then go out together."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    context.route("**/token/refresh", hold)
    yield held
    for route in held:
        route.continue_()
    context.unroute("**/token/refresh", hold)


class Town:
    """The service, the shop on another origin, and a browser."""

    def __init__(self, node: Node, url: str, browser: Browser) -> None:
        self.node, self.url, self.browser = node, url, browser

    @contextmanager
    def visitor(self, size: dict[str, int] | None = None) -> Iterator[tuple[BrowserContext, Witness]]:
        with browsing(self.browser, size=size) as (context, witness):
            yield context, witness
            assert witness.hosts() == {urlsplit(self.url).netloc, urlsplit(self.node.url).netloc}


@pytest.fixture(scope="module")
def town(databases: Databases) -> Iterator[Town]:
    port = free_port()
    settings = {"CORS_ORIGINS": f"http://127.0.0.1:{port}", "ACCESS_TOKEN_SECONDS": str(LIFE_SECONDS)}
    with (
        databases.copy(SQLITE) as database_url,
        serving(database_url, workers=2, **settings) as node,
        open_shop(node.url, port) as url,
        chromium() as browser,
    ):
        yield Town(node, url, browser)


def test_every_refusal_stands_beside_its_field(town: Town) -> None:
    with town.visitor(PHONE) as (context, witness):
        shop = Shop(context, town.url)
        form = shop.register("ada", password="short")
        expect(fault_at(form, "Password")).to_contain_text("at least 8")
        shop.register("ada")
        shop.is_logged_in_as("ada")

        form = shop.save({**PROFILE, "Postal code": "1"})
        expect(fault_at(form, "Postal code")).to_be_visible()
        expect(form.get_by_label("City")).not_to_have_attribute("aria-invalid", "true")
        shop.save({"Postal code": "94043"})
        shop.says("Saved.")
        expect(form.locator(".fault")).to_have_count(0)

        card = {"Payment token": "4111 1111 1111 1111"}
        form = shop.submit("How you pay", "Store", card)
        expect(fault_at(form, "Payment token")).to_contain_text("card number")
        shop.submit("How you pay", "Store", {"Payment token": "pm_1QdX2eLkdIwHu7ixt7hBaMtr", "Brand": "visa"})
        shop.says("Stored.")
        expect(shop.page.get_by_text("Stored: visa")).to_be_visible()
        assert not is_wider_than_the_screen(shop.page)
        assert witness.complaints == []


def test_what_no_field_can_show_stands_on_top_of_the_form(town: Town) -> None:
    with town.visitor() as (context, _):
        shop = Shop(context, town.url)
        shop.submit("Log in", "Log in", {"Username": "nobody", "Password": PASSWORD})
        expect(shop.form("Log in").get_by_role("alert")).to_contain_text("wrong")
        shop.register("<img src=x onerror=alert(1)>")
        expect(fault_at(shop.form("New here?"), "Username")).to_be_visible()
        assert shop.page.locator("img").count() == 0


def test_two_tabs_stay_logged_in_over_every_expiry(town: Town) -> None:
    """Both refresh the same token at the same moment, again and again: one session, nobody logged out."""
    with town.visitor() as (context, witness):
        first = Shop(context, town.url)
        first.register("cleo")
        first.is_logged_in_as("cleo")
        second = Shop(context, town.url)
        second.is_logged_in_as("cleo")
        for _ in range(3):
            with refreshes_held(context) as held:
                for tab in (first, second):
                    tab.let_the_token_expire()
                    tab.look_again()
                while len(held) < 2:
                    first.page.wait_for_timeout(20)
            assert len({route.request.post_data for route in held}) == 1, "both tabs present the same token"
            for tab in (first, second):
                tab.has_looked()  # or its refresh would be the next one's as well
                expect(tab.sessions()).to_have_count(1)
                tab.is_logged_in_as("cleo")
        first.save(PROFILE)
        first.says("Saved.")
        assert witness.complaints == []


def test_an_answer_that_is_lost_logs_nobody_out(town: Town) -> None:
    """The service has spent the token, and the browser never heard of its successor."""
    with town.visitor() as (context, _):
        shop = Shop(context, town.url)
        shop.register("dora")
        shop.is_logged_in_as("dora")
        lost: list[int] = []

        def lose(route: Route) -> None:
            lost.append(route.fetch().status)
            route.abort()

        context.route("**/token/refresh", lose, times=1)
        shop.let_the_token_expire()
        shop.look_again()
        while not lost:
            shop.page.wait_for_timeout(20)
        shop.page.clock.run_for(5_000)
        shop.save(PROFILE)
        shop.says("Saved.")
        assert lost == [200]
        shop.is_logged_in_as("dora")


def test_a_tab_that_slept_past_the_expiry_goes_on_when_the_service_refuses_its_token(town: Town) -> None:
    """On the service's own clock: five seconds of life and ten of leeway. The page's clock stands still meanwhile."""
    with town.visitor() as (context, _):
        shop = Shop(context, town.url)
        shop.register("emil")
        shop.is_logged_in_as("emil")
        shop.page.clock.pause_at(shop.page.evaluate("Date.now()") + 100)
        with shop.page.expect_response(lambda answer: answer.status == 401, timeout=40_000):
            for _ in range(60):
                shop.look_again()
                shop.page.wait_for_timeout(500)
                if not shop.page.evaluate("document.querySelectorAll('li').length"):
                    break
        expect(shop.sessions()).to_have_count(1)
        shop.is_logged_in_as("emil")


def test_sessions_are_listed_and_closed_and_a_log_out_reaches_every_tab(town: Town) -> None:
    with town.visitor() as (desk, _), town.visitor(PHONE) as (pocket, _):
        computer = Shop(desk, town.url)
        computer.register("fay")
        computer.is_logged_in_as("fay")
        tab = Shop(desk, town.url)
        tab.is_logged_in_as("fay")
        phone = Shop(pocket, town.url)
        phone.log_in("fay")
        phone.is_logged_in_as("fay")

        computer.look_again()
        expect(computer.sessions()).to_have_count(2)
        computer.page.get_by_role("button", name="Close the session").click()
        computer.says("The session is closed.")
        expect(computer.sessions()).to_have_count(1)
        phone.look_again()
        phone.is_logged_out()

        computer.page.get_by_role("button", name="Log out", exact=True).click()
        computer.is_logged_out()
        tab.is_logged_out()
        tab.page.reload()
        tab.is_logged_out()


def test_a_change_in_the_other_tab_is_not_overwritten(town: Town) -> None:
    with town.visitor() as (context, _):
        first = Shop(context, town.url)
        first.register("gus")
        first.save(PROFILE)
        first.says("Saved.")
        second = Shop(context, town.url)
        expect(second.form("Where we deliver").get_by_label("Name")).to_have_value("Ada Lovelace")
        first.save({"Name": "Ada King"})
        first.says("Saved.")
        form = second.save({"Name": "Somebody Else"})
        expect(form.get_by_role("alert")).to_contain_text("changed since you read it")
