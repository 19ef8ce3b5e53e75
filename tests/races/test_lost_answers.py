"""Honest clients on a bad line refresh without end, and none of them is logged out. SECURITY 79, 80; RELIABILITY 3, 4.

They lose answers, hang up, ask again at once or after the grace window, and ask twice at the same time at two nodes.
Every chain of refresh tokens stays one chain: whatever is asked with one token, and wherever, has one successor.
"""

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from threading import Timer, local
from time import monotonic

import pytest
from sqlalchemy import NullPool, create_engine, select

from tests.support.crowd import claims_of, connect, spelled_out
from tests.support.databases import POSTGRESQL, PUBLIC_URL
from tests.support.people import Answer, Client, OverSocket
from tests.support.server import Node, serving
from user_service.audit.events import Action
from user_service.audit.models import AuditEvent

SEED, THREADS, PACE_SECONDS = 20_240_229, 16, 0.2
GRACE_SECONDS = 2
# Moments are counted in whole seconds, so one may be almost a second older than it says.
PAST_GRACE_SECONDS = GRACE_SECONDS + 1.1
ENVIRONMENT = {
    "PUBLIC_URL": PUBLIC_URL,
    "RATELIMIT_ENABLED": "false",
    "REFRESH_REUSE_GRACE_SECONDS": str(GRACE_SECONDS),
}
HANG_UP, HANG_UP_IN_THE_ANSWER = "hang up before the answer", "hang up in the answer"
WAYS = {
    "keep the answer": 50,
    "throw the answer away": 12,
    HANG_UP_IN_THE_ANSWER: 8,
    HANG_UP: 5,
    "ask twice": 15,
    "ask twice and throw both away": 10,
}


