"""The services in examples/ take a good access token of a running node, and nothing else. SECURITY 59, 64, 77."""

import asyncio
import importlib.util
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import time_machine
from flask import Flask

from tests.conftest import running_app
from tests.support.crowd import claims_of
from tests.support.databases import SQLITE, Databases
from tests.support.people import Client, OverSocket
from tests.support.server import Node, free_port, serving
from user_service.clients.service import Scope, create_client

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = ("flask_decorator", "fastapi_dependency")


@pytest.fixture(scope="module")
def node(databases: Databases) -> Iterator[Node]:
    with databases.copy(SQLITE) as url:
        with running_app(url) as app, app.app_context():
            secret = create_client(name="orders", scopes=[Scope.TOKEN_INTROSPECT], expires_at=None)
        with serving(url, workers=1) as running, pytest.MonkeyPatch.context() as patch:
            patch.setenv("USER_SERVICE", running.url)
            patch.setenv("CLIENT_SECRET", secret)
            patch.setenv("no_proxy", "127.0.0.1")
            yield running


def load(name: str) -> ModuleType:
    """The example, read anew: it looks at its environment when it is imported."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest, node: Node) -> ModuleType:
    return load(request.param)


def ask(example: ModuleType, method: str, token: str | None) -> Any:
    """Send a request to the example in this process: to a WSGI or an ASGI application."""
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    if isinstance(example.app, Flask):
        return example.app.test_client().open("/orders", method=method, headers=headers)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(example.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://orders.test") as client:
            return await client.request(method, "/orders", headers=headers)

    return asyncio.run(send())


def is_refused(answer: Any) -> bool:
    return answer.status_code == 401 and answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'


@pytest.fixture
def person(node: Node) -> Client:
    return Client(OverSocket(node.url)).join()


def test_a_good_token_says_who_it_is(example: ModuleType, person: Client) -> None:
    answer = ask(example, "GET", person.access_token)
    assert answer.status_code == 200
    assert claims_of(person.access_token)["sub"] in answer.text
    assert ask(example, "POST", person.access_token).status_code == 201


def test_no_token_and_no_real_one_are_refused(example: ModuleType) -> None:
    for token in (None, "", "garbage", "a.b.c"):
        assert is_refused(ask(example, "GET", token)), token
        assert is_refused(ask(example, "POST", token)), token


def test_a_refresh_token_is_refused(example: ModuleType, person: Client) -> None:
    assert is_refused(ask(example, "GET", person.refresh_token))


def test_an_expired_token_is_refused(example: ModuleType, person: Client) -> None:
    end = datetime.fromtimestamp(claims_of(person.access_token)["exp"], UTC)
    with time_machine.travel(end + timedelta(seconds=9), tick=False):
        assert ask(example, "GET", person.access_token).status_code == 200
    with time_machine.travel(end + timedelta(seconds=11), tick=False):
        assert is_refused(ask(example, "GET", person.access_token))


@pytest.mark.parametrize("name", NAMES)
def test_a_token_for_another_audience_is_refused(
    name: str, node: Node, person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUDIENCE", "https://warehouse.example.com")
    assert is_refused(ask(load(name), "GET", person.access_token))


def test_a_token_that_was_logged_out_places_no_order(example: ModuleType, person: Client) -> None:
    assert ask(example, "POST", person.access_token).status_code == 201
    assert person.post("/logout").status == 204
    assert is_refused(ask(example, "POST", person.access_token))
    assert ask(example, "GET", person.access_token).status_code == 200, "what is not weighty waits for the expiry"


@pytest.mark.parametrize("name", NAMES)
def test_keys_that_cannot_be_fetched_are_no_reason_to_throw_a_token_away(
    name: str, node: Node, person: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_SERVICE", f"http://127.0.0.1:{free_port()}")
    assert ask(load(name), "GET", person.access_token).status_code == 503
