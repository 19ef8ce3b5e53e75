"""Another service in Node verifies access tokens as docs/verify-tokens.md shows it. SECURITY 53-55, 57, 59, 61, 64, 77.

The library comes from npm into a temporary folder. The page's snippet is run as it stands there.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.databases import SQLITE, Databases
from tests.support.forgery import badly_signed, bringing_a_key, keyed_with_the_public_key, unsigned
from tests.support.server import serving
from tests.test_verify_elsewhere import EXAMPLE_URL, PAGE, Elsewhere, lies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
JOSE = "jose@6.2.18"
HARNESS = """
import { createInterface } from "node:readline";
import { verify } from "./verify.mjs";

for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log("good " + (await verify(JSON.parse(line))).sub);
  } catch (error) {
    console.log("bad " + (error.code ?? "without a code"));
  }
}
"""
Ask = Callable[[list[str]], list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the library is installed. Without npm, or its registry, nothing is tested, and says so."""
    made = tmp_path_factory.mktemp("node")
    options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
    npm = shutil.which("npm")
    install = [npm or "npm", "install", *options, JOSE]
    if npm is None or subprocess.run(install, check=False, cwd=made, timeout=240).returncode:
        message = f"npm could not install {JOSE}, so the snippet for Node was not run: apt install npm"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    (made / "harness.mjs").write_text(HARNESS)
    return made


@pytest.fixture(scope="module")
def elsewhere(databases: Databases) -> Iterator[Elsewhere]:
    with databases.copy(SQLITE) as url, serving(url, workers=1) as node:
        yield Elsewhere(node, url)


@pytest.fixture
def ask(folder: Path, elsewhere: Elsewhere) -> Ask:
    """What the snippet says of each token: `good` with the user's id, or `bad` with the code of the error."""
    [source] = re.findall(r"^```js\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    (folder / "verify.mjs").write_text(source.replace(EXAMPLE_URL, elsewhere.node.url))
    return lambda tokens: run(folder, tokens)


def run(folder: Path, tokens: list[str]) -> list[str]:
    lines = "".join(f"{json.dumps(token)}\n" for token in tokens)
    process = subprocess.run(
        ["node", "harness.mjs"], check=False, cwd=folder, input=lines, capture_output=True, text=True, timeout=60
    )
    assert process.returncode == 0, process.stderr
    answers = process.stdout.splitlines()
    assert len(answers) == len(tokens)
    return answers


def test_the_snippet_takes_access_tokens_and_no_refresh_tokens(elsewhere: Elsewhere, ask: Ask) -> None:
    person = elsewhere.join()
    user_id = person.get("/account").json["id"]
    first, spent = person.access_token, person.refresh_token
    person.refresh()
    answers = ask([first, person.access_token, spent, person.refresh_token])
    assert answers[:2] == [f"good {user_id}"] * 2
    assert [answer.split()[0] for answer in answers[2:]] == ["bad", "bad"]


def test_the_snippet_refuses_what_is_forged_and_what_is_well_signed_and_wrong(elsewhere: Elsewhere, ask: Ask) -> None:
    person = elsewhere.join()
    forger = elsewhere.forger(person.access_token)
    published = person.get("/.well-known/jwks.json").text
    tokens = {
        **lies(forger, int(datetime.now(UTC).timestamp())),
        **dict(unsigned(forger)),
        **dict(badly_signed(forger)),
        **dict(keyed_with_the_public_key(forger, published)),
        **dict(bringing_a_key(forger, "http://127.0.0.1:9")),
        **{text: text for text in ("", "garbage", "a.b.c", "..", "é.é.é")},
    }
    assert len(tokens) > 200
    answers = ask([*tokens.values(), forger.lie()])
    assert [name for name, answer in zip(tokens, answers, strict=False) if not answer.startswith("bad")] == []
    assert answers[-1].startswith("good")


def test_keys_that_cannot_be_fetched_are_told_from_a_bad_token(elsewhere: Elsewhere, ask: Ask, folder: Path) -> None:
    """503 and not 401, or clients throw good sessions away."""
    token = elsewhere.join().access_token
    snippet, source = folder / "verify.mjs", (folder / "verify.mjs").read_text()
    snippet.write_text(source.replace("/.well-known/jwks.json", "/no/such/keys"))
    assert run(folder, [token]) == ["bad ERR_JOSE_GENERIC"]
    snippet.write_text(source.replace(elsewhere.node.url, "http://127.0.0.1:9"))
    assert run(folder, [token]) == ["bad without a code"]
