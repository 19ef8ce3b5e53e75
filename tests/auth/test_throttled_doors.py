"""Guesses at the doors that ask for the password of the one who is logged in. SECURITY 33, 46."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.auth.test_throttle import HOME, LIMIT, WRONG, counters, guess, wait_in_seconds
from tests.support.people import Answer, Client, InProcess
from user_service.errors import HashingBusy
from user_service.security import passwords

# Each door that asks for the password of the one who is logged in, and how it says that it is wrong.
DOORS: dict[str, Callable[[Client, str], Answer]] = {
    "PUT /account/password": lambda client, password: client.put(
        "/account/password", {"current_password": password, "new_password": "staple ember window tide"}
    ),
    "PUT /account/email": lambda client, password: client.put(
        "/account/email", {"email": "new.address@example.com", "password": password}
    ),
    "POST /account/export": lambda client, password: client.post("/account/export", {"password": password}),
    "DELETE /account": lambda client, password: client.delete("/account", body={"password": password}),
}


@pytest.fixture
def owner(app: Flask) -> Client:
    return Client(InProcess(app, HOME)).join()


@pytest.mark.parametrize("door", DOORS)
def test_every_door_that_asks_for_the_password_counts_on_the_same_counter(owner: Client, door: str) -> None:
    """SECURITY 33, 46: what is guessed at one door is not to be guessed again at another."""
    others = {name: knock for name, knock in DOORS.items() if name != door}
    assert [DOORS[door](owner, WRONG).code for _ in range(4)] == ["wrong_password"] * 4
    assert guess(owner, 3) == [401] * 3
    assert [knock(owner, WRONG).status for knock in others.values()] == [403] * 3
    for knock in DOORS.values():
        assert 1 <= wait_in_seconds(knock(owner, owner.password)) <= 30
    assert owner.log_in().status == 429
    assert owner.get("/account").status == 200


@pytest.mark.parametrize("door", list(DOORS)[:3])
def test_a_proven_password_resets_the_counter_at_every_door(owner: Client, door: str) -> None:
    assert guess(owner, LIMIT - 1) == [401] * (LIMIT - 1)
    assert DOORS[door](owner, owner.password).status in (200, 202)
    assert guess(owner, LIMIT + 1) == [401] * LIMIT + [429]


def test_what_ended_in_503_was_no_attempt(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it leave the door closed, where it was the attempt that would have closed it."""

    def busy(*_: Any) -> bool:
        raise HashingBusy

    doors = [
        lambda: owner.log_in(password=WRONG),
        *(lambda knock=knock: knock(owner, WRONG) for knock in DOORS.values()),
    ]
    assert guess(owner, LIMIT - 1) == [401] * (LIMIT - 1)
    with monkeypatch.context() as patch:
        patch.setattr(passwords.bcrypt, "checkpw", busy)
        for answer in [door() for door in doors * 3]:
            assert (answer.status, answer.code) == (503, "service_unavailable")
            assert int(answer.headers["Retry-After"]) >= 1
    assert guess(owner, 3) == [401, 429, 429]
    assert {(row.failures, row.in_flight) for row in counters(owner.transport.app)} == {(0, 0), (LIMIT, 0)}
