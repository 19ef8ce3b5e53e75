"""Flask and its JSON, as this service wants them."""

from collections.abc import Callable
from typing import Any

import orjson
from flask import Flask
from flask.json.provider import JSONProvider


class Application(Flask):
    """Flask without coroutines: every view and hook is called as it is."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask asks this of each function on each call, which costs more than the call does."""
        return func


class OrjsonProvider(JSONProvider):
    """JSON by orjson, which is several times faster than the standard library."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return orjson.dumps(obj, option=orjson.OPT_NON_STR_KEYS).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return orjson.loads(s)
