"""The vault: what is sealed opens where it lies, under its key, unaltered, and nowhere else. SECURITY 121, 123-125."""

import secrets
from uuid import UUID, uuid4

import pytest

from user_service.security.vault import (
    HEADER_BYTES,
    DataKey,
    Envelope,
    IntegrityFailure,
    MasterKeyMissing,
    MasterKeys,
    binding,
)

OLD, NEW = {"2026-a": bytes(range(32))}, {"2026-b": bytes(range(32, 64))}
TAG_BYTES = 16
USER_ID = UUID("01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b11")
ANOTHER_ID = UUID("01939b1c-8a4e-7c1f-9d37-6f1f0c2a7b12")
HERE = binding("payment_infos", "payment_token", USER_ID)
SECRET = "pm_1QdX2eLkdIwHu7ixt7hBaMtr"


@pytest.fixture
def key() -> DataKey:
    return DataKey(uuid4(), secrets.token_bytes(32))


def opens(key: DataKey, envelope: bytes, bound_to: bytes = HERE) -> bool:
    try:
        key.open(envelope, bound_to)
    except IntegrityFailure:
        return False
    return True


@pytest.mark.parametrize("text", ["", "x", SECRET, "Größe 東京 😀", "\0\n", "a" * 100_000])
def test_what_is_sealed_opens_again_unchanged(key: DataKey, text: str) -> None:
    envelope = key.seal(text, HERE)
    assert isinstance(envelope, Envelope)
    assert key.open(envelope, HERE) == text


def test_an_envelope_names_its_version_and_its_key_and_holds_no_plaintext(key: DataKey) -> None:
    """SECURITY 121: the key id stands in the envelope."""
    envelope = key.seal(SECRET, HERE)
    assert envelope[:1] == b"\x01"
    assert UUID(bytes=envelope[1:17]) == key.key_id
    assert len(envelope) == HEADER_BYTES + len(SECRET) + TAG_BYTES
    assert SECRET.encode() not in envelope


def test_the_same_text_is_sealed_differently_each_time(key: DataKey) -> None:
    """SECURITY 121: a fresh nonce for each seal."""
    envelopes = [key.seal(SECRET, HERE) for _ in range(1_000)]
    assert len({envelope[17:HEADER_BYTES] for envelope in envelopes}) == len(envelopes)
    assert len({envelope[HEADER_BYTES:] for envelope in envelopes}) == len(envelopes)


@pytest.mark.parametrize(
    "elsewhere",
    [
        binding("profiles", "payment_token", USER_ID),
        binding("payment_infos", "provider", USER_ID),
        binding("payment_infos", "payment_token", ANOTHER_ID),
        b"",
    ],
)
def test_an_envelope_that_was_moved_does_not_open(key: DataKey, elsewhere: bytes) -> None:
    """SECURITY 121: table, column and row are authenticated with it."""
    assert not opens(key, key.seal(SECRET, HERE), elsewhere)


def test_an_envelope_opens_under_no_other_key(key: DataKey) -> None:
    envelope = key.seal(SECRET, HERE)
    assert not opens(DataKey(uuid4(), secrets.token_bytes(32)), envelope)
    assert not opens(DataKey(key.key_id, secrets.token_bytes(32)), envelope)


def test_no_altered_byte_goes_unnoticed(key: DataKey) -> None:
    """SECURITY 125."""
    envelope = key.seal(SECRET, HERE)
    altered = [
        envelope[:place] + bytes([envelope[place] ^ flip]) + envelope[place + 1 :]
        for place in range(len(envelope))
        for flip in (0x01, 0x80)
    ]
    assert [index for index, changed in enumerate(altered) if opens(key, changed)] == []


def test_no_cut_or_extended_envelope_opens(key: DataKey) -> None:
    envelope = key.seal(SECRET, HERE)
    cut = [envelope[:length] for length in range(len(envelope))]
    assert [len(part) for part in [*cut, envelope + b"\0", envelope * 2] if opens(key, part)] == []


def test_a_failure_tells_nothing_of_the_secret_or_of_why(key: DataKey) -> None:
    """SECURITY 125: no oracle."""
    altered = bytearray(key.seal(SECRET, HERE))
    altered[-1] ^= 1
    with pytest.raises(IntegrityFailure) as failure:
        key.open(bytes(altered), HERE)
    assert str(failure.value) == "the envelope does not open here"
    assert failure.value.__suppress_context__


def test_the_first_master_key_seals_and_the_others_still_open() -> None:
    """SECURITY 123: after a rotation the old rows are readable and new ones lie under the new key."""
    old, both = MasterKeys(OLD), MasterKeys({**NEW, **OLD})
    before = old.seal(b"pepper", HERE)
    after = both.seal(b"pepper", HERE)
    assert (before[0], after[0]) == ("2026-a", "2026-b")
    assert both.open(*before, HERE) == both.open(*after, HERE) == b"pepper"
    assert both.ids == {"2026-a", "2026-b"}


def test_a_missing_master_key_is_named_and_never_guessed() -> None:
    """SECURITY 124."""
    key_id, envelope = MasterKeys(NEW).seal(b"pepper", HERE)
    with pytest.raises(MasterKeyMissing, match="MASTER_KEYS lacks the key '2026-b'") as failure:
        MasterKeys(OLD).open(key_id, envelope, HERE)
    assert failure.value.key_id == "2026-b"


def test_another_key_under_the_same_id_opens_nothing() -> None:
    """SECURITY 124."""
    key_id, envelope = MasterKeys(OLD).seal(b"pepper", HERE)
    with pytest.raises(IntegrityFailure):
        MasterKeys({"2026-a": bytes(range(32, 64))}).open(key_id, envelope, HERE)


def test_a_row_that_names_another_master_key_than_its_envelope_does_not_open() -> None:
    keys = MasterKeys({**OLD, **NEW})
    _, envelope = keys.seal(b"pepper", HERE)
    with pytest.raises(IntegrityFailure):
        keys.open("2026-b", envelope, HERE)


def test_a_data_key_comes_back_from_its_wrap_for_its_user_alone() -> None:
    keys, key_id = MasterKeys(OLD), uuid4()
    data_key, master_key_id, wrapped = keys.new_data_key(key_id, USER_ID)
    again = keys.open_data_key(key_id, master_key_id, wrapped, USER_ID)
    assert again.open(data_key.seal(SECRET, HERE), HERE) == SECRET
    with pytest.raises(IntegrityFailure):
        keys.open_data_key(key_id, master_key_id, wrapped, uuid4())


def test_every_user_gets_a_data_key_of_their_own() -> None:
    keys, key_id = MasterKeys(OLD), uuid4()
    first, second = (keys.new_data_key(key_id, USER_ID)[0] for _ in range(2))
    assert not opens(second, first.seal(SECRET, HERE))
