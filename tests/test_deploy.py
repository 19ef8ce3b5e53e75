"""The files under deploy/ name what is there, and are taken by the programs that read them. SECURITY 154."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

import config
from tests.support.proxy import DEPLOY, require_nginx, write_configuration
from tests.support.server import ROOT
from user_service.cli import COMMANDS
from user_service.settings import Settings

COMPOSE = DEPLOY / "compose.yaml"
UNITS = sorted((DEPLOY / "systemd").iterdir())
SETTINGS = {field.name.upper() for field in fields(Settings)}
OURS = ("migrate", "node-a", "node-b", "mail", "housekeeping")
# By systemd's own measure, ten times what it shows: 0 is closed, 100 is open.
MOST_EXPOSURE = 20


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load(COMPOSE.read_text())


def mapping(entries: Any) -> dict[str, str]:
    return entries if isinstance(entries, dict) else dict.fromkeys(entries)


def test_what_compose_sets_are_settings(compose: Any) -> None:
    for name in OURS:
        names = {variable.removesuffix("_FILE") for variable in compose["services"][name]["environment"]}
        assert names <= SETTINGS, names - SETTINGS


def test_what_compose_mounts_is_there_or_made_by_its_own_instructions(compose: Any) -> None:
    instructions = "\n".join(line for line in COMPOSE.read_text().splitlines() if line.startswith("#"))
    volumes = [volume for service in compose["services"].values() for volume in service.get("volumes", [])]
    sources = [volume.partition(":")[0] for volume in volumes] + [one["file"] for one in compose["secrets"].values()]
    paths = {source for source in sources if source.startswith(".")}
    assert paths
    for path in paths:
        there = (DEPLOY / path).exists()
        assert there or f"deploy/{path.removeprefix('./')}" in instructions, path
    for service in OURS:
        build = compose["services"][service]["build"]
        assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()


def test_services_wait_for_what_can_be_waited_for(compose: Any) -> None:
    services = compose["services"]
    for service in services.values():
        for name, how in mapping(service.get("depends_on", {})).items():
            has_check = "healthcheck" in services[name] or name in OURS  # ours have the image's
            assert how["condition"] == "service_completed_successfully" or has_check
        assert set(mapping(service.get("networks", {}))) <= set(compose["networks"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])


def test_every_container_is_as_tight_as_it_can_be(compose: Any) -> None:
    """SECURITY 154: read-only, and no way to more rights."""
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert name == "database" or service["cap_drop"] == ["ALL"], name


def test_compose_runs_commands_that_exist(compose: Any) -> None:
    known = {command.name: command for command in COMMANDS}
    for name in OURS:
        words = compose["services"][name].get("command", ["flask", "db"])
        assert words[0] == "flask"
        assert words[1] == "db" or words[1] in known, words
        if words[-1].startswith("--"):
            command = known[words[1]]
            command = command.commands[words[2]] if len(words) > 3 else command
            assert words[-1] in [option for parameter in command.params for option in parameter.opts]


def test_the_proxy_of_compose_knows_the_nodes_of_compose(compose: Any) -> None:
    services = compose["services"]
    addresses = [services[name]["networks"]["inside"]["ipv4_address"] for name in ("node-a", "node-b")]
    servers = re.findall(r"server ([0-9.]+):8000 ", (DEPLOY / "compose" / "nodes.conf").read_text())
    assert servers == addresses


def test_nginx_takes_the_nodes_of_compose(tmp_path: Path) -> None:
    program = require_nginx()
    write_configuration(tmp_path, ["127.0.0.1:1"], 8443, 8080)
    shutil.copy(DEPLOY / "compose" / "nodes.conf", tmp_path)
    command = [program, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert checked.returncode == 0, checked.stderr


def test_the_instructions_of_compose_make_settings_that_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets are made as the head of the file says, and read as the service reads them."""
    head = COMPOSE.read_text().partition("name: user-service")[0]
    lines = [line.removeprefix("#     ") for line in head.splitlines() if line.startswith("#     ")]
    block = "\n".join(line for line in lines if not line.startswith(("cp ", "PUBLIC_URL=")))
    subprocess.run(["bash", "-euc", block], cwd=tmp_path, check=True, capture_output=True, timeout=30)
    secrets = tmp_path / "deploy" / "compose" / "secrets"
    for name in [name for name in os.environ if name.removesuffix("_FILE") in SETTINGS]:
        monkeypatch.delenv(name)
    for name in ("database_url", "master_keys", "smtp_url"):
        monkeypatch.setenv(f"{name.upper()}_FILE", str(secrets / name))
    monkeypatch.setenv("PUBLIC_URL", "https://users.example.com")
    monkeypatch.setenv("MAIL_FROM", "Shop <no-reply@example.com>")
    settings = config.load()
    assert (secrets / "database_password").read_text() in settings.database_url
    assert list(settings.master_keys) == ["2026-a"]
    assert settings.smtp_url == "smtp://user:password@mail.example.com:587"


def test_a_node_may_give_way_and_come_back(compose: Any) -> None:
    """Else log-ins starve reads, or hold the interpreter's lock while nothing lets them run."""
    [node] = [unit.read_text() for unit in UNITS if unit.name == "user-service.service"]
    filters = [line for line in node.splitlines() if line.startswith("SystemCallFilter=")]
    assert filters[-1] == "SystemCallFilter=sched_setscheduler", "the last one counts (systemd.exec(5))"
    assert "LimitNICE=+0" in node.splitlines()
    assert all(compose["services"][name]["ulimits"] == {"nice": 20} for name in OURS)


def test_who_delivers_mail_is_told_where_to_and_nobody_else_is(compose: Any) -> None:
    """The password of the mail server stays with the process that needs it."""
    told = {name for name in OURS if "SMTP_URL_FILE" in compose["services"][name]["environment"]}
    assert told == {name for name in OURS if "smtp_url" in compose["services"][name]["secrets"]} == {"mail"}
    assert "MAIL_FROM" in compose["services"]["mail"]["environment"]
    assert [unit.name for unit in UNITS if "SMTP_URL" in settings_of(unit)] == ["user-service-mail.service"]


def test_the_image_holds_what_it_runs_and_nothing_else() -> None:
    """SECURITY 152: what is copied is let through by the ignore file, which lets nothing else through."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    copied = {source for line in lines if line.startswith("COPY ") and "--from" not in line for source in sources(line)}
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def sources(line: str) -> list[str]:
    return line.split()[1:-1]


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed, so the units were not looked at: apt install systemd")
    return program


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit(systemd_analyze: str, unit: Path) -> None:
    command = [systemd_analyze, "verify", "--man=no", *map(str, UNITS)]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stderr
    about = [line for line in said.splitlines() if unit.name in line and "is not executable" not in line]
    assert not about
    assert set(settings_of(unit)) <= SETTINGS | {"FLASK_APP"}


def settings_of(unit: Path) -> Iterator[str]:
    for line in unit.read_text().splitlines():
        if line.startswith("Environment="):
            yield from (word.partition("=")[0].removesuffix("_FILE") for word in line.partition("=")[2].split())


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda unit: unit.name)
def test_a_unit_may_do_little(systemd_analyze: str, unit: Path) -> None:
    """SECURITY 154: no root, nothing writable but /tmp, few system calls."""
    text = unit.read_text()
    assert {"DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"} <= set(text.splitlines())
    command = [systemd_analyze, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", str(unit)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout[-300:]
