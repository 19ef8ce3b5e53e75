"""The API document as tests read it."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from flask import Flask
from jsonschema import Draft202012Validator

from tests.support.databases import SETTINGS
from user_service import create_app

METHODS = ("get", "post", "put", "patch", "delete")


def app_without_database(**changes: Any) -> Flask:
    """An application for what asks nothing of a database."""
    return create_app(replace(SETTINGS, database_url="sqlite:////nowhere.sqlite3", **changes))


@cache
def published(app_env: str, **changes: Any) -> dict[str, Any]:
    """The document as it is served. It is shared: copy it before changing it."""
    app = app_without_database(app_env=app_env, **changes)
    return json.loads(app.test_client().get("/openapi.json").data)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and operation, one after the other."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method]


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """What the node refers to, or the node itself."""
    if "$ref" not in node:
        return node
    target: Any = document
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return target


def references(node: Any) -> Iterator[str]:
    """Every reference at or below the node, and the names of the security schemes in use."""
    if isinstance(node, dict):
        for name, below in node.items():
            if name == "$ref":
                yield below
            elif name == "security":
                yield from (f"#/components/securitySchemes/{scheme}" for need in below for scheme in need)
            else:
                yield from references(below)
    elif isinstance(node, list):
        for below in node:
            yield from references(below)


def closed(document: dict[str, Any]) -> dict[str, Any]:
    """A stricter copy, for tests alone: no answer may have a member that the document does not name."""
    strict = copy.deepcopy(document)
    for name, schema in strict["components"]["schemas"].items():
        if not name.endswith("Request"):
            schema["additionalProperties"] = False
    return strict


def faults(document: dict[str, Any], schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with the value by this schema of the document; formats count."""
    whole = {**schema, "components": document["components"]}
    validator = Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]
