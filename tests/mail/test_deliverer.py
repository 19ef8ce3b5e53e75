"""`flask mail` as the processes that operators run, against a real SMTP server (aiosmtpd). RELIABILITY 31."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
from flask import Flask

from tests.conftest import running_app
from tests.support.commands import environment, run_flask, start_flask
from tests.support.databases import Databases, migrate, require_postgres
from tests.support.mail import outbox
from tests.support.people import Client, InProcess, OverSocket
from tests.support.postgres import throwaway_server
from tests.support.processes import PATIENCE_SECONDS, wait_until
from tests.support.server import Node, free_port, serving
from tests.support.smtp import Server, running
from user_service.extensions import db

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PROMPT_SECONDS = 10  # ten times what two answers should take
SENDER = "Shop <no-reply@shop.example>"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def port(server: Server) -> Iterator[int]:
    with running(server) as port:
        yield port


@pytest.fixture
def registered(app: Flask) -> Callable[[int], list[str]]:
    """Lets so many people register, each of whom has a mail waiting; returns their addresses."""

    def register(count: int) -> list[str]:
        people = [Client(InProcess(app)) for _ in range(count)]
        assert {person.register().status for person in people} == {201}
        return [person.email for person in people]

    return register


def settings(url: str, port: int) -> dict[str, str]:
    return environment(url, SMTP_URL=f"smtp://127.0.0.1:{port}", MAIL_FROM=SENDER)


def run(url: str, port: int, *arguments: str) -> tuple[int, str]:
    return run_flask("mail", *arguments, database_url=url, env=settings(url, port))


@contextmanager
def watching(url: str, port: int, log: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """A deliverer that looks every second; it is killed at the end if it is still there."""
    arguments = ("mail", "deliver", "--watch", "--every", "1")
    process = start_flask(*arguments, database_url=url, env=settings(url, port), stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def end(process: subprocess.Popen[str]) -> int:
    """The exit code, as a supervisor sees it."""
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE_SECONDS)


def are_all_sent(app: Flask) -> bool:
    return all(row.sent_at is not None for row in outbox(app))


def let_the_lease_run_out(app: Flask) -> None:
    """What has been tried is due again, as if the time had passed."""
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE outbox_messages SET next_attempt_at = created_at WHERE next_attempt_at IS NOT NULL"
        )


def test_what_waits_is_sent_once_and_the_command_ends_well(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    addresses = registered(2)
    code, output = run(database_url, port, "deliver")
    assert (code, "Mail: 2 delivered, 0 put off, 0 given up, 0 dropped" in output) == (0, True), output
    assert server.recipients == addresses
    assert are_all_sent(app)
    assert [mail["From"] for mail in server.mails] == [SENDER] * 2
    code, output = run(database_url, port, "deliver")
    assert (code, "Mail: 0 delivered" in output, len(server.mails)) == (0, True, 2), output
    assert not any(address in output for address in addresses)


def test_who_watches_sends_what_comes_later_and_ends_well_when_told_to(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    with watching(database_url, port) as process:
        for count in (1, 2):
            registered(1)
            wait_until(lambda so_many=count: len(server.mails) == so_many, "the mail never came")
        wait_until(lambda: are_all_sent(app), "it was not written down that the mail was sent")
        assert end(process) == 0
    assert len(set(server.message_ids())) == 2


def test_a_mail_that_is_under_way_is_finished_before_the_end_and_no_other_begun(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    registered(2)
    server.willing.clear()
    with watching(database_url, port) as process:
        assert server.asked.wait(PATIENCE_SECONDS)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        server.willing.set()
        assert process.wait(PATIENCE_SECONDS) == 0
    assert len(server.mails) == 1
    assert [(row.sent_at is not None, row.attempts) for row in outbox(app)] == [(True, 1), (False, 0)]


def test_a_server_that_never_answers_does_not_keep_it_from_ending(
    registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    registered(1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        watching(database_url, silent.getsockname()[1]) as process,
    ):
        wait_until(lambda: outbox(app)[0].attempts == 1, "nothing was tried")
        assert end(process) == 0
    [row] = outbox(app)
    assert (row.sent_at, row.last_error, row.next_attempt_at is None) == (None, "SMTPServerDisconnected", False)


def test_what_was_refused_is_listed_and_can_be_tried_again(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    """For now, then for good, then accepted: exit code 1 tells of the first two."""
    [address] = registered(1)
    for answer, state in (("451 later", "waiting"), ("550 never", "given up")):
        server.answers["RCPT"] = answer
        code, output = run(database_url, port, "deliver")
        assert (code, "0 delivered" in output) == (1, True), output
        code, output = run(database_url, port, "list", "--json")
        [listed] = json.loads(output)
        assert (code, listed["state"], listed["last_error"]) == (0, state, f"SMTP {answer[:3]}")
        assert address not in output
        let_the_lease_run_out(app)
    server.answers.clear()
    assert server.mails == []
    assert run(database_url, port, "retry", listed["id"]) == (0, "1 messages wait to be sent again.\n")
    assert run(database_url, port, "deliver")[0] == 0
    assert server.recipients == [address]
    assert run(database_url, port, "list", "--json") == (0, "[]\n")


def test_without_a_server_to_send_to_the_command_says_so(database_url: str) -> None:
    code, output = run_flask("mail", "deliver", "--watch", database_url=database_url)
    assert code == 1
    assert output == "Error: SMTP_URL and MAIL_FROM are not set, so 0 messages wait in the outbox.\n"


def test_a_database_that_is_away_is_one_line_and_exit_code_1() -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
    for arguments in (("deliver",), ("list", "--json"), ("retry", "--all")):
        code, output = run(url, free_port(), *arguments)
        assert (code, output.count("The database does not answer")) == (1, 1), output
        assert "Traceback" not in output


def test_a_deliverer_that_is_killed_between_sending_and_writing_is_followed_by_another(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    """RELIABILITY 31: the mail comes again, under the same Message-ID, when the lease of the dead is over."""
    registered(1)
    server.keeps_first = True
    server.willing.clear()
    with watching(database_url, port) as process:
        wait_until(lambda: len(server.mails) == 1, "the mail never came")
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    server.willing.set()
    [row] = outbox(app)
    assert (row.sent_at, row.attempts) == (None, 1)
    assert run(database_url, port, "deliver")[0] == 0
    assert len(server.mails) == 1, "it may still be under way"
    let_the_lease_run_out(app)
    assert run(database_url, port, "deliver")[0] == 0
    assert len(server.mails) == 2
    assert len(set(server.message_ids())) == 1
    assert (are_all_sent(app), outbox(app)[0].attempts) == (True, 2)


def test_two_deliverers_at_once_never_send_one_message_twice(
    server: Server, port: int, registered: Callable[[int], list[str]], app: Flask, database_url: str
) -> None:
    """RELIABILITY 31: the first mails are held until both are sending."""
    addresses = registered(36)
    server.willing.clear()
    with watching(database_url, port) as one, watching(database_url, port) as other:
        wait_until(lambda: server.connections == 2, "they do not work side by side")
        server.willing.set()
        wait_until(lambda: are_all_sent(app), "something was not sent")
        assert (end(one), end(other)) == (0, 0)
    assert sorted(server.recipients) == sorted(addresses)
    assert len(set(server.message_ids())) == len(server.message_ids()) == 36
    assert {row.attempts for row in outbox(app)} == {1}


def test_who_watches_outlives_the_database(server: Server, port: int, tmp_path: Path) -> None:
    """It says so, goes on looking, and sends what waits when the database is back."""
    require_postgres()
    with throwaway_server() as postgres:
        url = postgres.url(postgres.create_database())
        migrate(url)
        with running_app(url) as app, (tmp_path / "log").open("w") as log, watching(url, port, log.fileno()) as process:
            assert Client(InProcess(app)).register().status == 201
            wait_until(lambda: are_all_sent(app), "the mail was not sent")
            postgres.stop()
            wait_until(lambda: "Nothing delivered this time" in (tmp_path / "log").read_text(), "it did not say so")
            postgres.start()
            wait_until(lambda: Client(InProcess(app)).register().status == 201, "the database is not back")
            wait_until(lambda: are_all_sent(app), "the mail was not sent")
            assert end(process) == 0
    assert len(set(server.message_ids())) == len(server.mails) == 2


@contextmanager
def silent(port: int) -> Iterator[None]:
    """A mail server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextmanager
