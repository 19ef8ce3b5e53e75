"""The release before runs on the new tables, beside the new one, and stays ready. RELIABILITY 35."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import server
from tests.support.databases import POSTGRESQL, PUBLIC_URL, Databases
from tests.support.people import PROFILE, Client, OverSocket
from tests.support.server import serving

# Any commit whose migrations are a part of today's, and whose packages are in today's lock.
RELEASE_BEFORE = "50182a02235b"


@pytest.fixture
def release_before(tmp_path: Path) -> Iterator[Path]:
    """Its tree, out of the history."""
    git = ["git", "-C", str(server.ROOT), "archive", "--format=tar", RELEASE_BEFORE]
    found = subprocess.run(git, capture_output=True, check=False)
    if found.returncode:
        message = "The history is not here, so the release before was not tried: fetch it whole (git fetch --unshallow)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


@pytest.mark.slow
def test_the_release_before_serves_on_the_new_tables_beside_the_new_one(
    databases: Databases, release_before: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with databases.copy(POSTGRESQL) as url, serving(url, PUBLIC_URL=PUBLIC_URL) as new:
        monkeypatch.setattr(server, "ROOT", release_before)
        with serving(url, PUBLIC_URL=PUBLIC_URL) as old:
            assert old.is_ready()
            person = Client(OverSocket(old.url)).join()
            assert person.post("/profile", PROFILE).status == 201
            for url_of_next in (new.url, old.url, new.url, old.url):
                person.transport = OverSocket(url_of_next)
                assert person.refresh().status == 200
                assert person.put("/profile", {"name": url_of_next}).status == 200
                assert person.get("/profile/me").json["name"] == url_of_next
            assert person.post("/logout").status == 204
            person.transport = OverSocket(new.url)
            assert person.get("/profile/me").code == "token_revoked"
            assert old.is_ready()
