"""A client of the fake that adds nothing of its own, for tests of the fake and for looking at it from outside."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from support.gitlab.accounts import Token

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab


class Said(NamedTuple):
    """An answer."""

    status: int
    body: Any
    headers: dict[str, str]


def ask(
    fake: FakeGitLab, method: str, path: str, token: Token | None = None, body: Any = None, *, timeout: float = 30
) -> Said:
    """Ask for a path below the API's root. What is no JSON is returned as text."""
    headers = {"Content-Type": "application/json"}
    if token:
        headers["JOB-TOKEN" if token.kind == "job" else "PRIVATE-TOKEN"] = token.value
    connection = http.client.HTTPConnection(fake.url.removeprefix("http://"), timeout=timeout)
    try:
        connection.request(method, f"/api/v4{path}", None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        content = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
        is_json = content and found.get("content-type", "").startswith("application/json")
        return Said(answer.status, json.loads(content) if is_json else content.decode() or None, found)
    finally:
        connection.close()
