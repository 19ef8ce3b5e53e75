"""Writes the audit trail: a row in the caller's transaction and, once that is committed, a line in the log."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import CTE, Row, bindparam, insert, select, update
from sqlalchemy.sql.dml import ReturningInsert

from user_service import clock, metrics
from user_service.audit.events import Action, Outcome
from user_service.audit.models import AuditEvent
from user_service.database import fetch_all, new_id, on_commit
from user_service.extensions import db

log = structlog.get_logger("audit")
_INSERT = insert(AuditEvent.__table__)  # type: ignore[arg-type]  # a table; not a unit of work, which costs three times as much


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; `web/` sets it for each one."""

    request_id: str | None = None
    ip: str | None = None
    user_agent: str | None = None


origin: ContextVar[Origin] = ContextVar("origin", default=Origin())


def list_events(*, user_id: UUID, before: UUID | None, limit: int) -> list[Row[Any]]:
    """The user's own events, newest first, from the one before the given id on."""
    table = AuditEvent.__table__
    query = select(table).where(table.c.user_id == user_id)
    if before is not None:
        query = query.where(table.c.id < before)
    return fetch_all(query.order_by(table.c.id.desc()).limit(limit))


def list_all_events(*, user_id: UUID | None, action: str | None, before: UUID | None, limit: int) -> list[Row[Any]]:
    """Everybody's events, newest first, from the one before the given id on. For operators."""
    table = AuditEvent.__table__
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if user_id is not None:
        query = query.where(table.c.user_id == user_id)
    if action is not None:
        query = query.where(table.c.action == action)
    if before is not None:
        query = query.where(table.c.id < before)
    return fetch_all(query)


def pseudonymize(*, user_id: UUID, pseudonym: UUID) -> None:
    """Cut what leads back to a person out of the user's events, in the open transaction: what happened stays."""
    db.session.execute(
        update(AuditEvent)
        .where(AuditEvent.user_id == user_id)
        .values(user_id=pseudonym, session_id=None, ip=None, user_agent=None)
        .execution_options(synchronize_session=False)
    )


def record(
    action: Action,
    *,
    user_id: UUID | None,
    session_id: UUID | None = None,
    outcome: Outcome = Outcome.SUCCESS,
    **detail: Any,
) -> None:
    """Add the event to the open transaction; it is kept if that commits. Details are never secrets."""
    _record(_event(origin.get(), action, user_id, session_id, outcome=outcome.value, detail=detail))


def record_anonymously(action: Action, *, user_id: UUID, **detail: Any) -> None:
    """The same under a pseudonym: neither the address nor the device is kept."""
    nobody = Origin(request_id=origin.get().request_id)
    _record(_event(nobody, action, user_id, None, outcome=Outcome.SUCCESS.value, detail=detail))


def event_of(action: Action, *, user_id: UUID, session_id: UUID, **detail: Any) -> dict[str, Any]:
    """The columns of an event, for a statement that `recorded` made; `tell` of it once that has done its work."""
    return _event(origin.get(), action, user_id, session_id, outcome=Outcome.SUCCESS.value, detail=detail)


def recorded(changed: CTE) -> ReturningInsert[Any]:
    """One statement for a change and its event, which is written where something changed. Parameters: `event_…`."""
    columns = AuditEvent.__table__.c
    event = select(*(bindparam(f"event_{column.name}", type_=column.type) for column in columns)).select_from(changed)
    return insert(AuditEvent).from_select([column.name for column in columns], event).returning(columns.id)


def tell(event: dict[str, Any]) -> None:
    """Count an event that is committed, and log it."""
    detail = event["detail"]
    metrics.count_event(event["action"], event["outcome"])
    if event["action"] in (Action.LOGGED_IN, Action.LOGIN_REFUSED):
        metrics.count_log_in(detail.get("code", "succeeded"))
    line = {name: str(event[name]) if event[name] else None for name in ("user_id", "session_id")}
    log.info(event["action"], **{"outcome": event["outcome"], **line, "ip": event["ip"], **detail})


def _record(event: dict[str, Any]) -> None:
    db.session.execute(_INSERT, event)
    on_commit(partial(tell, event))


def _event(
    came_from: Origin, action: Action, user_id: UUID | None, session_id: UUID | None, **rest: Any
) -> dict[str, Any]:
    return {
        "id": new_id(),
        "occurred_at": clock.now(),
        "action": action.value,
        "user_id": user_id,
        "session_id": session_id,
        "request_id": came_from.request_id,
        "ip": came_from.ip,
        "user_agent": came_from.user_agent,
        **rest,
    }
