"""The time of an answer does not tell whether an account exists. SECURITY 40, 103; `bench/timing.py` has it too."""

from collections.abc import Iterator

import pytest

from bench.timing import DOORS, ENVIRONMENT, Seconds, measure
from tests.support.databases import Databases
from tests.support.server import Node, serving

PAIRS = 200
RUNS = 3  # on a busy machine one of them may be unlucky; a real difference shows in all
TOLERANCE = 0.2
# Dear enough that a forgotten hash shows, and cheap enough that the database's share would.
ROUNDS = "8"


@pytest.fixture
def node(databases: Databases, kind: str) -> Iterator[Node]:
    with databases.copy(kind) as url, serving(url, workers=1, BCRYPT_ROUNDS=ROUNDS, **ENVIRONMENT) as node:
        yield node


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("door", DOORS)
def test_known_and_unknown_accounts_take_the_same_time(node: Node, door: str) -> None:
    areas = []
    for _ in range(RUNS):
        seconds = measure(node.url, door, PAIRS)
        if seconds is None:
            pytest.skip(f"there is no {door}")  # one of the two configurations lacks it
        areas.append(seconds.area)
        if abs(areas[-1] - 0.5) <= TOLERANCE:
            return
    raise AssertionError(f"areas under the curve: {areas}")


def test_the_area_tells_a_difference_from_none() -> None:
    assert Seconds([1, 2, 3], [1, 2, 3]).area == 0.5
    assert Seconds([2, 3], [1, 1]).area == 1
    assert Seconds([1, 1], [2, 3]).area == 0
