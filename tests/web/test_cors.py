"""Pages of other origins: none by default, else those of the list to the letter, without credentials. SECURITY 144."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import Answer, Client, InProcess

pytestmark = ON_ONE_DATABASE
SHOP, APP = "https://shop.example.com", "http://localhost:3000"
OTHERS = [
    *("https://evil.example", "null", "https://shop.example.com.evil.example", "https://evil-shop.example.com"),
    *(
        "http://shop.example.com",
        "https://shop.example.com:8443",
        "https://SHOP.example.com",
        "https://shop.example.co",
    ),
    *("https://x.shop.example.com", "shop.example.com", f"{SHOP}/", f"{SHOP}, {APP}", f"{SHOP} {APP}", "*", ""),
]
PREFLIGHT = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization,if-match"}


@pytest.fixture
def shared(make_app: Callable[..., Flask]) -> Client:
    return Client(InProcess(make_app(cors_origins=(SHOP, APP), ratelimit_enabled=True)))


def access_control(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize("origin", [SHOP, *OTHERS])
def test_without_a_list_no_origin_is_let_in(client: Client, origin: str) -> None:
    for method, headers in (("GET", {}), ("OPTIONS", PREFLIGHT)):
        answer = client.send(method, "/profile/me", headers={"Origin": origin, **headers})
        assert access_control(answer) == {}
        assert "Vary" not in answer.headers


@pytest.mark.parametrize("origin", OTHERS)
def test_who_is_not_on_the_list_is_not_let_in(shared: Client, origin: str) -> None:
    for method, headers in (("GET", {}), ("POST", {}), ("OPTIONS", PREFLIGHT)):
        answer = shared.send(method, "/token", headers={"Origin": origin, **headers})
        assert access_control(answer) == {}
        assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", [SHOP, APP])
def test_who_is_on_the_list_may_ask_first(shared: Client, origin: str) -> None:
    answer = shared.send("OPTIONS", "/profile", headers={"Origin": origin, **PREFLIGHT})
    assert answer.status == 200
    assert set(access_control(answer).pop("Access-Control-Allow-Methods").split(", ")) == {
        *("POST", "PUT", "DELETE", "OPTIONS"),
    }
    assert access_control(answer) == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": answer.headers["Allow"],
        "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID",
        "Access-Control-Max-Age": "600",
    }
    assert answer.headers["Vary"] == "Origin"


def test_who_is_on_the_list_may_read_answers_and_refusals(shared: Client) -> None:
    shared.join()
    origin = {"Origin": SHOP}
    body = {"username": shared.username, "password": "wrong as can be"}
    answers = [
        (shared.get("/account", headers=origin), 200),
        (shared.get("/account", headers=origin, auth=False), 401),
        (shared.post("/token", body, headers=origin, auth=False), 401),
        (shared.post("/token", b"{", headers=origin), 400),
        (shared.get("/nowhere", headers=origin), 404),
        (shared.get("/token", headers=origin), 405),
        (shared.delete("/sessions", headers=origin), 204),
    ]
    for answer, status in answers:
        assert answer.status == status
        shown = access_control(answer)
        assert shown.pop("Access-Control-Expose-Headers").split(", ") == [
            *("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate"),
            "X-Request-ID",
        ]
        assert shown == {"Access-Control-Allow-Origin": SHOP}
        assert answer.headers["Vary"] == "Origin"


def test_a_preflight_of_what_is_not_there_is_404_and_counts_for_no_limit(shared: Client) -> None:
    assert shared.send("OPTIONS", "/nowhere", headers={"Origin": SHOP, **PREFLIGHT}).status == 404
    answer = shared.send("OPTIONS", "/token", headers={"Origin": SHOP, **PREFLIGHT})
    assert "RateLimit" not in answer.headers


def test_without_an_origin_nothing_is_said(shared: Client) -> None:
    answer = shared.get("/healthz")
    assert access_control(answer) == {}
    assert answer.headers["Vary"] == "Origin"


def test_in_development_all_may_be_let_in_and_still_bring_no_credentials(make_app: Callable[..., Flask]) -> None:
    client = Client(InProcess(make_app(app_env="development", cors_origins=("*",))))
    answer = client.get("/healthz", headers={"Origin": "https://evil.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
