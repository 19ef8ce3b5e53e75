"""The brief from end to end, as one person lives it: with rotating refresh tokens, and by the bare contract."""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.support.people import PAYMENT, PROFILE, Client, InProcess


@pytest.mark.parametrize("rotation", [True, False], ids=["rotating", "bare"])
def test_a_person_registers_shops_and_leaves(make_app: Callable[..., Flask], rotation: bool) -> None:
    client = Client(InProcess(make_app(refresh_token_rotation=rotation)))
    registered = client.register("ada.lovelace", "ada@example.com")
    assert registered.status == 201
    assert registered.json["user"]["username"] == "ada.lovelace"

    assert client.log_in().status == 200
    assert client.get("/profile/me").code == "profile_not_found"

    created = client.post("/profile", PROFILE)
    assert created.status == 201
    assert created.headers["Location"] == "/profile/me"
    assert client.get("/profile/me").json == created.json

    changed = client.put("/profile", {"name": "Ada King"})
    assert changed.json["name"] == "Ada King"
    assert changed.json["phone"] == PROFILE["phone"]

    assert client.post("/profile/payment_info", PAYMENT).status == 201
    assert client.get("/profile/payment_info").json["token_hint"] == "aMtr"

    access, refresh = client.access_token, client.refresh_token
    assert client.refresh().status == 200
    assert client.access_token != access
    assert (client.refresh_token != refresh) is rotation
    assert client.get("/profile/me").status == 200

    assert client.delete("/profile").status == 200
    assert client.get("/profile/payment_info").code == "payment_info_not_found"

    assert client.post("/logout").status == 204
    assert client.get("/profile/me").code == "token_revoked"
    assert client.refresh().code == "token_revoked"
