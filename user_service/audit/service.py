"""Writes the audit trail: a row in the caller's transaction and, once that is committed, a line in the log."""

from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, insert, select, update

from user_service import clock, metrics
from user_service.audit.events import Action, Outcome
from user_service.audit.models import AuditEvent
from user_service.database import fetch_all, on_commit
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
    _record(origin.get(), action, user_id=user_id, session_id=session_id, outcome=outcome, detail=detail)


def record_anonymously(action: Action, *, user_id: UUID, **detail: Any) -> None:
    """The same under a pseudonym: neither the address nor the device is kept."""
    nobody = Origin(request_id=origin.get().request_id)
    _record(nobody, action, user_id=user_id, session_id=None, outcome=Outcome.SUCCESS, detail=detail)


def _record(
    came_from: Origin,
    action: Action,
    *,
    user_id: UUID | None,
    session_id: UUID | None,
    outcome: Outcome,
    detail: dict[str, Any],
) -> None:
    event = {
        "occurred_at": clock.now(),
        "action": action.value,
        "outcome": outcome.value,
        "user_id": user_id,
        "session_id": session_id,
        "request_id": came_from.request_id,
        "ip": came_from.ip,
        "user_agent": came_from.user_agent,
        "detail": detail,
    }
    db.session.execute(_INSERT, event)
    line = {
        "outcome": outcome.value,
        "user_id": str(user_id) if user_id else None,
        "session_id": str(session_id) if session_id else None,
        "ip": came_from.ip,
        **detail,
    }
    on_commit(partial(_tell, action, line))


def _tell(action: Action, line: dict[str, Any]) -> None:
    metrics.count_event(action.value, line["outcome"])
    if action in (Action.LOGGED_IN, Action.LOGIN_REFUSED):
        metrics.count_log_in(line.get("code", "succeeded"))
    log.info(action.value, **line)