def refusing(port: int, answer: str) -> Iterator[None]:
    server = Server()
    server.answers["RCPT"] = answer
    with running(server, port):
        yield


SICK = {
    "down": lambda _port: nullcontext(),
    "silent": silent,
    "busy": lambda port: refusing(port, "451 4.3.0 later"),
    "hostile": lambda port: refusing(port, "550 5.7.1 never"),
}


def test_nobody_waits_for_a_mail_server_and_its_mails_go_out_once_when_it_is_well(
    kind: str, databases: Databases
) -> None:
    """RELIABILITY 31: down, silent, refusing for now and for good. The last is tried again by an operator."""
    port = free_port()
    with databases.copy(kind) as url, running_app(url) as app:
        mail = {"SMTP_URL": f"smtp://127.0.0.1:{port}", "MAIL_FROM": SENDER}
        with serving(url, **mail) as node:
            for name, sick in SICK.items():
                with watching(url, port) as process:
                    with sick(port):
                        email = ask_for_mails(node)
                        wait_until(lambda: has_failed(app), f"nothing was tried while the server was {name}")
                    server = Server()
                    with running(server, port):
                        if name == "hostile":
                            wait_until(lambda: not is_waiting(app), "it was not given up")
                            assert run(url, port, "retry", "--all")[0] == 0
                        wait_until(lambda: are_all_sent(app), f"the mails did not go out after {name}")
                    assert end(process) == 0
                assert server.recipients == [email] * 2
                assert len(set(server.message_ids())) == 2


def ask_for_mails(node: Node) -> str:
    """Somebody registers and forgets the password; neither answer may take long."""
    person = Client(OverSocket(node.url))
    started = time.monotonic()
    assert person.register().status == 201
    assert person.post("/password/forgot", {"email": person.email}).status == 202
    assert time.monotonic() - started < PROMPT_SECONDS
    return person.email


def has_failed(app: Flask) -> bool:
    return any(row.last_error and row.sent_at is None for row in outbox(app))


def is_waiting(app: Flask) -> bool:
    return any(row.next_attempt_at for row in outbox(app))
