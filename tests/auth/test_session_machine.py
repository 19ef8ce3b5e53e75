"""A model of sessions and the service, told the same story step by step, never disagree. SECURITY 78-81, 85-89, 92.

Hypothesis writes the stories: log-ins, refreshes, replays of any earlier refresh token, uses of any earlier access
token, log-outs, password changes, and a clock that jumps.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from flask import Flask
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.support.crowd import bearer, claims_of
from tests.support.databases import SQLITE
from tests.support.people import Answer, Client, InProcess
from tests.support.session_model import ACCESS_LIFE, DAY, GRACE, LEEWAY, MINUTE, REFRESH_LIFE, Account, Grant, Session
from user_service.auth import password_service, refreshing, sessions
from user_service.auth.grants import grant_of

ON_SQLITE = pytest.mark.parametrize("kind", [SQLITE], indirect=True)
EDGES = [GRACE - 1, GRACE, GRACE + 1, ACCESS_LIFE + LEEWAY - 1, ACCESS_LIFE + LEEWAY, 4 * DAY, REFRESH_LIFE + LEEWAY]
PAUSES = st.integers(1, 2 * MINUTE) | st.sampled_from(EDGES) | st.integers(1, 40 * MINUTE) | st.integers(1, 8 * DAY)
# How far back to reach for a token: to the last ones more often than to one of long ago.
RECENT = 2
BACK = st.integers(0, 1) | st.integers(0, RECENT) | st.integers(0, 40)

WAYS_TO_END = ("log_out_by_access_token", "log_out_by_refresh_token", "close_all", "change_password")

EVERY_ANSWER = {
    f"{deed}: {outcome}"
    for deed in ("use", "refresh", "close all", "password")
    for outcome in ("done", "token_expired", "token_revoked")
} | {"replay: done", "refresh: refresh_token_reused", "log-out: done", "log-out: token_expired"}
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "no grace": (refreshing, "_is_in_grace", lambda _row, _now: False),
    "a grace without end": (refreshing, "_is_in_grace", lambda _row, _now: True),
    "a use that confirms nothing": (sessions, "confirm", lambda _session_id, _generation: None),
    "a reuse that closes nothing": (refreshing, "close", lambda *_session: []),
    "a second branch": (
        refreshing,
        "grant_of",
        lambda row, **kind: replace(grant_of(row, **kind), refresh_jti=uuid4()),
    ),
    "a password change that ends nothing": (password_service, "close_all_sessions", lambda **_whose: None),
}


@dataclass(frozen=True)
class Pair:
    """What a client holds, and what the model knows of it."""

    grant: Grant
    access_token: str
    refresh_token: str


class SessionMachine(RuleBasedStateMachine):
    """Each example is the life of a new person at one application. `seen` counts what was answered to what."""

    def __init__(self, app: Flask, seen: Counter[str]) -> None:
        super().__init__()
        self.person, self.model, self.seen = Client(InProcess(app)), Account(), seen
        self.held: list[Pair] = []
        self.successors: dict[tuple[Session, int], tuple[str, str]] = {}
        self.ids: dict[Session, str] = {}
        self.start = datetime.now(UTC).replace(microsecond=0)
        self.travel = time_machine.travel(self.start, tick=False)
        self.clock = self.travel.start()

    def teardown(self) -> None:
        self.travel.stop()

    @initialize()
    def register(self) -> None:
        assert self.person.register().status == 201
        self.log_in()

    @rule()
    def log_in(self) -> None:
        pair = self.keep(self.person.log_in(), self.model.log_in())
        self.ask_which_live(pair)

    @rule(back=BACK)
    def refresh(self, back: int) -> None:
        self.present(self.pick(back))

    @rule(back=BACK, seconds=PAUSES, meanwhile=st.sampled_from(["nothing", "use the old pair", "use the new pair"]))
    def refresh_twice(self, back: int, seconds: int, meanwhile: str) -> None:
        """By one who lost the first answer, or by two of whom one uses it."""
        pair = self.pick(back)
        successor = self.present(pair)
        if meanwhile == "use the old pair":
            self.ask_which_live(pair)
        elif meanwhile == "use the new pair" and successor is not None:
            self.ask_which_live(successor)
        self.wait(seconds)
        self.present(pair)

    @rule(back=BACK, times=st.integers(2, 5))
    def stay_for_weeks(self, back: int, times: int) -> None:
        pair = self.pick(back)
        for _ in range(times):
            pair = self.present(pair) or pair
            self.wait(6 * DAY)

    @rule(back=BACK)
    def use(self, back: int) -> None:
        self.ask_which_live(self.pick(back))

    @rule(seconds=PAUSES)
    def wait(self, seconds: int) -> None:
        self.model.now += seconds
        self.clock.shift(timedelta(seconds=seconds))

    @rule(back=BACK, way=st.sampled_from(WAYS_TO_END))
    def end(self, back: int, way: str) -> None:
        getattr(self, way)(self.pick(back))

    def log_out_by_access_token(self, pair: Pair) -> None:
        expected = self.model.log_out(pair.grant, pair.grant.access_expires_at)
        answer = self.person.post("/logout", headers=bearer(pair.access_token))
        self.check(answer, expected, "log-out", status=204)

    def log_out_by_refresh_token(self, pair: Pair) -> None:
        expected = self.model.log_out(pair.grant, pair.grant.refresh_expires_at)
        answer = self.person.post("/logout", {"refresh_token": pair.refresh_token}, auth=False)
        self.check(answer, expected, "log-out", status=204)

    def close_all(self, pair: Pair) -> None:
        expected = self.model.use(pair.grant)
        if expected is None:
            self.model.close_all()
        answer = self.person.delete("/sessions", headers=bearer(pair.access_token))
        self.check(answer, expected, "close all", status=204)

    def change_password(self, pair: Pair) -> None:
        expected = self.model.use(pair.grant)
        new = f"plum tractor {len(self.model.sessions)} low"
        body = {"current_password": self.person.password, "new_password": new}
        answer = self.person.put("/account/password", body, headers=bearer(pair.access_token))
        self.check(answer, expected, "password")
        if expected is None:
            self.person.password = new
            self.model.close_all()
            self.ask_which_live(self.keep(answer, self.model.log_in()))

    def pick(self, back: int) -> Pair:
        """One of all pairs that were ever handed out: the newest first, and those of sessions that ended last.

        Where none lives, somebody logs in, unless it is an old one that is asked for.
        """
        if back <= RECENT and not self.model.living():
            self.log_in()
        living = self.model.living()
        pairs = sorted(self.held, key=lambda pair: pair.grant.session not in living)
        return pairs[back % len(pairs)]

    def present(self, pair: Pair) -> Pair | None:
        """Present the refresh token; what it was exchanged for."""
        expected = self.model.refresh(pair.grant)
        answer = self.person.refresh(pair.refresh_token)
        if isinstance(expected, str):
            self.check(answer, expected, "refresh")
            return None
        is_replay = (expected.session, expected.generation) in self.successors
        self.check(answer, None, "replay" if is_replay else "refresh")
        return self.keep(answer, expected)

    def ask_which_live(self, pair: Pair) -> None:
        """Present the access token. Where it is let in, the service and the model name the same sessions."""
        expected = self.model.use(pair.grant)
        answer = self.person.get("/sessions?limit=200", headers=bearer(pair.access_token))
        self.check(answer, expected, "use")
        if expected is None:
            assert {row["id"] for row in answer.json["data"]} == {self.ids[living] for living in self.model.living()}

    def check(self, answer: Answer, code: str | None, deed: str, *, status: int = 200) -> None:
        self.seen[f"{deed}: {code or 'done'}"] += 1
        if code is None:
            assert answer.status == status, answer
        else:
            assert (answer.status, answer.code) == (401, code), answer

    def keep(self, answer: Answer, grant: Grant) -> Pair:
        """Take the answer's pair, which is the successor that was handed out before, or one never seen."""
        assert answer.status == 200, answer
        pair = Pair(grant, answer.json["access_token"], answer.json["refresh_token"])
        access, refresh = claims_of(pair.access_token), claims_of(pair.refresh_token)
        assert access["sid"] == refresh["sid"] == self.ids.setdefault(grant.session, access["sid"])
        assert access["gen"] == refresh["gen"] == grant.generation
        ends = [claims["exp"] - int(self.start.timestamp()) for claims in (access, refresh)]
        assert ends == [grant.access_expires_at, grant.refresh_expires_at]
        self.check_lineage(grant, (access["jti"], refresh["jti"]))
        if all(held.grant != grant for held in self.held):
            self.held.insert(0, pair)
        return pair

    def check_lineage(self, grant: Grant, jtis: tuple[str, str]) -> None:
        assert self.successors.setdefault((grant.session, grant.generation), jtis) == jtis
        handed_out = list(chain.from_iterable(self.successors.values()))
        assert len(set(handed_out)) == len(handed_out)


