"""What every command that needs the database stands in: its errors are one line and exit code 1."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from user_service.audit.service import Origin, origin
from user_service.errors import DomainError
from user_service.security.vault import IntegrityFailure, MasterKeyMissing

NOT_READY = (
    "The database does not answer, or its tables are not those of this release."
    " Look at DATABASE_URL, then run: flask db upgrade"
)
WRONG_KEYS = "MASTER_KEYS are not those of this database. Give the command the same settings as the service."
OPERATOR = Origin(user_agent="operator (flask command)")


def with_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command in the application's context, on the record as the operator's."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        came_from = origin.set(OPERATOR)
        try:
            return command(*args, **kwargs)
        except DomainError as refusal:
            raise click.ClickException(_told(refusal)) from None
        except (MasterKeyMissing, IntegrityFailure) as error:
            raise click.ClickException(f"{WRONG_KEYS} ({error})") from None
        except SQLAlchemyError as error:
            raise click.ClickException(f"{NOT_READY} ({type(error).__name__})") from None
        finally:
            origin.reset(came_from)

    return with_appcontext(guarded)


def _told(refusal: DomainError) -> str:
    """The refusal in words, with what is wrong with each part of the input."""
    return "\n".join([refusal.detail, *(f"  {fault.message}" for fault in refusal.faults)])
