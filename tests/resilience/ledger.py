"""A load that keeps a ledger: whatever the service acknowledged is written down, and checked when all is over.

Customers register, fill in and change their profile, refresh, log out and come back, each in a thread of its own and
through the proxy. Meanwhile a test breaks something. An answer of 503, or one that breaks off, leaves open whether it
was done, so the customer asks again until it is told. Every other refusal is a complaint.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import requests

from tests.support.people import PROFILE, Answer, Client, OverSocket

TURNS, VISITS = 4, 2
PAUSE_SECONDS = 0.05
ORDINARY_SECONDS = 0.3  # the longest that anybody waits on a quiet machine while nothing is broken
BROKEN_OFF = 0  # in place of a status
AFTERWARDS_SECONDS = 90  # how long a customer goes on asking for what it has begun when the load is over


@dataclass
class Account:
    """What the service has acknowledged about one person."""

    username: str
    email: str
    password: str
    name: str | None = None
    access_token: str | None = None
    refresh_token: str | None = None
    ended: list[tuple[str, str]] = field(default_factory=list)  # both tokens of sessions that were logged out
    exchanged: list[str] = field(default_factory=list)  # the refresh tokens of the living session, but for the current


class GivenUp(Exception):
    """The load is over, and the service does not come back."""


class Customer(threading.Thread):
    """One client of the API, with one connection, and the accounts that it has opened so far."""

    def __init__(self, number: int, transport: OverSocket, is_over: threading.Event) -> None:
        super().__init__(name=f"customer-{number}", daemon=True)
        self.number, self.is_over = number, is_over
        self.client = Client(transport)
        self.accounts: list[Account] = []
        self.answered = [time.monotonic()]
        self.statuses: Counter[int] = Counter()
        self.complaints: list[str] = []
        self.slowest = 0.0
        self._must_end = float("inf")

    def run(self) -> None:
        try:
            while not self.is_over.is_set():
                self.live()
        except GivenUp as error:
            self.complaints.append(f"given up: {error}")
        except Exception as error:
            self.complaints.append(f"{type(error).__name__}: {error}")

    def live(self) -> None:
        """Somebody registers, comes back a few times, and stays logged in the last time."""
        account = self.register()
        for visit in range(VISITS):
            self.log_in(account)
            for turn in range(TURNS):
                if self.is_over.is_set():
                    return
                self.change(account, f"Visit {visit}, turn {turn}")
                self.refresh(account)
            if visit < VISITS - 1:
                self.log_out(account)

    def register(self) -> Account:
        name = f"customer{self.number}-{len(self.accounts)}-{time.monotonic_ns()}"
        account = Account(name, f"{name}@example.com", self.client.password)
        self.client.access_token = None
        self.insist(lambda: self.client.register(account.username, account.email), 201, again=409)
        self.accounts.append(account)
        return account

    def log_in(self, account: Account) -> None:
        self.insist(lambda: self.client.log_in(account.username, account.password), 200)
        account.access_token, account.refresh_token = self.client.access_token, self.client.refresh_token
        account.exchanged = []
        if account.name is None:
            self.insist(lambda: self.client.post("/profile", PROFILE), 201, again=409)
            account.name = str(PROFILE["name"])

    def change(self, account: Account, name: str) -> None:
        self.insist(lambda: self.client.put("/profile", {"name": name}), 200)
        account.name = name
        shown = self.insist(lambda: self.client.get("/profile/me"), 200)
        if shown and shown.json["name"] != name:
            self.complaints.append(f"{account.username}: {shown.json['name']!r} is shown after {name!r} was saved")

    def refresh(self, account: Account) -> None:
        self.insist(self.client.refresh, 200)
        account.exchanged.append(account.refresh_token or "")
        account.access_token, account.refresh_token = self.client.access_token, self.client.refresh_token

    def log_out(self, account: Account) -> None:
        self.insist(lambda: self.client.post("/logout"), 204, again=401)
        account.ended.append((account.access_token or "", account.refresh_token or ""))
        account.access_token = account.refresh_token = None

    def insist(self, ask: Callable[[], Answer], status: int, *, again: int = 0) -> Answer | None:
        """Ask until it is done. `again` is what a second try is told where the first one was done after all."""
        is_second_try = False
        while True:
            answer = self.timed(ask)
            self.statuses[answer.status] += 1
            if answer.status == status or (is_second_try and answer.status == again):
                self.answered.append(time.monotonic())
                return answer
            if answer.status != BROKEN_OFF and not is_unavailable(answer):
                self.complaints.append(f"{status} was due, not {answer.status} {answer.text[:300]}")
                return None
            is_second_try = True
            self.wait_a_moment(answer)

    def timed(self, ask: Callable[[], Answer]) -> Answer:
        started = time.monotonic()
        try:
            return ask()
        except requests.RequestException as error:
            return Answer(BROKEN_OFF, {}, str(error).encode())
        finally:
            self.slowest = max(self.slowest, time.monotonic() - started)

    def wait_a_moment(self, answer: Answer) -> None:
        if not self.is_over.is_set():
            self.is_over.wait(PAUSE_SECONDS)
            return
        self._must_end = min(self._must_end, time.monotonic() + AFTERWARDS_SECONDS)
        if time.monotonic() > self._must_end:
            raise GivenUp(answer.text)
        threading.Event().wait(PAUSE_SECONDS)

    def longest_gap(self, since: float, until: float = float("inf")) -> float:
        """The longest time from one good answer to the next that ended between the two moments."""
        return max((later - before for before, later in pairwise(self.answered) if since < later <= until), default=0.0)


def is_unavailable(answer: Answer) -> bool:
    """503 as the API document has it, from a node or from the proxy."""
    return answer.status == 503 and answer.code == "service_unavailable" and answer.headers["Retry-After"].isdigit()


class Ledger:
    """All customers, at work until the load is over."""

    def __init__(self, transports: Sequence[OverSocket]) -> None:
        self.is_over = threading.Event()
        self.customers = [Customer(number, transport, self.is_over) for number, transport in enumerate(transports)]

    @property
    def accounts(self) -> list[Account]:
        return [account for customer in self.customers for account in customer.accounts]

    @property
    def complaints(self) -> list[str]:
        return [complaint for customer in self.customers for complaint in customer.complaints]

    @property
    def statuses(self) -> Counter[int]:
        return sum((customer.statuses for customer in self.customers), Counter())

    @property
    def slowest(self) -> float:
        """The longest that anybody waited for an answer, in seconds."""
        return max(customer.slowest for customer in self.customers)

    @property
    def failures(self) -> int:
        """How many answers were 503 or broke off."""
        return self.statuses[503] + self.statuses[BROKEN_OFF]

    def summary(self) -> str:
        """What docs/reliability.md tells of: shown by `pytest -s`."""
        counts = ", ".join(f"{status or 'broken off'}: {count}" for status, count in sorted(self.statuses.items()))
        waits = f"slowest answer {self.slowest:.1f} s, longest without a good one {self.outage(0.0):.1f} s"
        return f"{len(self.accounts)} accounts; {counts}; {waits}\n"

    def outage(self, since: float) -> float:
        """The longest that any customer was without a good answer after that moment, in seconds."""
        return max(customer.longest_gap(since) for customer in self.customers)

    def ordinary_wait(self, until: float) -> float:
        """The same before anything was broken: how slow this machine is, whatever happens."""
        return max(customer.longest_gap(0.0, until) for customer in self.customers)

    def slowness(self, until: float) -> float:
        """How much longer everything takes on this machine now than on one that has nothing else to do."""
        return max(1.0, self.ordinary_wait(until) / ORDINARY_SECONDS)

    def assert_outage(self, *, since: float, below: float) -> None:
        """`below` is what is promised, in seconds, on a machine that has nothing else to do."""
        outage, slowness = self.outage(since), self.slowness(since)
        sys.stdout.write(
            f"outage {outage:.1f} s, of which {below} s are promised, {slowness:.1f} times as slow as ever\n"
        )
        assert outage < below * slowness, f"{outage:.1f} s, {slowness:.1f} times as slow: {dict(self.statuses)}"

    def wait_for_everybody(self, *, good_answers: int = 3, seconds: float = 120) -> float:
        """Until each customer was served so often from now on; the seconds that the last one's first answer took."""
        started = time.monotonic()
        wanted = [len(customer.answered) + good_answers for customer in self.customers]
        while any(len(one.answered) < count for one, count in zip(self.customers, wanted, strict=True)):
            assert not self.complaints, self.complaints[:5]
            assert time.monotonic() < started + seconds, f"not served again: {self.statuses}"
            self.is_over.wait(PAUSE_SECONDS)
        return (
            max(one.answered[count - good_answers] for one, count in zip(self.customers, wanted, strict=True)) - started
        )


@contextmanager
def customers_of(transports: Sequence[OverSocket]) -> Iterator[Ledger]:
    """A load that is under way; at the end everybody finishes what was begun."""
    ledger = Ledger(transports)
    for customer in ledger.customers:
        customer.start()
    try:
        ledger.wait_for_everybody(good_answers=8)
        yield ledger
    finally:
        ledger.is_over.set()
        for customer in ledger.customers:
            customer.join(2 * AFTERWARDS_SECONDS)
            customer.client.transport.session.close()
