"""User Service: registration, log-in, tokens, profile and payment token of a company's users."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from user_service.settings import Settings

if TYPE_CHECKING:  # gunicorn's master loads this file, and is to load no library for its workers
    from flask import Flask

__all__ = ["Settings", "create_app"]

T = TypeVar("T")


def create_app(settings: Settings, *, with_commands: bool = True) -> "Flask":
    """Build the application. Nothing is asked of the database yet. A server needs no commands, and no alembic."""
    from user_service import logs

    logs.configure(level=settings.log_level, is_development=settings.is_development)
    from user_service.auth import tokens
    from user_service.profile.routes import read_profile
    from user_service.web import ahead, cors, docs, hooks, mailed_links, problems, telemetry
    from user_service.web.application import Application, OrjsonProvider
    from user_service.web.openapi import Api

    app = Application("user_service", static_folder=None)
    app.json = OrjsonProvider(app)
    app.url_map.merge_slashes = False  # a doubled slash is another address, not a redirect
    app.config.update(_configuration(settings))
    app.extensions["user_service"] = _runtime(settings)
    _bind_database(app)
    tokens.init_app(app, settings)
    ahead.init_app(app, settings, "/profile/me", read_profile)
    hooks.init_app(app, settings)
    cors.init_app(app, settings)
    problems.init_app(app)
    api = Api(app)
    _register_blueprints(app, api, settings)
    mailed_links.init_app(app)
    docs.init_app(app, api)
    app.register_blueprint(telemetry.blp)
    if with_commands:
        _register_commands(app)
    return app


def _configuration(settings: Settings) -> dict[str, Any]:
    from user_service.connections import engine_options
    from user_service.database import READER
    from user_service.web.body import MAX_BODY_BYTES
    from user_service.web.openapi import DESCRIPTION

    url = settings.database_url
    writing, reading = engine_options(url, pool_size=settings.database_pool_size, prepare=settings.database_prepare)
    return {
        "MAX_CONTENT_LENGTH": MAX_BODY_BYTES,
        "SQLALCHEMY_DATABASE_URI": url,
        "SQLALCHEMY_ENGINE_OPTIONS": writing,
        "SQLALCHEMY_BINDS": {READER: {"url": url, **reading}},
        "API_TITLE": "User Service",
        "API_VERSION": "1",
        "OPENAPI_VERSION": "3.1.0",
        "API_SPEC_OPTIONS": {"info": {"description": DESCRIPTION}, "servers": [{"url": settings.public_url}]},
    }


def _runtime(settings: Settings) -> Any:
    from user_service import metrics
    from user_service.auth.tokens import verify_access_token
    from user_service.counting import Counter
    from user_service.runtime import Runtime
    from user_service.security.hashing import HashingPool, threads_for
    from user_service.security.passwords import MIN_ROUNDS

    # Only development and tests have so few rounds, and what costs a millisecond need not give way to anything.
    gives_way = settings.bcrypt_rounds >= MIN_ROUNDS
    hashing = HashingPool(threads=threads_for(settings.web_concurrency), gives_way=gives_way)
    hashing.observe = metrics.observe_hash
    return Runtime(
        settings=settings,
        key_ring=_key_ring(settings, hashing),
        verify_access_token=verify_access_token,
        counter=Counter(settings),
        hashing=hashing,
    )


def _key_ring(settings: Settings, hashing: Any) -> Any:
    """Its passwords are hashed in the pool, for the network that a request comes from."""
    from user_service.audit.service import origin
    from user_service.keys.ring import KeyRing
    from user_service.security.networks import network_of
    from user_service.security.vault import MasterKeys

    def run(work: Callable[[], T]) -> T:
        result: T = hashing.run(work, client=network_of(origin.get().ip))
        return result

    return KeyRing(master_keys=MasterKeys(settings.master_keys), bcrypt_rounds=settings.bcrypt_rounds, run=run)


def _bind_database(app: "Flask") -> None:
    from user_service import connections
    from user_service.database import READER
    from user_service.extensions import db

    db.init_app(app)
    with app.app_context():
        connections.prepare(db.engine, db.engines[READER])


def _register_blueprints(app: "Flask", api: Any, settings: Settings) -> None:
    from user_service.account.routes import blp as account
    from user_service.auth.introspection_routes import blp as services
    from user_service.auth.recovery_routes import blp as recovery
    from user_service.auth.routes import blp as auth
    from user_service.internal.routes import blp as internal
    from user_service.payment.routes import blp as payment
    from user_service.profile.routes import blp as profile
    from user_service.web.health import blp as health

    for blueprint in (auth, recovery, account, profile, payment, services, internal, health):
        api.register_blueprint(blueprint)
    if settings.is_development:
        from user_service.development.mail_routes import pages
        from user_service.development.routes import blp as development

        app.register_blueprint(pages)
        api.register_blueprint(development)


def _register_commands(app: "Flask") -> None:
    from flask_migrate import Migrate

    from user_service.cli import COMMANDS
    from user_service.database import MIGRATIONS
    from user_service.extensions import db

    Migrate(app, db, directory=str(MIGRATIONS), compare_type=True)
    for command in COMMANDS:
        app.cli.add_command(command)
