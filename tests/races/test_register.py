"""Equal registrations at once have one winner. SECURITY 3-5, RELIABILITY 1, 2."""

import itertools
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from tests.support.crowd import Cluster
from tests.support.people import Answer, Client

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
