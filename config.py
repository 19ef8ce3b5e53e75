"""Environment → settings. Every fault is reported at once; no secret has a default.

Run as a program it prints what gunicorn.conf.py needs to know, and no secret.

`<NAME>_FILE` names a file that holds the value. In development alone, a database under `instance/` and a
master key made once (mode 0600) spare the newcomer the set-up.
"""

import base64
import contextlib
import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from environs import EnvValidationError, FileAwareEnv, ValidationError
from marshmallow.validate import Equal, OneOf, Range, Regexp
from phonenumbers import SUPPORTED_REGIONS

from user_service.doors import parse_limits
from user_service.mail.configuration import check_sender, check_smtp_url
from user_service.settings import Settings
from user_service.urls import check_database_url, check_web_address, parse_bind, parse_origins, with_driver
from user_service.windows import check_redis_url

INSTANCE = Path(__file__).resolve().parent / "instance"
ALL_INTERFACES = "0.0.0.0"  # noqa: S104  # in production a container or a proxy decides who gets through
ENVIRONMENTS = ("production", "development", "testing")
SERVING = ("bind", "port", "web_concurrency", "log_level", "public_url", "is_development")


REQUIRED = {
    "PUBLIC_URL": "name the address that clients reach, such as https://users.example.com",
    "DATABASE_URL": "name the database, such as postgresql://user@host/database",
    "MASTER_KEYS": 'make one with: echo "2026-a:$(openssl rand -base64 32)"',
}
MAKE_ONE = "make one with: openssl rand -base64 32"
MAX_KEY_ID = 32  # shorter than a key, so that a key in its place is never printed as an id
# Bytes that are not UTF-8 come out of the environment as halves of characters.
NO_TEXT = re.compile("[\0\ud800-\udfff]")
FIRST_TRY = "Every name may end in _FILE and name a file instead. For a first try: make run (APP_ENV=development)."


class ConfigurationError(Exception):
    """The environment cannot make a running service; the message lists every fault, one a line."""

    def __init__(self, faults: list[str]) -> None:
        lines = [f"  {fault}" for fault in faults]
        super().__init__("\n".join(["The configuration has faults; nothing was started.", *lines, FIRST_TRY]))
        self.faults = faults


