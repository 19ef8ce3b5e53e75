"""The delivery loop: takes what is due, sends it, and writes down how it went.

Any number of workers may run it. Who dies between sending and writing leaves the message to be sent again, under the
same Message-ID: a mail comes at least once.
"""

from collections import Counter
from collections.abc import Callable
from enum import StrEnum

import structlog
from sqlalchemy.exc import SQLAlchemyError

from user_service.mail.claims import Claim, claim, finish, give_up, put_off
from user_service.mail.preparing import prepare
from user_service.mail.transports import ServerAway, Transport, TryLater, Undeliverable

log = structlog.get_logger("mail")


class Result(StrEnum):
    DELIVERED = "delivered"
    PUT_OFF = "put off"
    GAVE_UP = "given up"
    DROPPED = "dropped"


def deliver_due(transport: Transport, *, should_stop: Callable[[], bool] = lambda: False) -> Counter[Result]:
    """Send what is due, one message after the other; returns how many ended how.

    It ends early when told to stop, between two messages, and when there is no server to hand them to.
    """
    results: Counter[Result] = Counter()
    try:
        while not should_stop() and (taken := claim()) is not None:
            try:
                results[_deliver(transport, taken)] += 1
            except ServerAway as error:
                results[_put_off(taken, str(error))] += 1
                break
    finally:
        transport.close()
    return results


def _deliver(transport: Transport, taken: Claim) -> Result:
    try:
        mail = prepare(taken)
        if mail is None:
            return Result.DROPPED
        transport.send(taken.id, mail)
    except (ServerAway, SQLAlchemyError):
        raise
    except Undeliverable as error:
        give_up(taken, str(error))
        return Result.GAVE_UP
    except TryLater as error:
        return _put_off(taken, str(error))
    except Exception as error:
        # One message that cannot be made must not hold up the others, nor be lost.
        log.exception("mail.failed", message_id=str(taken.id), kind=taken.kind)
        return _put_off(taken, type(error).__name__[:64])
    finish(taken)
    return Result.DELIVERED


def _put_off(taken: Claim, reason: str) -> Result:
    return Result.PUT_OFF if put_off(taken, reason) else Result.GAVE_UP
