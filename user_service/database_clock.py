"""This node's clock beside the database's, which all nodes share.

Tokens carry the time of the node that mints them, and no node takes one from more than LEEWAY_SECONDS in the future.
So a node whose clock is further off hands out tokens that its neighbours refuse, and refuses theirs.
"""

from datetime import datetime

import structlog
from sqlalchemy import func, select

from user_service import clock
from user_service.clock import LEEWAY_SECONDS
from user_service.database import fetch_one
from user_service.extensions import db

WORTH_A_WARNING_SECONDS = LEEWAY_SECONDS / 2

log = structlog.get_logger("clock")


def seconds_ahead() -> float:
    """By how much this node's clock is ahead of the database's, at the least; behind is negative.

    How long the answer was under way is unknown, so it counts as no difference: a slow answer is never a wrong clock.
    A process and its SQLite file have one clock.
    """
    if db.engine.dialect.name != "postgresql":
        return 0.0
    before = clock.now()
    row = fetch_one(select(func.clock_timestamp()))
    after = clock.now()
    assert row is not None  # a SELECT without FROM has one row
    there: datetime = row[0]
    return (min(max(there, before), after) - there).total_seconds()


def is_right() -> bool:
    """Whether this node's tokens are good at a node whose clock is the database's."""
    return abs(seconds_ahead()) <= LEEWAY_SECONDS


def report() -> bool:
    """As `is_right`. Says in the log how far off the clock is, where that is worth saying."""
    ahead = seconds_ahead()
    if abs(ahead) > LEEWAY_SECONDS:
        log.error("clock.wrong", seconds_ahead=round(ahead, 1), tolerated=LEEWAY_SECONDS)
    elif abs(ahead) > WORTH_A_WARNING_SECONDS:
        log.warning("clock.off", seconds_ahead=round(ahead, 1), tolerated=LEEWAY_SECONDS)
    return abs(ahead) <= LEEWAY_SECONDS
