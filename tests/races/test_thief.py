"""A thief has a copy of one refresh token, and comes with it at any moment. SECURITY 81, 82, 149; RELIABILITY 4, 5.

A token that comes twice is answered twice while nobody has used its successor, for it may be the owner who lost an
answer. So owner and thief may hold the same pair for a while. The owner's next refresh and the first use of its
access token leave the thief with nothing, and the owner is logged out only where a reuse was found out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import time_machine
from flask import Flask

from tests.support.crowd import bearer, claims_of
from tests.support.people import Answer, Client, InProcess
from user_service.audit.events import Action

PAST_GRACE = timedelta(seconds=32)
EITHER = (False, True)


@dataclass(frozen=True)
class Case:
    """What owner and thief do. `later` counts the owner's refreshes between its first one and the thief."""

    thief_is_first: bool
    answer_is_lost: bool
    owner_uses: bool
    thief_uses: bool
    later: int
    replays: int

    @property
    def waits_for_an_answer(self) -> bool:
        """Whether the owner still holds the pair that was stolen from when the thief comes."""
        return self.answer_is_lost and not self.later

    @property
    def is_refused_at_once(self) -> bool:
        """Whether the stolen token was replaced twice, or its successor used, when the thief comes."""
        replacements = 1 + self.later - (self.answer_is_lost and self.later > 0)
        is_used = self.owner_uses and not self.waits_for_an_answer
        return not self.thief_is_first and (replacements > 1 or is_used)

    @property
    def is_found_out(self) -> bool:
        """Whether a token whose successor was used is presented, by either of them, while the owner goes on."""
        comes_second = self.replays > 1 or self.thief_is_first or self.waits_for_an_answer
        return self.is_refused_at_once or (self.thief_uses and comes_second)


def cases(*, thief_is_first: bool) -> Iterator[Case]:
    for lost, owner_uses, thief_uses, later, replays in product(EITHER, EITHER, EITHER, range(3), range(1, 4)):
        case = Case(thief_is_first, lost, owner_uses, thief_uses, later, replays)
        if not (thief_uses and case.is_refused_at_once):  # it has nothing to use
            yield case


class Story:
    """One case, told at two nodes: the owner is at the first one, the thief at the second."""

    def __init__(self, case: Case, nodes: list[InProcess], clock: time_machine.Traveller) -> None:
        self.case, self.nodes, self.clock = case, nodes, clock
        self.owner, self.thief = Client(nodes[0]).join(), Client(nodes[1])
        self.owner_is_out = False
        self.stolen = self.owner.refresh_token
        self.loot: dict[tuple[str, str], tuple[str, str]] = {}  # by what makes a successor: the pair's identities
        self.refusals: list[str] = []

    def tell(self) -> None:
        if self.case.thief_is_first:
            self.thief_comes()
        self.owner_refreshes(is_lost=self.case.answer_is_lost)
        for _ in range(self.case.later):
            self.owner_refreshes()
        if not self.case.thief_is_first:
            self.thief_comes()
        if self.case.waits_for_an_answer:
            self.owner_refreshes()
        self.owner_refreshes()
        self.owner_reads()

    def owner_refreshes(self, *, is_lost: bool = False) -> None:
        """An honest client presents the last refresh token that it got, until it is told to log in again."""
        self.clock.shift(PAST_GRACE)
        if self.owner_is_out:
            return
        answer = self.owner.refresh(self.owner.refresh_token) if is_lost else self.owner.refresh()
        if answer.status != 200:
            self.owner_is_out = True
            self.refusals.append(answer.code)
        elif self.case.owner_uses:
            self.owner_reads()

    def owner_reads(self) -> None:
        if not self.owner_is_out:
            assert self.owner.get("/account").status == 200

    def thief_comes(self) -> None:
        for _ in range(self.case.replays):
            self.clock.shift(PAST_GRACE)
            answer = self.thief.refresh(self.stolen)
            if answer.status == 200:
                self.take(answer)
            else:
                self.refusals.append(answer.code)

    def take(self, answer: Answer) -> None:
        pair = (answer.json["access_token"], answer.json["refresh_token"])
        self.loot[claims_of(pair[0])["jti"], claims_of(pair[1])["jti"]] = pair
        if self.case.thief_uses:
            assert self.thief.get("/account", headers=bearer(pair[0])).status == 200

    def check(self) -> None:
        assert self.owner_is_out == self.case.is_found_out
        assert len(self.loot) == (not self.case.is_refused_at_once), "a second branch"
        for access_token, refresh_token in self.loot.values():
            assert self.code_of_access(access_token) == {"token_revoked"}
            self.clock.shift(PAST_GRACE)
            self.refusals.append(self.thief.refresh(refresh_token).code)
        self.clock.shift(PAST_GRACE)
        self.refusals.append(self.thief.refresh(self.stolen).code)
        assert self.refusals == ["refresh_token_reused"] + ["token_revoked"] * (len(self.refusals) - 1)
        self.check_closed()

    def check_closed(self) -> None:
        """The session is, on every node, and once. The owner, logged in anew, is not touched by it."""
        assert self.code_of_access(self.owner.access_token) == {"token_revoked"}
        assert self.code_of_refresh(self.owner.refresh_token) == {"token_revoked"}
        assert self.owner.log_in().status == 200
        assert self.code_of_refresh(self.stolen) == {"token_revoked"}
        for node in self.nodes:
            events = Client(node).get("/account/events?limit=200", headers=bearer(self.owner.access_token)).json["data"]
            assert [event["action"] for event in events].count(Action.REFRESH_REUSED) == 1

    def code_of_access(self, token: str | None) -> set[str]:
        return {Client(node).get("/account", headers=bearer(token)).code for node in self.nodes}

    def code_of_refresh(self, token: str | None) -> set[str]:
        return {Client(node).refresh(token).code for node in self.nodes}


@pytest.fixture
def time() -> Iterator[time_machine.Traveller]:
    """A clock that stands still until the test moves it."""
    with time_machine.travel(datetime.now(UTC).replace(microsecond=0), tick=False) as traveller:
        yield traveller


@pytest.mark.slow
@pytest.mark.parametrize("thief_is_first", EITHER)
def test_the_owners_next_refresh_leaves_the_thief_with_nothing(
    thief_is_first: bool, time: time_machine.Traveller, make_app: Callable[..., Flask]
) -> None:
    nodes = [InProcess(make_app()), InProcess(make_app())]
    failures = []
    for case in cases(thief_is_first=thief_is_first):
        story = Story(case, nodes, time)
        try:
            story.tell()
            story.check()
        except AssertionError as error:
            failures.append(f"{case}: {story.refusals} {error}")
    assert not failures, "\n\n".join(failures)
