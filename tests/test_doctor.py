"""`flask doctor` names what is wrong with an installation, and what to do. The same stands in the log at the start."""

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.conftest import running_app
from tests.support.commands import environment, run_flask
from tests.support.databases import POSTGRESQL, SETTINGS, Databases
from tests.support.hostile import ON_ONE_DATABASE
from tests.support.people import Client, InProcess
from tests.test_logs import logging_app
from user_service import startup
from user_service.checks.configuration import check_configuration
from user_service.settings import Settings

KEY = bytes.fromhex("8f1d2c7be0a94655d31790fa6c2e48b17764c09d5be13a82f0562d9be4c7a113")
GOOD = replace(
    SETTINGS,
    app_env="production",
    database_url="postgresql+psycopg://web:kE9dJw02mXq8RtYzLs51@/users?host=/run/postgresql",
    master_keys={"2026-a": KEY},
    public_url="https://users.example.com",
    redis_url="rediss://:kE9dJw02mXq8RtYzLs51@cache.example.com?ssl_ca_certs=/etc/ca.crt",
    trusted_proxies=1,
    bcrypt_rounds=12,
    log_level="INFO",
    ratelimit_enabled=True,
)
REMOTE = "postgresql+psycopg://web:kE9dJw02mXq8RtYzLs51@db.example.com/users"
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "plain http": ({"public_url": "http://users.example.com"}, "error", "public_url"),
    "a proxy that is not believed": ({"trusted_proxies": 0}, "warning", "trusted_proxies"),
    "the key of development": ({"master_keys": {"dev": KEY}}, "error", "master_keys"),
    "a key of the tests": ({"master_keys": {"a": bytes(range(32))}}, "error", "master_keys"),
    "a short password": ({"database_url": "postgresql+psycopg://web:abc@/users"}, "warning", "passwords"),
    "a default password": ({"database_url": "postgresql+psycopg://postgres:postgres@/users"}, "warning", "passwords"),
    "Redis for everybody": ({"redis_url": "rediss://cache.example.com"}, "warning", "passwords"),
    "no limits": ({"ratelimit_enabled": False}, "error", "limits"),
    "limits of each worker": ({"redis_url": None}, "warning", "limits"),
    "cheap hashes": ({"bcrypt_rounds": 10}, "warning", "bcrypt"),
    "a talkative log": ({"log_level": "DEBUG"}, "warning", "log_level"),
    "a database that may be anybody": ({"database_url": REMOTE}, "warning", "tls"),
    "encryption without a check": ({"database_url": f"{REMOTE}?sslmode=require"}, "warning", "tls"),
    "the second of two hosts": ({"database_url": f"{REMOTE}?host=/run,b.example.com"}, "warning", "tls"),
    "Redis in clear": ({"redis_url": "redis://:kE9dJw02mXq8RtYzLs51@cache.example.com"}, "warning", "tls"),
}


def findings_of(settings: Settings, **variables: str) -> set[tuple[str, str]]:
    app = Flask("some")
    return {(found.severity.value, found.check) for found in check_configuration(app, settings, variables)} - MAIL


MAIL = {("warning", "mail")}


def test_a_good_configuration_has_no_findings() -> None:
    assert findings_of(GOOD) == set()
    assert findings_of(replace(GOOD, database_url=f"{REMOTE}?sslmode=verify-full")) == set()


@pytest.mark.parametrize(("changes", "severity", "check"), WRONG.values(), ids=list(WRONG))
def test_each_weakness_is_a_finding_of_its_own(changes: dict[str, Any], severity: str, check: str) -> None:
    assert findings_of(replace(GOOD, **changes)) == {(severity, check)}


def test_a_missing_mail_server_is_told() -> None:
    assert "mail" in {found.check for found in check_configuration(Flask("some"), GOOD, {})}


def test_what_development_may_do_is_wrong_elsewhere() -> None:
    app = Flask("some")
    app.add_url_rule("/users", view_func=lambda: "")
    app.debug = True
    found = {found.check for found in check_configuration(app, GOOD, {})}
    assert {"users", "debug"} <= found
    at_home = replace(GOOD, app_env="development")
    assert not check_configuration(app, at_home, {})
    assert [one.check for one in check_configuration(app, replace(at_home, bind="0.0.0.0"), {})] == ["users"]


def test_a_file_of_secrets_that_everybody_can_read_is_told(tmp_path: Path) -> None:
    """SECURITY 152."""
    path = tmp_path / "keys"
    path.write_text("x")
    path.chmod(0o640)
    assert findings_of(GOOD, MASTER_KEYS_FILE=str(path)) == set()
    path.chmod(0o644)
    assert findings_of(GOOD, MASTER_KEYS_FILE=str(path)) == {("error", "secret_files")}


