"""The doors that are limited, and how often each may be knocked at. docs/limits.md shows this table and says why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

SPANS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
MINUTE, HOUR = SPANS["minute"], SPANS["hour"]
MAX_AMOUNT = 100_000
RATE = re.compile(f"([1-9][0-9]{{0,5}})/({'|'.join(SPANS)})", re.ASCII)
# A process that counts alone does not know how many others there are: it assumes four, and lets people mistype twice.
SHARE_ALONE = 4
LEAST_ALONE = 3


class By(Enum):
    """Whose knocks are counted together."""

    ADDRESS = "address"
    ACCOUNT = "account"
    BOTH = "account-and-address"  # one address at one account
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in any span of so many seconds."""

    amount: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate_alone` is what counts while this process cannot ask the others: Redis is away."""

    name: str
    by: By
    rate: Rate
    rate_alone: Rate


class Door(Enum):
    """What is asked for, whether a secret is checked there, in which member of the body the account is named, limits.

    Where no member names it, the account is the one that the request is authenticated as.
    """

    LOG_IN = "POST /token", True, "username", {By.ADDRESS: (60, MINUTE), By.BOTH: (10, MINUTE)}
    REGISTER = (
        *("POST /register", True, "email"),
        {By.ADDRESS: (60, HOUR), By.ACCOUNT: (10, HOUR), By.ALL: (100, MINUTE)},
    )
    REFRESH = "POST /token/refresh", True, None, {By.ADDRESS: (600, MINUTE), By.ACCOUNT: (120, MINUTE)}
    LOG_OUT = "POST /logout", False, None, {By.ADDRESS: (600, MINUTE)}
    CHANGE_PASSWORD = "PUT /account/password", True, None, {By.ADDRESS: (60, MINUTE), By.ACCOUNT: (10, MINUTE)}
    CHANGE_EMAIL = "PUT /account/email", True, None, {By.ADDRESS: (60, HOUR), By.ACCOUNT: (10, HOUR)}
    EXPORT = "POST /account/export", True, None, {By.ADDRESS: (60, MINUTE), By.ACCOUNT: (10, MINUTE)}
    ERASE = "DELETE /account", True, None, {By.ADDRESS: (60, MINUTE), By.ACCOUNT: (10, MINUTE)}
    FORGOT_PASSWORD = "POST /password/forgot", True, "email", {By.ADDRESS: (60, HOUR), By.ACCOUNT: (10, HOUR)}
    RESET_PASSWORD = "POST /password/reset", True, None, {By.ADDRESS: (60, MINUTE)}
    VERIFY_EMAIL = "POST /email/verify", True, None, {By.ADDRESS: (60, MINUTE)}
    SEND_VERIFICATION = "POST /email/verification", True, "email", {By.ADDRESS: (60, HOUR), By.ACCOUNT: (10, HOUR)}
    INTROSPECT = "POST /token/introspect", False, None, {By.ADDRESS: (1200, MINUTE)}
    REVOCATIONS = "GET /revocations", False, None, {By.ADDRESS: (120, MINUTE)}

    def __init__(
        self, operation: str, is_strict: bool, member: str | None, rates: Mapping[By, tuple[int, int]]
    ) -> None:
        self.operation = operation
        self.is_strict = is_strict
        self.member = member
        self.rates = {by: Rate(*rate) for by, rate in rates.items()}

    def limits(self, changed: Mapping[str, Rate]) -> list[Limit]:
        """Those in force, where the operator has `changed` some by name."""
        return [self._limit(by, changed.get(self.name_of(by), rate)) for by, rate in self.rates.items()]

    def name_of(self, by: By) -> str:
        """How a limit is called in the headers and in the configuration, such as `log-in-address`."""
        return f"{self.name.lower().replace('_', '-')}-{by.value}"

    def _limit(self, by: By, rate: Rate) -> Limit:
        alone = max(LEAST_ALONE, rate.amount // SHARE_ALONE) if self.is_strict else rate.amount
        return Limit(self.name_of(by), by, rate, replace(rate, amount=min(alone, rate.amount)))


LIMIT_NAMES = frozenset(door.name_of(by) for door in Door for by in door.rates)


def parse_limits(text: str) -> dict[str, Rate]:
    """Read `log-in-address=120/minute, register-all=2000/hour`. Raises ValueError."""
    limits: dict[str, Rate] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        name, _, rate = entry.partition("=")
        if name not in LIMIT_NAMES:
            raise ValueError(f"{name!r} is no limit; docs/limits.md lists them")
        if name in limits:
            raise ValueError(f"{name} stands twice")
        limits[name] = _parse_rate(name, rate)
    return limits


def _parse_rate(name: str, rate: str) -> Rate:
    written = RATE.fullmatch(rate)
    if written is None or int(written[1]) > MAX_AMOUNT:
        raise ValueError(f"{name} must read like 60/minute: 1 to {MAX_AMOUNT} each second, minute, hour or day")
    return Rate(int(written[1]), SPANS[written[2]])
