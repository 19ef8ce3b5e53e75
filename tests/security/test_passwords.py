"""Password hashes: every character counts, whatever bcrypt would do by itself. SECURITY 19-21, 23, 24, 29, 30, 40."""

import unicodedata
from collections.abc import Callable
from typing import Any

import bcrypt
import pytest

from user_service.security import passwords
from user_service.security.passwords import MAX_PASSWORD_BYTES, SCHEME, PasswordHasher, normalize

ROUNDS = 4
OLD, NEW = {"p1": b"o" * 48}, {"p2": b"n" * 48}


@pytest.fixture(scope="module")
def hasher() -> PasswordHasher:
    return PasswordHasher(rounds=ROUNDS, peppers=OLD)


def spy(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """The arguments of every call of this function of bcrypt from now on."""
    calls: list[tuple[Any, ...]] = []
    real: Callable[..., Any] = getattr(bcrypt, name)

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(passwords.bcrypt, name, counted)
    return calls


@pytest.mark.parametrize(
    ("password", "other"),
    [
        ("x" * 72 + "a", "x" * 72 + "b"),
        ("x" * 72, "x" * 73),
        ("é" * 36 + "a", "é" * 36 + "b"),
        ("😀" * 18 + "a", "😀" * 18 + "b"),
        ("x" * (MAX_PASSWORD_BYTES - 1) + "a", "x" * (MAX_PASSWORD_BYTES - 1) + "b"),
        ("longenough\0secret", "longenough"),
        ("longenough\0secret", "longenough\0other!"),
        ("\0" * 8, "\0" * 9),
        (" outer space ", "outer space"),
        ("Mixed Case Words", "mixed case words"),
        ("ﬁne words here", "fine words here"),
        ("ａbcdefgh", "abcdefgh"),
        ("straße und weg", "strasse und weg"),
        ("", "x"),
    ],
)
def test_every_character_counts(hasher: PasswordHasher, password: str, other: str) -> None:
    """SECURITY 20, 21, 23: nothing is cut off, trimmed or folded, whatever the length and the script."""
    stored = hasher.hash(password)
    assert hasher.verify(password, *stored)
    assert not hasher.verify(other, *stored)
    assert not hasher.verify(password, *hasher.hash(other))


@pytest.mark.parametrize("password", ["école à Orléans", "Å ngström 𝅗𝅥", "한글 비밀번호"])
def test_composed_and_decomposed_spellings_are_one_password(hasher: PasswordHasher, password: str) -> None:
    """SECURITY 24."""
    composed, decomposed = (unicodedata.normalize(form, password) for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert hasher.verify(decomposed, *hasher.hash(composed))
    assert hasher.verify(composed, *hasher.hash(decomposed))
    assert normalize(decomposed) == normalize(composed)


def test_one_password_has_two_hashes_and_each_tells_cost_and_pepper(hasher: PasswordHasher) -> None:
    """SECURITY 29."""
    first, second = hasher.hash("plum tractor"), hasher.hash("plum tractor")
    assert first[0] != second[0]
    assert first[0].startswith(f"$2b${ROUNDS:02}$")
    assert first[1] == second[1] == f"{SCHEME}:p1"


def test_a_hash_is_worth_nothing_without_the_pepper(hasher: PasswordHasher) -> None:
    password_hash, scheme = hasher.hash("plum tractor")
    other = PasswordHasher(rounds=ROUNDS, peppers={"p1": b"x" * 48})
    assert not other.verify("plum tractor", password_hash, scheme)
    assert not bcrypt.checkpw(b"plum tractor", password_hash.encode())


def test_bcrypt_is_given_neither_nul_nor_more_than_it_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = spy(monkeypatch, "hashpw")
    hasher = PasswordHasher(rounds=ROUNDS, peppers=OLD)
    for password in ("", "\0", "x" * MAX_PASSWORD_BYTES, "😀" * 256):
        hasher.hash(password)
    given = [arguments[0] for arguments in calls]
    assert {len(prehash) for prehash in given} == {64}
    assert not any(b"\0" in prehash for prehash in given)


def test_old_peppers_verify_and_the_first_one_hashes() -> None:
    stored = PasswordHasher(rounds=ROUNDS, peppers=OLD).hash("plum tractor")
    both = PasswordHasher(rounds=ROUNDS, peppers={**NEW, **OLD})
    assert both.verify("plum tractor", *stored)
    assert both.hash("plum tractor")[1] == f"{SCHEME}:p2"


def test_a_changed_cost_or_pepper_asks_for_a_new_hash(hasher: PasswordHasher) -> None:
    """SECURITY 30."""
    stored = hasher.hash("plum tractor")
    assert not hasher.needs_rehash(*stored)
    assert PasswordHasher(rounds=ROUNDS + 1, peppers=OLD).needs_rehash(*stored)
    assert PasswordHasher(rounds=ROUNDS, peppers={**NEW, **OLD}).needs_rehash(*stored)


@pytest.mark.parametrize("scheme", [f"{SCHEME}:p9", "bcrypt:p1", "", SCHEME, f"{SCHEME.upper()}:p1"])
def test_a_hash_of_another_making_is_a_fault_and_no_mere_mismatch(hasher: PasswordHasher, scheme: str) -> None:
    password_hash, _ = hasher.hash("plum tractor")
    with pytest.raises(ValueError, match="unknown password scheme"):
        hasher.verify("plum tractor", password_hash, scheme)


def test_a_decoy_costs_what_a_verification_costs_and_matches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY 40: one check each, at the same cost."""
    hasher = PasswordHasher(rounds=ROUNDS, peppers=OLD)
    stored = hasher.hash("plum tractor")
    calls = spy(monkeypatch, "checkpw")
    for password in ("plum tractor", "", "x" * 73, "x" * 200, "nul\0inside"):
        assert hasher.verify_decoy(password) is False
        hasher.verify(password, *stored)
    decoys, real = calls[::2], calls[1::2]
    assert len(decoys) == len(real) == 5
    assert [decoy[0] for decoy in decoys] == [check[0] for check in real]
    assert {check[1][:7] for check in calls} == {f"$2b${ROUNDS:02}$".encode()}


def test_a_hasher_knows_whether_the_peppers_are_still_its_own(hasher: PasswordHasher) -> None:
    both = PasswordHasher(rounds=ROUNDS, peppers={**NEW, **OLD})
    assert hasher.has_peppers(OLD)
    assert not hasher.has_peppers(NEW)
    assert not hasher.has_peppers({**NEW, **OLD})
    assert not both.has_peppers({**OLD, **NEW})
