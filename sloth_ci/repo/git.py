"""Git as a subprocess, through one function.

Everything that makes a run depend on where it happens is taken out here: `GIT_DIR` and its like (set inside hooks),
prompts, pagers, translated messages, replace refs, file-system monitors, the hooks of the repository. What the user
set up on purpose stays: proxies, certificates, ssh, and the configuration files.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.errors import UsageError
from sloth_ci.repo.errors import GitError, error_of

OLDEST = (2, 38)
"""The first Git with `merge-tree --write-tree` and `cat-file --batch-command -z`."""

_KEEP = re.compile(
    r"GIT_(SSL_\w+|SSH\w*|PROXY_\w+|HTTP_\w+|TRACE\w*|EXEC_PATH|ASKPASS|ALLOW_PROTOCOL"
    r"|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM|COUNT|KEY_\d+|VALUE_\d+))\Z"
)
_PROTOCOLS = ("file", "git", "http", "https", "ssh")
_SETTINGS = (
    # No hook of the user's repository runs for what we do: our own pre-push hook would call us again, and a checkout
    # that belongs to somebody else must not choose what we execute. A remote's hooks run on its side and are obeyed.
    ("core.hooksPath", os.devnull),
    ("core.fsmonitor", "false"),
    ("core.quotepath", "off"),
    ("i18n.logOutputEncoding", "UTF-8"),
    ("log.showSignature", "false"),
    ("push.gpgSign", "false"),
    ("fetch.recurseSubmodules", "false"),
    ("maintenance.auto", "false"),
    ("gc.auto", "0"),
    # A transfer that moves less than a byte a second for a minute is dead.
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
)
_SECRET_VARIABLE = "SLOTH_GIT_PASSWORD"


class Completed(NamedTuple):
    """What a Git command gave back."""

    code: int
    out: bytes
    err: str


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for Git, made from the one of this run."""
    env = {k: v for k, v in environ.items() if not k.startswith("GIT_") or _KEEP.match(k)}
    allowed = env.get("GIT_ALLOW_PROTOCOL")
    protocols = [p for p in _PROTOCOLS if allowed is None or p in allowed.split(":")]
    env |= {
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GCM_INTERACTIVE": "never",
        "LC_ALL": "C",
    }
    env.pop("LANGUAGE", None)
    # Empty: without it Git falls back to SSH_ASKPASS, which may open a window.
    env.setdefault("GIT_ASKPASS", "")
    # A GitLab with a CA of its own: the runner names the file, and it counts for that server alone.
    authority, server = environ.get("CI_SERVER_TLS_CA_FILE"), environ.get("CI_SERVER_URL")
    own = [(f"http.{server.rstrip('/')}/.sslCAInfo", authority)] if authority and server else []
    return configured(env, [*_SETTINGS, *own])


def configured(env: Mapping[str, str], settings: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A copy of a Git environment with more configuration, which overrides every file and never shows in `ps`."""
    result = dict(env)
    count = result.get("GIT_CONFIG_COUNT", "")
    number = int(count) if count.isdigit() else 0
    for key, value in settings:
        result[f"GIT_CONFIG_KEY_{number}"] = key
        result[f"GIT_CONFIG_VALUE_{number}"] = value
        number += 1
    result["GIT_CONFIG_COUNT"] = str(number)
    return result


def run(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    check: bool = True,
    what: str | None = None,
) -> bytes:
    """Run `git <args>` and return its stdout.

    `env` is one made by `environment`; None means that of this process. `timeout` is in seconds. `what` says what is
    being done, for the error. Raises GitError when it fails (unless `check` is off), UsageError without a usable Git.
    """
    done = call(args, cwd=cwd, git_dir=git_dir, input=input, env=env, timeout=timeout, what=what)
    if check and done.code != 0:
        raise failure(args, done, env=env, what=what)
    return done.out


def call(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    input: bytes | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    what: str | None = None,
) -> Completed:
    """Like `run`, for commands whose exit code means something."""
    process = start(args, cwd=cwd, git_dir=git_dir, env=env, stdin=input is not None)
    try:
        out, err = process.communicate(input, timeout)
    except subprocess.TimeoutExpired:
        _stop(process)
        raise GitError(
            f"{what or 'git ' + args[0]}: no answer after {timeout:.0f} s",
            "check the network and the remote, then run it again",
            reason="unreachable",
        ) from None
    except BaseException:
        _stop(process)
        raise
    done = Completed(process.returncode, out, err.decode("utf-8", "replace"))
    if done.code == 129:  # Git's "I do not know this option"
        require_version(env)
    return done


def start(
    args: Sequence[str],
    *,
    cwd: Path | None = None,
    git_dir: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bool = True,
    stderr: int = subprocess.PIPE,
    own_group: bool = False,
) -> subprocess.Popen[bytes]:
    """Start Git with pipes, for a process that answers many questions.

    `own_group` keeps the terminal's signals from it; a process that may have to ask something there must not have it.
    """
    # A named git directory is not searched for, so Git does not ask who owns it (`safe.directory`).
    where = [f"--git-dir={git_dir}"] if git_dir else []
    try:
        return subprocess.Popen(
            ["git", *where, *args],
            cwd=cwd or git_dir,
            env=dict(env) if env is not None else environment(os.environ),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            process_group=0 if own_group else None,
        )
    except FileNotFoundError as error:
        if error.filename not in ("git", b"git"):
            raise GitError(f"the folder {error.filename} does not exist", reason="not_found") from None
        raise UsageError(
            "git is not installed, or not on the PATH",
            "install it: `apt-get install git`, `apk add git`, `brew install git`, or https://git-scm.com/downloads",
        ) from None


def failure(
    args: Sequence[str], done: Completed, *, env: Mapping[str, str] | None = None, what: str | None = None
) -> GitError:
    """The error for a command that gave a bad exit code."""
    secret = (env or {}).get(_SECRET_VARIABLE)
    stderr = done.err or f"git exited with {done.code}"
    return error_of(what or f"git {args[0]} failed", stderr, secrets=(secret,) if secret else ())


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM first: Git then removes its lock files and stops the transport programs it started."""
    process.terminate()
    try:
        process.communicate(timeout=5)
    except (subprocess.TimeoutExpired, ValueError):
        process.kill()
        process.wait()


def require_version(env: Mapping[str, str] | None = None) -> tuple[int, int]:
    """Git's version. Raises UsageError where it is older than what is needed."""
    version = _version((env or os.environ).get("PATH", ""))
    if version < OLDEST:
        raise UsageError(
            f"git {version[0]}.{version[1]} is too old: sloth-ci needs {OLDEST[0]}.{OLDEST[1]} or newer",
            "install a newer one, for example from your distribution's backports, or https://git-scm.com/downloads",
        )
    return version


@lru_cache(maxsize=8)
def _version(path: str) -> tuple[int, int]:
    text = subprocess.run(["git", "--version"], env={"PATH": path}, capture_output=True, check=False).stdout.decode()
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def plain_argument(value: str, what: str) -> str:
    """A value that is safe on Git's command line. Raises UsageError for an empty one, an option, or control characters."""
    if not value:
        raise UsageError(f"the {what} is empty")
    if value.startswith("-"):
        raise UsageError(f"the {what} '{value}' starts with a dash", "Git would read it as an option")
    if any(ord(c) < 32 or ord(c) == 127 for c in value):
        raise UsageError(f"the {what} {value!r} holds a control character")
    return value
