"""The page for people works with no internet and under a strict policy. SECURITY 113, 131, 142, 145."""

import re
from html.parser import HTMLParser

import pytest

from tests.support.document import app_without_database
from tests.support.people import Answer

TYPES = {".css": "text/css", ".js": "text/javascript", ".png": "image/png"}


class Page(HTMLParser):
    """What a page loads, what it runs, and what it hides in attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.assets: list[str] = []
        self.inline: list[str] = []
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = tag
        for name, value in attrs:
            if name in ("src", "href"):
                self.assets.append(value or "")
            if name.startswith("on") or name == "style":
                self.inline.append(f"{tag} {name}")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)


class Reader:
    """Reads as a browser does, and closes what it has read: assets are files."""

    def __init__(self) -> None:
        self.client = app_without_database().test_client()

    def get(self, path: str) -> Answer:
        with self.client.get(path) as response:
            return Answer(response.status_code, response.headers, response.get_data())


@pytest.fixture
def reader() -> Reader:
    return Reader()


def policy_of(answer: Answer) -> dict[str, str]:
    directives = [part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: "".join(sources) for name, *sources in directives}


def test_the_page_is_html_with_nothing_inline(reader: Reader) -> None:
    answer = reader.get("/docs")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = Page(answer.text)
    assert page.assets
    assert page.inline == []


def test_every_asset_is_served_here_and_is_what_it_says(reader: Reader) -> None:
    for path in Page(reader.get("/docs").text).assets:
        assert re.fullmatch(r"/docs/[a-z0-9.-]+", path), "an address on another host, or one that moves with the page"
        answer = reader.get(path)
        assert answer.status == 200, path
        assert answer.body, path
        assert answer.headers["Content-Type"].startswith(TYPES[path[path.rindex(".") :]]), path
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert answer.headers["Cache-Control"] == "public, max-age=300", path


def test_nothing_but_these_assets_is_served(reader: Reader) -> None:
    served = {rule.rule for rule in app_without_database().url_map.iter_rules() if rule.rule.startswith("/docs")}
    assert served == {
        "/docs",
        "/docs/start.js",
        "/docs/<any('swagger-ui.css','swagger-ui-bundle.js','favicon-32x32.png'):name>",
    }
    for name in ("index.html", "oauth2-redirect.html", "swagger-ui.js", "VERSION", "../__init__.py", "%2e%2e/x", ""):
        assert reader.get(f"/docs/{name}").code == "not_found", name


def test_the_policy_lets_the_page_reach_its_own_host_alone(reader: Reader) -> None:
    policy = policy_of(reader.get("/docs"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not [
        sources for sources in policy.values() if "http" in sources or "*" in sources or "unsafe-eval" in sources
    ]
    assert [name for name, sources in policy.items() if "unsafe-inline" in sources] == ["style-src"]
    assert reader.get("/docs").headers["Referrer-Policy"] == "no-referrer"


def test_other_answers_keep_the_strictest_policy(reader: Reader) -> None:
    for path in ("/docs/start.js", "/docs/swagger-ui-bundle.js", "/openapi.json", "/errors"):
        answer = reader.get(path)
        assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'", path


def test_the_page_starts_with_our_document_and_asks_no_validator(reader: Reader) -> None:
    start = reader.get("/docs/start.js").text
    assert re.findall(r'url: "(.*?)"', start) == ["/openapi.json"]
    assert "validatorUrl: null" in start
    assert "persistAuthorization: false" in start, "a token would stay in the browser's storage"
    assert "//" not in start
    assert reader.get("/openapi.json").status == 200


def test_the_interface_reads_openapi_3_1(reader: Reader) -> None:
    """Swagger UI does from version 5 on; the bundle names its own version."""
    assert 'PACKAGE_VERSION:"5.' in reader.get("/docs/swagger-ui-bundle.js").text
    assert reader.get("/openapi.json").json["openapi"].startswith("3.1.")


def test_the_page_offers_to_authorize(reader: Reader) -> None:
    schemes = reader.get("/openapi.json").json["components"]["securitySchemes"]
    assert schemes["bearer"] | {"description": ""} == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "",
    }


def test_the_document_can_be_cached_and_has_no_secrets(reader: Reader) -> None:
    answer = reader.get("/openapi.json")
    assert answer.headers["Cache-Control"] == "public, max-age=300"
    assert answer.headers["Content-Type"] == "application/json"
    assert not re.findall(r"sqlite|postgres|/nowhere|test-1", answer.text)
