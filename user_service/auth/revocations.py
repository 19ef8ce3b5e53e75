"""The blocklist as other services follow it: its changes since a cursor."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy import Row, select, tuple_

from user_service import clock
from user_service.auth.models import BlockedSession
from user_service.database import fetch_all
from user_service.errors import Fault, InvalidCursor
from user_service.runtime import runtime

# A row is stamped before it is committed, on a clock of its own; what is read again within this is told twice.
OVERLAP = timedelta(seconds=60)
FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Changes:
    rows: list[Row[Any]]
    cursor: str
    has_more: bool


def list_revocations(*, since: str | None, limit: int) -> Changes:
    """What was blocked since the cursor, oldest first; without one, all that is still blocked.

    The cursor that comes back is for the next call, also when nothing is new. Raises InvalidCursor.
    """
    after = _open_cursor(since)
    table = BlockedSession.__table__
    query = select(table).where(
        tuple_(table.c.blocked_at, table.c.session_id) > tuple_(after.moment, after.session_id),
        table.c.expires_at > clock.now(),
    )
    rows = fetch_all(query.order_by(table.c.blocked_at, table.c.session_id).limit(limit + 1))
    if len(rows) > limit:
        last = rows[limit - 1]
        return Changes(rows[:limit], _cursor(_Position(last.blocked_at, last.session_id, after.next)), has_more=True)
    return Changes(rows, _cursor(_Position(after.next, FIRST, None)), has_more=False)


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a page begins, and where the walk after this one does: an overlap before this one began."""

    moment: datetime
    session_id: UUID
    walk_after: datetime | None

    @property
    def next(self) -> datetime:
        return self.walk_after or clock.now() - OVERLAP


def _cursor(position: _Position) -> str:
    parts = [position.moment, position.walk_after]
    text = _signer().dumps([position.session_id.hex, *(part.isoformat() if part else None for part in parts)])
    return text if isinstance(text, str) else text.decode()


def _open_cursor(cursor: str | None) -> _Position:
    if cursor is None:
        return _Position(datetime(2000, 1, 1, tzinfo=UTC), FIRST, None)
    try:
        session_id, moment, walk_after = _signer().loads(cursor)
        later = datetime.fromisoformat(walk_after) if walk_after else None
        return _Position(datetime.fromisoformat(moment), UUID(hex=session_id), later)
    except (BadData, ValueError, TypeError, AttributeError):
        raise InvalidCursor([Fault("/since", "invalid_cursor", InvalidCursor.detail)]) from None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().key_ring.get().cursor_key, salt="cursor:revocations")
