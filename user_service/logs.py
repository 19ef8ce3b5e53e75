"""Structured logs: one JSON object a line in production, readable lines in development.

Whatever a library logs goes the same way. Only named values are written, never bodies or headers, and every
line is encoded, so nothing that a client sends can forge one.
"""

import logging
import sys
from typing import Any

import structlog
from structlog.typing import Processor

SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(*, level: str, is_development: bool) -> None:
    """Send every log of the process to standard error in one form."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(is_development=is_development))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("sqlalchemy", "user_service.connections", "urllib3", "alembic"):  # at DEBUG these write out parameters
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))


class WithoutQuotes(logging.Filter):
    """What a malformed request held may be a token, so gunicorn's words about it are cut before they quote it."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if message.startswith("Invalid request from ip="):
            record.msg, record.args = message.partition(": ")[0], ()
        return True


def formatter(*, is_development: bool) -> logging.Formatter:
    render: Any = structlog.dev.ConsoleRenderer() if is_development else structlog.processors.JSONRenderer()
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _traceback_without_values,
            render,
        ],
    )


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
