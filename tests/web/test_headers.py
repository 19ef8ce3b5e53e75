"""The headers of every answer, and what clients put into theirs.

SECURITY 97 (identity in headers), 129 (hostile headers), 142 (headers of every answer), 145 (no version).
"""

import re
from collections.abc import Callable
from itertools import product

import pytest
from flask import Flask

from tests.support.databases import PUBLIC_URL
from tests.support.hostile import (
    BODILESS,
    LOG_IN,
    ON_ONE_DATABASE,
    PLACES,
    REFRESH,
    SECURITY_HEADERS,
    Inspector,
    leaks,
    problems_with,
)
from tests.support.people import PAYMENT, PROFILE, Answer, Client, InProcess

TOKEN_ID = "01939b1c-8a4e-7d52-8f0e-0b6c5d1e2a90"
# An answer says what it is, how to keep it and whom to ask again. Everything else is a word too many.
KNOWN_HEADERS = {
    *(
        "content-type",
        "content-length",
        "content-disposition",
        "cache-control",
        "etag",
        "last-modified",
        "date",
        "vary",
    ),
    *("x-request-id", "x-content-type-options", "referrer-policy", "content-security-policy", "www-authenticate"),
    *("allow", "location", "link", "retry-after", "accept-ranges", "ratelimit", "ratelimit-policy"),
}


def test_every_answer_has_the_headers_that_protect_it(person: Client) -> None:
    """SECURITY 142: the inspector looks at them; here is one answer of every kind."""
    inspector = Inspector(person)
    inspector.send("POST", "/profile", PROFILE, expect=201)
    inspector.send("POST", "/profile", PROFILE, expect=409)
    inspector.send("POST", "/profile/payment_info", PAYMENT, expect=201)
    etag = inspector.send("GET", "/profile/me", expect=200).headers["ETag"]
    inspector.send("GET", "/profile/me", headers={"If-None-Match": etag}, expect=304)
    inspector.send("PUT", "/profile", {"name": "x"}, headers={"If-Match": '"other"'}, expect=412)
    inspector.send("DELETE", "/profile/payment_info", expect=204)
    inspector.send("GET", "/profile/payment_info", expect=404)
    inspector.send("PATCH", "/profile", expect=405)
    inspector.send("POST", "/token", b"{", expect=400)
    inspector.send("POST", "/token", {}, expect=422)
    inspector.send("POST", "/token", b"{}", headers={"Content-Type": "text/plain"}, expect=415)
    inspector.send("POST", "/token", b"x" * 70_000, expect=413)
    inspector.send("POST", "/token", LOG_IN.body, expect=401)
    inspector.send("GET", "/profile/me", auth=False, expect=401)
    inspector.send("GET", "/no/such/place", expect=404)
    inspector.send("OPTIONS", "/profile", expect=200)
    for method, path in BODILESS:
        inspector.send(method, path)
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_answers_with_tokens_or_personal_data_are_never_stored(person: Client) -> None:
    answers = [
        person.register(),
        person.log_in(),
        person.refresh(),
        person.post("/profile", PROFILE),
        person.get("/profile/me"),
        person.put("/profile", {"name": "Ada"}),
        person.post("/profile/payment_info", PAYMENT),
        person.get("/profile/payment_info"),
        person.get("/sessions"),
        person.delete("/profile"),
        person.post("/logout"),
    ]
    assert all(answer.status < 300 for answer in answers)
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}


@ON_ONE_DATABASE
def test_what_everybody_may_read_may_be_kept_for_a_while(client: Client) -> None:
    for path in ("/.well-known/jwks.json", "/openapi.json", "/docs", "/docs/start.js", "/errors/not_found"):
        assert client.get(path).headers["Cache-Control"] == "public, max-age=300"


