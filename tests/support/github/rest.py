"""The REST API: each request is understood, judged, let in, answered, and the answer is judged too."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.datastructures import Headers

from support.forges.judge import Answered, Asked
from support.github import (
    rest_checks,
    rest_deployments,
    rest_issues,
    rest_people,
    rest_pulls,
    rest_repository,
)
from support.github.accounts import Token
from support.github.call import Answer, Call, Route, accepted_permissions, authorize, find_route, parse_query
from support.github.pull import Refused

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub

# Imported for the operations that they register.
HANDLERS = (rest_checks, rest_deployments, rest_issues, rest_people, rest_pulls, rest_repository)


@dataclass(frozen=True)
class Request:
    """What came in, whole."""

    method: str
    path: str
    """Below the API's root, as it was sent."""
    query: str
    headers: Mapping[str, str]
    body: bytes


def answer(fake: FakeGitHub, request: Request, token: Token | None) -> Answer:
    """Answer a request. Whatever is wrong with it, or with our answer, is a violation."""
    found = find_route(request.method, request.path)
    if found is None:
        fake.violation(f"{request.method} {request.path}: the fake has no such operation")
        return Answer(501, {"message": f"the fake has no {request.method} {request.path}"})
    route, params = found
    asked = Asked(request.method, route.template, params, request.query, request.headers, request.body)
    wrong = fake.description.request_errors(asked, route.template)
    if wrong:
        for words in wrong:
            fake.violation(f"{request.method} {request.path}: {words}")
        return Answer(422, {"message": "Invalid request.\n\n" + "\n".join(wrong)})
    accepted = Headers(dict(request.headers)).get("Accept", "")
    if re.search(r"\b(raw|html|diff|patch|sha|object|full|text)\b", accepted):
        fake.violation(f"{request.method} {request.path}: the fake has no media type {accepted}")
        return Answer(501, {"message": f"the fake has no media type {accepted}"})
    try:
        said = _run(fake, request, token, route, params)
    except Refused as error:
        said = _refusal(error)
        if error.status == 501:
            fake.violation(f"{request.method} {request.path}: {error.message}")
        if error.status in (401, 403):
            said.headers |= accepted_permissions(route)
    content = b"" if said.body is None else json.dumps(said.body).encode()
    answered = Answered(said.status, {"Content-Type": "application/json", **said.headers}, content)
    if said.status != 501:
        for words in fake.description.response_errors(asked, answered, route.template):
            fake.violation(f"the fake's own answer {said.status} to {request.method} {request.path}: {words}")
            return Answer(500, {"message": "the fake's answer is not what GitHub describes"})
    return said


def _run(fake: FakeGitHub, request: Request, token: Token | None, route: Route, params: Mapping[str, str]) -> Answer:
    body: Any = json.loads(request.body) if request.body.strip() else {}
    call = Call(fake, token, request.path, dict(params), parse_query(request.query), body or {})
    if "repo" in params:
        call.repository = fake.repositories.get(f"{params['owner']}/{params['repo']}")
        hidden = token and not token.app and call.repository and call.repository.level(token.login) == "none"
        if call.repository is None or hidden:
            raise Refused(404, "Not Found")
    authorize(call, route)
    return route.run(call)


def _refusal(error: Refused) -> Answer:
    body: dict[str, Any] = {
        "message": error.message,
        "documentation_url": "https://docs.github.com/rest",
        "status": str(error.status),
    }
    if error.errors:
        body["errors"] = error.errors
    return Answer(error.status, body)
