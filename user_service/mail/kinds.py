"""The mails that there are, and what each of them may carry."""

from datetime import timedelta
from enum import StrEnum


class Purpose(StrEnum):
    """What a one-time token is good for; also the last part of the link that carries it."""

    VERIFY_EMAIL = "verify-email"
    RESET_PASSWORD = "reset-password"  # noqa: S105  # a purpose, not a password
    CHANGE_EMAIL = "change-email"


class Kind(StrEnum):
    """A mail; its template has the same name."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105  # a mail, not a password
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a mail, not a password
    NEW_DEVICE = "new_device"
    SESSION_CLOSED = "session_closed"
    REFRESH_REPLAYED = "refresh_replayed"

    @property
    def purpose(self) -> Purpose | None:
        """Of the token that its link carries; None without a link."""
        return _PURPOSES.get(self)

    @property
    def per_hour(self) -> int:
        """How many one account gets in PERIOD; beyond them one every SPACING, the others are dropped."""
        return _PER_HOUR.get(self, 10)


_PURPOSES = {
    Kind.VERIFY_EMAIL: Purpose.VERIFY_EMAIL,
    Kind.RESET_PASSWORD: Purpose.RESET_PASSWORD,
    Kind.CHANGE_EMAIL: Purpose.CHANGE_EMAIL,
}
# What strangers can set off, or what leads to a mailbox that nobody has proven to be theirs.
_PER_HOUR = {Kind.VERIFY_EMAIL: 5, Kind.RESET_PASSWORD: 5, Kind.CHANGE_EMAIL: 5, Kind.REFRESH_REPLAYED: 3}
PERIOD, SPACING = timedelta(hours=1), timedelta(minutes=20)
