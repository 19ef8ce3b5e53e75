"""Reads a JSON body strictly (RFC 8259 with the limits of I-JSON, RFC 7493), and nothing but JSON.

What a lenient reader lets through (repeated members, NaN, half surrogate pairs, a thousand levels) means
different things to different readers; here it means 400.
"""

import json
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from flask import Request, request
from marshmallow import ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from user_service.errors import DomainError
from user_service.web.problems import BadRequest, RequestTooLarge, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 32
MAX_MEMBERS = 100
READ = "user_service.body"


def is_absent() -> bool:
    """Whether the request has no body at all."""
    return not request.content_length and "Transfer-Encoding" not in request.headers


def read_object() -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest, RequestTooLarge, UnsupportedMediaType.

    A stream can be read once, so what was found stays with the request for those who ask after it.
    """
    if READ not in request.environ:
        try:
            request.environ[READ] = _read_object()
        except DomainError as refusal:
            request.environ[READ] = refusal
    found = request.environ[READ]
    if isinstance(found, DomainError):
        raise found
    return dict(found)


def _read_object() -> dict[str, Any]:
    if is_absent():
        raise BadRequest("The request has no body. Send a JSON object.")
    _check_media_type("application/json")
    return parse_object(_read_bytes())


def parse_object(data: bytes) -> dict[str, Any]:
    """Parse one JSON object. Raises BadRequest."""
    try:
        document = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except RecursionError:
        raise BadRequest(f"The body nests deeper than {MAX_DEPTH}.") from None
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    except ValueError:
        raise BadRequest("The body holds a number that is too long.") from None
    if not isinstance(document, dict):
        raise BadRequest("The body must be a JSON object.")
    _check_contents(document)
    return document


def _check_media_type(expected: str) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    is_expected = request.mimetype == expected and charset in ("utf-8", "utf8")
    if not is_expected or request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType


def _read_bytes() -> bytes:
    request.max_content_length = MAX_BODY_BYTES + 1  # a chunked body is cut at the limit, so look one byte past it
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise RequestTooLarge from None
    except Exception:
        # The server raises its own errors in the middle of a read: a broken chunk, a client that went away.
        raise BadRequest("The body could not be read to its end.") from None
    if len(data) > MAX_BODY_BYTES:
        raise RequestTooLarge
    if len(data) < (request.content_length or 0):
        raise BadRequest("The body ended before its Content-Length (RFC 9112, 6.3).")
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise BadRequest("A member stands twice in one object.")
    if len(pairs) > MAX_MEMBERS:
        raise BadRequest(f"An object has more than {MAX_MEMBERS} members.")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is not JSON.")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadRequest("The body holds a number that is too large.")
    return number


def _check_contents(document: dict[str, Any]) -> None:
    """Walk without recursion: depth and surrogates."""
    level: list[Any] = [document]
    for depth in range(MAX_DEPTH + 1):
        if not all(_is_encodable(value) for value in level if isinstance(value, str)):
            raise BadRequest("A string holds half a surrogate pair.")
        containers = [value for value in level if isinstance(value, dict | list)]
        if containers and depth == MAX_DEPTH:
            raise BadRequest(f"The body nests deeper than {MAX_DEPTH}.")
        level = [part for container in containers for part in _parts(container)]


def _parts(container: dict[str, Any] | list[Any]) -> list[Any]:
    return [*container.keys(), *container.values()] if isinstance(container, dict) else container


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class RepeatedParameter(DomainError):
    code = "bad_request"
    detail = "A parameter stands twice. Send each once."


def form_fields(*names: str) -> dict[str, str]:
    """These fields of a form, where they are there (RFC 6749, 3.2: none stands twice).

    Raises BadRequest, RepeatedParameter, RequestTooLarge, UnsupportedMediaType.
    """
    _check_media_type("application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(_read_bytes().decode(), keep_blank_values=True, max_num_fields=MAX_MEMBERS)
    except UnicodeDecodeError:
        raise BadRequest("The body is not UTF-8.") from None
    except ValueError:
        raise BadRequest(f"The form has more than {MAX_MEMBERS} fields.") from None
    return _once_each(MultiDict((name, value) for name, value in pairs if name in names))


def _once_each(parameters: MultiDict[str, str]) -> dict[str, str]:
    if any(len(values) > 1 for _, values in parameters.lists()):
        raise RepeatedParameter
    return parameters.to_dict()


class StrictParser(FlaskParser):
    """Hands strictly read bodies and query strings to the schemas; their errors go on to the problem handler."""

    DEFAULT_UNKNOWN_BY_LOCATION = {"json": None, "query": None}

    def load_json(self, req: Request, schema: Any) -> Any:
        return read_object()

    def load_querystring(self, req: Request, schema: Any) -> Any:
        return _once_each(req.args)

    def handle_error(self, error: ValidationError, *_args: Any, **_kwargs: Any) -> NoReturn:
        """webargs puts the messages under the name of their place (json, query); pointers begin below it."""
        assert isinstance(error.messages, dict)
        raise ValidationError(next(iter(error.messages.values())))
