"""A client that openapi-python-client makes of the API document takes the tour: what a user of the service would do."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from tests.support.databases import SQLITE
from tests.support.document import published
from tests.support.people import PASSWORD
from tests.support.server import serving
from user_service.payment.schemas import PaymentInfoRequestSchema
from user_service.profile.schemas import ProfileChangesSchema, ProfileRequestSchema

GENERATOR = Path(sys.executable).parent / "openapi-python-client"
CODE_IS_NOT_LOOKED_AT = "post_hooks: []\n"
NAME = "generated_user_service_client"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that imports a module of the generated package."""
    directory = tmp_path_factory.mktemp("client")
    (directory / "openapi.json").write_text(json.dumps(published("production")))
    (directory / "config.yml").write_text(CODE_IS_NOT_LOOKED_AT)
    generate = [GENERATOR, "generate", "--path", "openapi.json", "--config", "config.yml", "--meta", "none"]
    made = subprocess.run(
        [*generate, "--output-path", NAME], cwd=directory, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert "WARNING" not in made.stdout + made.stderr, "an operation was left out"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(directory)
        yield lambda module: importlib.import_module(f"{NAME}.{module}")


class Tour:
    """The generated functions by name, each with the answer's status and what was parsed of it."""

    def __init__(self, generated: Any, url: str) -> None:
        self.models, self._module, self._url = generated("models"), generated, url
        self._opened = ExitStack()
        self._use(generated("client").Client(base_url=url))

    def __enter__(self) -> "Tour":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def call(self, operation: str, expected: HTTPStatus, **arguments: Any) -> Any:
        answer = self._module(f"api.{operation}").sync_detailed(client=self.client, **arguments)
        assert answer.status_code == expected, answer
        return answer.parsed

    def keep(self, pair: Any) -> None:
        self._use(self._module("client").AuthenticatedClient(base_url=self._url, token=pair.access_token))

    def _use(self, client: Any) -> None:
        self.client = client
        self._opened.callback(client.get_httpx_client().close)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [SQLITE], indirect=True)
def test_the_generated_client_takes_the_tour(
    generated: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving(database_url, workers=1) as node, Tour(generated, node.url) as tour:
        models = tour.models
        newcomer = models.RegisterRequest(username="maria", email="maria@example.com", password=PASSWORD)
        assert tour.call("auth.register", HTTPStatus.CREATED, body=newcomer).user.username == "maria"
        refused = tour.call("auth.register", HTTPStatus.CONFLICT, body=newcomer)
        assert [fault.pointer for fault in refused.errors] == ["/username", "/email"]

        credentials = models.TokenRequest(username="maria", password=PASSWORD)
        pair = tour.call("auth.log_in", HTTPStatus.OK, body=credentials)
        tour.keep(pair)
        profile = models.ProfileRequest.from_dict(ProfileRequestSchema.example)
        created = tour.call("profile.create_profile", HTTPStatus.CREATED, body=profile)
        assert created.shipping_address.city == "São Paulo"
        assert tour.call("profile.get_profile", HTTPStatus.OK) == created
        changes = models.ProfileChanges.from_dict(ProfileChangesSchema.example)
        assert tour.call("profile.update_profile", HTTPStatus.OK, body=changes).phone == changes.phone

        card = models.PaymentInfoRequest.from_dict(PaymentInfoRequestSchema.example)
        stored = tour.call("payment.store_payment_info", HTTPStatus.CREATED, body=card)
        assert stored.payment_info.token_hint == "aMtr"

        spent = models.RefreshRequest(old_refresh_token=pair.refresh_token)
        tour.keep(tour.call("auth.refresh", HTTPStatus.OK, body=spent))
        assert [session.current for session in tour.call("auth.list_sessions", HTTPStatus.OK).data] == [True]
        assert tour.call("auth.log_out", HTTPStatus.NO_CONTENT) is None
        assert tour.call("profile.get_profile", HTTPStatus.UNAUTHORIZED).code == "token_revoked"
