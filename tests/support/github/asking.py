"""A client of the fake that adds nothing of its own, for tests of the fake and for looking at it from outside."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from support.github.accounts import Token

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub


class Said(NamedTuple):
    """An answer."""

    status: int
    body: Any
    headers: dict[str, str]


def ask(
    fake: FakeGitHub, method: str, path: str, token: Token | None = None, body: Any = None, *, timeout: float = 30
) -> Said:
    """Ask for a path below the API's root (or, where it begins with `/api/`, below the origin's)."""
    where = path if path.startswith("/api/") else f"/api/v3{path}"
    headers = {"User-Agent": "test", "Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token.value}"
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request(method, where, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Said(answer.status, json.loads(content) if content else None, found)
    finally:
        connection.close()


def query(fake: FakeGitHub, token: Token, text: str, **variables: Any) -> dict[str, Any]:
    """Ask a question of GraphQL."""
    said = ask(fake, "POST", "/api/graphql", token, {"query": text, "variables": variables})
    assert said.status == 200, said.body
    found: dict[str, Any] = said.body
    return found
