"""The dumps of docs/backup.md, taken while customers are served, restore to one moment. RELIABILITY 37."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import running_app
from tests.resilience.ledger import Account
from tests.resilience.site import site_on
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import Client, InProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGE = Path(__file__).parents[2] / "docs" / "backup.md"


def commands(which: str) -> str:
    """A block of shell commands of the page."""
    [block] = [block for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL) if which in block]
    return block


def run(block: str, database: str, directory: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "DB": database}
    subprocess.run(
        ["bash", "-euc", block], cwd=directory, env=environment, check=True, capture_output=True, timeout=120
    )


@pytest.mark.parametrize("kind", [POSTGRESQL], indirect=True)
def test_dumps_under_load_are_of_one_moment(databases: Databases, database_url: str, tmp_path: Path) -> None:
    """Whoever was there then can log in, their profile opens, and no token of then works once all are ended."""
    server = databases.postgres
    name = database_url.partition("?")[0].rpartition("/")[2]
    with site_on(database_url, workers=1) as site, site.under_load() as ledger:
        then = [(account, account.name, account.access_token) for account in ledger.accounts]
        run(commands("pg_export_snapshot"), f"postgresql://postgres@/{name}?host={server.directory}", tmp_path)
        ledger.wait_for_everybody()
    restored = server.create_database("template0")
    try:
        run(commands("pg_restore --dbname"), f"postgresql://postgres@/{restored}?host={server.directory}", tmp_path)
        with running_app(server.url(restored)) as app:
            people = [comes_back(Client(InProcess(app)), account, name) for account, name, _ in then]
            closed = app.test_cli_runner().invoke(args=["sessions", "close", "--all", "--yes"])
            assert closed.exit_code == 0, closed.output
            assert {person.get("/profile/me").status for person in people} == {401}
            assert {bearer(people[0], token) for *_, token in then if token} == {401}
    finally:
        server.drop_database(restored)


def comes_back(client: Client, account: Account, name: str | None) -> Client:
    assert client.log_in(account.username, account.password).status == 200
    shown = client.get("/profile/me")
    assert shown.status == 200
    if name is not None:
        assert shown.json["phone"]  # it lay sealed, so the data key is there
    return client


def bearer(client: Client, token: str) -> int:
    return client.get("/account", headers={"Authorization": f"Bearer {token}"}).status
