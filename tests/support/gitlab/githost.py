"""Git over HTTP, as GitLab lets it in: by the token as the password, whoever the user."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.message import Message
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from support.forges.bare import ZERO
from support.githttp import GitAnswer, run_backend
from support.gitlab.accounts import Token

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.project import Project

_PATH: Final = re.compile(r"/(?P<project>[^?]+?)(?:\.git)?/(?P<rest>info/refs|git-upload-pack|git-receive-pack)")
# The words of lib/gitlab/git_access.rb.
_NO_PROJECT: Final = "The project you were looking for could not be found or you don't have permission to view it."
_NO_UPLOAD: Final = "You are not allowed to upload code."
_NO_PUSH: Final = "You are not allowed to push code to this project."
_NO_DOWNLOAD: Final = "You are not allowed to download code from this project."
_NO_LOGIN: Final = (
    "HTTP Basic: Access denied. If a password was provided for Git authentication, the password was incorrect."
)


def answer(fake: FakeGitLab, method: str, target: str, headers: Message, body: bytes, token: Token | None) -> GitAnswer:
    """Let Git's own server answer, if the token is good for it, and note what a push brought."""
    parts = urlsplit(target)
    found = _PATH.fullmatch(parts.path)
    if found is None:
        fake.violation(f"{method} {target}: the fake has no such page")
        return GitAnswer(501, [], b"the fake has no such page\n")
    with fake.lock:
        project = fake.projects.get(found["project"])
    pushes = "git-receive-pack" in (found["rest"], *parse_qs(parts.query).get("service", ()))
    refusal = _refusal(project, token, pushes=pushes)
    if refusal or project is None:
        return refusal or _refused(404, _NO_PROJECT)
    # With or without `.git` it is the same repository.
    path = f"/{project.full_name}.git/{found['rest']}" + (f"?{parts.query}" if parts.query else "")
    login = token.login if token else "anonymous"
    if found["rest"] != "git-receive-pack":
        return run_backend(fake.folder, method, path, headers, body, login)
    with fake.lock:
        before = project.git.refs("")
        rules = project.branches
        shut = [rule.pattern for rule in rules if not project.may_push(login, rule.pattern)]
        kept = [rule.pattern for rule in rules if not rule.force]
        hooks = {"SLOTH_NO_PUSH": _refs(shut), "SLOTH_NO_FORCE": _refs(kept)}
        said = run_backend(fake.folder, method, path, headers, body, login, hooks=hooks)
        _note_push(fake, project, login, before)
    return said


def _refs(patterns: list[str]) -> str:
    return " ".join(f"refs/heads/{pattern}" for pattern in patterns)


def _refused(status: int, words: str) -> GitAnswer:
    return GitAnswer(status, [("Content-Type", "text/plain; charset=utf-8")], words.encode())


def _refusal(project: Project | None, token: Token | None, *, pushes: bool) -> GitAnswer | None:
    if token is None:
        if project and project.visibility == "public" and not pushes:
            return None
        said = _refused(401, _NO_LOGIN)
        said.headers.append(("WWW-Authenticate", 'Basic realm="GitLab"'))
        return said
    foreign = project is not None and token.kind != "personal" and token.project != project.full_name
    if project and foreign and token.kind == "job" and project.visibility != "public":
        own = token.project.rpartition("/")[2]
        return _refused(403, f"Authentication by CI/CD job token not allowed from {own} to {project.name}.")
    if project is None or not project.sees(token.login) or (foreign and project.visibility != "public"):
        return _refused(404, _NO_PROJECT)
    if token.kind == "job":
        allowed = not pushes or (project.job_token_may_push and not foreign)
    else:
        allowed = token.grants("api", "write_repository", *(() if pushes else ("read_repository",)))
    if not allowed:
        return _refused(403, _NO_UPLOAD if pushes else "HTTP Basic: Access denied")
    level = 0 if foreign else project.access(token.login)
    if pushes and level < 30:
        return _refused(403, _NO_PUSH)
    if not pushes and level < 20 and project.visibility == "private":
        return _refused(403, _NO_DOWNLOAD)
    return None


def _note_push(fake: FakeGitLab, project: Project, login: str, before: Mapping[str, str]) -> None:
    objects = project.git.objects()
    fake.record.pushed.extend(project.git.text_of(objects - project.git.known))
    project.git.known = objects
    after = project.git.refs("")
    for ref in sorted({*before, *after}):
        old, new = before.get(ref, ZERO), after.get(ref, ZERO)
        if old != new and ref.startswith(("refs/heads/", "refs/tags/")):
            kind, name = ref.split("/", 2)[1:]
            project.moved(login, name, old, new, tag=kind == "tags")
