"""The status of a card follows the clock: a card is good to the last day of its month."""

from datetime import UTC, datetime

import pytest
import time_machine

from tests.support.people import PAYMENT, Client
from user_service.payment.service import CardStatus, status_of

ACTIVE, EXPIRING, EXPIRED = CardStatus.ACTIVE, CardStatus.EXPIRING, CardStatus.EXPIRED


@pytest.mark.parametrize(
    ("month", "year", "now", "status"),
    [
        (8, 2030, datetime(2030, 8, 1, 23, 59, tzinfo=UTC), ACTIVE),
        (8, 2030, datetime(2030, 8, 2, tzinfo=UTC), EXPIRING),
        (8, 2030, datetime(2030, 8, 31, 23, 59, 59, tzinfo=UTC), EXPIRING),
        (8, 2030, datetime(2030, 9, 1, tzinfo=UTC), EXPIRED),
        (12, 2030, datetime(2030, 12, 31, 23, tzinfo=UTC), EXPIRING),
        (12, 2030, datetime(2031, 1, 1, tzinfo=UTC), EXPIRED),
        (1, 2031, datetime(2030, 12, 1, tzinfo=UTC), ACTIVE),
        (12, 2099, datetime(2099, 12, 31, tzinfo=UTC), EXPIRING),
        (None, 2030, datetime(2040, 1, 1, tzinfo=UTC), ACTIVE),
        (8, None, datetime(2040, 1, 1, tzinfo=UTC), ACTIVE),
    ],
)
def test_the_status_follows_month_and_year(
    month: int | None, year: int | None, now: datetime, status: CardStatus
) -> None:
    assert status_of(month, year, now) is status


def test_the_owner_sees_it_change_and_the_tag_with_it(client: Client) -> None:
    seen = []
    for now in ("2030-07-01T12:00:00Z", "2030-08-15T12:00:00Z", "2030-09-01T00:00:00Z"):
        with time_machine.travel(now):
            if not seen:
                client.join()
                client.post("/profile/payment_info", PAYMENT)
            client.log_in()
            answer = client.get("/profile/payment_info")
            seen.append((answer.json["status"], answer.headers["ETag"]))
    assert [status for status, _ in seen] == ["active", "expiring", "expired"]
    assert len({tag for _, tag in seen}) == 3
