"""What lies sealed in the database opens in its own row, unaltered, and nowhere else. SECURITY 121, 125."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update

from tests.support.crowd import claims_of
from tests.support.people import PAYMENT, PROFILE, Client
from user_service.database import Sealed, fetch_all, transaction
from user_service.payment.models import PaymentInfo
from user_service.profile.models import Profile
from user_service.security.vault import Envelope

PATH = "/profile/payment_info"
TOKEN = PAYMENT["payment_token"]


def rows(app: Flask, model: Any = PaymentInfo) -> list[Any]:
    with app.app_context():
        return fetch_all(select(model.__table__))


def overwrite(app: Flask, model: Any, *conditions: Any, **envelopes: bytes) -> None:
    values = {name: Envelope(envelope) for name, envelope in envelopes.items()}
    with app.app_context(), transaction() as session:
        session.execute(update(model).where(*conditions).values(values))


def test_one_token_of_two_people_lies_sealed_in_two_ways(newcomer: Callable[[], Client], app: Flask) -> None:
    """SECURITY 121."""
    for client in (newcomer().join(), newcomer().join()):
        client.post(PATH, PAYMENT)
    one, other = (row.sealed_payment_token for row in rows(app))
    assert one != other
    assert one[1:17] != other[1:17]
    assert not [envelope for envelope in (one, other) if TOKEN.encode() in envelope]


def test_a_sealed_value_put_into_anothers_row_does_not_open(newcomer: Callable[[], Client], app: Flask) -> None:
    """SECURITY 121, 125: who can write to the database still reads nothing through the API."""
    thief, owner = newcomer().join(), newcomer().join()
    owner.post(PATH, PAYMENT)
    stolen = rows(app)[0].sealed_payment_token
    thief.post(PATH, {"payment_token": "pm_the_thiefs_own_token"})
    thief_id = UUID(claims_of(thief.access_token)["sub"])
    overwrite(app, PaymentInfo, PaymentInfo.user_id == thief_id, sealed_payment_token=stolen)
    answer = thief.get(PATH)
    assert (answer.status, answer.code) == (500, "internal_error")
    assert owner.get(PATH).json["token_hint"] == "aMtr"


@pytest.mark.parametrize("place", [0, 5, 20, -1], ids=["version", "key id", "nonce", "tag"])
def test_a_tampered_value_is_a_failure_that_tells_nothing(person: Client, app: Flask, place: int) -> None:
    """SECURITY 125."""
    person.post(PATH, PAYMENT)
    altered = bytearray(rows(app)[0].sealed_payment_token)
    altered[place] ^= 1
    overwrite(app, PaymentInfo, sealed_payment_token=bytes(altered))
    answer = person.get(PATH)
    assert (answer.status, answer.code, answer.json["errors"]) == (500, "internal_error", [])
    assert not [word for word in ("envelope", "key", "tag", "seal", "decrypt") if word in answer.json["detail"]]


def test_sealed_values_that_change_places_do_not_open(person: Client, app: Flask) -> None:
    """SECURITY 121: the address is not shown where the phone belongs."""
    person.post("/profile", PROFILE)
    [row] = rows(app, Profile)
    overwrite(app, Profile, sealed_phone=row.sealed_shipping_address, sealed_shipping_address=row.sealed_phone)
    answer = person.get("/profile/me")
    assert (answer.status, answer.code) == (500, "internal_error")
    overwrite(app, Profile, sealed_phone=row.sealed_phone, sealed_shipping_address=row.sealed_shipping_address)
    assert person.get("/profile/me").json["phone"] == PROFILE["phone"]


def test_a_sealed_column_refuses_plaintext() -> None:
    with pytest.raises(TypeError, match="never plaintext"):
        Sealed().process_bind_param(TOKEN.encode(), None)