def doctor(app: Flask, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    result = app.test_cli_runner().invoke(args=["doctor", "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)


def checks(found: list[dict[str, str]], severity: str = "error") -> set[str]:
    return {one["check"] for one in found if one["severity"] == severity}


def test_a_database_that_is_ready_has_no_errors(app: Flask) -> None:
    """The throwaway PostgreSQL forgets on purpose, and that is found."""
    code, found = doctor(app)
    is_forgetful = app.config["SQLALCHEMY_DATABASE_URI"].startswith("postgresql")
    assert (code, checks(found)) == ((1, {"durability"}) if is_forgetful else (0, set()))


def test_tables_of_another_release_are_told(app: Flask) -> None:
    assert app.test_cli_runner().invoke(args=["db", "downgrade", "base"]).exit_code == 0
    code, found = doctor(app)
    assert (code, checks(found)) == (1, {"migrations"})
    assert found[0]["remedy"] == "Run: flask db upgrade"


def test_a_master_key_that_is_missing_is_told(make_app: Callable[..., Flask]) -> None:
    code, found = doctor(make_app(master_keys={"other": KEY}))
    assert code == 1
    assert "master_keys" in checks(found)


def test_more_connections_than_there_are_is_told(databases: Databases) -> None:
    """The server has room for 297, and a node opens up to 32."""
    with databases.copy(POSTGRESQL) as url, running_app(url, web_concurrency=2, database_pool_size=8) as app:
        assert "connections" not in checks(doctor(app)[1])
        assert "connections" not in checks(doctor(app, "--nodes", "9")[1])
        code, found = doctor(app, "--nodes", "10")
        assert (code, "connections" in checks(found)) == (1, True)


def test_rights_that_the_service_does_not_need_are_told(databases: Databases) -> None:
    """SECURITY 154."""
    with databases.copy(POSTGRESQL) as url, running_app(url, app_env="production") as app:
        assert "rights" in checks(doctor(app)[1])


def test_it_runs_while_the_database_is_down(tmp_path: Path) -> None:
    with running_app(f"postgresql+psycopg://postgres@/x?host={tmp_path}") as app:
        code, found = doctor(app)
        assert (code, checks(found)) == (1, {"database"})
        human = app.test_cli_runner().invoke(args=["doctor"])
    assert human.exit_code == 1
    assert human.stdout.splitlines()[0].startswith("error    The database does not answer")
    assert human.stdout.endswith("1 errors, 0 warnings.\n")


@pytest.mark.parametrize("arguments", [["doctor"], ["doctor", "--json"]])
def test_it_lists_the_faults_of_a_configuration_that_starts_nothing(arguments: list[str]) -> None:
    faulty = environment("", PORT="x", BCRYPT_ROUNDS="99", DATABASE_URL="postgresql://o:p@ss:hunter2-canary@db/users")
    code, output = run_flask(*arguments, database_url="", env=faulty)
    assert code == 1
    assert all(name in output for name in ("PORT", "BCRYPT_ROUNDS", "DATABASE_URL"))
    assert "Traceback" not in output
    assert "hunter2-canary" not in output
    if "--json" in arguments:
        assert {one["severity"] for one in json.loads(output)} == {"error"}


@pytest.mark.skipif(sys.platform != "linux", reason="the tests of the start run on Linux")
def test_a_start_in_production_says_the_same(make_app: Callable[..., Flask], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    app, log = logging_app(make_app, app_env="production", ratelimit_enabled=False)
    startup._tell_what_is_wrong(app)
    told = {line["check"] for line in log.events("startup.finding")}
    assert {"limits", "master_keys", "public_url"} <= told


@pytest.mark.parametrize("is_limited", [True, False])
def test_elsewhere_a_start_warns_of_limits_that_are_off_alone(make_app: Callable[..., Flask], is_limited: bool) -> None:
    app, log = logging_app(make_app, app_env="testing", ratelimit_enabled=is_limited)
    startup._tell_what_is_wrong(app)
    assert [line["check"] for line in log.events("startup.finding")] == ([] if is_limited else ["limits"])


@ON_ONE_DATABASE
def test_a_proxy_that_nobody_believes_is_told_once(make_app: Callable[..., Flask]) -> None:
    app, log = logging_app(make_app, app_env="production")
    client = Client(InProcess(app))
    client.get("/healthz")
    assert not log.events("proxy.unheard")
    for _ in range(2):
        client.get("/healthz", headers={"X-Forwarded-For": "198.51.100.7"})
    assert len(log.events("proxy.unheard")) == 1
    assert "198.51.100.7" not in log.text
