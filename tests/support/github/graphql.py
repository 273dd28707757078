"""The GraphQL API: queries are held against GitHub's real schema, and answered by it, with resolvers for what is used.

A field that the schema has and the fake has not is a violation, as an unknown operation of REST is.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import graphql
from graphql import GraphQLError, GraphQLResolveInfo, GraphQLSchema

from support.github import graph_mutations, graph_objects
from support.github.accounts import Token
from support.github.call import Answer
from support.github.graph_common import Asking, Denied, Unsupported

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub


@functools.cache
def load(path: Path) -> GraphQLSchema:
    """GitHub's schema, read once a process, when the first query comes: it takes seconds."""
    return graphql.build_schema(path.read_text(encoding="utf-8"), assume_valid=True)


class GraphQL:
    """Answers what comes to `/api/graphql`."""

    def __init__(self, fake: FakeGitHub, path: Path) -> None:
        self._fake = fake
        self._path = path

    def answer(self, body: bytes, token: Token | None) -> Answer:
        """Answer a query. With GraphQL nearly everything is a 200, and the errors are in it."""
        if token is None:
            return Answer(401, {"message": "This endpoint requires you to be authenticated.", "status": "401"})
        try:
            sent = json.loads(body)
            query, variables = sent["query"], sent.get("variables") or {}
        except (ValueError, KeyError, TypeError):
            return self._wrong(Answer(400, {"message": "Problems parsing JSON"}), "a body that is no query")
        schema = load(self._path)
        try:
            document = graphql.parse(query)
        except GraphQLError as error:
            return self._wrong(Answer(200, {"errors": [_shown(error)]}), error.message)
        errors = graphql.validate(schema, document)
        if errors:
            words = "; ".join(error.message for error in errors)
            return self._wrong(Answer(200, {"errors": [_shown(error) for error in errors]}), words)
        return self._execute(schema, document, variables, token, sent.get("operationName"))

    def _execute(
        self,
        schema: GraphQLSchema,
        document: graphql.DocumentNode,
        variables: Mapping[str, Any],
        token: Token,
        operation: str | None,
    ) -> Answer:
        asking = Asking(self._fake, token)
        root = {**graph_objects.query(asking), **graph_mutations.mutations(asking)}
        result = graphql.execute_sync(
            schema, document, root, variable_values=dict(variables), operation_name=operation, field_resolver=_field
        )
        body: dict[str, Any] = {"data": result.data}
        for error in result.errors or ():
            if not isinstance(error.original_error, Denied):
                self._fake.violation(f"GraphQL: {error.message}")
        if result.errors:
            body["errors"] = [_shown(error) for error in result.errors]
        return Answer(200, body)

    def _wrong(self, answer: Answer, words: str) -> Answer:
        self._fake.violation(f"GraphQL: {words}")
        return answer


def _field(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
    if info.field_name == "__typename":
        return info.parent_type.name
    if info.field_name not in source:
        raise Unsupported(f"the fake has no {info.parent_type.name}.{info.field_name}")
    value: Any | Callable[..., Any] = source[info.field_name]
    return value(**args) if callable(value) else value


def _shown(error: GraphQLError) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": error.message}
    if isinstance(error.original_error, Denied):
        shown["type"] = error.original_error.type
    if error.path:
        shown["path"] = error.path
    if error.locations:
        shown["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    return shown
