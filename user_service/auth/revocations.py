"""The blocklist as other services follow it: its changes since a cursor."""

from dataclasses import dataclass
from datetime import datetime, timedelta
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
    after, after_id = _open_cursor(since)
    table = BlockedSession.__table__
    query = select(table).where(
        tuple_(table.c.blocked_at, table.c.session_id) > tuple_(after, after_id), table.c.expires_at > clock.now()
    )
    rows = fetch_all(query.order_by(table.c.blocked_at, table.c.session_id).limit(limit + 1))
    if len(rows) > limit:
        last = rows[limit - 1]
        return Changes(rows[:limit], _cursor(last.blocked_at, last.session_id), has_more=True)
    newest = rows[-1].blocked_at if rows else after
    return Changes(rows, _cursor(max(after, min(newest, clock.now()) - OVERLAP), FIRST), has_more=False)


def _cursor(moment: datetime, session_id: UUID) -> str:
    text = _signer().dumps([moment.isoformat(), session_id.hex])
    return text if isinstance(text, str) else text.decode()


def _open_cursor(cursor: str | None) -> tuple[datetime, UUID]:
    if cursor is None:
        return datetime.fromisoformat("2000-01-01T00:00:00+00:00"), FIRST
    try:
        moment, session_id = _signer().loads(cursor)
        return datetime.fromisoformat(moment), UUID(hex=session_id)
    except (BadData, ValueError, TypeError, AttributeError):
        raise InvalidCursor([Fault("/since", "invalid_cursor", InvalidCursor.detail)]) from None


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(runtime().key_ring.get().cursor_key, salt="cursor:revocations")
