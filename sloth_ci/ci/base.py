"""The Lua of a pull request's base branch: a pull request is data, and does not say what is run with rights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from sloth_ci.ci.job import Job
from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import Repository, open_repository
from sloth_ci.script.reader import MAX_SOURCE
from sloth_ci.startup import WORKFLOW_FILES, Run, Source, cache_dir

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
        self.path = next((path for path in candidates if self._entry(path)), None)
        if given and self.path is None:
            raise UsageError(
                f"there is no workflow file {given} on the base branch ({self.revision[:10]})",
                "merge it first: what is under review is not run",
            )

    @property
    def source(self) -> Source | None:
        """Where `startup.start` reads it; None where the base branch has no workflow file."""
        return Source(self.path, self._reader) if self.path is not None else None

    def changed_by(self, head: str) -> list[str]:
        """The files that were read and are not the same in another revision; or a workflow file that is new there."""
        head = self._repository.resolve(head)
        if self.path is None:
            found = (self._repository.entry(head, path) for path in WORKFLOW_FILES)
            return [entry.path for entry in found if entry is not None]
        changed = []
        for path in sorted(self._read):
            before, after = self._repository.entry(self.revision, path), self._repository.entry(head, path)
            if (before and before.blob) != (after and after.blob):
                changed.append(path)
        return changed

    def _entry(self, path: str) -> str | None:
        """The blob of a regular file. A link leads elsewhere, and is not followed."""
        entry = self._repository.entry(self.revision, path)
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
        blob = self._entry(path)
        if blob is None:
            return None
        if self._repository.sizes([blob])[blob] > MAX_SOURCE:
            raise UsageError(f"'{path}' is larger than {MAX_SOURCE // 2**20} MiB")
        [(_, data)] = self._repository.read([blob])
        return data


@contextmanager
def on_base(
    job: Job, branch: str, *, rehearse: bool = False, revision: str | None = None
) -> Iterator[tuple[Run, BaseLua]]:
    """Read the Lua of a branch, or use the built-in workflow where it has none; what is checked out is not run.

    `revision`: as it was in that commit, and not at its tip.
    """
    repository = open_repository(
        RepositorySpec(url="."), cwd=Path.cwd(), environ=job.environ, cache_dir=cache_dir(job.environ)
    )
    try:
        start = revision or repository.branch_tip(branch)
        lua = BaseLua(repository, start, given=job.inputs.workflow, folder=Path.cwd())
        with job.started(source=lua.source, builtin=lua.source is None, rehearse=rehearse, only_declared=True) as run:
            yield run, lua
    finally:
        repository.close()


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
