"""What Git says on stderr, turned into an error a person can act on.

Git has no machine-readable errors, but its messages are stable under `LC_ALL=C`, and servers repeat a handful of
phrases. The first phrase of `_PHRASES` that is found decides; the rest is shown as Git said it.
"""

from __future__ import annotations

import re
from typing import Literal

from sloth_ci.core.errors import RepositoryError

Reason = Literal[
    "failed",
    "unreachable",
    "credentials",
    "host_key",
    "not_found",
    "ref_not_found",
    "corrupt",
    "forbidden",
    "moved",
    "refused",
]

_REDACT_URL = re.compile(r"\b([a-z][a-z0-9+.-]*://)([^/\s'\"@]*)@", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class GitError(RepositoryError):
    """A Git command that failed, and of which kind the failure is."""

    def __init__(self, message: str, hint: str | None = None, *, reason: Reason = "failed") -> None:
        super().__init__(message, hint)
        self.reason: Reason = reason

    @property
    def unreachable(self) -> bool:
        """Whether trying again later may help: the remote was not there, rather than saying no."""
        return self.reason == "unreachable"


_PHRASES: tuple[tuple[Reason, str, str], ...] = (
    (
        "unreachable",
        (
            r"could not resolve (host|proxy)|failed to connect|couldn't connect|connection (refused|timed out|reset|closed)"
            r"|network is (unreachable|down)|no route to host|operation timed out|operation too slow|returned error: (5\d\d|429)"
            r"|temporary failure in name resolution|name or service not known|unable to connect to|empty reply from server"
            r"|recv failure|send failure|gnutls_handshake|early eof|unexpected disconnect"
        ),
        "check the host name and the network, then run it again",
    ),
    (
        "unreachable",
        r"ssl certificate problem|certificate verification failed|server certificate|unable to get local issuer",
        "the server's certificate is not trusted here: install its CA, or set GIT_SSL_CAINFO to the CA file",
    ),
    (
        "host_key",
        r"host key verification failed|remote host identification has changed",
        "the server's ssh key is not the known one: correct known_hosts (`ssh-keyscan <host>`) or the credentials' known_hosts",
    ),
    (
        "forbidden",
        (
            r"permission to .* denied to|write access to repository not granted|read.only (deploy )?key|marked as read.only"
            r"|you are not allowed to push code to this project|returned error: 403|resource not accessible by integration"
        ),
        (
            "the credentials are known but may not do this: in GitHub Actions add `permissions: contents: write`, "
            "on GitLab use a token with the scope `api` or `write_repository`"
        ),
    ),
    (
        "credentials",
        (
            r"authentication failed|could not read (username|password)|permission denied \(|http basic: access denied"
            r"|invalid username or|returned error: 401|bad credentials|support for password authentication was removed"
            r"|load key .*(invalid format|error in libcrypto|permission)|no such identity|terminal prompts disabled"
        ),
        "check the token, password or key in `credentials`, or set GITHUB_TOKEN (GitHub) or CI_JOB_TOKEN (GitLab)",
    ),
    (
        "not_found",
        (
            r"repository not found|repository .* (not found|does not exist)|does not appear to be a git repository"
            r"|project you were looking for could not be found|returned error: 404|not a git repository"
            r"|no such file or directory: .*\.git"
        ),
        "check the URL; a private repository also looks missing to credentials that may not see it",
    ),
    (
        "ref_not_found",
        r"couldn't find remote ref|no such remote ref|not our ref|unadvertised object|unknown revision",
        "check the name of the branch, tag or commit",
    ),
    (
        "corrupt",
        (
            r"object file .* is empty|loose object .* is corrupt|bad object|packfile .*(cannot be accessed|corrupt|does not match"
            r"|not.* mapped)|far too short to be a packfile|unresolved delta|missing (blob|tree|commit|necessary objects)"
            r"|did not send all necessary objects|inflate: data stream error|unable to (read|unpack|parse) .*(object|header|tree|sha1)"
            r"|could not get object info|sha1 mismatch|hash mismatch|invalid object|index file .* is too small"
            r"|wrong index|non-monotonic index|bad (tree|blob|commit)|unable to find [0-9a-f]{40}|could not read [0-9a-f]{40}"
        ),
        "the repository is damaged: `git fsck` names the objects; clone it again",
    ),
    (
        "failed",
        r"transport does not support --force-with-lease|git-http-push failed|only smart http|operation not supported by protocol",
        "this address is only read (plain files over http, a bundle): give a URL over https or ssh that takes pushes",
    ),
    (
        "failed",
        r"no space left on device|disk quota exceeded",
        "free some disk space, then run it again",
    ),
    (
        "failed",
        r"transport '.*' not allowed",
        "only https, http, ssh, git and paths of this machine are allowed",
    ),
    (
        "failed",
        r"permission denied|read-only file system|insufficient permission",
        "the user that runs sloth-ci must be able to write to the repository's .git folder",
    ),
    (
        "unreachable",
        r"could not read from remote repository|the remote end hung up unexpectedly|unable to access",
        "check the URL and the network, then run it again",
    ),
)


def redact(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Take passwords and tokens out of a text: the user part of every URL, and each of `secrets` literally.

    `ssh://git@host` keeps its user, which is no secret.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")

    def hide(match: re.Match[str]) -> str:
        scheme, user = match[1], match[2]
        plain = scheme.lower() not in {"http://", "https://"} and ":" not in user
        return match[0] if plain else f"{scheme}***@"

    return _REDACT_URL.sub(hide, text)


def classify(stderr: str) -> tuple[Reason, str | None]:
    """The kind of failure that a text of Git's stands for, and what helps."""
    for reason, pattern, hint in _PHRASES:
        if re.search(pattern, stderr, re.IGNORECASE):
            return reason, hint
    return "failed", None


def error_of(what: str, stderr: str, *, secrets: tuple[str, ...] = ()) -> GitError:
    """The error for a Git command that failed.

    `what` says what was being done, as in "cannot fetch https://host/repo".
    """
    text = redact(stderr, secrets)
    reason, hint = classify(text)
    detail = summary_of(text)
    return GitError(f"{what}: {detail}" if detail else what, hint, reason=reason)


def summary_of(stderr: str) -> str:
    """The lines of Git's stderr that say something, joined: no progress, no advice, no decoration."""
    lines = []
    for raw in stderr.split("\n"):
        line = _CONTROL.sub("", raw.rsplit("\r", 1)[-1]).strip()
        line = re.sub(r"^(fatal|error|remote): *", "", re.sub(r"^remote: *", "", line), flags=re.IGNORECASE)
        if not line or line.startswith(("hint:", "warning:", "To ", "Please make sure", "and the repository exists")):
            continue
        if set(line) <= set("=-*# ") or line in lines:
            continue
        lines.append(line)
    text = "; ".join(lines[:6])
    return text if len(text) <= 600 else text[:600] + " ..."
