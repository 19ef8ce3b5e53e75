"""Master keys come from outside, are real keys, and are made for nobody but a developer. SECURITY 124, 152."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import config
from config import ConfigurationError
from tests.support.server import ROOT

KEY, OTHER = bytes(range(1, 33)), bytes(range(50, 82))
LOAD = """
import pathlib, sys, config
config.INSTANCE = pathlib.Path(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print({name: key.hex() for name, key in config.load().master_keys.items()})
"""
ReadKeys = Callable[[str], dict[str, bytes]]


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty environment of a developer, and where the development key would lie."""
    for name in list(os.environ):
        monkeypatch.delenv(name)
    monkeypatch.setenv("APP_ENV", "development")
    monkeypatch.setattr(config, "INSTANCE", tmp_path / "instance")
    return tmp_path / "instance"


@pytest.fixture
def read_keys(monkeypatch: pytest.MonkeyPatch, instance: Path) -> ReadKeys:
    def read(text: str) -> dict[str, bytes]:
        monkeypatch.setenv("MASTER_KEYS", text)
        return dict(config.load().master_keys)

    return read


def fault(read_keys: ReadKeys, text: str) -> str:
    """What the one line about the keys says."""
    with pytest.raises(ConfigurationError) as refusal:
        read_keys(text)
    [line] = [line for line in str(refusal.value).splitlines() if line.startswith("  ")]
    name, _, message = line.strip().partition(": ")
    assert name == "MASTER_KEYS"
    return message


def test_keys_are_read_in_their_order_the_current_one_first(read_keys: ReadKeys) -> None:
    keys = read_keys(f"2026-b:{encoded(OTHER)}, 2026_a:{encoded(KEY)}")
    assert list(keys.items()) == [("2026-b", OTHER), ("2026_a", KEY)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "id:base64"),
        (encoded(KEY), "id:base64"),
        (f":{encoded(KEY)}", "id:base64"),
        (f"a b:{encoded(KEY)}", "id:base64"),
        (f"a:{encoded(KEY)},", "id:base64"),
        (f"{'a' * 65}:{encoded(KEY)}", "id:base64"),
        ("a:", "32 bytes"),
        ("a:not base64!", "32 bytes"),
        (f"a:{encoded(KEY[:31])}", "32 bytes"),
        (f"a:{encoded(KEY + b'x')}", "32 bytes"),
        (f"a:{KEY.hex()}", "32 bytes"),
        (f"a:{encoded(bytes(32))}", "not random"),
        (f"a:{encoded(b'x' * 32)}", "not random"),
        (f"a:{encoded(b'changeme' * 4)}", "not random"),
        (f"a:{encoded(KEY)},a:{encoded(OTHER)}", "stands twice"),
        (f"a:{encoded(KEY)},b:{encoded(OTHER[:16])}", "32 bytes"),
    ],
)
def test_what_is_no_key_is_refused_with_the_reason(read_keys: ReadKeys, text: str, words: str) -> None:
    assert words in fault(read_keys, text)


@pytest.mark.parametrize(
    "text",
    [f"{KEY.hex()}:a", KEY.hex(), f"{encoded(KEY)}:a", f"a:{encoded(KEY)}x", f"a:{encoded(KEY)},b:{encoded(OTHER)}?"],
)
def test_a_key_that_was_written_in_the_wrong_place_is_not_shown(read_keys: ReadKeys, text: str) -> None:
    """SECURITY 152: the message goes to logs."""
    message = fault(read_keys, text)
    assert not [form for form in (KEY.hex(), encoded(KEY), encoded(KEY)[:-1], encoded(OTHER)) if form in message]


def test_the_development_key_is_made_once_for_its_owner_alone(instance: Path) -> None:
    first = config.load().master_keys
    assert [len(key) for key in first.values()] == [32]
    assert config.load().master_keys == first
    [path] = instance.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(instance.stat().st_mode) == 0o700


def test_where_keys_are_given_none_is_made(read_keys: ReadKeys, instance: Path) -> None:
    """A developer's container may be read-only, and a key that nobody uses is one more to lose."""
    assert read_keys(f"a:{encoded(KEY)}") == {"a": KEY}
    assert not (instance / "master_keys").exists()


def test_a_development_key_that_was_damaged_is_a_fault_and_is_kept(instance: Path) -> None:
    config.load()
    path = instance / "master_keys"
    path.write_text("dev:broken\n")
    with pytest.raises(ConfigurationError, match="32 bytes"):
        config.load()
    assert path.read_text() == "dev:broken\n"


def test_processes_that_start_at_the_same_moment_agree_on_one_development_key(instance: Path) -> None:
    environment = {"APP_ENV": "development", "PATH": os.defpath}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, str(instance)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = {process.communicate(timeout=60)[0] for process in processes}
    assert len(answers) == 1
    assert config.load().master_keys["dev"].hex() in answers.pop()
