"""The Lua of a base branch: a change under review is data, and does not say what is run or planned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sloth_ci.core.errors import UsageError
from sloth_ci.repo import Repository
from sloth_ci.repo.tree import Entry
from sloth_ci.script.reader import MAX_SOURCE
from sloth_ci.startup import WORKFLOW_FILES, Source

_REGULAR = ("100644", "100755")


class BaseLua:
    """The workflow file of a revision, and what it requires, read from Git and never from the work tree."""

    def __init__(self, repository: Repository, revision: str, *, given: str, folder: Path) -> None:
        """`given` is the file that was asked for, from `folder`; where none was, it is looked for there and above.

        Raises UsageError where the one that was asked for is not there.
        """
        self._repository = repository
        self.revision = repository.resolve(revision)
        self._read: dict[str, bytes | None] = {}
        candidates = _candidates(given, repository.root, folder)
        entries = repository.entries(self.revision, candidates)
        self._found = {path: self._regular(entries.get(path)) for path in candidates}
        self.path = next((path for path in candidates if self._found[path]), None)
        if given and self.path is None:
            raise UsageError(
                f"there is no workflow file {given} on the base branch ({self.revision[:10]})",
                "merge it first: what is under review is not run",
            )

    @property
    def source(self) -> Source | None:
        """Where `startup.start` reads it; None where the base branch has no workflow file."""
        return Source(self.path, self._reader, self._repository.root) if self.path is not None else None

    def changed_by(self, head: str) -> list[str]:
        """The files that were read and are not the same in another revision; or a workflow file that is new there."""
        head = self._repository.resolve(head)
        if head == self.revision:
            return []
        changes = self._repository.changed(self.revision, head)
        if self.path is None:
            return [change.path for change in changes if change.path in WORKFLOW_FILES and change.new_blob]
        read = self._read.keys()
        return [change.path for change in changes if change.path in read and change.old_blob != change.new_blob]

    @staticmethod
    def _regular(entry: Entry | None) -> str | None:
        """The blob of a regular file. A link leads elsewhere, and is not followed."""
        return entry.blob if entry is not None and entry.mode in _REGULAR else None

    def _reader(self, name: str) -> bytes | None:
        assert self.path is not None
        path = str(PurePosixPath(self.path).parent / name)
        if ".." in PurePosixPath(path).parts:
            return None
        if path not in self._read:
            self._read[path] = self._content(path)
        return self._read[path]

    def _content(self, path: str) -> bytes | None:
        if path not in self._found:
            self._found[path] = self._regular(self._repository.entry(self.revision, path))
        blob = self._found[path]
        if blob is None:
            return None
        if self._repository.sizes([blob])[blob] > MAX_SOURCE:
            raise UsageError(f"'{path}' is larger than {MAX_SOURCE // 2**20} MiB")
        [(_, data)] = self._repository.read([blob])
        return data


def about_lua(lua: BaseLua, changed: Sequence[str], branch: str, what: str) -> tuple[str, ...]:
    """What a reader should know where the Lua of a branch is not that of the change: `what` is `pull request`, or `push`."""
    if not changed:
        return ()
    named = ", ".join(changed)
    if lua.path is None:
        return (f"{named} is new in this {what}. It counts once it is merged, and from then on there are plans",)
    return (f"this {what} changes {named}. The plan is made with what {branch} has; the change counts after the merge",)


def _candidates(given: str, root: Path, folder: Path) -> Sequence[str]:
    """Paths in the repository."""
    root, folder = root.resolve(), folder.resolve()
    if given:
        places = [(folder / given).resolve()]
    else:
        above = [folder, *folder.parents]
        places = [
            each / name for each in above[: above.index(root) + 1 if root in above else 1] for name in WORKFLOW_FILES
        ]
    inside = [place for place in places if place.is_relative_to(root)]
    if not inside:
        raise UsageError(f"the workflow file {given} is not in the repository", "name one of its files")
    return [place.relative_to(root).as_posix() for place in inside]
