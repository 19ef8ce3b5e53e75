"""The catalogue for programs and for people: the same words as JSON and as a page. SECURITY 113, 131, 142."""

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import PHONE, browsing, chromium, is_wider_than_the_screen
from tests.support.databases import SQLITE
from tests.support.document import app_without_database
from tests.support.people import Answer, Client, InProcess, OverSocket
from tests.support.server import Node, serving
from user_service.web.catalogue import CATALOGUE, Entry

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.fixture(scope="module")
def reader() -> Client:
    return Client(InProcess(app_without_database()))


@pytest.fixture
def node(database_url: str) -> Iterator[Node]:
    with serving(database_url, workers=1) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def page_of(reader: Client, path: str, accept: str = BROWSER) -> Answer:
    return reader.get(path, headers={"Accept": accept})


def example_on(page: Answer) -> dict:
    [text] = re.findall("<pre[^>]*>(.*?)</pre>", page.text, re.DOTALL)
    return json.loads(html.unescape(text))


@pytest.mark.parametrize("path", ["/errors", "/errors/profile_exists"])
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("application/*", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/json, text/html", "application/json"),
        ("image/png", "application/json"),
        ("nonsense;;;", "application/json"),
        (BROWSER, "text/html; charset=utf-8"),
        ("text/html", "text/html; charset=utf-8"),
        ("text/*", "text/html; charset=utf-8"),
        ("application/json;q=0.5, text/html", "text/html; charset=utf-8"),
    ],
)
def test_who_prefers_a_page_gets_one_and_everybody_else_json(
    reader: Client, path: str, accept: str | None, media_type: str
) -> None:
    answer = reader.get(path, headers={"Accept": accept} if accept else {})
    assert (answer.status, answer.headers["Content-Type"]) == (200, media_type)
    assert answer.headers["Vary"] == "Accept"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize(("code", "entry"), CATALOGUE.items(), ids=CATALOGUE)
def test_every_code_has_a_page_that_says_why_and_what_to_do(reader: Client, code: str, entry: Entry) -> None:
    page = page_of(reader, f"/errors/{code}")
    assert page.status == 200
    text = html.unescape(page.text)
    assert f"<h1>{entry.title}</h1>" in text
    for word in (code, str(entry.status), entry.why, entry.remedy):
        assert word in text
    problem = example_on(page)
    assert problem["status"] == entry.status
    assert code in (problem["code"], *(fault["code"] for fault in problem["errors"]))


def test_the_example_of_a_value_that_is_refused_shows_where_its_code_stands(reader: Client) -> None:
    problem = example_on(page_of(reader, "/errors/too_long"))
    assert problem["code"] == "validation_failed"
    assert [fault["code"] for fault in problem["errors"]] == ["too_long"]
    assert example_on(page_of(reader, "/errors/raw_card_number_refused"))["code"] == "raw_card_number_refused"


def test_the_list_leads_to_every_code(reader: Client) -> None:
    linked = re.findall(r'href="/errors/([a-z_]+)"', page_of(reader, "/errors").text)
    assert sorted(linked) == sorted(CATALOGUE)


def test_a_code_that_does_not_exist_is_a_problem_for_browsers_too(reader: Client) -> None:
    answer = page_of(reader, "/errors/<script>alert(1)</script>")
    assert answer.status == 404
    answer = page_of(reader, "/errors/no_such_code")
    assert (answer.status, answer.code) == (404, "error_not_found")


def test_the_pages_may_load_nothing_and_run_nothing(reader: Client) -> None:
    for path in ("/errors", "/errors/not_found"):
        policy = page_of(reader, path).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert policy.endswith("frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
        assert not re.findall(r"script|unsafe|http|\*", policy)
        assert not re.findall(r"<script|<img|<link|\son\w+=|\sstyle=|src=", page_of(reader, path).text)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE], indirect=True)
def test_who_follows_the_type_of_a_problem_reads_what_it_means(node: Node, browser: Browser) -> None:
    """On a phone: the style sheet passes the policy, nothing is cut off, and the way to the list is there."""
    problem = Client(OverSocket(node.url)).post("/register", b"{").json
    with browsing(browser, size=PHONE) as (context, witness):
        page = context.new_page()
        page.goto(problem["type"])
        expect(page.get_by_role("heading", level=1)).to_have_text("Invalid JSON")
        assert page.evaluate("getComputedStyle(document.body).maxWidth") != "none", "the style sheet was refused"
        assert not is_wider_than_the_screen(page)
        page.get_by_role("link", name="All error codes").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Error codes")
        assert not is_wider_than_the_screen(page)
        page.get_by_role("link", name="profile_exists").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Profile exists")
        assert witness.complaints == []
        assert witness.hosts() == {urlsplit(node.url).netloc}
