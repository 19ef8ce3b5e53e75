"""The brief from end to end, as one person lives it."""

from tests.support.people import PAYMENT, PROFILE, Client


def test_a_person_registers_shops_and_leaves(client: Client) -> None:
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

    first = client.refresh_token
    assert client.refresh().status == 200
    assert client.refresh_token != first
    assert client.get("/profile/me").status == 200

    assert client.delete("/profile").status == 200
    assert client.get("/profile/payment_info").code == "payment_info_not_found"

    assert client.post("/logout").status == 204
    assert client.get("/profile/me").code == "token_revoked"
    assert client.refresh().code == "token_revoked"
