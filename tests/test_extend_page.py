"""docs/extend.md is followed word by word on a copy of the tree: a field is added, and a running service keeps it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.people import PROFILE, Client, OverSocket
from tests.support.server import ROOT, serving

PAGE = ROOT / "docs" / "extend.md"
MOST_FILES = 5
# The packages are installed already, and the copy has no environment of its own.
INSTALLED = ("-o", ".venv/.requirements", "-o", ".venv/.requirements-dev")
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "instance", "__pycache__", "node_modules", ".mypy_cache")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)


def copy_of_the_tree(directory: Path) -> Path:
    tree = directory / "tree"
    shutil.copytree(ROOT, tree, ignore=NOT_COPIED)
    (tree / ".venv").symlink_to(sys.prefix)
    return tree


def run(tree: Path, *command: str, **environment: str) -> str:
    result = subprocess.run(
        command, cwd=tree, capture_output=True, text=True, check=False, timeout=100, env=os.environ | environment
    )
    assert result.returncode == 0, (command, result.stdout, result.stderr)
    return result.stdout


def apply_the_patches(tree: Path) -> None:
    for number, block in enumerate(blocks("diff")):
        patch = tree.parent / f"{number}.diff"
        patch.write_text(block)
        run(tree, "git", "apply", str(patch))


def test_the_patches_of_the_page_fit_the_tree(tmp_path: Path) -> None:
    apply_the_patches(copy_of_the_tree(tmp_path))


@pytest.mark.slow
def test_the_page_adds_a_field_in_five_files(tmp_path: Path) -> None:
    tree, database = copy_of_the_tree(tmp_path), f"sqlite:///{tmp_path / 'people.sqlite3'}"
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    apply_the_patches(tree)
    commands, request = blocks("sh")
    for command in commands.splitlines():
        run(tree, "sh", "-c", command.replace("make", f"make {' '.join(INSTALLED)}"), DATABASE_URL=database)
    touched = {path for path in tree.rglob("*.py") if before.get(path) != path.read_bytes()}
    assert len(touched) <= MOST_FILES, touched
    assert len([path for path in touched if "migrations" in path.parts]) == 1

    run(tree, ".venv/bin/flask", "db", "check", APP_ENV="development", DATABASE_URL=database)
    with serving(database, workers=1, root=tree) as node:
        person = Client(OverSocket(node.url)).join()
        assert person.post("/profile", PROFILE).json["company"] is None
        told = run(tree, "sh", "-c", request.replace("http://127.0.0.1:8000", node.url), ACCESS=person.access_token)
        assert '"company":"Analytical Engines Ltd"' in told
        assert person.get("/profile/me").json["company"] == "Analytical Engines Ltd"
        assert person.put("/profile", {"company": "4111 1111 1111 1111"}).code == "raw_card_number_refused"
        assert "company" in person.get("/openapi.json").text
