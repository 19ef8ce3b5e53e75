"""Every code block of the README and the docs runs, here or in the test that is named here.

Of shell blocks, `flask …` lines are given to the command line: run on a database of their own or, where they hold a
placeholder or never end, read by the command's own parser. `make …` has to be a target and `NAME=…` a setting.
"""

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import click
import pytest
from flask import Flask
from flask.cli import ScriptInfo

from tests.support.databases import SQLITE
from user_service.settings import Settings

ROOT = Path(__file__).parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
SETTINGS_READ = {field.name.upper() for field in fields(Settings)} | {"SEED_USERS", "MESSAGE"}
PLACEHOLDER = re.compile(r"\b[A-Z][A-Z_]*\b")
NEVER_ENDS = "--watch"
# What a block holds that this test cannot run, and the test that does.
ELSEWHERE = {
    "examples/shop/serve.py": "tests/examples/test_shop.py::test_every_refusal_stands_beside_its_field",
    "SOAK_MINUTES": "tests/resilience/test_soak.py::test_nothing_grows_but_what_customers_leave",
    "$B/register": "tests/test_story_over_a_socket.py::test_the_tour_of_the_readme_works_when_pasted",
    "pg_export_snapshot": "tests/resilience/test_backup_under_load.py::test_dumps_under_load_are_of_one_moment",
    "pg_restore": "tests/test_backup.py::test_two_dumps_restore_everything_and_the_first_alone_opens_nothing",
    "jwt.PyJWKClient(": "tests/test_verify_elsewhere.py::test_the_snippets_take_a_good_token",
    "from joserfc import": "tests/test_verify_elsewhere.py::test_the_snippets_take_a_good_token",
    "createRemoteJWKSet": "tests/test_verify_in_node_and_go.py::test_the_snippet_takes_access_tokens_alone",
    "package tokens": "tests/test_verify_in_node_and_go.py::test_the_snippet_takes_access_tokens_alone",
    "class Revocations": "tests/test_verify_elsewhere.py::test_the_follower_hears_of_every_log_out",
}
# Pages that are followed as a whole, block after block.
FOLLOWED = {
    "docs/operations.md": "tests/test_operations.py::test_every_command_of_the_page_does_what_it_says",
    "docs/extend.md": "tests/test_extend_page.py::test_the_page_adds_a_field_in_five_files",
}
# Nobody runs these, and why.
NOT_RUN = {
    "": "what an answer looks like, to be read; the tests of its page look at real ones",
    "mermaid": "a drawing; what shows the page draws it",
}


@dataclass(frozen=True)
class Block:
    page: Path
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0][:60]}"


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            found.append(Block(page, language, text))
    return found


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app()


def named_elsewhere(block: Block) -> str | None:
    followed = FOLLOWED.get(str(block.page.relative_to(ROOT)))
    return followed or next((test for sign, test in ELSEWHERE.items() if sign in block.text), None)


def command_lines(block: Block) -> list[list[str]]:
    """The commands of a shell block, without comments and prompts."""
    text = re.sub(r"(^|\s)#.*", "", block.text.replace("\\\n", " "), flags=re.MULTILINE)
    return [words for part in re.split(r";\s|\n", text) if (words := shlex.split(part))]


def parse(app: Flask, words: list[str]) -> None:
    """Let the command's own parser read the words, down to the last subcommand. Raises click.ClickException."""
    command: click.Command = app.cli
    context = click.Context(command, obj=ScriptInfo(create_app=lambda: app))
    while isinstance(command, click.Group):
        assert words[0] in command.list_commands(context), words
        command = command.commands[words[0]]
        words = words[1:]
    command.make_context(command.name, list(words), parent=context)


def run_flask(app: Flask, words: list[str]) -> str | None:
    """What is wrong with the line, if anything."""
    try:
        parse(app, words)
    except click.ClickException as error:
        return error.format_message()
    if NEVER_ENDS in words or any(PLACEHOLDER.search(word) for word in words):
        return None
    result = app.test_cli_runner().invoke(args=words)
    return None if result.exit_code == 0 else result.output


def fault_of(app: Flask, words: list[str]) -> str | None:
    """What is wrong with a line of a shell block, if anything."""
    words = words[1:] if words[0] == "export" else words
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        name = words[0].partition("=")[0].removesuffix("_FILE")
        if name not in SETTINGS_READ:
            return f"{name} is no setting"
        words = words[1:]
    if not words:
        return None
    if words[0] == "flask":
        return run_flask(app, words[1:])
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return None if words[1] in targets else f"there is no target {words[1]}"
    return "nobody runs this: name the test in ELSEWHERE"


@pytest.mark.parametrize("kind", [SQLITE], indirect=True)
@pytest.mark.parametrize("block", blocks(), ids=str)
def test_every_block_runs(block: Block, app: Flask) -> None:
    if block.language in NOT_RUN or named_elsewhere(block):
        return
    if block.language == "json":
        json.loads(block.text)
        return
    assert block.language in ("sh", "bash"), "a language that nobody runs"
    faults = {" ".join(words): fault for words in command_lines(block) if (fault := fault_of(app, words))}
    assert not faults


def test_the_tests_that_run_blocks_elsewhere_exist() -> None:
    for name in (*ELSEWHERE.values(), *FOLLOWED.values()):
        path, _, function = name.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text(), name


def test_every_sign_is_in_one_block_at_least() -> None:
    texts = [block.text for block in blocks()]
    assert not [sign for sign in ELSEWHERE if not any(sign in text for text in texts)]
