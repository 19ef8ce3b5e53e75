"""Is the process alive, and can it serve? Neither answer tells versions or addresses."""

from collections.abc import Callable

import structlog
from marshmallow import fields
from sqlalchemy import text

from user_service import database_clock
from user_service.database import fetch_one, is_migrated
from user_service.errors import Fault, ServiceUnavailable
from user_service.runtime import runtime
from user_service.web.openapi import Blueprint
from user_service.web.schema import Schema

blp = Blueprint("operations", __name__, description="For operators")
log = structlog.get_logger("health")


class HealthSchema(Schema):
    example = {"status": "ok"}

    status = fields.String(required=True, metadata={"const": "ok"})


class ReadinessSchema(Schema):
    example = {"status": "ready"}

    status = fields.String(required=True, metadata={"const": "ready"})


@blp.route("/healthz", methods=["GET"])
@blp.problems(needs_database=False)
@blp.response(200, HealthSchema)
def healthz() -> dict[str, str]:
    """Whether the process is alive

    Asks nobody else, so it answers while the database is down.
    """
    return HealthSchema.example


@blp.route("/readyz", methods=["GET"])
@blp.response(200, ReadinessSchema)
def readyz() -> dict[str, str]:
    """Whether requests can be served

    The database is reachable, its schema at the revision that this release needs or past it, the keys are loaded, and
    the clock agrees with the database's to ten seconds. A 503 names in `detail` and `errors` what fails.
    """
    failed = [name for name, check in _CHECKS.items() if not _passes(name, check)]
    if "database" not in failed and not _passes("clock", database_clock.is_right):
        failed.append("clock")
    if failed:
        faults = [Fault(f"/{name}", ServiceUnavailable.code, "This is not ready.") for name in failed]
        raise ServiceUnavailable(faults, detail=f"Not ready: {', '.join(failed)}. Try again shortly.")
    return ReadinessSchema.example


def _passes(name: str, check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception as error:
        log.warning("readiness.failed", check=name, error=type(error).__name__)
        return False


def _keys_are_loaded() -> bool:
    runtime().key_ring.get()
    return runtime().key_ring.is_up_to_date


_CHECKS: dict[str, Callable[[], bool]] = {
    "database": lambda: fetch_one(text("SELECT 1")) is not None,
    "migrations": is_migrated,
    "keys": _keys_are_loaded,
}
