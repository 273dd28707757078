"""The HTTP side of the fake: one origin for REST and Git."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from support.forges import server
from support.forges.server import Asked, Handler
from support.githttp import basic_login
from support.gitlab import githost, rest, unhappy
from support.gitlab.accounts import Token
from support.gitlab.call import Answer
from support.gitlab.description import ROOT

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab

_HEADERS: Final = {"Private-Token": ("personal", "project"), "Job-Token": ("job",)}
"""The headers for tokens, and the kinds that each of them is for."""


class Server(server.Server):
    """That of a fake GitLab."""

    def __init__(self, fake: FakeGitLab, port: int) -> None:
        super().__init__(fake, port, _Handler)
        self.fake = fake


class _Handler(Handler):
    server: Server
    page = b"<html><body>Sign in to GitLab</body></html>"

    def handle_request(self, body: bytes) -> None:
        fake = self.server.fake
        parts = urlsplit(self.path)
        api = "rest" if parts.path.startswith(f"{ROOT}/") else "git"
        path = parts.path.removeprefix(ROOT) if api == "rest" else parts.path
        token, known = self._token(api)
        trouble = fake.unhappy.next(self.command, path)
        self.came(Asked(api, path, parts.query, body, token.login if token else ""), trouble)
        fault = trouble.fault if trouble else ""
        refusal = unhappy.answer(trouble, fake.clock.now()) if trouble else None
        if fault == "closed":
            self.hang_up()
        elif refusal:
            status, headers, content = refusal
            self._send_answer(Answer(status, content, headers), "")
        elif api == "git":
            git = githost.answer(fake, self.command, self.path, self.headers, body, token)
            self.send(git.status, dict(git.headers), git.content, fault)
        elif not known:
            self._send_answer(Answer(401, {"message": "401 Unauthorized"}), fault)
        else:
            with fake.lock:
                asked = rest.Request(self.command, path, parts.query, dict(self.headers.items()), body)
                said = rest.answer(fake, asked, token)
            self._send_answer(Answer(200, []) if fault == "empty" and isinstance(said.body, list) else said, fault)

    def _token(self, api: str) -> tuple[Token | None, bool]:
        """Whose token a request comes with, and whether that is a good one; no token is a good one too.

        A job's token is good as long as the job runs. In its own header it has to be one, and nothing else is.
        """
        if api == "git":
            login = basic_login(self.headers)
            token = self.server.fake.tokens.get(login[1]) if login else None
            return (token if token and _alive(token) else None), True
        kind, _, bearer = self.headers.get("Authorization", "").partition(" ")
        values = {name: self.headers.get(name, "") for name in _HEADERS}
        values["Authorization"] = bearer.strip() if kind.lower() == "bearer" else ""
        for name, value in values.items():
            token = self.server.fake.tokens.get(value)
            if value:
                kinds = _HEADERS.get(name, ("personal", "project", "job"))
                return (token, True) if token and token.kind in kinds and _alive(token) else (None, False)
        return None, True

    def _send_answer(self, answer: Answer, fault: str) -> None:
        now = int(self.server.fake.clock.now())
        headers = {
            "Content-Type": "application/json",
            "RateLimit-Limit": "2000",
            "RateLimit-Observed": "1",
            "RateLimit-Remaining": "1999",
            "RateLimit-Reset": str(now + 60),
            **answer.headers,
        }
        if isinstance(answer.body, str):
            content = answer.body.encode()
        else:
            content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send(answer.status, headers, content, fault)


def _alive(token: Token) -> bool:
    return token.job is None or token.job.state == "running"
