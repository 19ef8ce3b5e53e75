"""Every refusal has one shape and gives nothing away.

SECURITY 96 (who is asked for a token), 130 (one shape), 131 (no leaks).
"""

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from flask import Flask
from sqlalchemy import text

from tests.support.hostile import ON_ONE_DATABASE, Inspector, leaks
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from user_service.extensions import db
from user_service.web.catalogue import CATALOGUE

PUBLIC = re.compile(
    r"/(register|token|token/refresh|healthz|readyz|metrics|openapi\.json|docs(/.*)?|errors(/.*)?|\.well-known/jwks\.json"
    r"|email/verify|email/verification|password/forgot|password/reset|links/.*)"
)
SOME_ID = "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90"


def test_each_refusal_comes_with_its_status_and_its_code(person: Client) -> None:
    """SECURITY 130, 131: the inspector looks at its shape, and at what it gives away."""
    person.post("/profile", PROFILE)
    person.post("/profile/payment_info", PAYMENT)
    taken = {"username": person.username.upper(), "email": person.email.upper(), "password": person.password}
    inspector = Inspector(person)
    for method, path, body, headers, status, code in (
        ("POST", "/token", b"{", {}, 400, "invalid_json"),
        ("POST", "/token", None, {}, 400, "invalid_json"),
        ("POST", "/token", {"username": "x", "password": "x"}, {}, 401, "invalid_credentials"),
        ("GET", "/profile/me", None, {"Authorization": ""}, 401, "token_required"),
        ("GET", "/profile/me", None, {"Authorization": "Bearer x"}, 401, "invalid_token"),
        ("POST", "/account/export", {"password": "x"}, {}, 403, "wrong_password"),
        ("GET", f"/internal/users/{SOME_ID}", None, {}, 403, "forbidden"),
        ("GET", "/no/such/place", None, {}, 404, "not_found"),
        ("GET", "/errors/none", None, {}, 404, "error_not_found"),
        ("DELETE", f"/sessions/{SOME_ID}", None, {}, 404, "session_not_found"),
        ("DELETE", "/sessions/1", None, {}, 404, "not_found"),
        ("PATCH", "/profile", {}, {}, 405, "method_not_allowed"),
        ("GET", "/token", None, {}, 405, "method_not_allowed"),
        ("POST", "/register", taken, {}, 409, "username_taken"),
        ("POST", "/profile", PROFILE, {}, 409, "profile_exists"),
        ("POST", "/profile/payment_info", PAYMENT, {}, 409, "payment_info_exists"),
        ("PUT", "/profile", {"name": "x"}, {"If-Match": '"x"'}, 412, "precondition_failed"),
        ("POST", "/token", b"x" * 65_537, {}, 413, "request_too_large"),
        (
            "POST",
            "/token",
            b"a=b",
            {"Content-Type": "application/x-www-form-urlencoded"},
            415,
            "unsupported_media_type",
        ),
        ("POST", "/register", {}, {}, 422, "validation_failed"),
        ("GET", "/sessions?cursor=x", None, {}, 422, "validation_failed"),
        ("PUT", "/profile/payment_info", {"payment_token": "4111111111111111"}, {}, 422, "raw_card_number_refused"),
    ):
        answer = inspector.send(method, path, body, headers=headers, expect=status)
        inspector.check(answer.json.get("code") == code, f"{method} {path}: {answer.text}")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_the_type_of_a_problem_leads_to_its_explanation(client: Client) -> None:
    for code, entry in CATALOGUE.items():
        explained = client.get(f"/errors/{code}").json
        assert explained["code"] == code
        assert explained["status"] == entry.status
        assert re.fullmatch("[a-z0-9_]+", code)
        assert all(explained[member].endswith(".") for member in ("why", "remedy"))
        assert leaks(" ".join(str(value) for value in explained.values())) == []
    assert [entry["code"] for entry in client.get("/errors").json["data"]] == list(CATALOGUE)
    problem = client.get("/no/such/place").json
    assert client.get(urlsplit(problem["type"]).path).json["title"] == problem["title"]


@ON_ONE_DATABASE
def test_every_fault_of_a_body_is_told_at_once(client: Client) -> None:
    answer = client.post("/register", {"username": "a b", "password": 1, "role": "admin"})
    assert answer.fault_codes() == {
        "/username": "invalid_format",
        "/email": "required",
        "/password": "invalid_type",
        "/role": "unknown_field",
    }


