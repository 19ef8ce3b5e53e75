"""What the settings and the environment tell by themselves. `config.py` has refused what can never be right."""

import stat
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from flask import Flask
from sqlalchemy import URL, make_url

from user_service.checks.finding import Finding, error, warning
from user_service.settings import Settings

ADVISED_ROUNDS = 12
SHORTEST_PASSWORD = 16
CONTAINER_SECRETS = Path("/run/secrets")  # readable by all inside the container, which has one user
VERIFYING = ("verify-ca", "verify-full")
SECRETS = ("MASTER_KEYS", "DATABASE_URL", "REDIS_URL", "SMTP_URL")


def check_configuration(app: Flask, settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """The findings that need nobody else. Most are about production alone."""
    found = [*_secret_files(environment), *_development(app, settings)]
    if settings.app_env == "production":
        found += [
            *_public_url(settings),
            *_mail(settings),
            *_secrets(settings),
            *check_limits(settings),
            *_strength(settings),
            *_encryption(settings),
        ]
    return found


def _secret_files(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name in SECRETS:
        path = Path(environment.get(f"{name}_FILE", ""))
        if not path.is_file() or not path.stat().st_mode & stat.S_IROTH:
            continue
        what = f"Everybody on this machine can read the file of {name}."
        kind = warning if CONTAINER_SECRETS in path.parents else error
        yield kind("secret_files", what, "Let only the service read it: chmod 600, and chown to its user.")


def _development(app: Flask, settings: Settings) -> Iterator[Finding]:
    if settings.app_env == "production" and (app.debug or app.testing):
        yield error("debug", "Debugging is on.", "Unset FLASK_DEBUG and start again.")
    has_users = any(rule.rule.rstrip("/") == "/users" for rule in app.url_map.iter_rules())
    if has_users and settings.app_env != "development":
        yield error("users", "GET /users is registered outside development.", "Take the route out.")
    if has_users and not _is_near(settings.bind):
        what = "APP_ENV=development serves GET /users, the list of all users, to other machines."
        yield error("users", what, "Set APP_ENV=production, or BIND=127.0.0.1.")


def _public_url(settings: Settings) -> Iterator[Finding]:
    parts = urlsplit(settings.public_url)
    if parts.scheme != "https" and not _is_near(parts.hostname):
        what = "PUBLIC_URL is plain http: passwords and tokens cross the network in clear."
        yield error("public_url", what, "Put a proxy with a certificate in front, and name its https address.")
    if parts.scheme == "https" and not settings.trusted_proxies:
        what = "PUBLIC_URL is https, so a proxy stands in front, and TRUSTED_PROXIES is 0: everybody has its address."
        yield warning("trusted_proxies", what, "Set TRUSTED_PROXIES to their number: 1 behind deploy/nginx.conf.")


def _mail(settings: Settings) -> Iterator[Finding]:
    if not getattr(settings, "smtp_url", None):
        what = "SMTP_URL is not set: nobody can recover a password or prove an address."
        yield warning("mail", what, "Set SMTP_URL and MAIL_FROM.")


def _secrets(settings: Settings) -> Iterator[Finding]:
    for key_id, key in settings.master_keys.items():
        steps = {(after - before) % 256 for before, after in pairwise(key)}
        if key_id == "dev" or len(steps) < 8:
            what = f"The master key {key_id!r} is one for development or tests."
            yield error("master_keys", what, "Make a new one with flask keys generate, then flask vault rotate-master.")
    for name, url in _urls(settings).items():
        password, user = str(url.password or ""), url.username or ""
        if password and (password in (user, url.database) or len(password) < SHORTEST_PASSWORD):
            what = f"The password in {name} is short or a default one."
            yield warning("passwords", what, "Make one with: openssl rand -base64 24")
        if name == "REDIS_URL" and not password and not _is_near(url.host):
            yield warning("passwords", "Redis needs no password.", "Set requirepass, and put it into REDIS_URL.")


def check_limits(settings: Settings) -> Iterator[Finding]:
    if not settings.ratelimit_enabled:
        what = "RATELIMIT_ENABLED=false: anybody may try as many passwords as the machine can check."
        yield error("limits", what, "Unset RATELIMIT_ENABLED.")
    elif settings.redis_url is None and settings.web_concurrency > 1:
        what = (
            f"Each of {settings.web_concurrency} workers, of each node, counts alone: limits are so many times higher."
        )
        yield warning("limits", what, "Set REDIS_URL.")


def _strength(settings: Settings) -> Iterator[Finding]:
    if settings.bcrypt_rounds < ADVISED_ROUNDS:
        what = f"BCRYPT_ROUNDS={settings.bcrypt_rounds} makes stolen hashes cheap to try."
        yield warning("bcrypt", what, f"Set {ADVISED_ROUNDS} or more; hashes are made anew at the next log-in.")
    if settings.log_level == "DEBUG":
        yield warning("log_level", "LOG_LEVEL=DEBUG writes more than anybody reads.", "Set LOG_LEVEL=INFO.")


def _encryption(settings: Settings) -> Iterator[Finding]:
    database = make_url(settings.database_url)
    if database.get_backend_name() == "postgresql":
        hosts = [host for host in _hosts(database) if not _is_near(host)]
        if hosts and database.query.get("sslmode") not in VERIFYING:
            what = "The database is on another machine, and its certificate is not verified."
            yield warning("tls", what, "Add sslmode=verify-full&sslrootcert=/path/to/ca.crt to DATABASE_URL.")
    redis = urlsplit(settings.redis_url or "")
    if redis.scheme == "unix" or not redis.scheme or _is_near(redis.hostname):
        return
    if redis.scheme != "rediss" or parse_qs(redis.query).get("ssl_cert_reqs") == ["none"]:
        what = "Redis is on another machine, and its certificate is not verified."
        yield warning("tls", what, "Use rediss:// with ssl_ca_certs=/path/to/ca.crt in REDIS_URL.")


def _urls(settings: Settings) -> dict[str, URL]:
    texts = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return {name: make_url(text) for name, text in texts.items() if text and not text.startswith("sqlite")}


def _hosts(url: URL) -> list[str]:
    given = url.query.get("host") or url.host or ""
    return [host for part in ([given] if isinstance(given, str) else given) for host in part.split(",")]


def _is_near(host: str | None) -> bool:
    """Whether the host is this machine: a socket, or the loopback."""
    if not host or host.startswith("/") or host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
