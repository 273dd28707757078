"""Git over HTTP, as GitHub lets it in: by the token as the password, with `contents` as the permission."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from support.forges.bare import ZERO
from support.githttp import GitAnswer, run_backend
from support.github.accounts import Token, at_least

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub
    from support.github.repository import Repository

_PATH: Final = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)"
)


def answer(fake: FakeGitHub, method: str, target: str, headers: Message, body: bytes, token: Token | None) -> GitAnswer:
    """Let Git's own server answer, if the token is good for it, and note what a push brought."""
    parts = urlsplit(target)
    found = _PATH.fullmatch(parts.path)
    if found is None:
        fake.violation(f"{method} {target}: the fake has no such page")
        return GitAnswer(501, [], b"the fake has no such page\n")
    with fake.lock:
        repository = fake.repositories.get(f"{found['owner']}/{found['name']}")
    pushes = "git-receive-pack" in (found["rest"], *parse_qs(parts.query).get("service", ()))
    refusal = _refusal(repository, token, pushes=pushes)
    if refusal or repository is None:
        return refusal or GitAnswer(404, [], b"Repository not found.\n")
    # With or without `.git` it is the same repository.
    path = f"/{repository.full_name}.git/{found['rest']}" + (f"?{parts.query}" if parts.query else "")
    login = token.login if token else "anonymous"
    if found["rest"] != "git-receive-pack":
        return run_backend(fake.folder, method, path, headers, body, login)
    with fake.lock:
        before = repository.git.branches()
        # Whoever has no `workflows` permission changes no workflow. GITHUB_TOKEN can never have it.
        free = token is None or not token.app or token.grants("workflows", "write")
        hooks = {"SLOTH_WORKFLOWS": "yes" if free else "no"}
        said = run_backend(fake.folder, method, path, headers, body, login, hooks=hooks)
        _note_push(fake, repository, login, before)
    return said


def _refusal(repository: Repository | None, token: Token | None, *, pushes: bool) -> GitAnswer | None:
    if token is None:
        if repository and not repository.private and not pushes:
            return None
        return GitAnswer(401, [("WWW-Authenticate", 'Basic realm="GitHub"')], b"")
    if repository is None:
        return GitAnswer(404, [], b"Repository not found.\n")
    if token.app:
        own = token.repository == repository.full_name
        reads = (own and token.grants("contents", "read")) or not repository.private
        writes = own and token.grants("contents", "write")
    else:
        level = repository.level(token.login)
        reads, writes = level != "none", at_least(level, "write")
    if not reads:
        return GitAnswer(404, [], b"Repository not found.\n")
    if pushes and not writes:
        words = f"Permission to {repository.full_name}.git denied to {token.login}.\n"
        return GitAnswer(403, [("Content-Type", "text/plain")], words.encode())
    return None


def _note_push(fake: FakeGitHub, repository: Repository, login: str, before: Mapping[str, str]) -> None:
    objects = repository.git.objects()
    fake.record.pushed.extend(repository.git.text_of(objects - repository.git.known))
    repository.git.known = objects
    after = repository.git.branches()
    fake.clock.advance(1)
    for branch in sorted({*before, *after}):
        old, new = before.get(branch, ZERO), after.get(branch, ZERO)
        if old != new:
            repository.moved(login, branch, old, new)