class Line(local):
    """To both nodes; each thread has connections of its own."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = [OverSocket(node.url) for node in nodes]


@dataclass
class Shopper:
    """One honest client: it presents a refresh token until an answer to it arrives, and then the one in the answer.

    `patience` is how often it lets the grace window pass before it asks again. `successors` has all the answers to
    each refresh token, also those that were thrown away: the `jti` of both tokens, and the generation.
    """

    person: Client
    line: Line
    helpers: ThreadPoolExecutor
    random: random.Random
    goal: int
    patience: int
    refreshes: int = 0
    due: float = 0.0
    did: Counter[str] = field(default_factory=Counter)
    successors: dict[str, set[tuple[str, str, int]]] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)
    is_done: Future[None] = field(default_factory=Future)

    def turn(self) -> bool:
        """Do one thing; whether there is more to do."""
        if monotonic() < self.due:
            self.do_other_work()
        else:
            self.exchange()
        return self.refreshes < self.goal and not self.complaints

    def exchange(self) -> None:
        self.due = 0.0
        [way] = self.random.choices(list(WAYS), list(WAYS.values()))
        if way == HANG_UP and not self.patience:
            way = HANG_UP_IN_THE_ANSWER
        self.did[way] += 1
        if way in (HANG_UP, HANG_UP_IN_THE_ANSWER):
            self.hang_up(in_the_answer=way == HANG_UP_IN_THE_ANSWER)
            # What is still under way must not arrive when its successor is used and the grace over, so wait for it.
            self.come_back(later=way == HANG_UP)
            return
        answers = self.ask_twice() if "twice" in way else [self.ask(self.random.randrange(2))]
        if "throw" in way:
            self.come_back(later=self.random.random() < 0.2)
        elif not self.complaints:
            self.keep(self.random.choice(answers))

    def ask_twice(self) -> list[Answer]:
        """At both nodes at the same time."""
        other = self.helpers.submit(self.ask, 0)
        return [self.ask(1), other.result()]

    def ask(self, node: int) -> Answer:
        answer = self.at(node).refresh(self.person.refresh_token)
        if self.is_served(answer):
            access, refresh = claims_of(answer.json["access_token"]), claims_of(answer.json["refresh_token"])
            successor = (access["jti"], refresh["jti"], refresh["gen"])
            self.successors.setdefault(jti(self.person), set()).add(successor)
        return answer

    def hang_up(self, *, in_the_answer: bool) -> None:
        url = self.line.nodes[self.random.randrange(2)].url
        body = json.dumps({"old_refresh_token": self.person.refresh_token}).encode()
        with connect(url) as connection:
            connection.sendall(spelled_out(url, "POST", "/token/refresh", {"Content-Type": "application/json"}, body))
            if in_the_answer:
                assert connection.recv(1) == b"H"

    def come_back(self, *, later: bool) -> None:
        if later and self.patience:
            self.patience -= 1
            self.due = monotonic() + PAST_GRACE_SECONDS
            self.did["come back after the grace"] += 1

    def keep(self, answer: Answer) -> None:
        self.person.access_token, self.person.refresh_token = answer.json["access_token"], answer.json["refresh_token"]
        self.refreshes += 1
        for node in self.random.choice([(), (0,), (1,), (0, 1)]):
            self.is_served(self.at(node).get("/account"))

    def do_other_work(self) -> None:
        """Until the grace window is over, with the access token from before the answer that was lost."""
        self.did["other work"] += 1
        answer = self.at(self.did["other work"] % 2).get("/account")
        if answer.status == 401 and answer.code == "token_revoked":
            # A pair that was handed out again after the grace ends with the next refresh (decision 2): ask at once.
            self.did["need the lost answer"] += 1
            self.due = 0.0
        else:
            self.is_served(answer)

    def at(self, node: int) -> Client:
        client = Client(self.line.nodes[node])
        client.access_token = self.person.access_token
        return client

    def is_served(self, answer: Answer) -> bool:
        if answer.status != 200:
            self.complaints.append(f"{self.person.username}, generation {self.refreshes + 1}: {answer}")
        return answer.status == 200

    def check_chain(self, first: str) -> None:
        """From the first token to the last, each has one successor, and there is none beside these."""
        token, left = first, dict(self.successors)
        for generation in range(2, self.goal + 2):
            [(_, token, of_generation)] = left.pop(token)
            assert of_generation == generation
        assert token == jti(self.person)
        assert not left


def jti(person: Client) -> str:
    assert person.refresh_token
    return str(claims_of(person.refresh_token)["jti"])


class Crowd:
    """The clients, all at work in a few threads. Who waits for something is simply due later."""

    def __init__(self, nodes: Sequence[Node], *, count: int, goal: int, patience: int) -> None:
        self.line, self.helpers, self.threads = Line(nodes), ThreadPoolExecutor(THREADS), ThreadPoolExecutor(THREADS)
        self.shoppers = [self.shopper(index, goal, patience if index % 2 else 0) for index in range(count)]
        self.first = [jti(shopper.person) for shopper in self.shoppers]

    def shopper(self, index: int, goal: int, patience: int) -> Shopper:
        person = Client(self.line.nodes[index % 2]).join()
        return Shopper(person, self.line, self.helpers, random.Random(f"{SEED}-{index}"), goal, patience)

    def shop(self) -> float:
        """The seconds that it took."""
        started = monotonic()
        with self.helpers, self.threads:
            for shopper in self.shoppers:
                self.threads.submit(self.turn, shopper)
            wait([shopper.is_done for shopper in self.shoppers])
        return monotonic() - started

    def turn(self, shopper: Shopper) -> None:
        try:
            goes_on = shopper.turn()
        except Exception as error:
            shopper.is_done.set_exception(error)
            return
        if not goes_on:
            shopper.is_done.set_result(None)
        elif shopper.due:
            Timer(PACE_SECONDS, self.threads.submit, (self.turn, shopper)).start()
        else:
            self.threads.submit(self.turn, shopper)

    def check(self, database_url: str) -> None:
        """Nobody was refused anything, and nobody has more than the one chain and the one session."""
        for shopper, first in zip(self.shoppers, self.first, strict=True):
            shopper.is_done.result()
            assert not shopper.complaints
            shopper.check_chain(first)
            assert [len(shopper.at(node).get("/sessions").json["data"]) for node in (0, 1)] == [1, 1]
        with create_engine(database_url, poolclass=NullPool).connect() as connection:
            actions = Counter(connection.scalars(select(AuditEvent.__table__.c.action)))
        assert actions[Action.REFRESH_REPLAYED] > 0
        assert actions[Action.REFRESH_REUSED] == 0
        for node in self.line.nodes:
            node.session.close()  # a node that stops would wait for it

    def did(self) -> Counter[str]:
        return sum((shopper.did for shopper in self.shoppers), Counter())


@contextmanager
def two_nodes(database_url: str, *, workers: int) -> Iterator[list[Node]]:
    """Neither may fail, whatever the clients were told: their logs say so."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(serving(database_url, workers=workers, **ENVIRONMENT)) for _ in range(2)]
        yield nodes
        log = "".join(node.log() for node in nodes)
        assert not [sign for sign in ("Traceback", "request.failed", "WORKER TIMEOUT") if sign in log], log


@pytest.mark.slow
def test_no_honest_client_is_logged_out(database_url: str) -> None:
    with two_nodes(database_url, workers=1) as nodes:
        crowd = Crowd(nodes, count=10, goal=60, patience=2)
        crowd.shop()
        crowd.check(database_url)
    assert set(crowd.did()) >= {*WAYS, "come back after the grace", "other work"}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", [POSTGRESQL], indirect=True)
def test_no_honest_client_is_logged_out_however_often(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with two_nodes(database_url, workers=2) as nodes:
        crowd = Crowd(nodes, count=50, goal=200, patience=12)
        seconds = crowd.shop()
        crowd.check(database_url)
    with capsys.disabled():
        sys.stdout.write(f"\n10,000 refreshes in {seconds:.0f} s, {10_000 / seconds:.0f}/s: {dict(crowd.did())}\n")
