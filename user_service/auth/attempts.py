"""The counters of the account throttle: statements that are atomic, on SQLite and PostgreSQL alike.

Each counter belongs to one account and one place: a network of the owner's, or everywhere else.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, Table, case, delete, func, literal, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from user_service import clock
from user_service.auth.models import LoginThrottle
from user_service.database import UtcDateTime, fetch_all, new_id, retried, transaction
from user_service.runtime import runtime

FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
# So many in a row from one place (NIST SP 800-63B-4, 3.2.2), and it is one attempt a day.
MOST_FAILURES = 100
DELAY_BEYOND = timedelta(days=1)
# A counter that nobody touched for so long begins anew; a network is the owner's for so long after a log-in.
MEMORY = timedelta(days=30)
MAX_NETWORKS = 10
ELSEWHERE = b""
# An attempt that is undecided for longer died with its process.
LONGEST_ATTEMPT = timedelta(seconds=60)

_counters = cast(Table, LoginThrottle.__table__)
_KEY = ("subject", "network")


@dataclass(frozen=True, slots=True)
class Account:
    """Whose password is tried, and from which network; both as keyed digests."""

    subject: bytes
    network: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that was let through. It is the `number`th in a row that its counter, `counted_in`, has seen."""

    account: Account
    counted_in: bytes
    number: int


def delay_after(failures: int, limit: int) -> timedelta | None:
    """How long nobody is let through after so many failures in a row; None while they are within the limit."""
    if failures >= MOST_FAILURES:
        return DELAY_BEYOND
    if failures < limit:
        return None
    doublings = min(failures - limit, 20)  # long past the longest, and no overflow
    return min(FIRST_DELAY * (1 << doublings), LONGEST_DELAY)


@retried
def count(account: Account) -> Attempt | None:
    """Count an attempt and commit. None where the door is closed, and then nothing has changed."""
    now, table = clock.now(), _counters.c
    number = case((table.updated_at < now - MEMORY, 0), else_=table.failures) + 1
    in_flight = case((table.updated_at < now - LONGEST_ATTEMPT, 0), else_=table.in_flight) + 1
    changes = {"failures": number, "in_flight": in_flight, "blocked_until": _end_of_delay(number, now)}
    with transaction() as session:
        row = session.execute(
            _insert(session)
            .values(_first_row(account, now))
            .on_conflict_do_update(
                index_elements=_KEY,
                set_={**changes, "updated_at": now},
                where=or_(table.blocked_until.is_(None), table.blocked_until <= now),
            )
            .returning(table.network, table.failures)
        ).one_or_none()
    return Attempt(account, row.network, row.failures) if row is not None else None


def find_counter(account: Account) -> Row[Any] | None:
    """The counter that an attempt would be counted in now."""
    is_trusted = (_counters.c.network == ELSEWHERE) | (_counters.c.trusted_until > clock.now())
    rows = fetch_all(
        select(_counters)
        .where(_counters.c.subject == account.subject, _counters.c.network.in_([ELSEWHERE, account.network]))
        .where(is_trusted)
        .order_by(_counters.c.network.desc())
    )
    return rows[0] if rows else None


def begin_anew(session: Session, attempt: Attempt) -> None:
    """After a right password. What others try at this moment stays counted; a network of the owner's stays that."""
    others = _one_less(_counters.c.in_flight)
    trust = {} if attempt.counted_in == ELSEWHERE else {"trusted_until": clock.now() + MEMORY}
    _change(session, attempt, failures=others, in_flight=others, blocked_until=None, **trust)


def settle(session: Session, attempt: Attempt) -> None:
    """After a wrong password: it is decided, and stays counted."""
    _change(session, attempt, in_flight=_one_less(_counters.c.in_flight))


def give_back(session: Session, attempt: Attempt) -> None:
    """As if the attempt had not been: the delay that it began ends too."""
    table, limit = _counters.c, runtime().settings.login_attempts_per_account
    was_within_limit = (table.failures <= limit) | (table.failures == attempt.number)
    _change(
        session,
        attempt,
        failures=_one_less(table.failures),
        in_flight=_one_less(table.in_flight),
        blocked_until=case((was_within_limit, null()), else_=table.blocked_until),
    )


def begin_all_anew(session: Session, subject: bytes) -> None:
    """Locks the rows in the order in which everybody does, so that nobody waits in a circle."""
    mine = _counters.c.subject == subject
    session.execute(select(_counters.c.id).where(mine).order_by(_counters.c.network).with_for_update()).all()
    session.execute(update(_counters).where(mine).values(failures=0, blocked_until=None))


def trust_network(session: Session, account: Account) -> None:
    """The network is the owner's for a while, with a counter of its own; of more than ten the oldest no longer is."""
    now, table = clock.now(), _counters.c
    if account.network == ELSEWHERE:
        return
    row = {**_first_row(account, now), "network": account.network, "failures": 0, "in_flight": 0, "blocked_until": None}
    trust = {"trusted_until": now + MEMORY, "updated_at": now}
    session.execute(_insert(session).values({**row, **trust}).on_conflict_do_update(index_elements=_KEY, set_=trust))
    mine = (table.subject == account.subject) & (table.network != ELSEWHERE)
    surplus = select(table.id).where(mine).order_by(table.trusted_until.desc()).offset(MAX_NETWORKS)
    session.execute(delete(_counters).where(table.id.in_(session.scalars(surplus).all())))


def delete_all(session: Session, subject: bytes) -> None:
    session.execute(delete(_counters).where(_counters.c.subject == subject))


def _first_row(account: Account, now: datetime) -> dict[str, Any]:
    """The row that a first attempt makes: for its network where that is the owner's, for everywhere else otherwise."""
    table = _counters.c
    trusted = select(table.network).where(
        table.subject == account.subject, table.network == account.network, table.trusted_until > now
    )
    return {
        "id": new_id(),
        "subject": account.subject,
        "network": func.coalesce(trusted.scalar_subquery(), literal(ELSEWHERE)),
        "failures": 1,
        "in_flight": 1,
        "blocked_until": _end_of_delay(literal(1), now),
        "updated_at": now,
    }


def _end_of_delay(number: ColumnElement[int], now: datetime) -> ColumnElement[Any]:
    """`delay_after` in SQL: the number is known to the database alone."""
    steps = _steps(runtime().settings.login_attempts_per_account)
    return case(*((number >= least, literal(now + delay, UtcDateTime())) for least, delay in steps), else_=null())


@cache
def _steps(limit: int) -> list[tuple[int, timedelta]]:
    """From how many failures on each delay holds, the longest first."""
    delays = {failures: delay_after(failures, limit) for failures in range(limit, MOST_FAILURES + 1)}
    changes = [(failures, delay) for failures, delay in delays.items() if delay != delays.get(failures - 1)]
    return [(failures, delay) for failures, delay in reversed(changes) if delay is not None]


def _one_less(column: ColumnElement[int]) -> ColumnElement[int]:
    return case((column > 0, column - 1), else_=0)


def _insert(session: Session) -> Any:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    return postgresql.insert(_counters) if is_postgresql else sqlite.insert(_counters)


def _change(session: Session, attempt: Attempt, **values: Any) -> None:
    session.execute(
        update(_counters)
        .where(_counters.c.subject == attempt.account.subject, _counters.c.network == attempt.counted_in)
        .values(**values)
    )
