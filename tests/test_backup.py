"""The drill of docs/backup.md: two dumps, kept apart, restored together. RELIABILITY 37."""

from pathlib import Path

import pytest

from tests.conftest import running_app
from tests.support.databases import POSTGRESQL, Databases
from tests.support.people import PAYMENT, PROFILE, Client, InProcess


@pytest.mark.parametrize("kind", [POSTGRESQL], indirect=True)
def test_two_dumps_restore_everything_and_the_first_alone_opens_nothing(
    databases: Databases, database_url: str
) -> None:
    with running_app(database_url) as app:
        person = Client(InProcess(app)).join()
        person.post("/profile", PROFILE)
        person.post("/profile/payment_info", PAYMENT)
        shown = person.get("/profile/me").json
    server = databases.postgres
    everything, data_keys = (str(server.directory / name) for name in ("everything.dump", "data-keys.dump"))
    source = f"postgresql://postgres@/{Path(database_url.partition('?')[0]).name}?host={server.directory}"
    server.run("pg_dump", "--format=custom", "--exclude-table-data=data_keys", "--file", everything, source)
    server.run("pg_dump", "--format=custom", "--data-only", "--table=data_keys", "--file", data_keys, source)
    restored = server.create_database("template0")
    target = f"postgresql://postgres@/{restored}?host={server.directory}"
    try:
        server.run("pg_restore", "--dbname", target, everything)
        with running_app(server.url(restored)) as app:
            person.transport = InProcess(app)
            assert person.log_in().status == 200
            assert person.get("/profile/me").status == 500
        server.run("pg_restore", "--dbname", target, data_keys)
        with running_app(server.url(restored)) as app:
            person.transport = InProcess(app)
            assert person.get("/profile/me").json == shown
            assert person.get("/profile/payment_info").json["token_hint"] == PAYMENT["payment_token"][-4:]
            closed = app.test_cli_runner().invoke(args=["sessions", "close", "--all", "--yes"])
            assert closed.exit_code == 0
            assert person.get("/profile/me").code == "token_revoked"
    finally:
        server.drop_database(restored)
