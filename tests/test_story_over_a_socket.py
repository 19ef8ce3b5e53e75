"""The README's first screen as it stands: every line of curl, pasted into a shell, against a real server."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.databases import SQLITE
from tests.support.server import serving

README = Path(__file__).parent.parent / "README.md"


@pytest.mark.parametrize("kind", [SQLITE], indirect=True)
@pytest.mark.parametrize("rotation", ["true", "false"])
def test_the_tour_of_the_readme_works_when_pasted(database_url: str, rotation: str) -> None:
    tour = next(block for block in re.findall(r"```sh\n(.*?)```", README.read_text(), re.S) if "/register" in block)
    with serving(database_url, REFRESH_TOKEN_ROTATION=rotation) as node:
        shell = subprocess.run(
            ["sh", "-e", "-c", tour.replace("http://127.0.0.1:8000", node.url)],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
    assert "Welcome, maria.silva" in shell.stdout
    assert shell.stdout.count('"phone_e164":"+5511961234567"') == 2
    assert '"token_hint":"aMtr"' in shell.stdout
    assert "HTTP/1.1 204" in shell.stdout
    assert '"code"' not in shell.stdout, shell.stdout
