"""What only the database, and Redis, can tell about an installation."""

from collections.abc import Iterator
from typing import Any

from redis import Redis, RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from user_service.checks.finding import Finding, error, warning
from user_service.clock import LEEWAY_SECONDS
from user_service.database import fetch_one, is_migrated
from user_service.database_clock import WORTH_A_WARNING_SECONDS, seconds_ahead
from user_service.extensions import db
from user_service.keys.rotation import find_unusable_master_key
from user_service.settings import Settings

REDIS_SECONDS = 1
FOR_COMMANDS = 5  # connections that flask commands and a person with psql may want
_FACTS = text(
    "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS room,"
    " current_setting('synchronous_commit') = 'off' OR current_setting('fsync') = 'off' AS is_forgetful,"
    " current_setting('statement_timeout') = '0' AS is_patient,"
    " (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS is_superuser,"
    " has_schema_privilege(current_schema(), 'CREATE') OR EXISTS ("
    "SELECT 1 FROM pg_class WHERE relname = 'users' AND relnamespace = current_schema()::regnamespace"
    " AND pg_has_role(relowner, 'USAGE')) AS can_change_tables"
)


def check_services(settings: Settings, *, nodes: int) -> list[Finding]:
    """The findings that need an answer from elsewhere. What does not answer is a finding."""
    return [*_database(settings, nodes), *_redis(settings)]


def _database(settings: Settings, nodes: int) -> Iterator[Finding]:
    try:
        if not is_migrated():
            yield error("migrations", "The tables are not those of this release.", "Run: flask db upgrade")
            return
        yield from _keys()
        yield from _clock()
        if db.engine.dialect.name == "postgresql":
            facts = fetch_one(_FACTS)
            yield from _server(settings, facts, nodes)
            yield from _role(settings, facts)
    except SQLAlchemyError as failure:
        what = f"The database does not answer ({type(failure).__name__})."
        yield error("database", what, "Look at DATABASE_URL, and whether the server runs.")


def _keys() -> Iterator[Finding]:
    unusable = find_unusable_master_key()
    if unusable is not None:
        yield error("master_keys", f"{unusable}.", "Put the key back into MASTER_KEYS, behind the current one.")


def _clock() -> Iterator[Finding]:
    ahead = seconds_ahead()
    what = f"This node's clock is {ahead:+.1f} s off the database's; {LEEWAY_SECONDS} s are tolerated."
    if abs(ahead) > WORTH_A_WARNING_SECONDS:
        kind = error if abs(ahead) > LEEWAY_SECONDS else warning
        yield kind("clock", what, "Let chrony or systemd-timesyncd set the clocks of all machines.")


def _server(settings: Settings, facts: Any, nodes: int) -> Iterator[Finding]:
    wanted = nodes * settings.web_concurrency * 2 * settings.database_pool_size
    if settings.database_prepare and wanted + FOR_COMMANDS > facts.room:
        what = f"{nodes} node(s) may open {wanted} connections, and the server has {facts.room} to give."
        yield error("connections", what, "Lower DATABASE_POOL_SIZE, raise max_connections, or put PgBouncer between.")
    if facts.is_forgetful:
        what = "The database confirms what it has not written down (fsync or synchronous_commit is off)."
        yield error("durability", what, "Set both to on: a log-out that is forgotten revives a token.")
    if facts.is_patient:
        what = "Statements may take for ever: behind PgBouncer the service cannot say how long."
        yield warning("time_outs", what, "ALTER ROLE ... SET statement_timeout = '5s', lock_timeout too.")


def _role(settings: Settings, facts: Any) -> Iterator[Finding]:
    if settings.app_env != "production":
        return
    remedy = "Give the service a role without DDL: docs/operations.md, Least rights."
    if facts.is_superuser:
        yield error("rights", "The service is a superuser of the database.", remedy)
    elif facts.can_change_tables:
        yield warning("rights", "The service may change its own tables.", remedy)


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    try:
        with Redis.from_url(
            settings.redis_url, socket_timeout=REDIS_SECONDS, socket_connect_timeout=REDIS_SECONDS
        ) as redis:
            redis.ping()
    except (RedisError, OSError) as failure:
        what = f"Redis does not answer ({type(failure).__name__}): each process counts alone, more strictly."
        yield warning("redis", what, "Look at REDIS_URL, and whether the server runs.")
