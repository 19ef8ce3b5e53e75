"""The environment becomes settings, or one message that lists every fault and no secret. SECURITY 29, 100, 124, 152."""

import base64
import os
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

import config
from config import ConfigurationError
from tests.support.settings import NUMBERS, OFF_AT_FIRST, SWITCHES, TEXTS
from user_service import Settings
from user_service.doors import Rate
from user_service.settings import MEANINGS

Load = Callable[..., Settings]


def encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()


KEY, OTHER_KEY = bytes(range(1, 33)), bytes(range(50, 82))
REQUIRED = {
    "DATABASE_URL": "postgresql://owner:hunter2-canary@db.example/users",
    "MASTER_KEYS": f"2026-a:{encoded(KEY)}",
    "PUBLIC_URL": "https://users.example.com",
}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """Reads an environment that holds these variables and no others."""
    monkeypatch.setattr(config, "INSTANCE", tmp_path / "instance")

    def load_from(**variables: str) -> Settings:
        with monkeypatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            return config.load()

    return load_from


def message_of(load: Load, **variables: str) -> str:
    with pytest.raises(ConfigurationError) as refusal:
        load(**variables)
    return str(refusal.value)


def refusal_of(load: Load, **variables: str) -> ConfigurationError | None:
    """None where the values are taken."""
    try:
        load(**variables)
    except ConfigurationError as error:
        return error
    return None


def faults(load: Load, **variables: str) -> dict[str, str]:
    """What the message says, by variable."""
    lines = [line.strip() for line in message_of(load, **variables).splitlines() if line.startswith("  ")]
    return dict(line.split(": ", 1) for line in lines)


