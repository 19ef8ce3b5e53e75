"""What is wrong with an installation, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`check` is a name that stays the same, `what` says what was seen, `remedy` what to do. None holds a secret."""

    severity: Severity
    check: str
    what: str
    remedy: str


def error(check: str, what: str, remedy: str) -> Finding:
    return Finding(Severity.ERROR, check, what, remedy)


def warning(check: str, what: str, remedy: str) -> Finding:
    return Finding(Severity.WARNING, check, what, remedy)
