"""Migrated databases by the dozen: one template of each kind, copied for each test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flask_migrate import upgrade

from tests.support.postgres import PostgresServer, find_binaries
from user_service import Settings, create_app
from user_service.extensions import db
from user_service.runtime import runtime

SQLITE, POSTGRESQL = "sqlite", "postgresql"
MASTER_KEYS = {"test-1": bytes(range(32))}
PUBLIC_URL = "http://users.test"

SETTINGS = Settings(
    app_env="testing",
    database_url="",
    master_keys=MASTER_KEYS,
    public_url=PUBLIC_URL,
    jwt_issuer=PUBLIC_URL,
    jwt_audience=PUBLIC_URL,
    bcrypt_rounds=4,
    log_level="WARNING",
    ratelimit_enabled=False,  # a test knocks more often than one address may; those of the limits switch them on
    database_pool_size=4,
)


def require_postgres() -> None:
    """Without its binaries the PostgreSQL half of the suite is left out loudly; in CI that is a failure."""
    if find_binaries() is None:
        message = "PostgreSQL is not installed, so nothing was tested on it: apt install postgresql"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)  # not installed


def migrate(url: str) -> None:
    """Bring a database to the newest schema, and let it make its keys."""
    app = create_app(replace(SETTINGS, database_url=url))
    with app.app_context():
        upgrade()
        runtime().key_ring.get()
        for engine in db.engines.values():
            engine.dispose()


class Databases:
    """Copies of the templates, which are made when they are first asked for."""

    def __init__(self, directory: Path, start_postgres) -> None:
        self._directory = directory
        self._start_postgres = start_postgres
        self._count = 0
        self._postgres_template: str | None = None

    def make_templates(self) -> None:
        """On the real clock, whatever a test does to its own."""
        for kind in (SQLITE, POSTGRESQL) if find_binaries() else (SQLITE,):
            with self.copy(kind):
                pass

    @property
    def postgres(self) -> PostgresServer:
        return self._start_postgres()

    @contextmanager
    def copy(self, kind: str) -> Iterator[str]:
        """The URL of a fresh, migrated database, dropped at the end."""
        if kind == SQLITE:
            yield self._copy_sqlite()
            return
        require_postgres()
        if self._postgres_template is None:
            template = self.postgres.create_database()
            migrate(self.postgres.url(template))
            self._postgres_template = template
        name = self.postgres.create_database(self._postgres_template)
        try:
            yield self.postgres.url(name)
        finally:
            self.postgres.drop_database(name)

    def _copy_sqlite(self) -> str:
        template = self._directory / "template.sqlite3"
        if not template.exists():
            migrate(f"sqlite:///{template}")
        self._count += 1
        path = self._directory / f"{self._count}.sqlite3"
        shutil.copy(template, path)
        return f"sqlite:///{path}"
