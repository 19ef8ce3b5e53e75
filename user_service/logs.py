"""Structured logs: one JSON object a line in production, readable lines in development.

Whatever a library logs goes the same way. Only named values are written, never bodies or headers, and every
line is encoded, so nothing that a client sends can forge one.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import Processor

SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

_LEVELS = {name: logging.getLevelName(name.upper()) for name in ("debug", "info", "warning", "error", "critical")}
_LEVELS["exception"] = logging.ERROR


def configure(*, level: str, is_development: bool) -> None:
    """Send every log of the process to standard error in one form."""
    _own.configure(sys.stderr, level=level, is_development=is_development)
    structlog.configure(
        processors=_own.processors,
        logger_factory=Writer,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(is_development=is_development))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("sqlalchemy", "user_service.connections", "urllib3", "alembic"):  # at DEBUG these write out parameters
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class _Own:
    """How the service's own lines are made. Loggers are kept for good, so what they use is changed in place."""

    def __init__(self) -> None:
        self.processors: list[Processor] = []
        self.stream: TextIO = sys.stderr
        self._threshold = logging.INFO

    def configure(self, stream: TextIO, *, level: str, is_development: bool) -> None:
        self.stream, self._threshold = stream, logging.getLevelName(level)
        self.processors[:] = [self._begin, _traceback_without_values, _renderer(is_development)]

    def _begin(self, writer: Any, method: str, event: Any) -> Any:
        """What SHARED does, in one step."""
        if _LEVELS[method] < self._threshold:
            raise structlog.DropEvent
        event = {**structlog.contextvars.get_contextvars(), **event}
        event["logger"], event["level"] = writer.name, "error" if method == "exception" else method
        event["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return event


_own = _Own()


class Writer:
    """What structlog calls a logger: it writes finished lines.

    The service's own lines go past `logging`, which would spend ten times the CPU of the line on finding out who
    called. They are written by the request itself, so none is lost when a process ends
    (docs/decisions/0016-what-was-done-for-speed.md).
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def write(self, line: str) -> None:
        _own.stream.write(f"{line}\n")
        _own.stream.flush()

    debug = info = warning = error = critical = exception = write


class WithoutQuotes(logging.Filter):
    """What a malformed request held may be a token, so gunicorn's words about it are cut before they quote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Invalid request from ip="):
            record.msg, record.args = message.partition(": ")[0], ()
        return True


def formatter(*, is_development: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _traceback_without_values,
            _renderer(is_development),
        ],
    )


def _renderer(is_development: bool) -> Processor:
    return structlog.dev.ConsoleRenderer(colors=_own.stream.isatty()) if is_development else _as_json


def _as_json(_logger: Any, _method: str, event: Any) -> str:
    """One line of ASCII: what lies beyond it may end a line or turn it around on somebody's screen."""
    try:
        line = orjson.dumps(event, default=repr)
    except orjson.JSONEncodeError:  # such as half a surrogate pair
        return json.dumps(event, default=repr)
    return line.decode() if line.isascii() else json.dumps(event, default=repr)


def _traceback_without_values(_logger: Any, _method: str, event: Any) -> Any:
    """Where an exception came from and what it is, without its message: messages quote people's data."""
    info = event.pop("exc_info", None)
    error = sys.exc_info()[1] if info is True else info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["exceptions"] = [_frames(link) for link in _chain(error)]
    return event


def _chain(error: BaseException | None) -> list[BaseException]:
    links: list[BaseException] = []
    while error is not None and error not in links and len(links) < 5:
        links.append(error)
        error = error.__cause__ or error.__context__
    return links


def _frames(error: BaseException) -> dict[str, Any]:
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return {"type": f"{type(error).__module__}.{type(error).__qualname__}", "frames": frames[-12:]}
