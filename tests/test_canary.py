"""Unmistakable values go through every endpoint; afterwards everything that is left of them is searched for.

That is the database's files, its write-ahead log and a dump of it, the logs at DEBUG, and the refusals.

SECURITY 29, 31, 36, 71, 84, 119, 122, 127, 151. Names, usernames and addresses of mail lie readable in the
database; nothing else of a person does, and nothing at all of a person stands in a log.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import make_url, select

from tests.support.crowd import claims_of
from tests.support.databases import POSTGRESQL, Databases
from tests.support.mail import LINK, deliver, text_of
from tests.support.people import Client, InProcess
from tests.support.postgres import PostgresServer
from tests.test_logs import Log, logging_app
from user_service.clients.service import Scope, create_client
from user_service.database import fetch_all
from user_service.keys.models import SealedSigningKey, ServiceSecret
from user_service.runtime import runtime
from user_service.security.vault import binding

PASSWORD, NEW_PASSWORD, MISTYPED = "first-Zq7xKw canary", "second-Vb4mTr canary", "mistyped-Jh2nLp canary"
PAYMENT_TOKEN, NEW_PAYMENT_TOKEN = "pm_canaryQ9fTz3LbXw7", "pm_canaryH5vRd8KcYp2"
PHONE, NEW_PHONE = "+1 650-253-9417", "+44 20 7946 0958"
LINE, LINE_TWO, FREE_FORM = "77 Canarybird Crescent", "Aviary Flat 9417", "Cagehaven 9417\nFinchampton"
ADDRESS = {
    "line1": LINE,
    "line2": LINE_TWO,
    "city": "Siskinford",
    "region": "CA",
    "postal_code": "94043",
    "country": "US",
}
SECRET = {
    *(PASSWORD, NEW_PASSWORD, MISTYPED, PAYMENT_TOKEN, NEW_PAYMENT_TOKEN, PHONE, NEW_PHONE, LINE, LINE_TWO),
    *("+16502539417", "6502539417", "442079460958", "Siskinford", "Cagehaven", "Finchampton"),
}
NEW_MAILBOX = "canary.nest@example.org"
READABLE = {"canary.user", "canary.mailbox@example.com", "Canaria Nightingale", "Canaria Goldcrest"}
PERSON = {"username": "canary.user", "email": "canary.mailbox@example.com", "password": MISTYPED, "name": "Canaria"}
THINGS = {
    "phone": PHONE,
    "shipping_address": ADDRESS,
    "payment_token": PAYMENT_TOKEN,
    "provider": LINE,
    "unknown": LINE,
}
CHANGES = {"current_password": MISTYPED, "new_password": NEW_PASSWORD, "token": "t", "limit": "1", PASSWORD: PASSWORD}


def stored(url: str, databases: Databases) -> bytes:
    """All that a thief of the files, or of a backup, has."""
    if not url.startswith(POSTGRESQL):
        path = Path(url.removeprefix("sqlite:///"))
        files = [path, *path.parent.glob(f"{path.name}-*")]
        assert len(files) > 1, "the write-ahead log is among them"
        return b"".join(file.read_bytes() for file in files)
    server = databases.postgres
    dump = server.run("pg_dump", "-h", str(server.directory), "-U", "postgres", str(make_url(url).database)).stdout
    assert "COPY public.users" in dump
    return dump.encode() + (server.directory / "log").read_bytes() + written_ahead(server)


def written_ahead(server: PostgresServer) -> bytes:
    """The write-ahead log, from which replicas and archives are fed: its newest segment, from the canary on."""
    with server.connect() as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn())").fetchone()
        assert row is not None
    segment = (server.directory / "data" / "pg_wal" / row[0]).read_bytes().rstrip(b"\0")
    return segment[max(segment.find(b"canary.user"), 0) :]


def disguises(secret: str | bytes) -> set[bytes]:
    """The ways in which a value can be written down, plain digests of it included."""
    plain = secret.encode() if isinstance(secret, str) else secret
    written = {plain.hex(), plain.hex().upper(), base64.b64encode(plain).decode().rstrip("=")}
    written |= {base64.urlsafe_b64encode(plain).decode().rstrip("=")}
    digests = {digest(plain).digest() for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512)}
    written |= {digest.hex() for digest in digests}
    return {plain, *digests, *(text.encode() for text in written)}


def found(secrets: set[str], where: bytes) -> list[str]:
    return sorted(secret for secret in secrets if any(form in where for form in disguises(secret)))


class Recorder(InProcess):
    """Keeps every token that an answer hands out, and every refusal."""

    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self.tokens: set[str] = set()
        self.refusals: list[bytes] = []

    def send(self, *arguments: Any, **options: Any) -> Any:
        answer = super().send(*arguments, **options)
        if answer.body.startswith(b'{"access_token"'):
            self.tokens |= {answer.json["access_token"], answer.json["refresh_token"]}
        if answer.status >= 400:
            self.refusals.append(repr(answer.headers).encode() + answer.body)
        return answer


@pytest.fixture
def app_and_log(make_app: Callable[..., Flask]) -> tuple[Flask, Log]:
    return logging_app(make_app)


@pytest.fixture
def app(app_and_log: tuple[Flask, Log]) -> Flask:
    return app_and_log[0]


@pytest.fixture
def log(app_and_log: tuple[Flask, Log]) -> Log:
    return app_and_log[1]


@pytest.fixture
def canary(app: Flask) -> Client:
    return log_in_after_mistakes(app)


def log_in_after_mistakes(app: Flask) -> Client:
    """Somebody unmistakable."""
    client = Client(Recorder(app))
    assert client.register("canary.user", "canary.mailbox@example.com", PASSWORD).status == 201
    assert client.log_in(password=MISTYPED).status == 401
    assert client.log_in(MISTYPED, MISTYPED).status == 401
    assert client.log_in("CANARY.mailbox@example.com").status == 200
    return client


def shop(client: Client) -> None:
    profile = {"name": "Canaria Nightingale", "phone": PHONE, "shipping_address": ADDRESS}
    assert client.post("/profile", {**profile, "unknown": LINE}).status == 422
    assert client.post("/profile", profile).status == 201
    assert client.post("/profile", profile).status == 409
    change = {"name": "Canaria Goldcrest", "phone": NEW_PHONE, "shipping_address": FREE_FORM}
    assert client.put("/profile", change).status == 200
    assert client.get("/profile/me").json["shipping_address"] == FREE_FORM
    info = {"payment_token": PAYMENT_TOKEN, "provider": "stripe"}
    assert client.post("/profile/payment_info", info).status == 201
    assert client.put("/profile/payment_info", {"payment_token": NEW_PAYMENT_TOKEN}).status == 200
    assert client.get("/profile/payment_info").json["token_hint"] == "cYp2"


def manage(client: Client) -> None:
    spent = client.refresh_token
    assert client.refresh().status == client.refresh(spent).status == 200
    assert client.put("/account/password", {"current_password": MISTYPED, "new_password": NEW_PASSWORD}).status == 403
    answer = client.put("/account/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD})
    assert answer.status == 200
    client.password, client.access_token = NEW_PASSWORD, answer.json["access_token"]
    assert client.post("/account/export", {"password": NEW_PASSWORD}).status == 200
    assert client.refresh(spent).status == 401
    assert client.delete("/sessions").status == 204
    assert client.log_in().status == 200


def correspond(app: Flask, client: Client) -> set[str]:
    """Every kind of link is mailed; one is spent, others are tried at wrong doors. Returns the tokens."""
    verification = take_links(app)
    assert client.post("/password/forgot", {"email": client.email}).status == 202
    assert client.put("/account/email", {"email": NEW_MAILBOX, "password": client.password}).status == 202
    others = take_links(app)
    assert (len(verification), len(others)) == (1, 2)
    for token in others:
        body = {"token": token, "new_password": "short"}
        assert client.post("/password/reset", body).status in (401, 422)
        assert client.post("/email/verify", {"token": f"{token}A"}).status == 401
    assert client.post("/email/verify", {"token": verification[0]}).status == 200
    assert client.post("/email/verify", {"token": verification[0]}).status == 401
    return {*verification, *others}


def take_links(app: Flask) -> list[str]:
    return [token for mail in deliver(app) for token in LINK.findall(text_of(mail))]


def serve_the_company(app: Flask, client: Client) -> str:
    """What other services ask about the person; returns their secret."""
    with app.app_context():
        secret = create_client(name="checkout", scopes=list(Scope), expires_at=None)
    headers = {"Authorization": f"Bearer {secret}", "X-Reason": "order 4711"}
    path = f"/internal/users/{claims_of(client.access_token)['sub']}"
    assert client.get(path, headers=headers).json["profile"]["phone"] == NEW_PHONE
    assert client.get(f"{path}/payment_token", headers=headers).json["payment_token"] == NEW_PAYMENT_TOKEN
    for token in (client.access_token, client.refresh_token, secret):
        assert client.post("/token/introspect", {"token": token}, headers=headers).status == 200
    return secret


def doors(app: Flask) -> Iterator[tuple[str, str]]:
    """Every method of every path, with something in the place of its parameters."""
    for rule in app.url_map.iter_rules():
        path = "".join(
            part if not is_parameter else "01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b11" for is_parameter, part in rule._trace
        )
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            yield method, path.lstrip("|")


def knock_everywhere(app: Flask, client: Client) -> None:
    """Every door is shown every value: in the body, in the query, in headers."""
    for method, path in doors(app):
        assert client.log_in().status == 200
        headers = {"Cookie": f"token={client.access_token}", "X-Token": PAYMENT_TOKEN, "X-Request-ID": f"no {PHONE}"}
        tokens = {"refresh_token": client.refresh_token, "old_refresh_token": client.refresh_token}
        members = {**PERSON, **THINGS, **CHANGES, **tokens}
        query = f"?password={MISTYPED}&token={client.refresh_token}&{PAYMENT_TOKEN}={LINE}".replace(" ", "%20")
        answer = client.send(method, path + query, members, headers=headers)
        assert answer.status < 500, (method, path, answer)
        client.send(method, f"{path}/{PAYMENT_TOKEN}", b"{" + MISTYPED.encode(), headers=headers)


def test_nothing_of_a_person_lies_readable_where_it_should_not(
    app: Flask, log: Log, canary: Client, database_url: str, databases: Databases
) -> None:
    """SECURITY 36, 84, 127, 151."""
    shop(canary)
    manage(canary)
    mailed = correspond(app, canary)
    secret = serve_the_company(app, canary)
    knock_everywhere(app, canary)
    mailed |= set(take_links(app))
    assert log.text.count("mail.sent") > len(mailed) >= 3
    tokens = canary.transport.tokens
    assert len(tokens) > 20
    signatures = {token.rpartition(".")[2] for token in tokens}
    hidden = SECRET | tokens | signatures | mailed | {secret}
    at_rest, logged = stored(database_url, databases), log.text.encode()
    assert all(name.encode() in at_rest for name in ("canary.user", "canary.mailbox@example.com"))
    assert len(log.lines()) > 100
    assert found(hidden, at_rest) == []
    assert found(hidden | READABLE | {NEW_MAILBOX}, logged) == []
    refusals = canary.transport.refusals
    assert len(refusals) > 50
    # A member that is unknown is named where the client put it, so what stands as the name of one comes back.
    assert found((hidden | READABLE) - {PASSWORD}, b"".join(refusals)) == []


def test_the_keys_of_the_service_lie_sealed(
    app: Flask, log: Log, canary: Client, database_url: str, databases: Databases
) -> None:
    """SECURITY 31, 127: peppers, cursor and digest keys, private keys, data keys, and never a master key."""
    shop(canary)
    secrets = set()
    with app.app_context():
        master_keys = runtime().key_ring.master_keys
        for row in fetch_all(select(ServiceSecret.__table__)):
            bound_to = binding("service_secrets", "sealed_secret", row.id)
            secrets.add(master_keys.open(row.master_key_id, row.sealed_secret, bound_to))
        for row in fetch_all(select(SealedSigningKey.__table__)):
            bound_to = binding("signing_keys", "sealed_private_key", row.kid)
            secrets.add(master_keys.open(row.master_key_id, row.sealed_private_key, bound_to))
        secrets |= set(runtime().settings.master_keys.values())
    assert len(secrets) >= 4
    everywhere = stored(database_url, databases) + log.text.encode()
    assert [secret for secret in secrets if any(form in everywhere for form in disguises(secret))] == []


def test_a_search_finds_what_lies_open(canary: Client, database_url: str, databases: Databases) -> None:
    """The searches above would notice: a name is stored as it is, and is found on either database."""
    shop(canary)
    left = stored(database_url, databases)
    assert found(READABLE - {"Canaria Nightingale"}, left) == [
        "Canaria Goldcrest",
        "canary.mailbox@example.com",
        "canary.user",
    ]
