"""What happens between the check of a password and the act that it allows: the act looks again, under a lock."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from tests.support.people import Client
from user_service import clock
from user_service.auth import service
from user_service.auth.models import User
from user_service.database import transaction
from user_service.errors import TokenRevoked
from user_service.keys.service import find_data_key
from user_service.security.passwords import PasswordHasher


@contextmanager
def while_hashing(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Any]) -> Iterator[None]:
    """Do something at the worst moment: after the user was read, while the password is being verified."""
    verify = PasswordHasher.verify

    def verify_slowly(self: PasswordHasher, *arguments: str) -> bool:
        act()
        return verify(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(PasswordHasher, "verify", verify_slowly)
        yield


def change_password_elsewhere() -> None:
    with transaction() as session:
        session.execute(update(User).values(password_changed_at=clock.now()))


def disable() -> None:
    with transaction() as session:
        session.execute(update(User).values(disabled_at=clock.now()))


def erase() -> None:
    with transaction() as session:
        session.execute(delete(User))


@pytest.mark.parametrize("act", [change_password_elsewhere, disable, erase])
def test_a_log_in_that_was_overtaken_opens_no_session(
    person: Client, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]
) -> None:
    """SECURITY 34."""
    with while_hashing(monkeypatch, act):
        assert person.log_in().code == "invalid_credentials"


@pytest.mark.parametrize("act", [change_password_elsewhere, erase])
def test_what_the_password_was_asked_again_for_is_not_done_when_overtaken(
    person: Client, monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]
) -> None:
    """SECURITY 35."""
    with while_hashing(monkeypatch, act):
        body = {"current_password": person.password, "new_password": "an altogether other one"}
        assert person.put("/account/password", body).code == "wrong_password"


def test_an_account_that_is_gone_after_the_token_was_checked_is_a_session_that_is_over(
    app: Flask, person: Client
) -> None:
    with app.app_context():
        user = service.list_users(after=None, limit=1)[0]
        erase()
        assert find_data_key(user.id) is None
        with pytest.raises(TokenRevoked):
            service.get_user(user.id)


def test_a_conflict_that_nobody_can_explain_stays_what_it_was(
    app: Flask, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one who had the name is gone again before the look that explains."""
    client.register()
    explain = service._explain_taken
    monkeypatch.setattr(service, "_explain_taken", lambda **_: explain(username_key="", email_key=""))
    with app.app_context(), pytest.raises(IntegrityError):
        service.register_user(username=client.username, email=client.email, password=client.password)