@ON_ONE_DATABASE
@pytest.mark.parametrize("app_env", ["production", "development"])
def test_an_unforeseen_failure_says_nothing_but_its_request_id(
    make_app: Callable[..., Flask], app_env: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """SECURITY 131."""
    app = make_app(app_env=app_env)

    def fail() -> str:
        raise LookupError("SELECT password_hash FROM users -- the secret of Ada")

    app.add_url_rule("/fail", view_func=fail, methods=["GET", "POST"])
    client = Client(InProcess(app))
    answer = client.get("/fail", headers={"X-Request-ID": "request-of-ada"})
    assert answer.status == 500
    assert answer.code == "internal_error"
    assert answer.json["request_id"] == answer.headers["X-Request-ID"] == "request-of-ada"
    assert leaks(answer.text.replace("users.test", "")) == []
    assert not re.search("Lookup|secret|Ada|password", answer.json["detail"])
    logged = capfd.readouterr().err
    assert "request-of-ada" in logged
    assert "LookupError" in logged
    assert "the secret of Ada" not in logged
    assert "Logging error" not in logged


def test_a_part_that_is_missing_is_503_and_says_when_to_come_back(app: Flask, person: Client) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DROP TABLE token_blocklist"))
    for method, path, body in (("GET", "/profile/me", None), ("GET", "/sessions", None), ("POST", "/logout", None)):
        answer = person.send(method, path, body)
        assert (answer.status, answer.code) == (503, "service_unavailable")
        assert int(answer.headers["Retry-After"]) > 0
        assert leaks(answer.json["detail"]) == []


@ON_ONE_DATABASE
def test_every_endpoint_but_the_public_ones_asks_for_a_token(app: Flask, newcomer: Callable[[], Client]) -> None:
    """SECURITY 96: the map of the application is walked, so that no endpoint is forgotten."""
    stranger, inspector, guarded = newcomer(), Inspector(newcomer()), set()
    for method, rule, path in endpoints(app):
        if PUBLIC.fullmatch(rule):
            continue
        guarded.add(f"{method} {rule}")
        for headers in ({}, {"Authorization": "Bearer e30.e30.e30"}, {"Authorization": "Basic YWRhOnB3"}):
            for body in (None, {}, b"{", b"x" * 70_000):
                if rule != "/logout" or body in (None, {}):  # log-out reads its body first: it may hold the token
                    inspector.send(method, path, body, headers=headers, expect=401)
    assert not inspector.failures, inspector.report()
    assert {"GET /profile/me", "DELETE /profile", "GET /sessions", "PUT /profile/payment_info"} <= guarded
    assert stranger.post("/logout", {"refresh_token": "e30.e30.e30"}).code == "invalid_token"


def endpoints(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Each method of each rule, with an address that fits the rule."""
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", SOME_ID, rule.rule)
        for method in sorted((rule.methods or set()) - {"OPTIONS"}):
            yield method, rule.rule, path


@ON_ONE_DATABASE
def test_the_inspector_and_its_filter_see_what_they_look_for(app: Flask, newcomer: Callable[[], Client]) -> None:
    """The tools of these tests, tested: they complain about answers that are wrong."""
    for said in (
        "Traceback (most recent call last)",
        'File "x", line 3, in f',
        "KeyError: 'a'",
        "sqlalchemy.exc.Boom",
        "SELECT a FROM b",
        'duplicate key value violates unique constraint "x"',
        "at /usr/lib/x",
        "in app.py",
        "gunicorn/27.0.1",
        "<Response object at 0x7f>",
    ):
        assert leaks(said), said
    assert leaks("Send at least one of name, phone and shipping_address. Select another, then update it.") == []
    app.add_url_rule("/plain", endpoint="plain", view_func=lambda: ("no", 404))
    app.add_url_rule(
        "/bare", endpoint="bare", view_func=lambda: ({"detail": "KeyError: x"}, 409, {"Cache-Control": "public"})
    )
    inspector = Inspector(newcomer())
    inspector.send("GET", "/plain", expect=200)
    inspector.send("GET", "/bare")
    assert {failure.split("; ")[0].split(": ")[1].split(" is")[0] for failure in inspector.failures} == {
        "status 404 where (200,) was expected",
        "Content-Type",
        "Cache-Control",
    }
