"""What lies sealed in the database opens in its own row, unaltered, and nowhere else. SECURITY 121, 125."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import LargeBinary, select, update
from sqlalchemy.exc import StatementError

from tests.support.crowd import bearer, claims_of
from tests.support.databases import PUBLIC_URL
from tests.support.people import PAYMENT, PROFILE, Client, InProcess
from tests.test_logs import logging_app
from user_service.database import Sealed, fetch_all, transaction
from user_service.extensions import metadata
from user_service.keys.models import SealedDataKey
from user_service.payment.models import PaymentInfo
from user_service.profile.models import Profile
from user_service.security.vault import Envelope
from user_service.web.catalogue import CATALOGUE

PATH = "/profile/payment_info"
TOKEN = PAYMENT["payment_token"]
NOTHING_BUT_THE_ID = {
    "type": f"{PUBLIC_URL}/errors/internal_error",
    "title": CATALOGUE["internal_error"].title,
    "status": 500,
    "detail": "Something failed on our side. Report the request_id if it stays.",
    "code": "internal_error",
    "errors": [],
}


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


@pytest.mark.parametrize("tampering", ["a value of another column", "the data key of somebody else"])
def test_what_does_not_open_is_an_event_in_the_log_and_an_answer_without_a_word(
    make_app: Callable[..., Flask], tampering: str
) -> None:
    """SECURITY 125: the operator is told what it was, the client nothing but where to ask."""
    app, log = logging_app(make_app)
    person = Client(InProcess(app)).join()
    person.post("/profile", PROFILE)
    person.post(PATH, PAYMENT)
    if tampering == "the data key of somebody else":
        stranger = Client(InProcess(app)).join()
        keys = {str(row.user_id): row.wrapped_key for row in rows(app, SealedDataKey)}
        theirs = keys[claims_of(stranger.access_token)["sub"]]
        overwrite(app, SealedDataKey, SealedDataKey.wrapped_key == keys[user_id(person)], wrapped_key=theirs)
    else:
        [row] = rows(app, Profile)
        overwrite(app, Profile, sealed_phone=row.sealed_shipping_address)
    answer = person.get("/profile/me", headers={"X-Request-ID": "ask-me-for-this"} | bearer(person.access_token))
    assert (answer.status, answer.json) == (500, {**NOTHING_BUT_THE_ID, "request_id": "ask-me-for-this"})
    [told] = log.events("vault.integrity")
    assert (told["level"], told["request_id"]) == ("error", "ask-me-for-this")
    assert not [value for value in (PROFILE["phone"], PAYMENT["payment_token"]) if value in log.text]


# Keyed digests under the name of what they stand for.
KEYED = ("login_throttles.subject", "login_throttles.network", "one_time_tokens.bound_to")


def user_id(person: Client) -> str:
    return str(claims_of(person.access_token)["sub"])


def test_every_column_that_holds_something_sealed_refuses_plaintext(person: Client, app: Flask) -> None:
    """By its type, whoever writes to it; and there is no other column of bytes but a digest."""
    sealed = [column for table in metadata.tables.values() for column in table.columns if is_sealed(column.name)]
    assert {column.name for column in sealed} >= {"sealed_phone", "sealed_payment_token", "wrapped_key"}
    assert [column for column in sealed if not isinstance(column.type, Sealed)] == []
    for column in sealed:
        for plaintext in (TOKEN, TOKEN.encode()):
            with app.app_context(), pytest.raises(StatementError, match="never plaintext"), transaction() as session:
                session.execute(update(column.table).values({column.name: plaintext}))
    others = [c for t in metadata.tables.values() for c in t.columns if isinstance(c.type, LargeBinary)]
    assert [str(column) for column in others if "digest" not in column.name and str(column) not in KEYED] == []


def is_sealed(name: str) -> bool:
    return name.startswith(("sealed_", "wrapped_"))
