"""The REST API: each request is understood, judged, let in, answered, and the answer is judged too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.forges.judge import Answered, Asked
from support.gitlab import (
    rest_branches,
    rest_commits,
    rest_deployments,
    rest_merge_requests,
    rest_notes,
    rest_people,
    rest_project,
    rest_statuses,
)
from support.gitlab.accounts import Token
from support.gitlab.call import Answer, Call, Route, authorize, find_route
from support.gitlab.description import parse_query
from support.gitlab.refused import Refused

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab

# Imported for the operations that they register.
HANDLERS = (
    rest_branches,
    rest_commits,
    rest_deployments,
    rest_merge_requests,
    rest_notes,
    rest_people,
    rest_project,
    rest_statuses,
)


@dataclass(frozen=True)
class Request:
    """What came in, whole."""

    method: str
    path: str
    """Below the API's root, as it was sent."""
    query: str
    headers: Mapping[str, str]
    body: bytes


def answer(fake: FakeGitLab, request: Request, token: Token | None) -> Answer:
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
        return Answer(400, {"error": "\n".join(wrong)})
    try:
        said = _run(fake, request, token, route, params)
    except Refused as error:
        said = Answer(error.status, error.body)
    if said.status >= 400 or isinstance(said.body, str):
        return said  # errors are not described, and files are no JSON
    content = b"" if said.body is None else json.dumps(said.body).encode()
    answered = Answered(said.status, {"Content-Type": "application/json", **said.headers}, content)
    for words in [] if said.status in (202, 204) else fake.description.response_errors(asked, answered, route.template):
        fake.violation(f"the fake's own answer {said.status} to {request.method} {request.path}: {words}")
        return Answer(500, {"message": "the fake's answer is not what GitLab describes"})
    return said


def _run(fake: FakeGitLab, request: Request, token: Token | None, route: Route, params: Mapping[str, str]) -> Answer:
    body: Any = json.loads(request.body) if request.body.strip() else {}
    call = Call(fake, token, request.path, dict(params), parse_query(request.query), body or {})
    authorize(call, route)
    return route.run(call)