def live_through(app: Flask, **changes: Any) -> Counter[str]:
    """What was seen in all the lives together."""
    seen: Counter[str] = Counter()
    quietly = list(HealthCheck)  # a life takes its time, and is drawn from what the steps before left
    options = settings(deadline=None, database=None, suppress_health_check=quietly, **changes)
    run_state_machine_as_test(lambda: SessionMachine(app, seen), settings=options)
    return seen


@pytest.mark.timeout(600)  # where they do, the shortest story of it is looked for
@ON_SQLITE
def test_the_service_and_its_model_never_disagree(app: Flask) -> None:
    """The same stories every time, and in them every answer that there is."""
    seen = live_through(app, max_examples=25, stateful_step_count=40, derandomize=True)
    assert not EVERY_ANSWER - set(seen), seen


@pytest.mark.slow
@pytest.mark.timeout(900)
@ON_SQLITE
def test_the_service_and_its_model_never_disagree_however_often(app: Flask) -> None:
    """New stories every time."""
    live_through(app, max_examples=120, stateful_step_count=80)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@ON_SQLITE
def test_the_model_finds_the_fault(fault: str, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof that the machine can fail: a service with one fault is found out."""
    monkeypatch.setattr(*FAULTS[fault])
    with pytest.raises(AssertionError):
        live_through(app, max_examples=100, stateful_step_count=50, derandomize=True, phases=[Phase.generate])
