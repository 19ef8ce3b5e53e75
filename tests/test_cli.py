"""`flask seed` as developers meet it: what it says, and where it refuses."""

import os
import pty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from tests.conftest import running_app
from tests.support.commands import empty_database, environment, run_flask, start_flask
from tests.support.databases import Databases
from tests.support.people import Client, InProcess
from user_service.auth.models import User
from user_service.extensions import db
from user_service.seed.people import person

OTHER_MASTER_KEYS = {"test-1": bytes(reversed(range(32)))}


@pytest.fixture
def empty_app(databases: Databases, kind: str, tmp_path: Path) -> Iterator[Flask]:
    """On a database that no migration has seen."""
    with empty_database(databases, kind, tmp_path) as url, running_app(url) as app:
        yield app


def seed(app: Flask, *arguments: str, line: str | bytes | None = None) -> Result:
    return app.test_cli_runner().invoke(args=["seed", *arguments], input=line)


def users_of(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(User))


def can_log_in(app: Flask, number: int, password: str) -> bool:
    return Client(InProcess(app)).log_in(person(number).username, password).status == 200


def assert_refused(result: Result, *words: str) -> None:
    """One line that says what to do, exit code 1, and no traceback."""
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output


def test_the_command_says_what_it_did_and_how_to_log_in(app: Flask) -> None:
    result = seed(app, "--users", "5")
    assert result.exit_code == 0
    assert result.stderr == "Seeding 5 users ...\n"
    first, second = result.stdout.splitlines()
    assert first == "Added 5 users."
    assert person(1).username in second
    assert can_log_in(app, 5, second.partition("the password: ")[2])


def test_a_hundred_users_are_the_default(app: Flask) -> None:
    assert seed(app).exit_code == 0
    assert users_of(app) == 100


def test_the_command_run_again_says_that_they_are_there(app: Flask) -> None:
    seed(app, "--users", "5")
    again = seed(app, "--users", "5")
    assert again.exit_code == 0
    assert again.stdout == "Added 0 users. 5 were there already and are as they were.\n"
    more = seed(app, "--users", "7", "--password-stdin", line="another harbour at dawn\n")
    assert more.stdout.startswith("Added 2 users. 5 were there already")
    assert person(6).username in more.stdout
    assert can_log_in(app, 6, "another harbour at dawn")
    assert not can_log_in(app, 5, "another harbour at dawn")


def test_the_help_tells_what_running_it_again_does(app: Flask) -> None:
    text = " ".join(seed(app, "--help").output.split())
    assert "running it again adds nothing" in text
    assert "--password-stdin" in text
    assert "[default: 100" in text


def test_a_password_from_standard_input_is_taken_as_it_is_and_never_shown(app: Flask) -> None:
    password = "  säglich 🌻 spaces stay  "
    result = seed(app, "--users", "2", "--password-stdin", line=f"{password}\r\nwhat follows is not read\n")
    assert result.exit_code == 0
    assert password.strip() not in result.output
    assert can_log_in(app, 2, password)


def test_a_password_that_nobody_could_use_is_refused(app: Flask) -> None:
    lines = {"short\n": "8 characters", "password1\n": "attackers try", "\n": "8 characters", "": "8 characters"}
    for line, words in {**lines, "with\ta tab inside\n": "control", b"\xff\xfe\xfd latin one\n": "UTF-8"}.items():
        assert_refused(seed(app, "--users", "2", "--password-stdin", line=line), words)
    assert users_of(app) == 0


def test_a_number_that_makes_no_sense_is_refused(app: Flask) -> None:
    for number in ("0", "-3", "many", "1000001"):
        assert seed(app, "--users", number).exit_code == 2
    assert users_of(app) == 0


def test_production_is_never_seeded(make_app: Callable[..., Flask]) -> None:
    """SECURITY 51."""
    production = make_app(app_env="production")
    assert_refused(seed(production), "APP_ENV=production", "Set APP_ENV=development", "DATABASE_URL")
    assert users_of(production) == 0


def test_a_database_without_tables_is_told_from_a_ready_one(empty_app: Flask) -> None:
    assert_refused(seed(empty_app), "flask db upgrade")


def test_a_database_that_does_not_answer_is_told(tmp_path: Path) -> None:
    nowhere = (f"sqlite:///{tmp_path}/no/such/folder/file", f"postgresql+psycopg://postgres@/db?host={tmp_path}")
    for url in nowhere:
        with running_app(url) as app:
            assert_refused(seed(app), "DATABASE_URL")


def test_master_keys_of_another_database_are_told(make_app: Callable[..., Flask]) -> None:
    assert_refused(seed(make_app(master_keys=OTHER_MASTER_KEYS)), "MASTER_KEYS")
    assert_refused(seed(make_app(master_keys={"other": bytes(range(32))})), "MASTER_KEYS", "test-1")


@pytest.mark.slow
def test_the_shell_gets_the_exit_code_and_no_traceback(databases: Databases) -> None:
    """SECURITY 51."""
    with databases.copy("sqlite") as url:
        production = environment(url, APP_ENV="production", BCRYPT_ROUNDS="10")
        code, output = run_flask("seed", database_url=url, env=production)
    assert code == 1
    assert output.startswith("Error: ")
    assert "APP_ENV=production" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_a_terminal_shows_a_progress_bar(databases: Databases) -> None:
    with databases.copy("sqlite") as url:
        ours, theirs = pty.openpty()
        process = start_flask("seed", "--users", "3", database_url=url, stderr=theirs)
        os.close(theirs)
        stdout, _ = process.communicate(timeout=60)
        shown = os.read(ours, 65_536).decode()
        os.close(ours)
    assert process.returncode == 0
    assert "100%" in shown
    assert "Added 3 users." in stdout
