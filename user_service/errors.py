"""What can go wrong, in the words of the domain. No HTTP here: `web/problems.py` gives each code its status."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Fault:
    """One member of the input and what is wrong with it. `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str
    code: str
    message: str


class DomainError(Exception):
    """A refusal. `code` is its name in the catalogue, `detail` tells the reader what to do next.

    `retry_after` is the number of seconds after which it makes sense to try again, where that is known.
    """

    code: ClassVar[str]
    detail: str
    retry_after: int | None = None

    def __init__(self, faults: Sequence[Fault] = (), *, detail: str | None = None) -> None:
        super().__init__(self.code)
        self.faults = tuple(faults)
        if detail is not None:
            self.detail = detail


class InvalidCredentials(DomainError):
    code = "invalid_credentials"
    detail = "The username or the password is wrong. Check both and try again."


class TooManyAttempts(DomainError):
    code = "too_many_requests"
    detail = (
        "Too many wrong passwords were tried. Wait as many seconds as Retry-After says, or have the password reset."
    )

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after


class AccountDisabled(DomainError):
    code = "account_disabled"
    detail = "This account is disabled. Ask the support of the service to enable it."


class EmailNotVerified(DomainError):
    code = "email_not_verified"
    detail = "Verify your e-mail address first: open the link that was mailed to you, or ask for a new one."


class OneTimeTokenInvalid(DomainError):
    code = "one_time_token_invalid"
    detail = "This link was used already, is too old, or was replaced by a newer one. Ask for a new one."


class TokenRequired(DomainError):
    code = "token_required"
    detail = "Send the access token in one header: Authorization: Bearer <token>."


class InvalidToken(DomainError):
    code = "invalid_token"
    detail = "The token is not one of this service's, or not of the kind that belongs here. Log in again."


class TokenExpired(DomainError):
    code = "token_expired"
    detail = "The token has expired. Refresh the access token; if the refresh token has expired too, log in again."


class TokenRevoked(DomainError):
    code = "token_revoked"
    detail = "The session of this token has ended. Log in again."


class RefreshTokenReused(DomainError):
    code = "refresh_token_reused"
    detail = "This refresh token was used before, so its session was closed for safety. Log in again."


class SessionNotFound(DomainError):
    code = "session_not_found"
    detail = "You have no session with this id. List yours with GET /sessions."


class Forbidden(DomainError):
    code = "forbidden"
    detail = "This is for other services of the company. A user's token opens nothing here."


class InsufficientScope(DomainError):
    code = "insufficient_scope"
    detail = "The client's scopes do not cover this. Make a client that has the scope."


class WrongPassword(DomainError):
    code = "wrong_password"
    detail = "The current password is wrong. Type it again."


class ClientNameTaken(DomainError):
    code = "client_name_taken"
    detail = "A client of this name exists. Choose another name."


class ClientNotFound(DomainError):
    code = "client_not_found"
    detail = "There is no such client, or it is revoked already. List them with: flask clients list"


class KeyNotFound(DomainError):
    code = "key_not_found"
    detail = "There is no such key. List them with: flask keys list"


class LastKey(DomainError):
    code = "last_key"
    detail = "No other key can sign. Make one first with: flask keys rotate --now"


class UsernameTaken(DomainError):
    code = "username_taken"
    detail = "Somebody has this username. Choose another one."


class EmailTaken(DomainError):
    code = "email_taken"
    detail = "An account with this e-mail address exists. Log in, or use another address."


class PasswordRefused(DomainError):
    code = "validation_failed"
    detail = "The password cannot be used. The errors say why; choose another one."


class UserNotFound(DomainError):
    code = "user_not_found"
    detail = "There is no user with this id."


class ProfileNotFound(DomainError):
    code = "profile_not_found"
    detail = "You have no profile yet. Create it with POST /profile."


class ProfileExists(DomainError):
    code = "profile_exists"
    detail = "You have a profile already. Change it with PUT /profile."


class PaymentInfoNotFound(DomainError):
    code = "payment_info_not_found"
    detail = "No payment information is stored. Store it with POST /profile/payment_info."


class PaymentInfoExists(DomainError):
    code = "payment_info_exists"
    detail = "Payment information is stored already. Replace it with PUT /profile/payment_info."


class ReasonRefused(DomainError):
    code = "validation_failed"
    detail = "Say in the header X-Reason why you need this, in up to 200 characters."


class PreconditionFailed(DomainError):
    code = "precondition_failed"
    detail = "What you want to change has changed since you read it. Read it again and decide anew."


class InvalidCursor(DomainError):
    code = "validation_failed"
    detail = "The cursor is not one of this list's. Start again without it."


class ServiceUnavailable(DomainError):
    code = "service_unavailable"
    detail = "A part that this request needs is not available. Nothing was changed; try again shortly."


class ClockWrong(ServiceUnavailable):
    """By more than tokens tolerate: the other nodes would refuse what this one signs, and it what they sign."""

    detail = "The clock of this node is wrong, so it deals in no tokens. Nothing was changed; try again shortly."


class OutcomeUnknown(ServiceUnavailable):
    """The connection broke while the database committed: done or not, nobody here can tell."""

    detail = "The database went away in the middle, so this was done or was not. Read before you try again."


class HashingBusy(ServiceUnavailable):
    detail = "More passwords are to be checked than can be. Nothing was changed; try again shortly."
    retry_after = 5
