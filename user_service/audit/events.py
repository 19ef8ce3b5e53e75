"""The names of the events, one spelling each: `<area>.<thing>.<what happened>`."""

from enum import StrEnum


class Action(StrEnum):
    REGISTERED = "auth.user.registered"
    LOGGED_IN = "auth.login.succeeded"
    LOGIN_REFUSED = "auth.login.refused"
    ACCOUNT_LOCKED = "auth.account.locked"
    REFRESH_REPLAYED = "auth.refresh.replayed"
    REFRESH_REUSED = "auth.refresh.reused"
    LOGGED_OUT = "auth.session.logged_out"
    SESSION_CLOSED = "auth.session.closed"
    ALL_SESSIONS_CLOSED = "auth.session.all_closed"
    PASSWORD_CHANGED = "auth.password.changed"  # noqa: S105  # an action, not a password
    PASSWORD_REFUSED = "auth.password.refused"  # noqa: S105  # an action, not a password
    PASSWORD_SET = "auth.password.set"  # noqa: S105  # an action, not a password
    DISABLED = "auth.user.disabled"
    ENABLED = "auth.user.enabled"
    RESET_REQUESTED = "auth.reset.requested"
    PASSWORD_RESET = "auth.password.reset"  # noqa: S105  # an action, not a password
    VERIFICATION_REQUESTED = "auth.verification.requested"
    EMAIL_VERIFIED = "auth.email.verified"
    EMAIL_CHANGE_REQUESTED = "auth.email.change_requested"
    EMAIL_CHANGE_CANCELLED = "auth.email.change_cancelled"
    EMAIL_CHANGED = "auth.email.changed"
    UNVERIFIED_ERASED = "auth.user.unverified_erased"
    LINK_MAILED = "mail.link_sent"
    MAIL_NOT_DELIVERED = "mail.not_delivered"
    ACCOUNT_EXPORTED = "account.exported"
    ACCOUNT_DELETED = "account.deleted"
    PROFILE_READ_BY_CLIENT = "profile.read_by_client"
    PAYMENT_TOKEN_READ_BY_CLIENT = "payment.token.read_by_client"  # noqa: S105  # an action
    CLIENT_CREATED = "client.created"
    CLIENT_REVOKED = "client.revoked"
    KEY_ROTATED = "key.rotated"
    KEY_RETIRED = "key.retired"
    MASTER_KEY_ROTATED = "key.master_rotated"
    PROFILE_CREATED = "profile.created"
    PROFILE_UPDATED = "profile.updated"
    PROFILE_DELETED = "profile.deleted"
    PAYMENT_INFO_STORED = "payment.info.stored"
    PAYMENT_INFO_REPLACED = "payment.info.replaced"
    PAYMENT_INFO_DELETED = "payment.info.deleted"


class Outcome(StrEnum):
    SUCCESS = "success"
    REFUSED = "refused"
