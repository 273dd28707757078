"""One Git repository, as everything above sees it: revisions, trees, differences, history.

Reading never touches a work tree, an index or a branch of the user's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from typing import Any, Self, TypeVar

from sloth_ci.core.errors import RenderError, UsageError
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import git
from sloth_ci.repo.address import Address
from sloth_ci.repo.cache import CacheEntry
from sloth_ci.repo.checkout import Checkout, is_partial
from sloth_ci.repo.credentials import Login
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.fetching import Fetcher
from sloth_ci.repo.history import LOG_FORMAT, Commit, Identity, identity_of, parse_log
from sloth_ci.repo.objects import ObjectReader
from sloth_ci.repo.remote import Remote
from sloth_ci.repo.revisions import closest, resolve
from sloth_ci.repo.submodules import submodule_spec
from sloth_ci.repo.tracking import Offline, TrackingFetcher, sealed
from sloth_ci.repo.tree import ChangedPath, Entry, Tree, normal_path, parse_changes, parse_tree, show_path

T = TypeVar("T")
_READ_AT_ONCE = 80


class Repository:
    """A repository that is open: a checkout of this machine, or a clone in the cache. Threads may share it."""

    def __init__(
        self,
        spec: RepositorySpec,
        checkout: Checkout,
        login: Login | None,
        *,
        env: Mapping[str, str],
        environ: Mapping[str, str],
        config: Mapping[str, list[str]],
        opener: Callable[[RepositorySpec], Repository],
        entry: CacheEntry | None = None,
        offline: Offline | None = None,
        display: str = "",
        names: Sequence[str] = (),
    ) -> None:
        self._spec = spec
        self._opener = opener
        self._entry = entry
        self._inner: dict[str, Repository] = {}
        self._stack = ExitStack()
        self.environ = environ
        self.git_dir = checkout.git_dir
        self.work_tree = checkout.work_tree
        """The checkout's work tree; None for a clone in the cache and for a bare repository."""
        self.root = checkout.root
        self.display = display or show_path(login.address.text if login else str(checkout.root))
        """The URL or path, safe to print."""
        self.names = tuple(names)
        """What its servers call it (`Address.name`), the one that is read first; empty for a path of this machine."""
        self.submodules = spec.submodules
        self.identity: Identity = identity_of(environ, config)
        """Who commits that are made here are by."""
        self.remote = Remote(login.address, login, checkout.git_dir, env, self.display) if login else None
        """None where the checkout has no remote: then it is its own authority."""
        if login and is_partial(config):
            # Any command may fetch what a partial clone left out, so all of them need the login.
            env = self._stack.enter_context(login.environment(env))
        self.offline = offline is not None
        """Whether the remote is not asked: what it has is what this machine saw last."""
        if offline is not None:
            env = sealed(env)
        self.env = env
        self.id_length = 64 if config.get("extensions.objectformat") == ["sha256"] else 40
        """Digits of an object id here."""
        self.fetcher = (
            TrackingFetcher(checkout, env, config, offline)
            if offline is not None
            else Fetcher(self.remote, checkout.git_dir, checkout.common_dir, env, entry)
        )
        self.remembered: dict[tuple[str, ...], Any] = {}
        """Answers about commits, which never change."""

    # --- what the remote has ---------------------------------------------------------------------------------------

    def default_branch(self) -> str:
        """The branch that the remote's HEAD names. Raises GitError where the repository has no branch yet."""
        refs = self.fetcher.refs()
        if refs.head_branch:
            return refs.head_branch
        for name in ("main", "master"):
            if name in refs.branches:
                return name
        if not refs.branches:
            raise GitError(f"{self.display} is empty: it has no branch", "push a first commit", reason="ref_not_found")
        raise UsageError(f"{self.display} has no default branch", "say which `branch` to follow")

    def head_branch(self) -> str | None:
        """The branch that the checkout is on; None with a detached HEAD, and for a clone in the cache."""
        if self.work_tree is None:
            return None
        done = git.call(["symbolic-ref", "--quiet", "--short", "HEAD"], git_dir=self.git_dir, env=self.env)
        return done.out.decode("utf-8", "surrogateescape").strip() or None

    def fetch(self, *branches: str) -> None:
        """Ask the remote anew, and bring these branches (all of them where none is named)."""
        self.fetcher.refresh()
        if not branches:
            self.fetcher.everything()
        for branch in branches:
            self.branch_tip(branch)

    def branch_tip(self, branch: str) -> str:
        """The id of the remote's branch, as of the last `fetch` or the first question of this process.

        Raises UsageError for a branch that is not there.
        """
        git.plain_argument(branch, "branch")
        tip = self.fetcher.branch(branch)
        if tip is None:
            hint = closest(branch, list(self.fetcher.refs().branches), "branches")
            raise UsageError(f"{self.display} has no branch '{branch}'", hint)
        return tip

    def resolve(self, rev: str) -> str:
        """The id of a commit: see `revisions.resolve`."""
        return resolve(self.fetcher, rev, display=self.display, cached=self._entry is not None)

    # --- trees ---------------------------------------------------------------------------------------------------

    def tree(self, rev: str, path: str = "", *, missing_ok: bool = False) -> Tree:
        """The folder `path` at a revision.

        Raises RenderError where there is none, unless `missing_ok`: then the tree is empty.
        """
        sha = self.resolve(rev)
        path = normal_path(path)
        info = self.fetcher.healing(lambda: self.objects.info([f"{sha}:{path}" if path else f"{sha}^{{tree}}"]))[0]
        if info is None and missing_ok:
            return Tree(self, sha, path, "")
        if info is None:
            raise RenderError(
                f"there is no folder '{show_path(path)}' in {self.display} at {self._named(rev, sha)}",
                "target_path is relative to the root of the repository",
            )
        if info.type != "tree":
            raise RenderError(
                f"'{show_path(path)}' at {self._named(rev, sha)} is not a folder", "name the folder it is in"
            )
        return Tree(self, sha, path, info.id)

    def uncommitted(self, path: str = "") -> list[tuple[str, bool]]:
        """What of the work tree below `path` differs from HEAD, and whether Git does not know it yet.

        Empty where there is no work tree. A folder that is new as a whole is one entry and ends in `/`.
        """
        if self.work_tree is None:
            return []
        # Without renames each entry is one path.
        args = [f"--work-tree={self.work_tree}", "status", "--porcelain", "-z", "--no-renames", "--"]
        args.append(normal_path(path) or ".")
        out = git.run(args, cwd=self.work_tree, git_dir=self.git_dir, env=self.env, what="git status")
        entries = [entry for entry in out.decode("utf-8", "surrogateescape").split("\0") if entry]
        return [(entry[3:], entry.startswith("??")) for entry in entries]

    def changed(self, base: str, head: str, path: str = "") -> list[ChangedPath]:
        """The files that differ between two revisions; a rename is a delete and an add."""
        old, new = self.resolve(base), self.resolve(head)
        args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", old, new]
        path = normal_path(path)
        key = ("changed", old, new, path)
        if key not in self.remembered:
            self.remembered[key] = parse_changes(self.git(*args, "--", *([path] if path else [])))
        return list(self.remembered[key])

    def ahead(self, base: str, head: str) -> int:
        """How many commits `head` has that `base` does not."""
        out = self.git("rev-list", "--count", f"{self.resolve(base)}..{self.resolve(head)}", "--")
        return int(out)

    def merge_conflicts(self, base: str, head: str, path: str = "") -> list[str]:
        """The files below `path` that a merge of `head` into `base` could not settle by itself."""
        ours, theirs = self.resolve(base), self.resolve(head)
        self.merge_base(ours, theirs)  # brings the history that the merge needs
        return [name for name in self.merge_tree(ours, theirs)[1] if _below(name, normal_path(path))]

    def merge_tree(self, ours: str, theirs: str) -> tuple[str, list[str]]:
        """Merge two commits without a work tree: the id of the tree, and the paths in conflict."""
        args = [
            "merge-tree",
            "--write-tree",
            "-z",
            "--name-only",
            "--no-messages",
            "--allow-unrelated-histories",
            ours,
            theirs,
        ]
        done = git.call(args, git_dir=self.git_dir, env=self.env)
        if done.code not in (0, 1):
            raise git.failure(args, done, env=self.env, what=f"cannot merge {theirs[:10]} into {ours[:10]}")
        tree, *names = done.out.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        return tree, list(dict.fromkeys(names))

    def list_tree(self, tree_id: str, prefix: str) -> list[Entry]:
        """All entries of a tree object; their paths get `prefix` in front."""
        key = ("tree", tree_id, prefix)
        if key not in self.remembered:
            self.remembered[key] = parse_tree(self.git("ls-tree", "-r", "-z", "--full-tree", tree_id), prefix)
        return list(self.remembered[key])

    def entry(self, revision: str, path: str) -> Entry | None:
        """One path of a revision, file or folder (mode 040000), with its object id; "" is the root. None where it is not."""
        if not path:
            return Entry("", "040000", self.tree(revision).object_id)
        return self.entries(revision, [path]).get(path)

    def entries(self, revision: str, paths: Sequence[str]) -> dict[str, Entry]:
        """Those of some paths that a revision has."""
        found = self.git("ls-tree", "-z", "--full-tree", revision, "--", *paths)
        return {entry.path: entry for entry in parse_tree(found, "")}

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of blobs, in order, a portion at a time."""
        for portion in _portions(blobs, _READ_AT_ONCE):
            yield from self.fetcher.healing(partial(self._contents, portion))

    def sizes(self, blobs: Sequence[str]) -> dict[str, int]:
        """The sizes of objects in bytes."""
        found = self.fetcher.healing(lambda: self.objects.info(blobs))
        return {info.id: info.size for info in found if info is not None}

    def submodule_tree(self, revision: str, entry: Entry) -> Tree:
        """The tree that a submodule stands at in a revision of this repository."""
        spec = submodule_spec(self, self._spec, revision, entry.path)
        if spec.url not in self._inner:
            self._inner[spec.url] = self._opener(spec)
        return self._inner[spec.url].tree(entry.blob)

    # --- history -----------------------------------------------------------------------------------------------------

    def merge_base(self, a: str, b: str) -> str | None:
        """The best common ancestor; None for unrelated histories."""
        one, two = self.resolve(a), self.resolve(b)

        def test() -> str | None:
            done = git.call(["merge-base", one, two], git_dir=self.git_dir, env=self.env)
            if done.code not in (0, 1):
                raise git.failure(["merge-base"], done, env=self.env)
            return done.out.decode().strip() or None

        return self.fetcher.deepen_until(test, [one, two])

    def is_ancestor(self, a: str, b: str) -> bool:
        """Whether `b` contains `a`; every commit contains itself."""
        one, two = self.resolve(a), self.resolve(b)
        if one == two:
            return True

        def test() -> bool | None:
            done = git.call(["merge-base", "--is-ancestor", one, two], git_dir=self.git_dir, env=self.env)
            if done.code not in (0, 1):
                raise git.failure(["merge-base"], done, env=self.env)
            if done.code == 1 and self.offline and self.fetcher.shallow and self.merge_base(one, two):
                return False  # they meet in what is here
            return True if done.code == 0 else None

        key = ("ancestor", one, two)
        if key not in self.remembered:
            self.remembered[key] = self.fetcher.deepen_until(test, [one, two]) or False
        found: bool = self.remembered[key]
        return found

    def commits(
        self, base: str | None, head: str, paths: Sequence[str] = (), *, limit: int | None = None
    ) -> list[Commit]:
        """First-parent commits of `head` that `base` does not contain (all where it is None), the newest first.

        `paths` keeps those that touch one of them ("" is everything). `limit` is the most to return.
        """
        tip = self.resolve(head)
        spans = [tip]
        if base is not None:
            start = self.resolve(base)
            if self.fetcher.shallow:
                self.merge_base(start, tip)
            spans.append(f"^{start}")
        args = [
            "log",
            "-z",
            "--first-parent",
            LOG_FORMAT,
            *([f"--max-count={limit}"] if limit is not None else []),
            *spans,
        ]
        below = [normal_path(path) for path in paths]
        return list(parse_log(self.git(*args, "--", *([] if "" in below else below))))

    def commit(self, sha: str) -> Commit:
        """One commit."""
        out = self.git("log", "-z", "--no-walk", LOG_FORMAT, self.resolve(sha), "--")
        return next(parse_log(out))

    def first_parent(self, sha: str) -> str | None:
        """The first parent as the commit itself says, brought here if history was cut off; None for a first commit."""
        [(_, raw)] = self.read([self.resolve(sha)])
        match = re.match(rb"tree [0-9a-f]+\nparent ([0-9a-f]+)\n", raw)
        return self.resolve(match[1].decode()) if match else None

    # --- for the rest of this package --------------------------------------------------------------------------------

    @property
    def objects(self) -> ObjectReader:
        """The process that answers questions about objects."""
        return self.fetcher.reader

    @property
    def push_remote(self) -> Remote:
        """Where to push: the remote, or the checkout itself where it has none."""
        if self.remote is not None:
            return self.remote
        place = Address(str(self.root), "path", path=str(self.root))
        return Remote(place, Login(place), self.git_dir, self.env, self.display)

    def git(self, *args: str, input: bytes | None = None) -> bytes:
        """Run a local Git command in this repository."""
        return self.fetcher.healing(lambda: git.run(args, git_dir=self.git_dir, env=self.env, input=input))

    def close(self) -> None:
        """End the processes and remove the key files that belong to this object."""
        self.objects.close()
        self._stack.close()
        for repository in self._inner.values():
            repository.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Repository({self.display})"

    def _contents(self, blobs: Sequence[str]) -> list[tuple[str, bytes]]:
        return list(self.objects.contents(blobs))

    def _named(self, rev: str, sha: str) -> str:
        return sha[:10] if sha.startswith(rev) else f"{rev} ({sha[:10]})"


def _below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def _portions(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while portion := list(islice(iterator, size)):
        yield portion
