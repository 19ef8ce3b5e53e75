"""The service's own lines of the log, which go past `logging`, say what the standard library's would."""

import json
import logging
import sys
from typing import Any
from uuid import UUID

import pytest
import structlog
import time_machine

from user_service import logs


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "José",
        "\u2028line",
        "\x85",
        "\x1b[31m",
        "\u202eforged",
        '"quoted"\n',
        "\ud800",
        2**70,
        None,
        UUID(int=7),
    ],
)
def test_a_line_of_the_log_is_ascii_and_says_what_the_standard_library_says(value: Any) -> None:
    event = {"event": "x", "value": value}
    line = logs._as_json(None, "info", event)
    assert line.isascii()
    assert "\n" not in line
    assert json.loads(line) == json.loads(json.dumps(event, default=str))


@pytest.mark.parametrize("method", ["debug", "info", "warning", "error", "critical", "exception"])
def test_an_own_line_of_the_log_has_what_the_lines_of_libraries_have(method: str) -> None:
    with structlog.contextvars.bound_contextvars(request_id="r", route="lost"), time_machine.travel(0, tick=False):
        plain_event: Any = {"event": "x", "route": "kept"}
        for process in logs.SHARED:
            plain_event = process(logging.getLogger("here"), method, plain_event)
        logs._own.configure(sys.stderr, level="DEBUG", is_development=False)
        try:
            fast = logs._own._begin(logs.Writer("here"), method, {"event": "x", "route": "kept"})
        finally:
            logs._own.configure(sys.stderr, level="WARNING", is_development=False)
    assert fast == plain_event
