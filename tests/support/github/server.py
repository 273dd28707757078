"""The HTTP side of the fake: one origin for REST, GraphQL and Git."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from support.forges import server
from support.forges.server import Asked, Handler
from support.githttp import basic_login
from support.github import githost, rest, unhappy
from support.github.accounts import Token
from support.github.call import Answer

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub

REST_ROOT: Final = "/api/v3"
GRAPHQL_ROOT: Final = "/api/graphql"


class Server(server.Server):
    """That of a fake GitHub."""

    def __init__(self, fake: FakeGitHub, port: int) -> None:
        super().__init__(fake, port, _Handler)
        self.fake = fake


class _Handler(Handler):
    server: Server

    def handle_request(self, body: bytes) -> None:
        fake = self.server.fake
        parts = urlsplit(self.path)
        token, known = self._token()
        api, path = "git", parts.path
        if path == GRAPHQL_ROOT:
            api = "graphql"
        elif path.startswith(f"{REST_ROOT}/"):
            api, path = "rest", path.removeprefix(REST_ROOT)
        trouble = fake.unhappy.next(self.command, path)
        self.came(Asked(api, path, parts.query, body, token.login if token else ""), trouble)
        fault = trouble.fault if trouble else ""
        refusal = unhappy.answer(trouble, fake.clock.now() + 3600) if trouble else None
        if fault == "closed":
            self.hang_up()
        elif refusal:
            status, headers, content = refusal
            self._send_json(Answer(status, content, headers), "")
        elif api == "git":
            git = githost.answer(fake, self.command, self.path, self.headers, body, token)
            self.send(git.status, dict(git.headers), git.content, fault)
        else:
            said = self._api(api, path, parts.query, body, token, known=known)
            self._send_json(_emptied(said) if fault == "empty" else said, fault)

    def _api(self, api: str, path: str, query: str, body: bytes, token: Token | None, *, known: bool) -> Answer:
        fake = self.server.fake
        if not self.headers.get("User-Agent"):
            return Answer(403, {"message": "Request forbidden by administrative rules."})
        if not known:
            return Answer(401, {"message": "Bad credentials", "status": "401"})
        with fake.lock:
            if api == "graphql":
                return fake.graphql.answer(body, token)
            return rest.answer(fake, rest.Request(self.command, path, query, dict(self.headers.items()), body), token)

    def _token(self) -> tuple[Token | None, bool]:
        """Whose token a request comes with, and whether that is a good one; no token is a good one too."""
        header = self.headers.get("Authorization", "")
        login = basic_login(self.headers)
        value = login[1] if login else header.partition(" ")[2].strip()
        if not header:
            return None, True
        token = self.server.fake.tokens.get(value)
        return token, token is not None

    def _send_json(self, answer: Answer, fault: str) -> None:
        now = int(self.server.fake.clock.now())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "X-GitHub-Media-Type": "github.v3; format=json",
            "X-RateLimit-Limit": "1000",
            "X-RateLimit-Remaining": "999",
            "X-RateLimit-Reset": str(now + 3600),
            "X-RateLimit-Used": "1",
            "X-RateLimit-Resource": "core",
            **answer.headers,
        }
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send(answer.status, headers, content, fault)


def _emptied(said: Answer) -> Answer:
    """A list without what is in it."""
    if isinstance(said.body, dict):
        body: Any = {key: [] if isinstance(value, list) else value for key, value in said.body.items()}
        return Answer(said.status, body | ({"total_count": 0} if "total_count" in body else {}))
    return Answer(said.status, [] if isinstance(said.body, list) else said.body)
