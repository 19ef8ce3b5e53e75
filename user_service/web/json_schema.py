"""Schemas as JSON Schema 2020-12: what apispec does not know of ours, and what it would say less exactly."""

from inspect import cleandoc
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.field_converter import DEFAULT_FIELD_MAPPING
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import Schema, fields

from user_service.settings import Settings
from user_service.web.schema import Moment, Text

# Control characters (the category Cc), without and with the line breaks of free-form text.
_CONTROL = r"\u0000-\u001f\u007f-\u009f"
_CONTROL_BUT_LINES = r"\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f"


class Converter(OpenAPIConverter):
    """Fields may carry more words of JSON Schema: `const`, `alternatives`, and limits that are settings.

    A schema's docstring is its description, and its attribute `json_schema` is added as it stands. Clients must take
    members that they do not know in answers, and must not send any: only the schemas in `closed` say so.
    """

    settings: Settings
    closed: set[type[Schema]]
    field_mapping = {
        **DEFAULT_FIELD_MAPPING,
        Moment: ("string", "date-time"),
        fields.URL: ("string", "uri"),
    }

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]  # apispec has no types
        self.attribute_functions += [self.field2text, self.field2alternatives, self.field2keywords]

    def schema2jsonschema(self, schema: Schema) -> dict[str, Any]:
        document: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]  # apispec has no types
        kind = type(schema)
        if kind not in self.closed:
            document.pop("additionalProperties", None)
        if kind.__doc__:
            document["description"] = cleandoc(kind.__doc__)
        return document | getattr(kind, "json_schema", {})

    def field2read_only(self, field: fields.Field[Any], **_: Any) -> dict[str, Any]:
        """Every schema is for what is sent or for what is answered, so none needs the word."""
        return {}

    def field2text(self, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
        """The characters that a text may have, where the field has no pattern or format that says more."""
        if not isinstance(field, Text) or "pattern" in ret or ret.get("format") == "email":
            return {}
        control = _CONTROL_BUT_LINES if field.lines else _CONTROL
        if field.trim and field.min_length:
            return {"pattern": rf"^[^{control}]*[^\s{control}][^{control}]*$"}
        return {"pattern": f"^[^{control}]*$"}

    def field2alternatives(self, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
        """Fields that take one of several forms name them in `alternatives`."""
        alternatives = getattr(field, "alternatives", ())
        return {"oneOf": [self._alternative(each) for each in alternatives]} if alternatives else {}

    def field2keywords(self, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
        """The last word: `example` is `examples` in JSON Schema, and a default of null means that there is none."""
        if "example" in ret:
            ret["examples"] = [ret.pop("example")]
        if ret.get("default", ...) is None:
            del ret["default"]
        if ret.get("minLength") == 0:
            del ret["minLength"]
        limits = {keyword: getattr(self.settings, name) for keyword, name in field.metadata.get("settings", {}).items()}
        return limits | {keyword: field.metadata[keyword] for keyword in ("const",) if keyword in field.metadata}

    def _alternative(self, alternative: Any) -> dict[str, Any]:
        if isinstance(alternative, Schema):
            reference: dict[str, Any] = self.resolve_nested_schema(alternative)  # type: ignore[no-untyped-call]  # apispec has no types
            return reference
        return self.field2property(alternative)


class JsonSchemaPlugin(MarshmallowPlugin):
    """apispec's plugin with our converter."""

    Converter = Converter

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def init_spec(self, spec: APISpec) -> None:
        super().init_spec(spec)
        assert isinstance(self.converter, Converter)
        self.converter.settings, self.converter.closed = self._settings, set()

    def close(self, schema: type[Schema] | Schema) -> None:
        """Note, before the schema is used, that it is for what clients send."""
        assert isinstance(self.converter, Converter)
        self.converter.closed.add(schema if isinstance(schema, type) else type(schema))
