"""State that outlives a runner: small files in commits under `refs/sloth/state/`, changed by compare-and-swap.

Each write is a commit on top of the one it was made from, so `git log refs/sloth/state/<name>` tells the history, and the
remote takes it only while its ref still is that one: of two writers, exactly one wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sloth_ci.core.errors import StateMoved, UsageError
from sloth_ci.repo import git
from sloth_ci.repo.commits import Existing, NewFile, make_commit
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.fetching import FETCHED, STATE
from sloth_ci.repo.repository import Repository

_BRANCH = "refs/heads/"
_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)*\Z", re.ASCII)

Names = list[str]


class Files(Mapping[str, bytes]):
    """The files of a state; listed and read when they are asked for."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self._repository = repository
        self._commit = commit
        self._blobs: dict[str, str] | None = None

    def __getitem__(self, path: str) -> bytes:
        [(_, data)] = self._repository.read([self._ids()[path]])
        return data

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids())

    def __len__(self) -> int:
        return len(self._ids())

    def read_all(self, paths: set[str] | None = None) -> dict[str, bytes]:
        """Many files at once (all where `paths` is None), in one conversation with Git."""
        ids = {path: blob for path, blob in self._ids().items() if paths is None or path in paths}
        contents = dict(self._repository.read(list(dict.fromkeys(ids.values()))))
        return {path: contents[blob] for path, blob in ids.items()}

    def _ids(self) -> dict[str, str]:
        if self._blobs is None:
            entries = self._repository.list_tree(self._commit, "")
            self._blobs = {entry.path: entry.blob for entry in entries}
        return self._blobs


class State:
    """One state of a ref: the commit, and its files by path."""

    def __init__(self, repository: Repository, commit: str) -> None:
        self.commit = commit
        self.files = Files(repository, commit)

    def __repr__(self) -> str:
        return f"State({self.commit[:10]})"


class StateRef:
    """A named state, in the remote; in the checkout itself where it has none.

    A name that begins with `refs/heads/` is that branch: files on a branch are changed by the same rules.
    """

    def __init__(self, repository: Repository, name: str) -> None:
        if not _NAME.match(name) or ".." in name or any(part.endswith((".lock", ".")) for part in name.split("/")):
            raise UsageError(f"'{name}' cannot name a state", "use letters, digits, dashes, dots and slashes")
        self.name = name
        self.ref = name if name.startswith(_BRANCH) else STATE + name
        self._repository = repository
        # What the remote has is remembered here under the same name, but never in a branch of the user's.
        self._local = self.ref
        if repository.remote is not None and name.startswith(_BRANCH):
            self._local = FETCHED + name.removeprefix("refs/")

    def read(self, *, fetch: bool = True) -> State | None:
        """The state now; None where there is none. `fetch=False` gives what this machine saw last.

        Raises RepositoryError where the remote cannot be asked (its `unreachable` says whether to try again).
        """
        remote = self._repository.remote
        if fetch and remote is not None:
            try:
                self._repository.fetcher.fetch([f"+{self.ref}:{self._local}"])
            except GitError as error:
                if error.reason != "ref_not_found":
                    raise
                self._remember(None)
                return None
        return self.read_local()

    def read_local(self) -> State | None:
        """What this machine saw or wrote last, without asking the remote."""
        info = self._repository.objects.info([f"{self._local}^{{commit}}"])[0]
        return State(self._repository, info.id) if info else None

    def write(
        self, changes: Mapping[str, bytes | None], *, message: str, expected: State | None, forget: bool = False
    ) -> State:
        """Add, replace and (None) delete files on top of `expected`; None means that there must be no state yet.

        `forget` makes a commit without a parent, so that what was deleted is in no history either. Raises
        StateMoved where another writer was first, RepositoryError where the remote refuses or is away.
        """
        parent = expected.commit if expected else None
        files = {path: None if data is None else NewFile(data) for path, data in changes.items()}
        commit = make_commit(self._repository, parent, files, message)
        if forget:
            tree = self._repository.tree(commit).object_id
            commit = make_commit(self._repository, None, {"": Existing(tree)}, message)
        self._swap(commit, parent)
        return State(self._repository, commit)

    def delete(self, expected: State) -> None:
        """Remove the state. Raises like `write`."""
        self._swap(None, expected.commit)

    @staticmethod
    def list(repository: Repository, prefix: str = "") -> Names:
        """The names of all states that begin with `prefix`, sorted, as the remote has them."""
        if repository.remote is not None:
            refs = [*repository.remote.list(f"{STATE}*").refs]
        else:
            out = repository.git("for-each-ref", "--format=%(refname)", STATE.rstrip("/"))
            refs = out.decode().splitlines()
        names = (ref.removeprefix(STATE) for ref in refs if ref.startswith(STATE))
        return sorted(name for name in names if name.startswith(prefix))

    def _swap(self, new: str | None, old: str | None) -> None:
        repository = self._repository
        if repository.remote is None and not self.name.startswith(_BRANCH):
            self._swap_here(new, old)
            return
        remote = repository.push_remote
        repository.fetcher.refresh()
        try:
            remote.push(f"{new or ''}:{self.ref}", lease=f"{self.ref}:{old or ''}")
        except GitError as error:
            if error.reason not in ("moved", "refused"):
                raise
            # The words of a refusal differ between servers; what the ref holds now does not.
            now = remote.list(self.ref).refs.get(self.ref)
            if now != new:
                if now != old or error.reason == "moved":
                    raise self._moved(now) from None
                raise
        if repository.remote is not None:
            self._remember(new)

    def _swap_here(self, new: str | None, old: str | None) -> None:
        repository = self._repository
        null = "0" * repository.id_length
        change = [self.ref, new or null, old or null] if new else ["-d", self.ref, old or null]
        args = ["update-ref", "--no-deref", *change]
        done = git.call(args, git_dir=repository.git_dir, env=repository.env)
        if done.code == 0:
            return
        info = repository.objects.info([self.ref])[0]
        now = info.id if info else None
        # Its lock file is there: another writer is at it in this very moment.
        if now != old or "unable to create" in done.err.lower():
            raise self._moved(now)
        raise git.failure(args, done, env=repository.env, what=f"cannot write the state {self.name}")

    def _moved(self, now: str | None) -> StateMoved:
        what = f"it is at {now[:10]} now" if now else "it is gone now"
        return StateMoved(f"the state {self.name} was changed by another run ({what})", "run it again")

    def _remember(self, commit: str | None) -> None:
        """Keep here what the remote has."""
        change = ["-d", self._local] if commit is None else [self._local, commit]
        self._repository.git("update-ref", "--no-deref", *change)