class _Env(FileAwareEnv):
    """A value that cannot be read is a fault among the others."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            value = super()._get_value(env_key, default)
        except (ValueError, OSError):
            self._errors[env_key].append(f"{env_key}_FILE must name a file that can be read")
            return default
        if isinstance(value, str) and NO_TEXT.search(value):
            self._errors[env_key].append("it must be text in UTF-8, without a NUL")
            return default
        return value


def load() -> Settings:
    """Read the settings from the environment.

    Raises ConfigurationError, whose message is ready to be printed.
    """
    env = _Env(eager=False, strip_whitespace=True)
    env.add_parser("limits", _parsed_by(parse_limits))
    env.add_parser("origins", _parsed_by(parse_origins))
    env.add_parser("address", _parsed_by(parse_bind))
    values = _read(env)
    try:
        env.seal()
    except EnvValidationError as error:
        raise ConfigurationError(_describe(error.error_messages)) from None
    return Settings(**values)


def _read(env: FileAwareEnv) -> dict[str, Any]:
    app_env = env.str("APP_ENV", "production", validate=OneOf(ENVIRONMENTS))
    is_local = app_env in ("development", "testing")
    if not is_local:
        env.bool("FLASK_DEBUG", False, validate=Equal(False, error="it is for development alone; unset it"))
    port = env.int("PORT", 8000, validate=Range(1, 65_535))
    public_url = _url(env, "PUBLIC_URL", f"http://127.0.0.1:{port}" if is_local else None)
    workers = env.int("WEB_CONCURRENCY", os.cpu_count() or 2, validate=Range(1, 512)) or 1
    issuer = env.str("JWT_ISSUER", public_url, validate=_not_empty)
    return {
        "app_env": app_env,
        "database_url": _database_url(env, is_local),
        "master_keys": _master_keys(env, is_local),
        "public_url": public_url,
        "jwt_issuer": issuer,
        "jwt_audience": env.str("JWT_AUDIENCE", issuer, validate=_not_empty),
        "access_token_seconds": env.int("ACCESS_TOKEN_SECONDS", 900, validate=Range(1, 86_400)),
        "refresh_token_seconds": env.int("REFRESH_TOKEN_SECONDS", 604_800, validate=Range(1, 30 * 86_400)),
        "session_seconds": env.int("SESSION_SECONDS", 2_592_000, validate=Range(1, 366 * 86_400)),
        "refresh_token_rotation": env.bool("REFRESH_TOKEN_ROTATION", True),
        "refresh_reuse_grace_seconds": env.int("REFRESH_REUSE_GRACE_SECONDS", 30, validate=Range(0, 300)),
        "bcrypt_rounds": env.int("BCRYPT_ROUNDS", 12, validate=Range(4 if is_local else 10, 16)),
        "password_min_length": env.int("PASSWORD_MIN_LENGTH", 8, validate=Range(8, 64)),
        "login_attempts_per_account": env.int("LOGIN_ATTEMPTS_PER_ACCOUNT", 10, validate=Range(1, 100)),
        "default_region": env.str("DEFAULT_REGION", "US", validate=OneOf(sorted(SUPPORTED_REGIONS))),
        "max_sessions_per_user": env.int("MAX_SESSIONS_PER_USER", 100, validate=Range(1, 10_000)),
        "redis_url": env.str("REDIS_URL", None, validate=_checked_by(check_redis_url)),
        "ratelimit_enabled": env.bool("RATELIMIT_ENABLED", True),
        "limits": env.limits("LIMITS", ""),
        "cors_origins": env.origins("CORS_ORIGINS", "", is_local=is_local),
        **_mail(env),
        "trusted_proxies": env.int("TRUSTED_PROXIES", 0, validate=Range(0, 10)),
        "port": port,
        "bind": env.address("BIND", "127.0.0.1" if is_local else ALL_INTERFACES),
        "web_concurrency": workers,
        "database_pool_size": env.int("DATABASE_POOL_SIZE", max(2, min(8, 32 // workers)), validate=Range(1, 100)),
        "database_prepare": env.bool("DATABASE_PREPARE", True),
        "log_level": env.str("LOG_LEVEL", "INFO", validate=Regexp("^(DEBUG|INFO|WARNING|ERROR)$")),
    }


def _not_empty(value: str) -> None:
    if not value:
        raise ValidationError("it is empty; give it a value or leave it out")


def _url(env: FileAwareEnv, name: str, default: str | None) -> str:
    return _required(env.str, name, default, _checked_by(check_web_address)).rstrip("/")


def _parsed_by(parse: Callable[..., Any]) -> Callable[..., Any]:
    def parsed(text: str, **options: Any) -> Any:
        try:
            return parse(text, **options)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    return parsed


def _mail(env: FileAwareEnv) -> dict[str, Any]:
    """Without SMTP_URL mail waits in the outbox; with it there has to be a sender."""
    smtp_url = env.str("SMTP_URL", None, validate=_checked_by(check_smtp_url))
    mail_from = env.str("MAIL_FROM", None, validate=_checked_by(check_sender))
    if smtp_url is not None and mail_from is None:
        env._errors["MAIL_FROM"].append("it is not set; SMTP_URL needs a sender, such as no-reply@example.com")
    return {
        "smtp_url": smtp_url,
        "mail_from": mail_from,
        "require_email_verification": env.bool("REQUIRE_EMAIL_VERIFICATION", False),
        "link_base_url": _url(env, "LINK_BASE_URL", "") if _is_given("LINK_BASE_URL") else None,
    }


def _checked_by(check: Callable[[str], None]) -> Callable[[str | None], None]:
    return lambda value: _parsed_by(check)(value or "")


def _database_url(env: FileAwareEnv, is_local: bool) -> str:
    default = f"sqlite:///{INSTANCE / 'user_service.sqlite3'}" if is_local else None
    return with_driver(_required(env.str, "DATABASE_URL", default, _checked_by(check_database_url)))


def _master_keys(env: FileAwareEnv, is_local: bool) -> dict[str, bytes]:
    try:
        default = _development_master_keys() if is_local and not _is_given("MASTER_KEYS") else None
    except (OSError, ValueError):
        env._errors["MASTER_KEYS"].append(f"{INSTANCE / 'master_keys'} can be neither read nor made; set MASTER_KEYS")
        return {}
    text = _required(env.str, "MASTER_KEYS", default, _parse_master_keys)
    try:
        return _parse_master_keys(text)
    except ValidationError as error:
        if not env._errors.get("MASTER_KEYS"):  # environs does not validate a default
            env._errors["MASTER_KEYS"].append(f"{INSTANCE / 'master_keys'}: {error.args[0]}")
        return {}


def _is_given(name: str) -> bool:
    return name in os.environ or f"{name}_FILE" in os.environ


def _parse_master_keys(text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for entry in text.split(","):
        key_id, separator, encoded = entry.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not separator or not key_id.replace("-", "").replace("_", "").isalnum() or len(key_id) > MAX_KEY_ID:
            raise ValidationError("each entry must read id:base64-of-32-bytes, separated by commas")
        if len(key) != 32:
            raise ValidationError(f"the key {key_id!r} must be 32 bytes in base64; {MAKE_ONE}")
        if len(set(key)) < 8:
            raise ValidationError(f"the key {key_id!r} is not random; {MAKE_ONE}")
        if key_id in keys:
            raise ValidationError(f"the key id {key_id!r} stands twice")
        keys[key_id] = key
    return keys


def _development_master_keys() -> str:
    """Make the development key once. A hard link appears whole or not at all, so two processes agree on one key."""
    path = INSTANCE / "master_keys"
    if not path.exists():
        INSTANCE.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=INSTANCE) as draft:  # made with mode 0600
            draft.write(f"dev:{base64.b64encode(secrets.token_bytes(32)).decode()}\n")
            draft.flush()
            with contextlib.suppress(FileExistsError):
                os.link(draft.name, path)
    return path.read_text().strip()


def _required(read: Callable[..., Any], name: str, default: str | None, check: Callable[[str], Any]) -> str:
    def validate(value: str) -> None:
        check(value)

    value = read(name, validate=validate) if default is None else read(name, default, validate=validate)
    return value or ""


def _describe(faults: Any) -> list[str]:
    """The first fault of each; what follows from it would only confuse."""
    return [f"{name}: {_advice(name, str(messages[0]))}" for name, messages in faults.items()]


def _advice(name: str, message: str) -> str:
    return f"it is not set; {REQUIRED[name]}" if message == "Environment variable not set." else message


def main() -> None:
    try:
        settings = load()
    except ConfigurationError as error:
        sys.exit(str(error))
    print(json.dumps({name: getattr(settings, name) for name in SERVING}))  # noqa: T201  # it is what gunicorn.conf.py reads


if __name__ == "__main__":
    main()
