"""How operations follow one another: the links of the API document (OpenAPI 3.1, 4.8.20).

Readers see where an answer leads, and programs that try the service walk along them.
"""

from collections.abc import Iterator
from typing import Any

_REFRESH_TOKEN = "$response.body#/refresh_token"  # noqa: S105  # where it stands, and not what it is
_ETAG = "$response.header.ETag"
_UNCHANGED, _AS_READ = {"If-None-Match": _ETAG}, {"If-Match": _ETAG}
_USER = {"user_id": "$response.body#/user/id"}


def _link(target: str, description: str, *, parameters: Any = None, body: Any = None) -> dict[str, Any]:
    link = {"operationId": target, "description": description, "parameters": parameters, "requestBody": body}
    return {name: value for name, value in link.items() if value is not None}


_WITH_TOKENS = {
    "refresh": _link("refresh", "Before the access token expires.", body={"old_refresh_token": _REFRESH_TOKEN}),
    "log_out": _link("log_out", "Ends the session.", body={"refresh_token": _REFRESH_TOKEN}),
}
_WITH_PROFILE = {
    "get_profile": _link("get_profile", "304 as long as nothing has changed.", parameters=_UNCHANGED),
    "update_profile": _link("update_profile", "412 where somebody else was faster.", parameters=_AS_READ),
    "delete_profile": _link("delete_profile", "412 where somebody else was faster.", parameters=_AS_READ),
}
_WITH_PAYMENT_INFO = {
    "get_payment_info": _link("get_payment_info", "304 as long as nothing has changed.", parameters=_UNCHANGED),
    "replace_payment_info": _link("replace_payment_info", "412 where it was replaced before.", parameters=_AS_READ),
    "delete_payment_info": _link("delete_payment_info", "412 where it was replaced before.", parameters=_AS_READ),
}
# By the operation that answers; the links go with its success.
LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "register": {
        "log_in": _link(
            "log_in",
            "With the same username and password.",
            body={"username": "$response.body#/user/username", "password": "$request.body#/password"},
        ),
        "get_user": _link("get_user", "For service clients.", parameters=_USER),
        "get_payment_token": _link("get_payment_token", "For service clients.", parameters=_USER),
    },
    "log_in": _WITH_TOKENS,
    "refresh": _WITH_TOKENS,
    "change_password": _WITH_TOKENS,
    "list_sessions": {
        "close_session": _link("close_session", "The newest.", parameters={"session_id": "$response.body#/data/0/id"}),
    },
    "create_profile": _WITH_PROFILE,
    "get_profile": _WITH_PROFILE,
    "update_profile": _WITH_PROFILE,
    "store_payment_info": _WITH_PAYMENT_INFO,
    "get_payment_info": _WITH_PAYMENT_INFO,
    "replace_payment_info": _WITH_PAYMENT_INFO,
    "list_revocations": {
        "list_revocations": _link(
            "list_revocations", "What has come since.", parameters={"since": "$response.body#/cursor"}
        ),
    },
    "list_errors": {
        "explain_error": _link("explain_error", "One of them.", parameters={"code": "$response.body#/data/0/code"}),
    },
}


def add_links(doc: dict[str, Any]) -> None:
    """Put an operation's links where its success is described."""
    for status in _successes(doc):
        if doc["operationId"] in LINKS:
            doc["responses"][status]["links"] = LINKS[doc["operationId"]]


def _successes(doc: dict[str, Any]) -> Iterator[Any]:
    yield from (status for status in doc["responses"] if str(status).startswith("2"))


def add_conditions(doc: dict[str, Any]) -> None:
    """Where a condition can fail, the header that sets it is a parameter."""
    for status, header in ((304, "If-None-Match"), (412, "If-Match")):
        if status in doc["responses"]:
            doc.setdefault("parameters", []).append(header)
