"""Checks REST traffic against Discord's own OpenAPI description (../shared/data)."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.discord_stand_in.things import Json

DESCRIPTION = Path(__file__).parents[3] / "shared" / "data" / "discord-openapi.json"

_CHECKED_OF_A_LIST = 4
"""Of a longer list this many items are checked, evenly spread: a page of 100 messages would cost
50 ms, and they are all made by the same function."""
_NO_RULE = {
    "description",
    "title",
    "format",
    "deprecated",
    "default",
    "examples",
    "x-discord-union",
}


class OpenApi:
    """Finds violations; each check is a list of sentences, empty where all is well."""

    def __init__(self, description: Json) -> None:
        self._description = description
        self._shapes: dict[tuple[str, bool], Json] = {}
        self._validators: dict[tuple[str, str, str], Any] = {}

    def knows(self, method: str, template: str) -> bool:
        return method.lower() in self._description["paths"].get(template, {})

    def check_request(self, method: str, template: str, query: Json, body: Any) -> list[str]:
        """`body` None: there was none."""
        if not self.knows(method, template):
            return [f"{method} {template}: Discord has no such operation"]
        operation = self._description["paths"][template][method.lower()]
        found = self._check_query(operation, query)
        schema = operation.get("requestBody")
        if schema is None:
            if body is not None:
                found.append("it takes no body")
        elif body is not None:
            content = schema["content"]["application/json"]["schema"]
            found += self._check(("request", method, template), content, body)
        elif schema.get("required"):
            found.append("its body is missing")
        return [f"request {method} {template}: {one}" for one in found]

    def check_response(self, method: str, template: str, status: int, body: Any) -> list[str]:
        """`body` None: there was none."""
        responses = self._description["paths"].get(template, {}).get(method.lower(), {})
        responses = responses.get("responses", {})
        described = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if described is None:
            return [f"response {method} {template}: {status} is not described"] if responses else []
        described = self._target(described)
        content = described.get("content", {}).get("application/json")
        if content is None:
            found = [] if body is None else [f"{status} has no body"]
        else:
            key = ("response", method, f"{template} {status}")
            found = self._check(key, content["schema"], _without_details(body))
        return [f"response {method} {template}: {one}" for one in found]

    def _check_query(self, operation: Json, query: Json) -> list[str]:
        known = {p["name"]: p for p in operation.get("parameters", []) if p["in"] == "query"}
        found = [f"unknown query parameter {name}" for name in query if name not in known]
        for name, parameter in known.items():
            if name in query:
                shape = self._shape(parameter["schema"], asking=True)
                found += _query_errors(name, str(query[name]), shape)
            elif parameter.get("required"):
                found.append(f"query parameter {name} is missing")
        return found

    def _check(self, key: tuple[str, str, str], schema: Json, body: Any) -> list[str]:
        import jsonschema

        if key not in self._validators:
            shape = self._shape(schema, asking=key[0] == "request")
            self._validators[key] = jsonschema.Draft202012Validator(shape)
        if key[0] == "response" and isinstance(body, list) and len(body) > _CHECKED_OF_A_LIST:
            body = body[:: len(body) // _CHECKED_OF_A_LIST]
        errors = self._validators[key].iter_errors(body)
        return [f"{_place(error)}: {error.message[:300]}" for error in errors]

    def _target(self, node: Json) -> Json:
        while "$ref" in node:
            found: Any = self._description
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            node = found
        return node

    def _shape(self, schema: Any, *, asking: bool) -> Any:
        """A schema whose references are the things themselves, which is much faster to check.

        `asking`: for requests, where Discord takes an id as a number too (discord.py sends such).
        """
        if isinstance(schema, list):
            return [self._shape(one, asking=asking) for one in schema]
        if not isinstance(schema, dict):
            return schema
        if "$ref" in schema:
            name = schema["$ref"]
            if (name, asking) not in self._shapes:
                self._shapes[name, asking] = shape = {}
                shape.update(self._shape(self._target(schema), asking=asking))
                if asking and name.endswith("/SnowflakeType"):
                    shape["type"] = ["string", "integer"]
                if name.endswith("/MessageReferenceType"):
                    shape["enum"] = [0, 1]  # The description forgets forwards.
                if name.endswith(("/ChannelTypes", "/GuildChannelResponse")):
                    _add_media_channels(shape)
            return self._shapes[name, asking]
        return self._plain(schema, asking)

    def _plain(self, schema: Json, asking: bool) -> Json:
        made: Json = {}
        for rule, value in schema.items():
            if rule == "properties":
                made[rule] = {n: self._shape(one, asking=asking) for n, one in value.items()}
            elif rule == "oneOf" and all("const" in one for one in value):
                made["enum"] = [one["const"] for one in value]
            elif rule not in _NO_RULE:
                made[rule] = self._shape(value, asking=asking)
        return made


def _add_media_channels(shape: Json) -> None:
    """The description forgets them: type 16, in all else as a forum."""
    kinds = shape.get("enum") or shape["properties"]["type"]["enum"]
    kinds.append(16)


def _without_details(body: Any) -> Any:
    """A refusal without the errors of its fields: the description has numbers for their codes,
    Discord sends words ("BASE_TYPE_MAX_LENGTH")."""
    refused = isinstance(body, dict) and "errors" in body and "code" in body
    return {n: one for n, one in body.items() if n != "errors"} if refused else body


def _place(error: Any) -> str:
    return "/".join(str(step) for step in error.absolute_path) or "body"


def _query_errors(name: str, value: str, shape: Json) -> list[str]:
    import jsonschema

    given: Any = value
    if shape.get("type") == "integer":
        given = int(value) if value.lstrip("-").isdigit() else value
    elif shape.get("type") == "boolean":
        given = {"1": True, "true": True, "True": True, "0": False, "false": False}.get(
            value, value
        )
    errors = jsonschema.Draft202012Validator(shape).iter_errors(given)
    return [f"query {name}={value}: {error.message}" for error in errors]


@lru_cache(maxsize=2)
def open_api(path: Path = DESCRIPTION) -> OpenApi | None:
    """The description, read once; None where it or jsonschema is not on this machine."""
    try:
        import jsonschema  # noqa: F401
    except ImportError:
        return None
    if not path.exists():
        return None
    return OpenApi(json.loads(path.read_text(encoding="utf-8")))