@ON_ONE_DATABASE
def test_the_page_of_the_documentation_runs_nothing_from_elsewhere(client: Client) -> None:
    answer = client.get("/docs")
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy.replace("http-equiv", "")
    assert not re.findall(r"<script>|\son\w+=|(?:src|href)=\"(?!/)", answer.text)
    assert {name: answer.headers[name] for name in list(SECURITY_HEADERS)[:2]} == dict(
        list(SECURITY_HEADERS.items())[:2]
    )


@ON_ONE_DATABASE
def test_no_header_tells_what_the_service_is_made_of(person: Client) -> None:
    """SECURITY 131."""
    for method, path in [*BODILESS, *((place.method, place.path) for place in PLACES)]:
        headers = person.send(method, path).headers
        assert {name.lower() for name, _ in headers} <= KNOWN_HEADERS, (path, headers)
        told = " ".join(value for name, value in headers if name not in ("ETag", "X-Request-ID", "Link"))
        assert leaks(told) == [], told


@ON_ONE_DATABASE
@pytest.mark.parametrize(("public_url", "promise"), [("https://users.test", True), (PUBLIC_URL, False)])
def test_https_is_promised_for_a_year_or_more_where_it_is_used(
    make_app: Callable[..., Flask], public_url: str, promise: bool
) -> None:
    """SECURITY 143."""
    client = Client(InProcess(make_app(public_url=public_url)))
    for answer in (client.get("/healthz"), client.get("/no/such/place"), client.post("/token", b"{")):
        seconds = re.match(r"max-age=(\d+)", answer.headers.get("Strict-Transport-Security", "max-age=0"))
        assert seconds is not None
        assert (int(seconds[1]) >= 365 * 86_400) is promise


@ON_ONE_DATABASE
def test_a_request_id_is_kept_when_it_is_one_and_replaced_when_it_is_none(client: Client) -> None:
    kept = ["a", "1", ".", "_", "-", "A" * 128, TOKEN_ID, "..", "0123456789abcdefABCDEF._-"]
    replaced = [
        *("", " ", "a b", "A" * 129, "A" * 5000, "a/b", "a:b", "a,b", "a;b", 'a"b', "a'b", "a\tb", "é", "日本", "a@b"),
        *("<script>", "{{7*7}}", "${x}", "%0d%0a", "a\x00b", "a\x7f", "١٢٣", "ａｂｃ", "a\u200b", "+", "=", "~", "*"),
    ]
    for path in ("/healthz", "/no/such/place", "/profile/me"):
        for sent in kept:
            answer = client.get(path, headers={"X-Request-ID": sent})
            assert answer.headers.get_all("X-Request-ID") == [sent]
            assert path == "/healthz" or answer.json["request_id"] == sent
        for sent in replaced:
            wire = sent.encode().decode("latin-1")
            answer = client.get(path, headers={"X-Request-ID": wire})
            assert answer.headers["X-Request-ID"] != wire
            assert re.fullmatch(r"[A-Za-z0-9._-]{16,128}", answer.headers["X-Request-ID"])


@ON_ONE_DATABASE
def test_request_ids_that_the_service_makes_never_repeat(client: Client) -> None:
    made = [client.get("/healthz").headers["X-Request-ID"] for _ in range(200)]
    assert len(set(made)) == 200


