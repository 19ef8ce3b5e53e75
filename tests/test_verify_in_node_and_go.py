"""Services in Node and in Go verify access tokens as docs/verify-tokens.md shows. SECURITY 53-55, 57, 59, 61, 64, 77.

The library for Node comes from npm into a temporary folder. The page's snippets are run as they stand there.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.databases import SQLITE, Databases
from tests.support.forgery import badly_signed, bringing_a_key, keyed_with_the_public_key, unsigned
from tests.support.server import serving
from tests.test_verify_elsewhere import EXAMPLE_URL, PAGE, Elsewhere, lies

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
JOSE = "jose@6.2.18"
BAD, NO_KEYS = "bad token", "no keys"

# Each harness reads a token in JSON a line, and tells "good" with the user's id, or what is wrong.
NODE_HARNESS = """
import { createInterface } from "node:readline";
import { verify } from "./verify.mjs";

const UNAVAILABLE = [undefined, "ERR_JWKS_TIMEOUT", "ERR_JOSE_GENERIC"]; // as the page says
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log("good " + (await verify(JSON.parse(line))).sub);
  } catch (error) {
    console.log(UNAVAILABLE.includes(error.code) ? "no keys" : "bad token");
  }
}
"""
GO_HARNESS = """
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"elsewhere/tokens"
)

func main() {
	verifier := &tokens.Verifier{}
	for lines := json.NewDecoder(os.Stdin); ; {
		var token string
		if err := lines.Decode(&token); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		switch claims, err := verifier.Verify(token); err {
		case nil:
			fmt.Println("good " + claims.Subject)
		case tokens.ErrKeys:
			fmt.Println("no keys")
		case tokens.ErrToken:
			fmt.Println("bad token")
		default:
			panic(err)
		}
	}
}
"""


@dataclass(frozen=True)
class Toolchain:
    """A folder with all that a snippet needs beside itself."""

    folder: Path
    language: str
    place: str  # of the snippet
    command: tuple[str, ...]

    def run(self, snippet: str, tokens: list[str]) -> list[str]:
        """What the snippet says of each token."""
        (self.folder / self.place).write_text(snippet)
        lines = "".join(f"{json.dumps(token)}\n" for token in tokens)
        process = subprocess.run(
            self.command, check=False, cwd=self.folder, input=lines, capture_output=True, text=True, timeout=240
        )
        assert process.returncode == 0, process.stderr
        answers = process.stdout.splitlines()
        assert len(answers) == len(tokens)
        return answers


@pytest.fixture(scope="module", params=["js", "go"])
def toolchain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    folder = tmp_path_factory.mktemp(request.param)
    return with_node(folder) if request.param == "js" else with_go(folder)


def with_node(folder: Path) -> Toolchain:
    options = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--silent")
    npm = shutil.which("npm")
    if npm is None or subprocess.run([npm, "install", *options, JOSE], check=False, cwd=folder, timeout=240).returncode:
        not_run(f"npm could not install {JOSE}, so the snippet for Node was not run: apt install npm")
    (folder / "harness.mjs").write_text(NODE_HARNESS)
    return Toolchain(folder, "js", "verify.mjs", ("node", "harness.mjs"))


def with_go(folder: Path) -> Toolchain:
    if shutil.which("go") is None:
        not_run("There is no go, so the snippet for Go was not run: apt install golang-go")
    (folder / "tokens").mkdir()
    (folder / "go.mod").write_text("module elsewhere\n\ngo 1.19\n")
    (folder / "main.go").write_text(GO_HARNESS)
    return Toolchain(folder, "go", "tokens/tokens.go", ("go", "run", "."))


def not_run(message: str) -> None:
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed


@pytest.fixture(scope="module")
def elsewhere(databases: Databases) -> Iterator[Elsewhere]:
    with databases.copy(SQLITE) as url, serving(url, workers=1) as node:
        yield Elsewhere(node, url)


@pytest.fixture
def snippet(toolchain: Toolchain, elsewhere: Elsewhere) -> str:
    [source] = re.findall(rf"^```{toolchain.language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return source.replace(EXAMPLE_URL, elsewhere.node.url)


def test_the_snippet_takes_access_tokens_alone(elsewhere: Elsewhere, toolchain: Toolchain, snippet: str) -> None:
    person = elsewhere.join()
    user_id = person.get("/account").json["id"]
    first, spent = person.access_token, person.refresh_token
    person.refresh()
    answers = toolchain.run(snippet, [first, person.access_token, spent, person.refresh_token])
    assert answers == [f"good {user_id}"] * 2 + [BAD] * 2


def test_the_snippet_refuses_what_is_forged_and_what_is_well_signed_and_wrong(
    elsewhere: Elsewhere, toolchain: Toolchain, snippet: str
) -> None:
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
    answers = toolchain.run(snippet, [*tokens.values(), forger.lie()])
    assert [name for name, answer in zip(tokens, answers, strict=False) if answer != BAD] == []
    assert answers[-1].startswith("good")


def test_keys_that_cannot_be_fetched_are_told_from_a_bad_token(
    elsewhere: Elsewhere, toolchain: Toolchain, snippet: str
) -> None:
    """503 and not 401, or clients throw good sessions away."""
    token = elsewhere.join().access_token
    assert toolchain.run(snippet.replace("/.well-known/jwks.json", "/no/such/keys"), [token]) == [NO_KEYS]
    assert toolchain.run(snippet.replace(elsewhere.node.url, "http://127.0.0.1:9"), [token]) == [NO_KEYS]
