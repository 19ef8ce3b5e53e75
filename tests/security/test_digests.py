"""Keyed digests: what the database holds of a secret neither tells it nor can be made without the key. SECURITY 84."""

import hashlib

from user_service.security.digests import keyed_digest

KEY, SECRET = b"k" * 48, "4fJx0wq7mQd2yZb9"


def test_a_digest_depends_on_key_purpose_and_secret() -> None:
    digest = keyed_digest(KEY, "client", SECRET)
    assert digest == keyed_digest(KEY, "client", SECRET)
    others = [
        keyed_digest(b"x" * 48, "client", SECRET),
        keyed_digest(KEY, "reset", SECRET),
        keyed_digest(KEY, "client", SECRET + "x"),
    ]
    assert len({digest, *others}) == 4
    assert {len(each) for each in (digest, *others)} == {32}


def test_a_digest_cannot_be_made_without_the_key() -> None:
    digest = keyed_digest(KEY, "client", SECRET)
    guesses = [SECRET, f"client|{SECRET}", f"client{SECRET}"]
    assert digest not in [hashlib.sha256(guess.encode()).digest() for guess in guesses]
    assert SECRET.encode() not in digest
