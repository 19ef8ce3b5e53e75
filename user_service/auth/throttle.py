"""Guesses at passwords, counted for each account in the database, so exactly over all nodes and workers.

An attempt is counted before anything is hashed: guesses in parallel cannot outrun the counter. When
`LOGIN_ATTEMPTS_PER_ACCOUNT` in a row were wrong, each further one waits longer than the one before. Networks from
which the owner logged in have counters of their own, so that strangers cannot lock the owner out; all other places
share one. What is no account is counted like one, so that a refusal tells nothing.

An attempt that would be refused waits while others are undecided: many right passwords at once are all accepted.
docs/limits.md has the numbers, docs/decisions/0007-guessing.md the reasons.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import SQLAlchemyError

from user_service import clock
from user_service.audit.events import Action, Outcome
from user_service.audit.service import origin, record
from user_service.auth import attempts
from user_service.auth.attempts import ELSEWHERE, LONGEST_ATTEMPT, Account, Attempt, delay_after
from user_service.database import retried, transaction
from user_service.errors import ServiceUnavailable, TooManyAttempts
from user_service.runtime import runtime
from user_service.security.digests import keyed_digest
from user_service.security.networks import network_of

PATIENCE_SECONDS = 10
POLL_SECONDS = 0.1
MAX_WAITING = 24  # threads of this process that wait for undecided attempts; gunicorn.conf.py has more than these

_waiting = threading.BoundedSemaphore(MAX_WAITING)


def account_of(user_id: UUID) -> Account:
    """The account of a user, whichever of their names was typed."""
    return _account(f"user|{user_id}")


def account_of_nobody(login_key: str) -> Account:
    """What stands for the account where nobody has this name."""
    return _account(f"nobody|{login_key}")


@contextmanager
def counted(account: Account) -> Iterator[Attempt]:
    """Let an attempt through and count it; inside, `succeed` or `fail` decides it. What ends in 503 does not count.

    Raises TooManyAttempts.
    """
    attempt = _enter(account)
    try:
        yield attempt
    except (ServiceUnavailable, SQLAlchemyError):
        with suppress(ServiceUnavailable, SQLAlchemyError), transaction() as session:
            attempts.give_back(session, attempt)
        raise


@retried
def succeed(attempt: Attempt) -> None:
    """In the open transaction: the counter begins anew, and the network is the owner's for a while."""
    with transaction() as session:
        attempts.begin_anew(session, attempt)
        if attempt.counted_in == ELSEWHERE:
            attempts.trust_network(session, attempt.account)


@retried
def fail(attempt: Attempt, *, user_id: UUID | None) -> None:
    """In the open transaction: the attempt stays counted. Where it closed the door, the audit log says so."""
    with transaction() as session:
        attempts.settle(session, attempt)
        delay = delay_after(attempt.number, runtime().settings.login_attempts_per_account)
        if delay is not None:
            record(
                Action.ACCOUNT_LOCKED,
                user_id=user_id,
                outcome=Outcome.REFUSED,
                failures=attempt.number,
                seconds=int(delay.total_seconds()),
                place="elsewhere" if attempt.counted_in == ELSEWHERE else "known_network",
            )


@retried
def unlock(user_id: UUID) -> None:
    """In the open transaction: every counter of the account begins anew, for who proved by other means to own it.

    The network that the request comes from is the owner's from now on.
    """
    account = account_of(user_id)
    with transaction() as session:
        attempts.begin_all_anew(session, account.subject)
        attempts.trust_network(session, account)


@retried
def forget(user_id: UUID) -> None:
    """In the open transaction: delete what is known of the account's attempts and networks."""
    with transaction() as session:
        attempts.delete_all(session, account_of(user_id).subject)


def _account(name: str) -> Account:
    key = runtime().key_ring.get().digest_key
    network = network_of(origin.get().ip)
    subject = keyed_digest(key, "login_throttle", name)
    return Account(subject, keyed_digest(key, "login_throttle", f"{name}|{network}") if network else ELSEWHERE)


def _enter(account: Account) -> Attempt:
    attempt = attempts.count(account)
    if attempt is not None:
        return attempt
    if not _waiting.acquire(blocking=False):
        raise _refusal(attempts.find_counter(account))
    try:
        return _wait_to_enter(account)
    finally:
        _waiting.release()


def _refusal(counter: Row[Any] | None) -> TooManyAttempts:
    return TooManyAttempts(max(1, _seconds_left(counter)) if counter is not None else 1)


def _wait_to_enter(account: Account) -> Attempt:
    """The door is closed; while attempts are undecided it may open again. It is watched by reading alone."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        counter = attempts.find_counter(account)
        if counter is None or not _seconds_left(counter):
            attempt = attempts.count(account)
            if attempt is not None:
                return attempt
        elif not _is_undecided(counter) or time.monotonic() > deadline:
            raise _refusal(counter)
        time.sleep(POLL_SECONDS)


def _is_undecided(counter: Row[Any]) -> bool:
    return bool(counter.in_flight > 0 and counter.updated_at > clock.now() - LONGEST_ATTEMPT)


def _seconds_left(counter: Row[Any]) -> int:
    """How long the door stays closed; 0 where it is open."""
    if counter.blocked_until is None:
        return 0
    seconds: float = (counter.blocked_until - clock.now()).total_seconds()
    return max(0, math.ceil(seconds))
