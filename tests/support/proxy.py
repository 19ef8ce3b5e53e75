"""The proxy as it is shipped (deploy/nginx.conf), run by nginx; the ports and the nodes alone are replaced."""

import datetime
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.support.people import Answer, OverSocket
from tests.support.server import ROOT, Node, free_port

DEPLOY = ROOT / "deploy"
HOST, ADDRESS = "users.example.com", "127.0.0.1"
PUBLIC_URL = f"https://{HOST}"
ENVIRONMENT = {"PUBLIC_URL": PUBLIC_URL, "TRUSTED_PROXIES": "1"}
NODE_LINE = re.compile(r"( *server )127\.0\.0\.1:\d+( .*\n)")


@dataclass
class Proxy:
    """nginx in front of some nodes. `url` is the public listener, `plain_url` the one that refuses."""

    url: str
    plain_url: str
    authority: Path
    process: subprocess.Popen[bytes]

    def transport(self) -> "ThroughProxy":
        return ThroughProxy(self.url, self.authority)


class ThroughProxy(OverSocket):
    """Requests over TLS that name the public host, as a client's would."""

    host = HOST

    def __init__(self, url: str, authority: Path) -> None:
        super().__init__(url)
        self.session.verify = str(authority)

    def send(self, method: str, path: str, *, headers: dict[str, str], data: bytes | None) -> Answer:
        return super().send(method, path, headers={"Host": self.host, **headers}, data=data)


def require_nginx() -> str:
    """The path of the program. Without it the test is left out loudly; in CI that is a failure."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(program).exists():
        message = "nginx is not installed, so the shipped proxy configuration was not tried: apt install nginx-light"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)  # not installed
    return program


@contextmanager
def proxying(nodes: Sequence[Node]) -> Iterator[Proxy]:
    """The shipped configuration on ports of its own."""
    program = require_nginx()
    with tempfile.TemporaryDirectory(prefix="nginx-") as name:
        directory, port, plain_port = Path(name), free_port(), free_port()
        write_configuration(directory, [f"{ADDRESS}:{node.port}" for node in nodes], port, plain_port)
        configuration = directory / "nginx.conf"
        command = [program, "-p", name, "-c", str(configuration), "-g", "daemon off;"]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            _wait_for(port, process)
            url, plain_url = f"https://{ADDRESS}:{port}", f"http://{ADDRESS}:{plain_port}"
            yield Proxy(url, plain_url, directory / "tls" / "fullchain.pem", process)
        finally:
            process.terminate()
            process.wait(10)


def write_configuration(directory: Path, nodes: Sequence[str], port: int, plain_port: int) -> None:
    """What an operator does with the shipped files: name the ports, the nodes and a certificate."""
    text = (DEPLOY / "nginx.conf").read_text()
    for shipped, chosen in (("8443", port), ("8080", plain_port)):
        text = text.replace(f"listen {shipped}", f"listen {ADDRESS}:{chosen}")
    (directory / "nginx.conf").write_text(text)
    text = (DEPLOY / "nodes.conf").read_text()
    lines = NODE_LINE.findall(text)
    wanted = "".join(f"{before}{node}{after}" for node, (before, after) in zip(nodes, cycle(lines), strict=False))
    shipped = "".join(f"{before}127.0.0.1:{8000 + number}{after}" for number, (before, after) in enumerate(lines))
    assert shipped in text
    (directory / "nodes.conf").write_text(text.replace(shipped, wanted))
    tls = directory / "tls"
    tls.mkdir()
    for name, content in zip(("fullchain.pem", "privkey.pem"), certificate(HOST), strict=True):
        (tls / name).write_bytes(content)


def certificate(name: str) -> tuple[bytes, bytes]:
    """A certificate that vouches for itself, for the name and for the loopback address, with its key, both in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(name), x509.IPAddress(ip_address(ADDRESS))]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), private


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex((ADDRESS, port)) == 0:
                return
        with pytest.raises(subprocess.TimeoutExpired):  # it must not have ended
            process.wait(0.05)
