"""What every command that needs the database stands in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

NOT_READY = (
    "The database does not answer, or its tables are not those of this release."
    " Look at DATABASE_URL, then run: flask db upgrade"
)


def with_database(command: Callable[..., Any]) -> Callable[..., Any]:
    """Run the command in the application's context; a database that is not ready is one line and exit code 1."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except SQLAlchemyError as error:
            raise click.ClickException(f"{NOT_READY} ({type(error).__name__})") from None

    return with_appcontext(guarded)
