"""A remote as this machine saw it last: branches and tags come from the remote-tracking refs, and nothing is ever fetched.

For what has to be quick and must work on a train: a hook before a push. A transport that Git would start by itself, such as that of
a partial clone for an object it left out, is refused (`sealed`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from sloth_ci.core.errors import RepositoryError
from sloth_ci.repo import git
from sloth_ci.repo.address import Address
from sloth_ci.repo.checkout import Checkout, is_partial
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.fetching import Fetcher
from sloth_ci.repo.remote import RemoteRefs

T = TypeVar("T")

_BRANCHES = "refs/heads/"


@dataclass(frozen=True)
class Offline:
    """How a checkout is looked at without its remote."""

    remote: str | None = None
    """The remote whose tracking refs count, by its name here; None: the checkout's own branches."""
    known: Mapping[str, str | None] = field(default_factory=dict)
    """What is known better than the tracking refs say, by full name: the id that this remote has; None: it has none."""
    default: str | None = None
    """The branch that counts as the remote's default one where nothing says which it is."""
    checkout: Checkout | None = None
    """The checkout itself, where it is not the one around the working directory (`GIT_DIR` names another)."""
    config: Mapping[str, list[str]] | None = None
    """Git's configuration of that checkout, where it was read already."""
    opened: dict[tuple[str | None, bool], Any] = field(default_factory=dict, compare=False)
    """What was opened so: one Git process answers all who ask for the same."""


def seen_from(offline: Offline, address: Address, remotes: Mapping[str, tuple[Address, object]]) -> Offline:
    """The same for a workflow that names one of the checkout's remotes by its address: the push may go to another, a fork."""
    there = remotes.get(offline.remote or "")
    if there is not None and there[0].same(address):
        return offline
    name = next(name for name, (other, _) in remotes.items() if other.same(address))
    return replace(offline, remote=name, known={})


class Elsewhere(RepositoryError):
    """A repository that is not this checkout, and cannot be looked at without the network."""


class NotHere(GitError):
    """A commit or a file that the remote has and this machine does not."""


def sealed(env: Mapping[str, str]) -> dict[str, str]:
    """A Git environment in which nothing reaches a remote: no protocol is allowed, and a partial clone fetches nothing."""
    return {**env, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}


class TrackingFetcher(Fetcher):
    """A `Fetcher` that never does: what the remote has is what the tracking refs say."""

    def __init__(
        self, checkout: Checkout, env: Mapping[str, str], config: Mapping[str, list[str]], offline: Offline
    ) -> None:
        super().__init__(None, checkout.git_dir, checkout.common_dir, env, None)
        self._config = config
        self._offline = offline
        self._partial = is_partial(config)

    @property
    def name(self) -> str | None:
        """The remote that is looked at; None where it is the checkout itself."""
        return self._offline.remote

    def ref(self, full: str) -> str | None:
        """The remote's value of a ref. Raises NotHere where its commit was never fetched."""
        oid = self.refs().refs.get(full)
        if oid is not None and not self._has(oid):
            raise NotHere(
                f"{full.removeprefix(_BRANCHES)} has {oid[:10]}, which is not here", f"git fetch {self._whose}"
            )
        return oid

    def deepen_until(self, test: Callable[[], T | None], wanted: Sequence[str]) -> T | None:
        """The answer of `test`. Raises NotHere where only the history that was cut off could tell."""
        result = test()
        if result is None and self.shallow:
            raise NotHere(
                f"the history below {wanted[0][:10]} is cut off here (a shallow clone)",
                f"git fetch --unshallow {self._whose}".rstrip(),
            )
        return result

    def healing(self, action: Callable[[], T]) -> T:
        """Do something. Raises NotHere where a partial clone has left out what it needs."""
        try:
            return action()
        except GitError as error:
            if self._partial and not isinstance(error, NotHere):
                raise NotHere(
                    "a file of it is not here (a partial clone)",
                    f"git fetch --refetch --no-filter {self._whose}".rstrip(),
                ) from None
            raise

    @property
    def _whose(self) -> str:
        return self._offline.remote or ""

    def _list(self) -> RemoteRefs:
        if self._offline.remote is None:
            return super()._list()
        args = ["for-each-ref", "--format=%(objectname) %(refname) %(symref)"]
        out = git.run(args, git_dir=self._git_dir, env=self._env).decode("utf-8", "surrogateescape")
        maps = list(_mappings(self._config.get(f"remote.{self._offline.remote}.fetch", ())))
        refs: dict[str, str] = {}
        head = None
        for line in out.splitlines():
            oid, name, symref = line.split(" ")
            theirs = _theirs(name, maps)
            if name.startswith("refs/tags/"):
                refs.setdefault(name, oid)
            elif name == f"refs/remotes/{self._offline.remote}/HEAD":
                head = _theirs(symref, maps)
            elif theirs is not None and theirs.startswith(_BRANCHES):
                refs[theirs] = oid
        for full, known in self._offline.known.items():
            refs.pop(full, None)
            if known is not None:
                refs[full] = known
        return RemoteRefs(refs, self._head(refs, head))

    def _head(self, refs: Mapping[str, str], said: str | None) -> str | None:
        """The default branch: what the clone was told, `main`, `master`, what the branch here follows, what the caller says."""
        candidates = [said, f"{_BRANCHES}main", f"{_BRANCHES}master", self._upstream()]
        found = next((name for name in candidates if name and name in refs), None)
        return found.removeprefix(_BRANCHES) if found else self._offline.default

    def _upstream(self) -> str | None:
        branch = current_branch(self._git_dir)
        follows = self._config.get(f"branch.{branch}.remote", [""])[-1] == self._offline.remote
        return self._config.get(f"branch.{branch}.merge", [""])[-1] if follows else None


def current_branch(git_dir: Path) -> str | None:
    """The branch that is checked out; None with a detached HEAD."""
    try:
        text = (git_dir / "HEAD").read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return None
    return text.removeprefix(f"ref: {_BRANCHES}") if text.startswith(f"ref: {_BRANCHES}") else None


def _mappings(refspecs: Iterable[str]) -> Iterable[tuple[str, str]]:
    """The two sides of fetch refspecs; a negative one maps nothing."""
    for refspec in refspecs:
        theirs, colon, ours = refspec.removeprefix("+").partition(":")
        if colon and ours and not refspec.startswith("^"):
            yield theirs, ours


def _theirs(ours: str, maps: Sequence[tuple[str, str]]) -> str | None:
    """What the remote calls a ref of ours."""
    for their_side, our_side in maps:
        start, star, end = our_side.partition("*")
        if not star and ours == our_side:
            return their_side
        if star and ours.startswith(start) and ours.endswith(end) and len(ours) >= len(start) + len(end):
            return their_side.replace("*", ours[len(start) : len(ours) - len(end)], 1)
    return None
