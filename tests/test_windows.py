"""Moving windows, of one process and in Redis, held against the plainest way to count; the table of doors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.redis import throwaway_redis
from user_service import windows
from user_service.doors import Door, Rate
from user_service.windows import PREFIX, SharedWindows, Windows

PATIENCE_SECONDS = 15


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_every_door_has_a_limit_by_address_and_is_stricter_alone_where_secrets_are_checked() -> None:
    for door in Door:
        limits = door.limits({})
        assert limits[0].by.value == "address"
        for limit in limits:
            assert (limit.rate_alone.amount < limit.rate.amount) is door.is_strict
            assert limit.rate_alone.seconds == limit.rate.seconds


def test_no_limit_alone_is_looser_than_the_operator_wants_it() -> None:
    limits = Door.LOG_IN.limits({"log-in-address": Rate(2, 60), "log-in-account-and-address": Rate(100, 60)})
    assert [limit.rate_alone.amount for limit in limits] == [2, 25]


@given(st.integers(1, 5), st.integers(1, 10), st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 6))))
def test_a_window_lets_through_what_any_span_of_its_length_may_hold(
    amount: int, seconds: int, knocks: list[tuple[str, int]]
) -> None:
    clock, rate = Clock(), Rate(amount, seconds)
    windows = Windows(now=clock)
    let_through: dict[str, list[float]] = {}
    for key, pause in knocks:
        clock.seconds += pause
        inside = [at for at in let_through.setdefault(key, []) if at > clock.seconds - seconds]
        window = windows.knock(key, rate)
        assert window.is_allowed is (len(inside) < amount)
        if window.is_allowed:
            let_through[key].append(clock.seconds)
            inside.append(clock.seconds)
        assert window.remaining == amount - len(inside)
        assert window.seconds == inside[0] + seconds - clock.seconds


def test_a_window_in_redis_lets_through_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has a clock of its own, so the knocks before are put in with the times that they would have had."""
    monkeypatch.setattr(windows, "CONNECT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(windows, "ANSWER_SECONDS", PATIENCE_SECONDS)
    span, clear_of_the_edge = 60, st.integers(0, 40) | st.integers(70, 120)
    with throwaway_redis() as server, server.client() as client:
        shared = SharedWindows(server.url)

        @settings(deadline=None, max_examples=60)
        @given(st.integers(1, 5), st.lists(clear_of_the_edge, max_size=5))
        def holds(amount: int, ages: list[int]) -> None:
            earlier = sorted(ages)[:amount]  # newest first; a window never holds more than may be let through
            client.flushall()
            seconds, microseconds = client.time()
            for age in reversed(earlier):
                client.lpush(f"{PREFIX}key", (seconds - age) * 1_000_000 + microseconds)
            knocked = shared.knock([("key", Rate(amount, span))])
            assert knocked is not None
            inside = [age for age in earlier if age < span]
            assert knocked[0].is_allowed is (len(inside) < amount)
            assert knocked[0].remaining == max(0, amount - len(inside) - 1)
            assert knocked[0].seconds == pytest.approx(span - max(inside, default=0), abs=PATIENCE_SECONDS)

        holds()


def test_who_waits_as_long_as_he_is_told_gets_in_whatever_he_did_meanwhile() -> None:
    clock, rate = Clock(), Rate(2, 60)
    windows = Windows(now=clock)
    windows.knock("a", rate)
    clock.seconds = 20
    windows.knock("a", rate)
    wait = windows.knock("a", rate).seconds
    for clock.seconds in range(21, 60):
        assert not windows.knock("a", rate).is_allowed
    clock.seconds = 20 + wait
    assert windows.knock("a", rate).is_allowed


def test_what_is_over_is_forgotten_and_memory_has_an_end() -> None:
    clock, rate = Clock(), Rate(1, 60)
    windows = Windows(now=clock, maximum=4000)
    for number in range(50_000):
        windows.knock(f"address-{number}", rate)
        assert len(windows) <= 4000
    assert not windows.knock("address-49999", rate).is_allowed
    clock.seconds = 61
    for number in range(4000):
        windows.knock(f"later-{number}", rate)
    assert windows.knock("address-49999", rate).is_allowed
