"""The small pages that mailed links lead to.

The token stands in the fragment, which browsers send to nobody; a script of our own reads it there, and only the
button's POST spends it. A page is the same for everybody, so it may be cached and has no secret.
"""

from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, Flask, Response
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from user_service.mail.kinds import Purpose

FILES = Path(__file__).resolve().parent / "link_pages"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
CACHE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Page:
    """`action` is where the token is sent to, as seen from the page."""

    title: str
    explanation: str
    button: str
    action: str
    done: str
    asks_password: bool = False


PAGES = {
    Purpose.VERIFY_EMAIL: Page(
        "Verify your e-mail address",
        "Press the button to confirm that this address is yours.",
        "Verify my address",
        "../email/verify",
        "Your e-mail address is verified. You can close this page.",
    ),
    Purpose.CHANGE_EMAIL: Page(
        "Confirm your new e-mail address",
        "Press the button to make this address the one of your account.",
        "Use this address",
        "../email/verify",
        "Your account has this address now. You can close this page.",
    ),
    Purpose.RESET_PASSWORD: Page(
        "Choose a new password",
        "Every device will be logged out. Then log in with the new password.",
        "Set the new password",
        "../password/reset",
        "Your password is changed. Log in with it now.",
        asks_password=True,
    ),
}

pages = Blueprint("links", __name__)
_templates = Environment(
    loader=FileSystemLoader(FILES), autoescape=select_autoescape(["html"]), undefined=StrictUndefined
)


def init_app(app: Flask) -> None:
    app.register_blueprint(pages)


@pages.get("/links/<any({}):purpose>".format(",".join(repr(purpose.value) for purpose in PAGES)))
def link_page(purpose: str) -> Response:
    page = _templates.get_template("page.html").render(page=PAGES[Purpose(purpose)])
    response = _cacheable(Response(page, mimetype="text/html"))
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    return response


@pages.get("/links/links.js")
def link_script() -> Response:
    return _cacheable(Response((FILES / "links.js").read_bytes(), mimetype="text/javascript"))


@pages.get("/links/links.css")
def link_style() -> Response:
    return _cacheable(Response((FILES / "links.css").read_bytes(), mimetype="text/css"))


def _cacheable(response: Response) -> Response:
    response.headers["Cache-Control"] = f"public, max-age={CACHE_SECONDS}"
    return response
