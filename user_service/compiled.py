"""Statements compiled once, for the hottest paths (docs/decisions/0015-statements-compiled-once.md).

The SQL, the parameters and the conversion of every value are SQLAlchemy's own; what is left out is what it builds
around each execution. What goes wrong goes wrong as it does there.
"""

from collections import namedtuple
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from sqlalchemy import Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

from user_service.connections import has_hung_up, is_read_only

Convert = Callable[[Any], Any]


class Compiled:
    """One statement for one row, run in autocommit on an engine made for that. Parameters go by name."""

    def __init__(self, statement: Any) -> None:
        self.statement = statement
        self._forms: dict[str, _Form] = {}

    def first(self, engine: Engine, parameters: dict[str, Any]) -> Any | None:
        """The first row of what is read, with its columns as attributes, or None. Raises what SQLAlchemy raises.

        Where the connection turns out to be dead the statement is tried once more.
        """
        try:
            return self._run(engine, parameters, engine.raw_connection)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return self._first_by_sqlalchemy(engine, parameters)

    def once(self, engine: Engine, parameters: dict[str, Any]) -> Any | None:
        """The same for a statement that may write: never tried twice.

        Where the connection is lost, or leads to a primary that is one no more, the others of its age are dropped with
        it, and the error says so (`connection_invalidated`).
        """
        return self._run(engine, parameters, partial(_connection_alive, engine))

    def _run(self, engine: Engine, parameters: dict[str, Any], connect: Callable[[], Any]) -> Any | None:
        form = self._forms.get(engine.dialect.name) or self._prepare(engine.dialect)
        driver = engine.dialect.loaded_dbapi
        try:
            connection = connect()
        except driver.Error as error:
            raise _wrapped(error, engine.dialect, None, is_lost=True) from error
        try:
            return form.run(connection, parameters)
        except driver.Error as error:
            is_lost = is_read_only(error) or engine.dialect.is_disconnect(error, connection.dbapi_connection, None)
            if is_lost:
                engine.pool._invalidate(connection, error)  # with all of its age, as SQLAlchemy does
            raise _wrapped(error, engine.dialect, form.sql, is_lost=is_lost) from error
        finally:
            connection.close()

    def _prepare(self, dialect: Dialect) -> "_Form":
        return self._forms.setdefault(dialect.name, _Form(self.statement, dialect))

    def _first_by_sqlalchemy(self, engine: Engine, parameters: dict[str, Any]) -> Any | None:
        with engine.connect() as connection:
            return connection.execute(self.statement, parameters).first()


class _Form:
    """The statement as one driver takes it."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.sql = str(compiled)
        binds = {name: bind for bind, name in compiled.bind_names.items()}  # a name may stand in several places
        self._constants = {name: bind.value for name, bind in binds.items() if not bind.required}
        self._binds: list[tuple[str, Convert | None]] = [
            (name, binds[name].type.dialect_impl(dialect).bind_processor(dialect))
            for name in compiled.positiontup or binds
        ]
        self._is_positional = compiled.positiontup is not None
        columns = statement.exported_columns
        self._row: Any = namedtuple("Row", columns.keys())  # type: ignore[misc]  # its names are the statement's
        self._converts: list[tuple[int, Convert]] = [
            (index, convert)
            for index, column in enumerate(columns)
            if (convert := column.type.dialect_impl(dialect).result_processor(dialect, None))
        ]

    def run(self, connection: Any, parameters: dict[str, Any]) -> Any | None:
        known = {**self._constants, **parameters}
        values = [convert(known[name]) if convert else known[name] for name, convert in self._binds]
        if self._is_positional:
            cursor = connection.dbapi_connection.execute(self.sql, values)
        else:
            names = (name for name, _ in self._binds)
            cursor = connection.dbapi_connection.execute(self.sql, dict(zip(names, values, strict=True)))
        rows = cursor.fetchall()
        if not rows:
            return None
        row = list(rows[0])
        for index, convert in self._converts:
            row[index] = convert(row[index])
        return self._row._make(row)


def _connection_alive(engine: Engine) -> Any:
    """A connection of the pool; one that died while it was idle is left, with all of its age."""
    connection = engine.raw_connection()
    if not has_hung_up(connection.dbapi_connection):
        return connection
    engine.pool._invalidate(connection)
    connection.close()
    return engine.raw_connection()


def _wrapped(error: Any, dialect: Dialect, sql: str | None, *, is_lost: bool) -> DBAPIError:
    """The driver's error as SQLAlchemy raises it; without a statement where it was never sent."""
    base = dialect.loaded_dbapi.Error
    wrapped = DBAPIError.instance(sql, None, error, base, connection_invalidated=is_lost, dialect=dialect)
    return cast(DBAPIError, wrapped)
