"""A forge's own description of its API, as the judge of every request and every answer.

What the description does not forbid and the forge ignores without a word is forbidden here: a query parameter or a key of
a body that the operation does not know is somebody's mistake.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from openapi_core import Config, OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

HOST: Final = "https://forge.example"
"""The server of every description: that of the real one has nothing to do with the fake's."""


class Asked:
    """A request as openapi-core wants it. Path parameters are quoted, so that one with a slash is one."""

    def __init__(
        self, method: str, template: str, params: Mapping[str, str], query: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.method = method.lower()
        self.host_url = HOST
        self.path = template.format_map({name: quote(value or "/", safe="") for name, value in params.items()})
        self.body = body or None
        self.query = query
        header = Headers(dict(headers))
        self.content_type = header.get("Content-Type", "application/json").split(";")[0].lower()
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(parse_qsl(query, keep_blank_values=True)), header=header, path={}
        )


class Answered:
    """An answer as openapi-core wants it."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status_code = status
        self.headers = Headers(dict(headers))
        self.data = body or None
        self.content_type = headers.get("Content-Type", "application/json").split(";")[0].lower()


class Judge:
    """A description of a REST API that has been read."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        document["servers"] = [{"url": HOST}]
        self._judges: dict[str, OpenAPI] = {}

    def operation(self, method: str, template: str) -> dict[str, Any]:
        """What is said of an operation. Raises KeyError where there is no such thing."""
        found: dict[str, Any] = self.document["paths"][template][method.lower()]
        return found

    def _path(self, template: str) -> Any:
        """What is said of a path. Raises KeyError where there is no such thing."""
        return self.document["paths"][template]

    def _judge(self, template: str) -> OpenAPI:
        """The description with one path: openapi-core looks at all of them for each request."""
        if template not in self._judges:
            part = {**self.document, "paths": {template: self._path(template)}}
            # Its own validity is the forge's business, and takes a minute to see.
            config = Config(spec_validator_cls=None)  # type: ignore[arg-type]  # documented so, and typed otherwise
            self._judges[template] = OpenAPI.from_dict(part, config=config)
        return self._judges[template]

    def request_errors(self, asked: Asked, template: str) -> list[str]:
        """What is wrong with a request."""
        operation = self.operation(asked.method, template)
        errors = [words_of(error) for error in self._judge(template).iter_request_errors(asked)]
        known = {parameter["name"] for parameter in self._parameters(operation) if parameter["in"] == "query"}
        errors += [f"unknown query parameter '{name}'" for name in asked.parameters.query if name not in known]
        return errors + self._body_errors(operation, asked.body)

    def response_errors(self, asked: Asked, answered: Answered, template: str) -> list[str]:
        """What is wrong with an answer. Forges describe few of their errors: those that they do not are not judged."""
        documented = self.operation(asked.method, template)["responses"]
        if answered.status_code >= 400 and str(answered.status_code) not in documented:
            return []
        return [words_of(error) for error in self._judge(template).iter_response_errors(asked, answered)]

    def _parameters(self, operation: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for parameter in operation.get("parameters", ()):
            yield self._resolved(parameter)

    def _resolved(self, part: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in part:
            part = functools.reduce(lambda found, key: found[key], part["$ref"][2:].split("/"), self.document)
        return part

    def _body_errors(self, operation: Mapping[str, Any], body: bytes | None) -> list[str]:
        if not body:
            return []
        try:
            sent = json.loads(body)
        except ValueError:
            return ["the body is no JSON"]
        if "requestBody" not in operation:
            # PyGithub sends an empty object where there is nothing to say.
            return ["a body where none is wanted"] if sent else []
        content = self._resolved(operation["requestBody"])["content"]
        schema = content.get("application/json", {}).get("schema", {})
        return [f"unknown key '{path}' in the body" for path in self._unknown(schema, sent, "")]

    def _unknown(self, schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
        """Keys that no branch of a schema knows."""
        schema = self._resolved(schema)
        if isinstance(value, list):
            for item in value:
                yield from self._unknown(schema.get("items", {}), item, f"{path}[]")
        if not isinstance(value, dict):
            return
        known = dict(self._properties(schema))
        if not known:  # an object of any keys
            return
        for key, part in value.items():
            where = f"{path}.{key}" if path else key
            if key in known:
                yield from self._unknown(known[key], part, where)
            elif not isinstance(schema.get("additionalProperties"), dict):
                yield where

    def _properties(self, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        schema = self._resolved(schema)
        yield from schema.get("properties", {}).items()
        for word in ("oneOf", "anyOf", "allOf"):
            for branch in schema.get(word, ()):
                yield from self._properties(branch)


def _details(error: Any) -> Iterator[str]:
    """What a schema has against a value, down to the branches of a choice."""
    # The value stands at the beginning, and may be long; what is wrong with it at the end.
    words = error.message if len(error.message) < 200 else f"...{error.message[-150:]}"
    yield f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {words}"
    for part in error.context or ():
        yield from _details(part)


def words_of(error: BaseException) -> str:
    """An error of openapi-core with what is behind it: it says "invalid" and keeps the reason to itself."""
    said = [type(error).__name__ if len(str(error)) > 200 else str(error)]
    cause = error.__cause__
    while cause:
        details = getattr(cause, "schema_errors", ())
        said.extend(words for detail in details for words in _details(detail))
        if not details and len(str(cause)) < 200:
            said.append(str(cause))
        cause = cause.__cause__
    return "; ".join(said)
