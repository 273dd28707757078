"""Talking to a remote: list refs, fetch, push. Every network access of this package is here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sloth_ci.repo import git
from sloth_ci.repo.address import Address
from sloth_ci.repo.credentials import Login
from sloth_ci.repo.errors import GitError, redact, summary_of

LIST_SECONDS = 120.0
FETCH_SECONDS = 1800.0
PUSH_SECONDS = 600.0

# On the other side of a path Git starts its own program, without our configuration. The user named the repository, so
# it may belong to somebody else; `updateInstead` lets a push reach a branch that is checked out with a clean work tree.
_UPLOAD_PACK = "git -c 'safe.directory=*' upload-pack"
_RECEIVE_PACK = "git -c 'safe.directory=*' -c receive.denyCurrentBranch=updateInstead receive-pack"

_ONLY_READ = "give a repository that takes pushes: a URL, or a path to one that `git init --bare` made"
_MOVED = re.compile(
    r"fetch first|non-fast-forward|needs force|stale info|remote ref updated|failed to update ref|cannot lock ref"
    r"|failed to lock|incorrect old value|reference already exists",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class RemoteRefs:
    """What a remote has: full ref names to ids, and the branch that its HEAD names."""

    refs: Mapping[str, str]
    head_branch: str | None

    @property
    def branches(self) -> dict[str, str]:
        """Branch names to ids."""
        prefix = "refs/heads/"
        return {name.removeprefix(prefix): oid for name, oid in self.refs.items() if name.startswith(prefix)}

    @property
    def tags(self) -> dict[str, str]:
        """Tag names to ids (of the tag object where there is one)."""
        prefix = "refs/tags/"
        return {name.removeprefix(prefix): oid for name, oid in self.refs.items() if name.startswith(prefix)}


@dataclass(frozen=True, repr=False)
class Remote:
    """One remote, seen from one local repository. Its `repr` has no environment in it, which may hold tokens."""

    address: Address
    login: Login
    git_dir: Path
    env: Mapping[str, str]
    display: str

    def __repr__(self) -> str:
        return f"Remote({self.display})"

    def list(self, *patterns: str) -> RemoteRefs:
        """The refs that match the patterns (full names or globs such as `refs/heads/*`), and HEAD."""
        args = ["ls-remote", "--symref", *self._upload_pack(), "--", self.address.text, "HEAD", *patterns]
        out = self._run(args, f"cannot read {self.display}", LIST_SECONDS)
        refs, head_branch = {}, None
        for line in out.decode("utf-8", "surrogateescape").splitlines():
            oid, _, name = line.partition("\t")
            if oid.startswith("ref: "):
                if name == "HEAD":
                    head_branch = oid.removeprefix("ref: refs/heads/")
            elif name == "HEAD" or (name.startswith("refs/") and not name.endswith("^{}")):
                refs[name] = oid
        return RemoteRefs(refs, head_branch)

    def fetch(
        self,
        refspecs: Sequence[str],
        *,
        depth: int | None = None,
        deepen: int | None = None,
        unshallow: bool = False,
    ) -> None:
        """Fetch exactly these refspecs, and touch no other ref, tag, FETCH_HEAD or work tree.

        `depth` cuts history off at so many commits; `deepen` adds so many to a history that was cut off.
        """
        args = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-recurse-submodules"]
        args += ["--no-auto-maintenance", "--no-show-forced-updates", "--no-prune", "--force", *self._upload_pack()]
        if unshallow:
            args.append("--unshallow")
        elif depth:
            args.append(f"--depth={depth}")
        elif deepen:
            args.append(f"--deepen={deepen}")
        self._run([*args, "--", self.address.text, *refspecs], f"cannot fetch {self.display}", FETCH_SECONDS)

    def push(self, refspec: str, *, lease: str | None = None) -> None:
        """Push one refspec. Never forces; `lease` is `<ref>:<id it must have>`, and an empty id means no such ref.

        Raises GitError with reason `moved` where the ref is not what it was, and `refused` where the remote forbids it
        (a protected branch, a hook, a branch that is checked out).
        """
        args = ["push", "--porcelain", "--quiet", "--no-verify", "--no-follow-tags", "--recurse-submodules=no"]
        if self.address.local:
            args.append(f"--receive-pack={_RECEIVE_PACK}")
        if lease is not None:
            args.append(f"--force-with-lease={lease}")
        args += ["--", self.address.text, refspec]
        what = f"cannot push to {self.display}"
        with self.login.environment(self.env) as env:
            done = git.call(args, git_dir=self.git_dir, env=env, timeout=PUSH_SECONDS, what=what)
            if done.code == 0:
                return
            rejected = [line for line in done.out.decode("utf-8", "replace").splitlines() if line.startswith("!\t")]
            if not rejected and self.address.local and Path(self.address.path).is_file():
                raise GitError(f"{what}: it is a bundle, which is only read", _ONLY_READ)
            if not rejected:
                raise self._explained(git.failure(args, done, env=env, what=what))
        raise _rejection(rejected[0], done.err, refspec, what, self.login.secrets)

    def _upload_pack(self) -> Sequence[str]:
        return [f"--upload-pack={_UPLOAD_PACK}"] if self.address.local else []

    def _run(self, args: Sequence[str], what: str, timeout: float) -> bytes:
        try:
            with self.login.environment(self.env) as env:
                return git.run(args, git_dir=self.git_dir, env=env, timeout=timeout, what=what)
        except GitError as error:
            raise self._explained(error) from None

    def _explained(self, error: GitError) -> GitError:
        """Say what Git cannot know: that a path is not there, and whether credentials were used at all."""
        if error.reason == "not_found" and self.address.local:
            path = Path(self.address.path)
            if not path.exists():
                # Unreachable: it may be a disk that is not mounted at the moment.
                return GitError(f"{self.display} does not exist", f"there is no {path}", reason="unreachable")
            return GitError(
                f"{self.display} is not a Git repository",
                "run `git init` there, or correct the path",
                reason="not_found",
            )
        if error.reason in ("credentials", "not_found") and not (self.login.password or self.login.key):
            given = "no credentials were given"
            return GitError(f"{error.message} ({given})", error.hint, reason=error.reason)
        return error


def _rejection(line: str, stderr: str, refspec: str, what: str, secrets: tuple[str, ...]) -> GitError:
    r"""The error for a porcelain line such as `!\tsrc:dst\t[remote rejected] (pre-receive hook declined)`."""
    words = line.rsplit("\t", maxsplit=1)[-1]
    said = summary_of(redact("\n".join(part for part in stderr.splitlines() if part.startswith("remote:")), secrets))
    branch = refspec.rpartition(":")[2].removeprefix("refs/heads/")
    detail = f"{words}: {said}" if said else words
    if _MOVED.search(words):
        return GitError(f"{what}: {branch} has moved meanwhile ({detail})", "fetch and try again", reason="moved")
    return GitError(
        f"{what}: {branch} was refused ({detail})",
        "the branch is protected, a hook declines it, or its work tree has changes",
        reason="refused",
    )
