"""What only the database can tell about the configuration: asked once it answers, without holding up the start."""

import os
import sys
from functools import partial

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from user_service import background
from user_service.checks.configuration import check_configuration, check_limits
from user_service.checks.database import check_services
from user_service.errors import DomainError
from user_service.keys.rotation import find_unusable_master_key
from user_service.mail.delivery import deliver_due
from user_service.mail.transports import Transport, transport_for
from user_service.runtime import runtime

RETRY_SECONDS = 1
TURN_SECONDS = 5
WORKER_BOOT_ERROR = 3  # gunicorn's own code: its master stops instead of starting another worker

log = structlog.get_logger("startup")


def check_in_background(app: Flask, *, turn: int) -> None:
    """Wait for the database, then stop the service where a master key is missing or wrong. Until then requests get 503.

    Workers stop one after the other, each in its `turn` (0, 1, …): where two stop at once, gunicorn's master trips
    over the second.
    """
    background.start(partial(_check, app, turn), name="startup-check")


def deliver_mail_in_background(app: Flask) -> None:
    """Development needs no second process: each worker sends what is due, once a second."""
    transport = transport_for(app.extensions["user_service"].settings)
    if transport is not None:
        background.start(partial(_deliver_mail, app, transport), name="mail")


def _deliver_mail(app: Flask, transport: Transport) -> None:
    while background.pause(RETRY_SECONDS):
        try:
            with app.app_context():
                deliver_due(transport)
        except (SQLAlchemyError, DomainError) as error:
            log.warning("mail.not_delivered", error=type(error).__name__)


def _check(app: Flask, turn: int) -> None:
    while background.pause(0):
        try:
            with app.app_context():
                unusable = find_unusable_master_key()
        except SQLAlchemyError as error:
            log.warning("startup.waiting_for_database", error=type(error).__name__)
            background.pause(RETRY_SECONDS)
            continue
        if unusable is None and turn == 0:
            _tell_what_is_wrong(app)
        if unusable is not None and background.pause(turn * TURN_SECONDS):
            print(f"Stopped: {unusable}. Put the key back, behind the current one.", file=sys.stderr, flush=True)
            os._exit(WORKER_BOOT_ERROR)
        return


def _tell_what_is_wrong(app: Flask) -> None:
    """What `flask doctor` would find, once for a node that starts in production; elsewhere, that limits are off."""
    with app.app_context():
        settings = runtime().settings
        if settings.app_env == "production":
            findings = [*check_configuration(app, settings, os.environ), *check_services(settings, nodes=1)]
        else:
            findings = [] if settings.ratelimit_enabled else list(check_limits(settings))
        for finding in findings:
            log.warning(
                "startup.finding",
                severity=finding.severity.value,
                check=finding.check,
                what=finding.what,
                remedy=finding.remedy,
            )
