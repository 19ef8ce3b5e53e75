"""The key pairs that sign tokens. SECURITY 75."""

from datetime import UTC, datetime, timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from user_service.security.signing import ALGORITHM, SigningKey, from_private_bytes, generate

NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def test_a_new_key_is_of_the_one_curve_and_has_an_id_of_its_own() -> None:
    keys = [generate(NOW) for _ in range(20)]
    assert {type(key.private_key.curve) for key in keys} == {ec.SECP256R1}
    assert len({key.kid for key in keys}) == len(keys)
    assert len({key.private_bytes() for key in keys}) == len(keys)


def test_a_key_comes_back_from_its_bytes_and_verifies_what_it_signed() -> None:
    key = generate(NOW)
    again = from_private_bytes(key.kid, key.private_bytes(), NOW, NOW + timedelta(days=7))
    token = jwt.encode({"sub": "x"}, key.private_key, ALGORITHM)
    assert jwt.decode(token, again.public_key, [ALGORITHM]) == {"sub": "x"}
    assert (again.kid, again.activates_at, again.expires_at) == (key.kid, NOW, NOW + timedelta(days=7))


def test_the_published_form_holds_public_members_alone() -> None:
    key = generate(NOW)
    jwk = key.jwk()
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert (jwk["kty"], jwk["crv"], jwk["kid"], jwk["use"], jwk["alg"]) == ("EC", "P-256", key.kid, "sig", "ES256")
    token = jwt.encode({"sub": "x"}, key.private_key, ALGORITHM)
    assert jwt.decode(token, jwt.PyJWK(jwk).key, [ALGORITHM]) == {"sub": "x"}


def test_a_key_shows_its_private_half_to_no_log() -> None:
    key = generate(NOW)
    assert "private_key" not in repr(key)
    assert str(key.private_key.private_numbers().private_value) not in repr(key)


def test_a_key_of_another_kind_is_not_taken() -> None:
    private = rsa.generate_private_key(65_537, 2048)
    private_bytes = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(AssertionError):
        from_private_bytes("kid", private_bytes, NOW, None)


def test_a_key_signs_from_its_activation_to_its_end() -> None:
    minute = timedelta(minutes=1)
    lasting = generate(NOW)
    ending = SigningKey(lasting.kid, lasting.private_key, NOW, NOW + minute)
    assert [lasting.is_active(NOW + step * minute) for step in (-1, 0, 1, 1_000_000)] == [False, True, True, True]
    assert [ending.is_active(NOW + step * minute) for step in (-1, 0, 1, 2)] == [False, True, False, False]
