"""Counts the knocks at a door: in Redis, so that all nodes count together, or in this process while Redis is away."""

from collections.abc import Mapping
from dataclasses import dataclass

from user_service.doors import By, Door, Limit, Rate
from user_service.security.digests import keyed_digest
from user_service.settings import Settings
from user_service.windows import SharedWindows, Windows


@dataclass(frozen=True, slots=True)
class Count:
    """A limit after a knock: how many more may come, and in how many seconds there will be one more."""

    name: str
    rate: Rate
    is_allowed: bool
    remaining: int
    seconds: float


class Counter:
    """Thread-safe. Without Redis, or while it is away, each process counts by itself: never nobody."""

    def __init__(self, settings: Settings) -> None:
        self._limits = {door: door.limits(settings.limits) for door in Door}
        self._key = keyed_digest(next(iter(settings.master_keys.values())), "limits", "key")
        self._shared = SharedWindows(settings.redis_url) if settings.redis_url else None
        self._own = Windows()

    def count(self, door: Door, subjects: Mapping[By, str]) -> list[Count]:
        """One count for each of the door's limits whose subject is known, up to the first that is reached."""
        limits = [limit for limit in self._limits[door] if limit.by in subjects]
        keys = [self._key_of(limit, subjects[limit.by]) for limit in limits]
        if self._shared is None:
            return self._count_alone(limits, keys, is_away=False)
        windows = self._shared.knock([(key, limit.rate) for key, limit in zip(keys, limits, strict=True)])
        if windows is None:
            return self._count_alone(limits, keys, is_away=True)
        return [Count(limit.name, limit.rate, *window) for limit, window in zip(limits, windows, strict=False)]

    def _count_alone(self, limits: list[Limit], keys: list[str], *, is_away: bool) -> list[Count]:
        counts = []
        for limit, key in zip(limits, keys, strict=True):
            rate = limit.rate_alone if is_away else limit.rate
            counts.append(Count(limit.name, rate, *self._own.knock(key, rate)))
            if not counts[-1].is_allowed:
                break
        return counts

    def _key_of(self, limit: Limit, subject: str) -> str:
        """Whoever reads Redis learns no name and no address."""
        return f"{limit.name}:{keyed_digest(self._key, limit.name, subject).hex()}"
