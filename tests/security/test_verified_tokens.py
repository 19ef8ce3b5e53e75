"""What is remembered of tokens that proved genuine: authenticity alone, in bounded space, until the keys change."""

import threading
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from user_service.principal import AccessClaims
from user_service.security.signing import SigningKey, from_private_bytes, generate
from user_service.security.verified_tokens import VerifiedToken, VerifiedTokens

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLAIMS = AccessClaims(UUID(int=1), UUID(int=2), 1)
KEY = generate(NOW)
KEYS = {KEY.kid: KEY}


def verified(key: SigningKey = KEY) -> VerifiedToken:
    return VerifiedToken(key, int(NOW.timestamp()), int(NOW.timestamp()) + 900, CLAIMS)


def remembering(*tokens: str, capacity: int = 100) -> VerifiedTokens:
    store = VerifiedTokens(capacity)
    for token in tokens:
        store.remember(token, verified(), KEYS)
    return store


def test_a_token_is_found_by_its_exact_text() -> None:
    store = remembering("a.b.c")
    assert store.find("a.b.c", KEYS) == verified()
    assert [store.find(text, KEYS) for text in ("a.b.C", "a.b.c ", "a.b", "")] == [None] * 4


def test_the_oldest_goes_when_there_is_no_room() -> None:
    store = remembering(*(str(number) for number in range(1_000)), capacity=10)
    assert len(store) == 10
    assert store.find("989", KEYS) is None
    assert store.find("990", KEYS) is not None


def test_without_room_nothing_is_kept() -> None:
    assert len(remembering("a.b.c", capacity=0)) == 0


def test_the_same_keys_loaded_anew_change_nothing() -> None:
    store = remembering("a.b.c")
    again = from_private_bytes(KEY.kid, KEY.private_bytes(), NOW, None)
    assert store.find("a.b.c", {again.kid: again}) is not None


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {**KEYS, "new": generate(NOW)},
        {KEY.kid: generate(NOW)},
        {KEY.kid: from_private_bytes(KEY.kid, KEY.private_bytes(), NOW, NOW + SECOND)},
    ],
    ids=["all gone", "one more", "another of the same id", "about to expire"],
)
def test_everything_is_forgotten_when_the_keys_change(keys: dict[str, SigningKey]) -> None:
    store = remembering("a.b.c", "d.e.f")
    assert store.find("a.b.c", keys) is None
    assert len(store) == 0


def test_what_a_key_proved_that_went_meanwhile_is_not_kept() -> None:
    """The keys changed between the check of the signature and the note of it."""
    store = VerifiedTokens()
    other = generate(NOW)
    for now_in_use in ({}, {other.kid: other}, {KEY.kid: generate(NOW)}):
        store.remember("a.b.c", verified(), now_in_use)
        assert len(store) == 0


@pytest.mark.parametrize(
    ("after", "is_current"),
    [(-11, False), (-10, True), (0, True), (909, True), (909.999999, True), (910, False), (10**7, False)],
)
def test_a_token_is_current_from_its_issue_to_its_end_with_ten_seconds_for_clocks(
    after: float, is_current: bool
) -> None:
    at = NOW + timedelta(seconds=after)
    assert verified().is_current(at, leeway=10, longest_life=timedelta(days=60)) is is_current


def test_a_token_that_would_live_too_long_is_not_current() -> None:
    assert not verified().is_current(NOW, leeway=10, longest_life=timedelta(seconds=899))
    assert verified().is_current(NOW, leeway=10, longest_life=timedelta(seconds=900))


def test_threads_that_see_different_keys_find_only_what_their_own_prove() -> None:
    """In the middle of a change of keys, some requests still hold the old set."""
    store, other = VerifiedTokens(20), generate(NOW)
    wrong: list[str] = []

    def run(key: SigningKey) -> None:
        keys = {key.kid: key}
        for number in range(2_000):
            token = f"{key.kid}.{number % 50}"
            store.remember(token, verified(key), keys)
            found = store.find(token, keys)
            if found is not None and found.key is not key:
                wrong.append(token)

    threads = [threading.Thread(target=run, args=(key,)) for key in (KEY, other, KEY, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(store) <= 20
