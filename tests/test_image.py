"""deploy/Dockerfile, carried out step by step, and started as compose.yaml starts it. SECURITY 154.

No container engine takes part: the base images, the layers and compose itself are not tried here.
"""

import base64
import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.databases import MASTER_KEYS, require_postgres
from tests.support.image import Image, build, require_mounts, started
from tests.support.people import Client, OverSocket
from tests.support.postgres import throwaway_server
from tests.support.processes import wait_until
from tests.support.server import ROOT, Node, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SETTINGS = {
    "PUBLIC_URL": "https://users.example.com",
    "DATABASE_URL_FILE": "/run/secrets/database_url",
    "MASTER_KEYS_FILE": "/run/secrets/master_keys",
    "WEB_CONCURRENCY": "1",
    "TRUSTED_PROXIES": "1",
    "BIND": "127.0.0.1",
}
# Three levels deep, which takes in what belongs to the image and what may usually be written on a Linux machine.
WRITE_EVERYWHERE = """
import json, pathlib
def can_write(directory):
    try:
        (directory / "x").touch(exist_ok=False)
    except OSError:
        return False
    return True
def some_below(directory, depth):
    yield directory
    try:
        entries = [entry for entry in directory.iterdir() if entry.is_dir() and not entry.is_symlink()]
    except OSError:
        return
    for entry in entries if depth else []:
        yield from some_below(entry, depth - 1)
print(json.dumps([str(place) for place in some_below(pathlib.Path("/"), 3) if can_write(place)]))
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    require_mounts()
    scratch = tmp_path_factory.mktemp("image")
    yield build(ROOT / "deploy" / "Dockerfile", ROOT, scratch)
    subprocess.run(["rm", "-rf", str(scratch)], check=True)


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    """As files, which compose mounts into the container; what they name is there."""
    require_postgres()
    directory = tmp_path / "secrets"
    directory.mkdir()
    keys = ",".join(f"{name}:{base64.b64encode(key).decode()}" for name, key in MASTER_KEYS.items())
    (directory / "master_keys").write_text(keys)
    with throwaway_server(listen_addresses="127.0.0.1", port=str(free_port())) as server:
        name = server.create_database()
        (directory / "database_url").write_text(f"postgresql://postgres@127.0.0.1:{server.port}/{name}")
        yield directory


def once(image: Image, command: list[str], secrets: Path) -> str:
    """What a container writes that runs this and ends."""
    line, environment = image.container(command, secrets), image.environment | SETTINGS
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_serves_as_an_ordinary_user_from_a_tree_that_nobody_can_change(
    image: Image, secrets: Path, tmp_path: Path
) -> None:
    once(image, ["flask", "db", "upgrade"], secrets)
    port = free_port()
    with started(image, secrets, tmp_path / "log", **SETTINGS, PORT=str(port)) as container:
        node = Node(port, container.process, tmp_path / "log")
        wait_until(lambda: node.is_ready() or not node.is_running(), "the image does not become ready")
        assert node.is_running(), node.log()
        assert container.run(image.health_check) == 0
        person = Client(OverSocket(node.url)).join()
        assert person.get("/account").status == 200
        person.transport.session.close()
        for pid in (node.pid, *node.workers()):
            assert_powerless(pid, image.user)
    assert image.user != "0"


def assert_powerless(pid: int, user: str) -> None:
    """Not root, and on no way there (capabilities(7), proc(5))."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    assert set(status["Uid"].split()) == {user}
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")} == {0}


def test_the_health_check_notices_that_nobody_answers(image: Image, secrets: Path) -> None:
    with pytest.raises(AssertionError, match="refused"):
        once(image, ["env", f"PORT={free_port()}", *image.health_check], secrets)


def test_a_container_can_write_nowhere_but_into_tmp(image: Image, secrets: Path) -> None:
    assert json.loads(once(image, ["python", "-c", WRITE_EVERYWHERE], secrets)) == ["/tmp"]


def test_code_and_packages_belong_to_root(image: Image) -> None:
    """So they stay as they are where somebody forgets to make the root read-only."""
    for place in ("app", "opt/venv"):
        for path in (image.layer / place).rglob("*"):
            about = path.lstat()
            assert about.st_uid == 0, path
            assert path.is_symlink() or not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path


def test_the_image_holds_no_tools_and_no_tests(image: Image) -> None:
    """What is not there cannot be turned against anybody."""
    code = {"wsgi.py", "config.py", "gunicorn.conf.py", "migrations", "user_service"}
    assert {entry.name for entry in (image.layer / "app").iterdir()} - {"__pycache__"} == code
    assert not [name for name in ("pip", "pytest") if (image.layer / "opt/venv/bin" / name).exists()]