NASTY = [
    *("", " ", ",", ";", "=", '"', "\\", "*", "*/*", "-1", "0", "9" * 400, "a" * 8000, "é".encode().decode("latin-1")),
    *("\xff\xfe", "\x80", "a\x00b", "a\x7fb", "a\tb", "' OR 1=1 --", "{{7*7}}", "${jndi:ldap://127.0.0.1:9/a}", "%s%n"),
    *("../../etc/passwd", "<script>", "null", "NaN", "true", "a, b, c", 'W/"', "bytes=0-,0-,0-,0-", "[::1]:99999"),
    *("Sat, 99 Foo 9999 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "gzip;q=9999999, *;q=-1", "a=b; " * 900),
]
NAMES = """
    Accept Accept-Charset Accept-Encoding Accept-Language Authorization Cookie Content-Encoding Content-Language
    Content-MD5 Content-Range Content-Type Date Expect Forwarded From Host If-Match If-Modified-Since If-None-Match
    If-Range If-Unmodified-Since Max-Forwards Origin Pragma Prefer Proxy-Authorization Range Referer TE Trailer Upgrade
    User-Agent Via Warning X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Prefix X-Forwarded-Proto
    X-HTTP-Method-Override X-Original-URL X-Real-IP X-Reason X-Request-ID X-Rewrite-URL Script-Name
""".split


@ON_ONE_DATABASE
def test_no_header_breaks_anything(person: Client) -> None:
    """What a header may do is to be refused; that takes a 4xx."""
    person.post("/profile", PROFILE)
    inspector = Inspector(person)
    for number, (name, value) in enumerate(product(NAMES(), NASTY)):
        with_body = name.startswith("Content-") or number % 4 == 0
        method, path, body = ("POST", REFRESH.path, REFRESH.body) if with_body else ("GET", "/profile/me", None)
        inspector.send(method, path, body, headers={name: value}, label=f"{name}: {value[:40]!r}")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_a_condition_that_a_file_does_not_meet_is_refused_in_the_one_shape(app: Flask) -> None:
    conditions = [*(("If-Match", value) for value in NASTY), ("Range", "bytes=9-1"), ("Range", "bytes=999999999-")]
    conditions += [("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"), ("If-None-Match", "*")]
    failures = []
    for name, value in conditions:
        with app.test_client().get("/docs/swagger-ui.css", headers={name: value}) as response:
            answer = Answer(response.status_code, response.headers, response.get_data())
        wrong = problems_with(answer, "GET", "/docs/swagger-ui.css")
        failures += [f"{name}: {value[:40]!r}: {answer.status}, {fault}" for fault in wrong]
    assert not failures, failures


@ON_ONE_DATABASE
def test_no_header_but_one_says_who_somebody_is(newcomer: Callable[[], Client]) -> None:
    mine, theirs = newcomer().join(), newcomer().join()
    for client in (mine, theirs):
        client.post("/profile", {**PROFILE, "name": client.username})
    inspector = Inspector(mine)
    for name in (
        "X-User-ID",
        "X-Remote-User",
        "X-Forwarded-User",
        "X-Auth-Request-User",
        "Remote-User",
        "X-Sub",
        "From",
    ):
        for value in (theirs.username, theirs.email):
            shown = inspector.send("GET", "/profile/me", headers={name: value}, expect=200).json
            inspector.check(shown["name"] == mine.username, f"{name}: {value} showed {shown['name']}")
            inspector.send("GET", "/profile/me", headers={name: value}, auth=False, expect=401)
    for name in ("X-Access-Token", "X-Authorization", "Proxy-Authorization", "X-Auth-Token", "Token", "Cookie"):
        for value in (
            theirs.access_token,
            f"Bearer {theirs.access_token}",
            f"access_token_cookie={theirs.access_token}",
        ):
            inspector.send("GET", "/profile/me", headers={name: value or ""}, auth=False, expect=401)
            shown = inspector.send("GET", "/profile/me", headers={name: value or ""}, expect=200).json
            inspector.check(shown["name"] == mine.username, f"{name} showed {shown['name']}")
    assert not inspector.failures, inspector.report()


@ON_ONE_DATABASE
def test_no_answer_sets_a_cookie_or_names_the_host_that_was_asked(person: Client) -> None:
    person.post("/profile", PROFILE)
    for host in ("evil.example", "evil.example:99", "a@b", "a b", "[::1", "..", "-", "é", "a/b", "users.test\\@evil"):
        headers = {"Host": host.encode().decode("latin-1"), "X-Forwarded-Host": "evil.example"}
        for path in ("/profile/me", "/sessions?limit=1", "/no/such/place", "/openapi.json", "/docs"):
            answer = person.get(path, headers=headers)
            assert answer.status in (200, 400, 404)
            assert "Set-Cookie" not in answer.headers
            assert "evil" not in answer.text + str(answer.headers)
