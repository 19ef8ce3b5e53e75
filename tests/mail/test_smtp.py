"""Mail over SMTP to a real server (aiosmtpd): good, refusing, dropping, slow, away, with TLS that is verified.

RELIABILITY 31.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.server import free_port
from tests.support.smtp import Server, running
from user_service.database import new_id
from user_service.mail import configuration, transports
from user_service.mail.transports import ServerAway, SmtpTransport, TryLater, Undeliverable


@pytest.fixture
def server() -> Server:
    return Server()


def a_mail(to: str = "ada@example.com") -> EmailMessage:
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"], mail["To"], mail["Subject"] = "User Service <no-reply@shop.example>", to, "Grüße"
    mail.set_content("Hello")
    return mail


@contextmanager
def sending(url: str) -> Iterator[SmtpTransport]:
    transport = SmtpTransport(url)
    try:
        yield transport
    finally:
        transport.close()


def test_mails_go_out_over_one_connection(server: Server) -> None:
    with running(server) as port, sending(f"smtp://127.0.0.1:{port}") as transport:
        for _ in range(3):
            transport.send(new_id(), a_mail())
    assert (len(server.mails), server.connections) == (3, 1)
    assert server.recipients == ["ada@example.com"] * 3
    assert server.mails[0]["Subject"] == "Grüße"


@pytest.mark.parametrize(
    ("where", "answer", "expected"),
    [
        ("RCPT", "550 5.1.1 no such user ada@example.com", Undeliverable),
        ("RCPT", "450 4.2.1 busy", TryLater),
        ("RCPT", "451 greylisted", TryLater),
        ("DATA", "554 5.7.1 spam", Undeliverable),
        ("DATA", "452 4.3.1 full", TryLater),
        ("DATA", "421 going down", TryLater),
        ("RCPT", "530 5.7.0 authenticate first", TryLater),
        ("DATA", "drop", TryLater),
    ],
)
def test_a_refusal_is_for_good_or_for_now(server: Server, where: str, answer: str, expected: type[Exception]) -> None:
    server.answers[where] = answer
    with running(server) as port, sending(f"smtp://127.0.0.1:{port}") as transport:
        with pytest.raises(expected) as refusal:
            transport.send(new_id(), a_mail())
        assert "ada" not in str(refusal.value), "what servers say may quote addresses"
        server.answers.clear()
        transport.send(new_id(), a_mail())
    assert len(server.mails) == 1


def test_a_server_that_is_not_there_is_away() -> None:
    with sending(f"smtp://127.0.0.1:{free_port()}") as transport, pytest.raises(ServerAway, match="ConnectionRefused"):
        transport.send(new_id(), a_mail())


def test_a_server_that_says_nothing_is_left_after_a_bounded_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(transports, "WAIT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        with sending(f"smtp://127.0.0.1:{silent.getsockname()[1]}") as transport, pytest.raises(ServerAway):
            transport.send(new_id(), a_mail())
    assert time.monotonic() - started < 10


def test_a_server_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes in time, the answer never: the whole mail has a deadline, shorter than a worker's lease."""
    import socket
    import threading

    monkeypatch.setattr(transports, "SEND_SECONDS", 0.5)
    is_over = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            while not is_over.wait(0.05):
                try:
                    connection.sendall(b"2")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        started = time.monotonic()
        with sending(f"smtp://127.0.0.1:{listener.getsockname()[1]}") as transport, pytest.raises(ServerAway):
            transport.send(new_id(), a_mail())
        is_over.set()
        thread.join(10)
    assert time.monotonic() - started < 10


def test_an_address_beyond_ascii_needs_a_server_that_takes_it(server: Server) -> None:
    with running(server, enable_SMTPUTF8=True) as port, sending(f"smtp://127.0.0.1:{port}") as transport:
        transport.send(new_id(), a_mail("jörg@example.com"))
    assert server.recipients == ["jörg@example.com"]
    with running(server, enable_SMTPUTF8=False) as port, sending(f"smtp://127.0.0.1:{port}") as transport:
        with pytest.raises(Undeliverable, match="SMTPUTF8"):
            transport.send(new_id(), a_mail("jörg@example.com"))
        transport.send(new_id(), a_mail())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.2"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem)
    )
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def with_starttls(server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server that takes mail only after STARTTLS and a log-in. This machine's own server gets no exception here."""

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"shop", b"s3cret/@"))

    monkeypatch.setattr(configuration, "LOOPBACK", ())
    options = {
        "tls_context": server_context(certificate),
        "require_starttls": True,
        "authenticator": authenticate,
        "auth_required": True,
    }
    with running(server, **options) as port:
        yield port


@pytest.mark.slow
def test_starttls_and_the_password_are_used(
    server: Server, with_starttls: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with sending(f"smtp://shop:s3cret%2F%40@localhost:{with_starttls}") as transport:
        transport.send(new_id(), a_mail())
    assert len(server.mails) == 1
    with sending(f"smtp://shop:wrong@localhost:{with_starttls}") as transport:
        with pytest.raises(ServerAway) as refusal:
            transport.send(new_id(), a_mail())
        assert "wrong" not in str(refusal.value)


def test_a_certificate_that_nobody_vouches_for_gets_no_mail(server: Server, with_starttls: int) -> None:
    with (
        sending(f"smtp://localhost:{with_starttls}") as transport,
        pytest.raises(ServerAway, match="SSLCertVerificationError"),
    ):
        transport.send(new_id(), a_mail())
    assert server.mails == []


def test_a_certificate_of_another_host_gets_no_mail(
    server: Server, with_starttls: int, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with (
        sending(f"smtp://127.0.0.1:{with_starttls}") as transport,
        pytest.raises(ServerAway, match="SSLCertVerificationError"),
    ):
        transport.send(new_id(), a_mail())
    assert server.mails == []


def test_a_server_without_starttls_gets_no_mail_in_clear(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "LOOPBACK", ())
    with running(server) as port:
        with sending(f"smtp://127.0.0.1:{port}") as transport, pytest.raises(ServerAway, match="SMTPNotSupportedError"):
            transport.send(new_id(), a_mail())
        with sending(f"smtp://127.0.0.1:{port}?starttls=off") as transport:
            transport.send(new_id(), a_mail())
    assert len(server.mails) == 1


def test_smtps_speaks_tls_from_the_first_byte(
    server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(server, ssl_context=server_context(certificate)) as port:
        with sending(f"smtps://localhost:{port}") as transport, pytest.raises(ServerAway, match="Verification"):
            transport.send(new_id(), a_mail())
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with sending(f"smtps://localhost:{port}") as transport:
            transport.send(new_id(), a_mail())
    assert len(server.mails) == 1
