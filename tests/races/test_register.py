"""Equal registrations at once have one winner. SECURITY 3-5, RELIABILITY 1, 2."""

import itertools
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from flask import Flask
from sqlalchemy import update

from tests.support.crowd import Cluster, at_once
from tests.support.people import Answer, Client, InProcess
from user_service import clock
from user_service.auth import service
from user_service.auth.models import User
from user_service.database import transaction

DAY = timedelta(days=1)
CROWD = 24
LOSERS_TRIED = 3  # fewer than the wrong passwords that an account takes
_rounds = itertools.count(1)

Names = Callable[[int, int], tuple[str, str]]


def in_case(text: str, index: int) -> str:
    """One of the spellings that differ in case alone."""
    return "".join(letter.upper() if index >> place & 1 else letter for place, letter in enumerate(text))


def same_username(number: int, index: int) -> tuple[str, str]:
    return in_case(f"twins{number}", index), f"twins{number}.{index}@example.com"


def same_email(number: int, index: int) -> tuple[str, str]:
    return f"mates{number}.{index}", in_case(f"mates{number}@example.com", index)


def same_both(number: int, index: int) -> tuple[str, str]:
    return in_case(f"equals{number}", index), in_case(f"equals{number}@example.com", CROWD - index)


def password_of(index: int) -> str:
    return f"plum tractor sings low {index}"


def register(names: tuple[str, str], index: int, client: Client) -> Answer:
    return client.register(*names, password_of(index))


def one_round(cluster: Cluster, names: Names, codes: set[str]) -> None:
    number = next(_rounds)
    taken = [names(number, index) for index in range(CROWD)]
    answers = cluster.at_the_last_byte([partial(register, taken[index], index) for index in range(CROWD)])
    assert Counter(answer.status for answer in answers) == {201: 1, 409: CROWD - 1}
    assert {answer.code for answer in answers if answer.status == 409} <= codes
    [winner] = [index for index, answer in enumerate(answers) if answer.status == 201]
    losers = [index for index in range(CROWD) if index != winner][:LOSERS_TRIED]
    login = taken[winner]
    for name in login:
        assert cluster.client().log_in(name, password_of(winner)).status == 200
    assert {cluster.client().log_in(login[0], password_of(index)).status for index in losers} == {401}


RACES = [
    pytest.param(same_username, {"username_taken"}, id="username"),
    pytest.param(same_email, {"email_taken"}, id="email"),
    pytest.param(same_both, {"username_taken"}, id="both"),
]


@pytest.mark.parametrize(("names", "codes"), RACES)
def test_of_equal_registrations_one_wins_and_its_password_alone_works(
    cluster: Cluster, names: Names, codes: set[str]
) -> None:
    for _ in range(2):
        one_round(cluster, names, codes)


@pytest.mark.slow
@pytest.mark.parametrize(("names", "codes"), RACES)
def test_of_equal_registrations_one_wins_every_time(cluster: Cluster, names: Names, codes: set[str]) -> None:
    for _ in range(15):
        one_round(cluster, names, codes)


def test_names_that_fall_free_at_once_have_one_new_holder(make_app: Callable[..., Flask]) -> None:
    """Whoever held them had to verify an address by now: the first to notice makes room, for anybody."""
    app = make_app(require_email_verification=True)
    for number in range(8):
        names = f"gone{number}", f"gone{number}@example.com"
        assert Client(InProcess(app)).register(*names).status == 201
        with app.app_context(), transaction() as session:
            session.execute(update(User).where(User.username == names[0]).values(verify_by=clock.now() - DAY))
        answers = at_once(6, lambda _, names=names: Client(InProcess(app)).register(*names))
        assert Counter(answer.status for answer in answers) == {201: 1, 409: 5}, [answer.text for answer in answers]


def test_a_holder_who_leaves_before_anybody_looks_leaves_the_names(
    app: Flask, newcomer: Callable[[], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the insert that failed and the look that would explain it."""
    holder = newcomer().join()

    def leave(**_names: str) -> bool:
        monkeypatch.undo()
        assert holder.send("DELETE", "/account", {"password": holder.password}).status == 200
        return False

    monkeypatch.setattr(service, "free_names", leave)
    assert newcomer().register(holder.username, holder.email).status == 201