def refused(load: Load, cases: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Those that are not refused with one fault that names the variable."""
    odd = []
    for name, value in cases:
        try:
            named = list(faults(load, **{**REQUIRED, name: value}))
        except (Exception, pytest.fail.Exception) as error:
            named = [type(error).__name__]
        if named != [name]:
            odd.append((name, value, str(named)))
    return odd


def test_every_setting_is_read_and_has_the_documented_default(load: Load) -> None:
    defaults = {setting: default for setting, default, *_ in (*NUMBERS.values(), *TEXTS.values())}
    defaults |= dict.fromkeys(SWITCHES.values(), True) | dict.fromkeys(OFF_AT_FIRST.values(), False)
    defaults["smtp_url"] = None
    settings = load(**REQUIRED)
    assert {name: getattr(settings, name) for name in defaults} == defaults
    assert {field.name for field in fields(Settings)} == {*defaults, "master_keys"}


def test_every_setting_takes_what_is_right(load: Load) -> None:
    numbers = {(name, str(value)): (each[0], value) for name, each in NUMBERS.items() for value in each[2:]}
    texts = {(name, text): (each[0], text) for name, each in TEXTS.items() for text in each[2]}
    words = {"true": True, "1": True, "on": True, "false": False, "0": False, "no": False}
    switches = {
        (name, word): (each, value) for name, each in (SWITCHES | OFF_AT_FIRST).items() for word, value in words.items()
    }
    cases = {**numbers, **texts, **switches}
    read = {case: getattr(load(**{**REQUIRED, case[0]: case[1]}), setting) for case, (setting, _) in cases.items()}
    assert read == {case: value for case, (_, value) in cases.items()}


def test_every_setting_refuses_what_is_wrong_and_names_itself(load: Load) -> None:
    """SECURITY 29, 100: fewer rounds than ten are for development alone."""
    numbers = [
        (name, str(text)) for name, each in NUMBERS.items() for text in (each[2] - 1, each[3] + 1, "x", "1.5", "")
    ]
    texts = [(name, text) for name, each in TEXTS.items() for text in each[3] if name != "APP_ENV"]
    switches = [(name, text) for name in SWITCHES | OFF_AT_FIRST for text in ("maybe", "2", "")]
    assert refused(load, [*numbers, *texts, *switches, ("BCRYPT_ROUNDS", "4")]) == []


def test_limits_are_changed_by_name(load: Load) -> None:
    written = "log-in-address=300/minute, register-all=100000/day,refresh-account=5/second,"
    assert load(**REQUIRED, LIMITS=written).limits == {
        "log-in-address": Rate(300, 60),
        "register-all": Rate(100_000, 86_400),
        "refresh-account": Rate(5, 1),
    }
    assert load(**REQUIRED, LIMITS="").limits == {}


def test_origins_are_written_as_browsers_write_them(load: Load) -> None:
    written = "https://shop.example.com, http://127.0.0.1:3000,http://[::1]:8080,https://xn--bcher-kva.example,"
    assert load(**REQUIRED, CORS_ORIGINS=written).cors_origins == (
        *("https://shop.example.com", "http://127.0.0.1:3000"),
        *("http://[::1]:8080", "https://xn--bcher-kva.example"),
    )
    assert load(APP_ENV="development", CORS_ORIGINS="*").cors_origins == ("*",)


def test_all_faults_are_told_in_one_message(load: Load) -> None:
    wrong = {"PORT": "x", "BCRYPT_ROUNDS": "4", "LOG_LEVEL": "loud", "JWT_AUDIENCE": "", "TRUSTED_PROXIES": "-1"}
    wrong |= {"PUBLIC_URL": "x", "DATABASE_URL": "x", "MASTER_KEYS": "x", "RATELIMIT_ENABLED": "x", "LIMITS": "x"}
    assert set(faults(load, **wrong)) == set(wrong)


def test_production_needs_database_keys_and_address_and_makes_none(load: Load) -> None:
    for variables in ({}, {"APP_ENV": "production"}):
        found = faults(load, **variables)
        assert set(found) == set(REQUIRED)
        assert all("not set" in message for message in found.values())
    assert not config.INSTANCE.exists()


@pytest.mark.parametrize("name", ["prod", "Production", "", "debug"])
def test_an_unknown_environment_is_a_fault_and_counts_as_production(load: Load, name: str) -> None:
    assert set(faults(load, APP_ENV=name)) == {"APP_ENV", *REQUIRED}
    assert set(faults(load, APP_ENV=name, BCRYPT_ROUNDS="4", **REQUIRED)) == {"APP_ENV", "BCRYPT_ROUNDS"}


def test_development_switches_of_flask_do_not_start_in_production(load: Load) -> None:
    """SECURITY 100."""
    assert list(faults(load, FLASK_DEBUG="1", **REQUIRED)) == ["FLASK_DEBUG"]
    assert load(APP_ENV="development", FLASK_DEBUG="1").is_development


def test_development_needs_nothing(load: Load) -> None:
    settings = load(APP_ENV="development", PORT="9000")
    assert (settings.public_url, settings.bind, settings.jwt_issuer) == (
        *("http://127.0.0.1:9000", "127.0.0.1"),
        "http://127.0.0.1:9000",
    )
    assert settings.database_url == f"sqlite:///{config.INSTANCE / 'user_service.sqlite3'}"
    assert load(APP_ENV="development", BCRYPT_ROUNDS="4").bcrypt_rounds == 4


def test_addresses_are_brought_into_one_form(load: Load) -> None:
    settings = load(**{**REQUIRED, "PUBLIC_URL": "https://a.example/api/", "DATABASE_URL": "postgres://u@h/d"})
    assert (settings.public_url, settings.jwt_issuer) == ("https://a.example/api", "https://a.example/api")
    assert settings.database_url == "postgresql+psycopg://u@h/d"
    assert load(**REQUIRED, JWT_ISSUER="https://id.example").jwt_audience == "https://id.example"


def test_every_value_may_lie_in_a_file(load: Load, tmp_path: Path) -> None:
    written = {**REQUIRED, "PORT": "9000", "RATELIMIT_ENABLED": "false"}
    for name, value in written.items():
        (tmp_path / name).write_text(f"{value}\n")
    settings = load(**{f"{name}_FILE": str(tmp_path / name) for name in written})
    assert (settings.port, settings.ratelimit_enabled, settings.master_keys) == (9000, False, {"2026-a": KEY})
    assert settings.database_url.endswith("@db.example/users")


def test_a_file_that_cannot_be_read_is_a_fault_among_the_others(load: Load, tmp_path: Path) -> None:
    files = {"DATABASE_URL_FILE": str(tmp_path / "missing"), "MASTER_KEYS_FILE": str(tmp_path)}
    found = faults(load, **files, PUBLIC_URL="https://a.example", PORT="x")
    assert {name.removesuffix("_FILE") for name in found} == {"DATABASE_URL", "MASTER_KEYS", "PORT"}


@pytest.mark.parametrize("content", [b"https://\xff.example", b"https://a.example/\0", b"\0"])
def test_a_file_that_holds_no_text_is_a_fault(load: Load, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "address").write_bytes(content)
    del (others := dict(REQUIRED))["PUBLIC_URL"]
    assert list(faults(load, **others, PUBLIC_URL_FILE=str(tmp_path / "address"))) == ["PUBLIC_URL"]


def test_a_value_that_is_no_text_is_a_fault(load: Load) -> None:
    """Python lets bytes that are not UTF-8 through as halves of characters, and every token would fail."""
    assert refused(load, [(name, "https://a.example/\udcff") for name in MEANINGS]) == []


def test_a_setting_is_told_of_once(load: Load) -> None:
    assert message_of(load, DATABASE_URL_FILE="/no/such/file").count("set;") == 2  # of the two others that are required
    assert "not set" not in faults(load, **REQUIRED, SMTP_URL="smtp://m", MAIL_FROM="x")["MAIL_FROM"]


def test_an_ipv6_address_is_kept_without_brackets(load: Load) -> None:
    assert load(**REQUIRED, BIND="[::1]").bind == "::1"


@pytest.mark.parametrize("key", ["AAé=", f"{encoded(KEY)}é", "=", "\u2028", "A" * 10_000])
def test_a_master_key_that_is_no_base64_is_a_fault_among_the_others(load: Load, key: str) -> None:
    assert set(faults(load, **{**REQUIRED, "MASTER_KEYS": f"a:{key}", "PORT": "x"})) == {"MASTER_KEYS", "PORT"}


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_development_key_that_cannot_be_read_or_made_is_a_fault(load: Load, content: bytes | None) -> None:
    """A file stands where the folder would be made, or the key is no text."""
    if content is None:
        config.INSTANCE.write_text("")
    else:
        config.INSTANCE.mkdir()
        (config.INSTANCE / "master_keys").write_bytes(content)
    assert set(faults(load, APP_ENV="development", PORT="x")) == {"MASTER_KEYS", "PORT"}


ODD = [
    *("", " ", "é", "\udcff", "١", "1_0", "9" * 5000, "-1", "nan", "true", "[", "[::1", "://", "://[", "a:b", ",", "="),
    *("\n", "\x01", "\u2028", "%", "%00", "${PATH}", "{}", "unix:", "http://[::1", "http://u:hunter2-canary@h:x"),
    *(
        "https://u:hunter2-canary@h",
        "redis://u:hunter2-canary@h:x",
        "redis://u:hunter2-canary@[::1",
        "a:hunter2-canary",
    ),
    *(
        "redis://h?password=hunter2-canary&foo=1",
        "unix:?password=hunter2-canary",
        "postgresql://u:hunter2-canary@h/d?x=1",
    ),
    *("postgresql://u:hunter2-canary@h:99999/d", "sqlite:///hunter2-canary?mode=memory", "smtp://u:hunter2-canary@[h"),
    *("hunter2-canary" * 4 + ":x", f"a:{encoded(KEY)},a:{encoded(KEY)}", f"a:{encoded(KEY)}é", "User <hunter2-canary>"),
]


@pytest.mark.parametrize("name", ["FLASK_DEBUG", *MEANINGS])
@pytest.mark.parametrize("app_env", ["production", "development"])
def test_no_value_however_odd_raises_anything_else_or_is_shown(load: Load, name: str, app_env: str) -> None:
    """What names limits is no secret, and is shown."""
    for value in ODD:
        refusal = refusal_of(load, **{**REQUIRED, "APP_ENV": app_env, "MAIL_FROM": "a@b.com", name: value})
        if refusal is not None:
            assert [fault.partition(":")[0] for fault in refusal.faults] == [name], value
            assert name == "LIMITS" or not re.search(f"hunter2|{encoded(KEY)}", str(refusal)), value


def test_no_setting_and_no_message_shows_a_secret(load: Load) -> None:
    """SECURITY 152."""
    settings = load(**REQUIRED)
    message = message_of(load, **{**REQUIRED, "PORT": "x"})
    shown = repr(settings) + str(settings) + message
    assert not [secret for secret in ("hunter2-canary", encoded(KEY), repr(KEY)) if secret in shown]


@pytest.mark.parametrize(
    "url", ["smtp://mail.example.com", "smtp://u:p%40@m:587", "smtps://m", "smtp://m?starttls=off"]
)
def test_mail_has_a_server_and_a_sender(load: Load, url: str) -> None:
    assert load(**REQUIRED, SMTP_URL=url, MAIL_FROM="no-reply@example.com").smtp_url == url
    with pytest.raises(ConfigurationError, match="MAIL_FROM: it is not set"):
        load(**REQUIRED, SMTP_URL=url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "mail.example.com", "http://m", "smtp://", "smtp://m:x", "smtp://m/path", "smtp://m?starttls=no"),
        *("smtp://u:hunter2-canary@m?starttls=off", "smtp://u:hunter2-canaryé@m", "smtp://u:hunter2%C3%A9@m"),
        *("smtp://a..b", "smtp://" + "m" * 64, "smtp://a b", "smtp://m#hunter2", "smtp://m%0a", "smtp://u%0d:p@m"),
    ],
)
def test_a_wrong_mail_server_is_refused_and_its_password_not_shown(load: Load, url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_URL") as refusal:
        load(**REQUIRED, SMTP_URL=url, MAIL_FROM="no-reply@example.com")
    assert "hunter2" not in str(refusal.value)
