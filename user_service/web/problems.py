"""Turns every refusal into problem details (RFC 9457): those of the domain, of Flask, of Werkzeug, of the database."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import structlog
from flask import Flask, Response
from marshmallow import ValidationError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from user_service import metrics
from user_service.audit.service import origin
from user_service.errors import DomainError, Fault, ServiceUnavailable
from user_service.runtime import runtime
from user_service.security.vault import IntegrityFailure, MasterKeyMissing
from user_service.web.catalogue import CATALOGUE
from user_service.web.schema import Coded

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
MAX_FAULTS = 100
MAX_POINTER_PART = 64
UNKNOWN_FIELD = "unknown_field"
CARD_REFUSED = "raw_card_number_refused"
_HTTP_CODES = {
    400: "bad_request",
    401: "token_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
    422: "validation_failed",
    429: "too_many_requests",
    503: "service_unavailable",
}
# A database that is not (or not yet) as this release needs it, by SQLSTATE class or code (PostgreSQL, Appendix A).
_UNAVAILABLE_SQLSTATES = ("08", "25006", "25P03", "40", "42501", "42703", "42P01", "53", "55P03", "57", "58")

log = structlog.get_logger("problems")


class BadRequest(DomainError):
    """A request that cannot be read; the detail says where it broke."""

    code = "invalid_json"

    def __init__(self, detail: str) -> None:
        super().__init__(detail=detail)


class RequestTooLarge(DomainError):
    code = "request_too_large"
    detail = "The body may have 64 KiB. Send less."


class UnsupportedMediaType(DomainError):
    code = "unsupported_media_type"
    detail = "Send JSON in UTF-8, uncompressed, with the header Content-Type: application/json."


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(ValidationError, _validation_error)
    app.register_error_handler(DBAPIError, _database_error)
    app.register_error_handler(PoolTimeout, _pool_timeout)
    app.register_error_handler(MasterKeyMissing, _master_key_missing)
    app.register_error_handler(Exception, _unexpected_error)


def problem(
    code: str, detail: str, *, faults: Iterable[Fault] = (), headers: Mapping[str, str] | None = None, status: int = 0
) -> Response:
    """Build the answer. `status` overrides the catalogue's for an HTTP status that has no code of its own."""
    entry = CATALOGUE[code]
    body = {
        "type": f"{runtime().settings.public_url}/errors/{code}",
        "title": entry.title,
        "status": status or entry.status,
        "detail": detail,
        "code": code,
        "request_id": origin.get().request_id,
        "errors": [{"pointer": fault.pointer, "code": fault.code, "message": fault.message} for fault in faults],
    }
    return Response(orjson.dumps(body), status or entry.status, headers, mimetype=MEDIA_TYPE)


def _domain_error(error: DomainError) -> Response:
    headers = _headers(error.code, error.detail)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return problem(error.code, error.detail, faults=error.faults, headers=headers)


def _validation_error(error: ValidationError) -> Response:
    faults = list(dict.fromkeys(_faults(error.messages)))[:MAX_FAULTS]
    refused_card = any(fault.code == CARD_REFUSED for fault in faults)
    code = CARD_REFUSED if refused_card else "validation_failed"
    return problem(code, CATALOGUE[code].remedy, faults=faults)


def http_error(error: HTTPException) -> Response:
    """Problem details for what Flask and Werkzeug raise; their headers, such as Allow, are kept."""
    status = error.code or 500
    if status < 400:
        return Response("", status, dict(error.get_headers()))
    code = _HTTP_CODES.get(status, "bad_request" if status < 500 else "internal_error")
    headers = {name: value for name, value in error.get_headers() if name.lower() not in ("content-type", "allow")}
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        headers["Allow"] = ", ".join(sorted(allowed))
    headers.update(_headers(code, ""))
    return problem(code, CATALOGUE[code].remedy, headers=headers, status=status)


def _database_error(error: DBAPIError) -> Response:
    sqlstate = getattr(error.orig, "sqlstate", None)
    is_unavailable = isinstance(error, OperationalError | InterfaceError) or (
        isinstance(sqlstate, str) and sqlstate.startswith(_UNAVAILABLE_SQLSTATES)
    )
    if not is_unavailable:
        return _unexpected_error(error)
    metrics.count_unavailable("database")
    log.error("database.unavailable", error=type(error.orig).__name__, sqlstate=sqlstate)
    return _domain_error(ServiceUnavailable())


def _pool_timeout(_error: PoolTimeout) -> Response:
    metrics.count_unavailable("pool")
    log.error("database.pool_exhausted")
    return _domain_error(ServiceUnavailable())


def _master_key_missing(error: MasterKeyMissing) -> Response:
    metrics.count_unavailable("vault")
    log.error("vault.master_key_unusable", key_id=error.key_id, error=type(error).__name__)
    return _domain_error(ServiceUnavailable())


def _unexpected_error(error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return http_error(error)
    if isinstance(error, IntegrityFailure):
        log.error("vault.integrity", exc_info=error)
    log.error("request.failed", exc_info=_without_values(error))
    return problem("internal_error", "Something failed on our side. Report the request_id if it stays.")


def _without_values(error: Exception) -> Any:
    """The exception for the log. A statement's parameters are people's data, so they stay out of it."""
    if isinstance(error, DBAPIError):
        error.hide_parameters = True
        error.orig = None
    return error


def _headers(code: str, detail: str) -> dict[str, str]:
    """RFC 6750, 3: how to authenticate. RFC 9110, 10.2.3: when to come back."""
    status = CATALOGUE[code].status
    if status == 503:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    if status != 401:
        return {}
    if code in ("token_required", "invalid_credentials"):
        return {"WWW-Authenticate": 'Bearer realm="user-service"'}
    challenge = f'Bearer realm="user-service", error="invalid_token", error_description="{detail}"'
    return {"WWW-Authenticate": challenge}


def _faults(messages: Any, pointer: str = "") -> Iterable[Fault]:
    """Flatten marshmallow's tree of messages into pointers (RFC 6901)."""
    if isinstance(messages, dict):
        for name, below in messages.items():
            is_whole = name == "_schema" and UNKNOWN_FIELD not in map(_code_of, below)
            yield from _faults(below, pointer if is_whole else f"{pointer}/{_pointer_part(name)}")
    elif isinstance(messages, list):
        for message in messages:
            yield from _faults(message, pointer)
    else:
        yield Fault(pointer, _code_of(messages), str(messages))


def _code_of(message: Any) -> str:
    return message.code if isinstance(message, Coded) else "invalid_format"


def _pointer_part(name: Any) -> str:
    return str(name)[:MAX_POINTER_PART].replace("~", "~0").replace("/", "~1")
