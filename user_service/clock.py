"""The only place that asks the time."""

from datetime import UTC, datetime

LEEWAY_SECONDS = 10  # how far the clocks of two nodes may differ


def now() -> datetime:
    """The present moment in UTC, to the microsecond."""
    return datetime.now(UTC)
