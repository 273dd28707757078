"""The Lua of a pull request's base branch: a pull request is data, and does not say what is run with rights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sloth_ci.baselua import BaseLua
from sloth_ci.ci.job import Job
from sloth_ci.ci.worktree import RequestTree
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import Offline, open_repository
from sloth_ci.startup import Run, cache_dir


@contextmanager
def on_base(
    job: Job, branch: str, *, rehearse: bool = False, revision: str | None = None, offline: Offline | None = None
) -> Iterator[tuple[Run, BaseLua]]:
    """Read the Lua of a branch, or use the built-in workflow where it has none; what is checked out is not run.

    `revision`: as it was in that commit, and not at its tip. `offline`: as this checkout knows it, without asking the remote.
    """
    repository = open_repository(
        RepositorySpec(url="."),
        cwd=Path.cwd(),
        environ=job.environ,
        cache_dir=cache_dir(job.environ),
        offline=offline,
    )
    try:
        start = revision or repository.branch_tip(branch)
        lua = BaseLua(repository, start, given=job.inputs.workflow, folder=Path.cwd())
        # What is checked out when a request is closed without a merge is the request, too.
        tree = RequestTree(repository, lua.revision) if rehearse or job.event.kind == "pull_request" else None
        with job.started(
            source=lua.source,
            builtin=lua.source is None,
            rehearse=rehearse,
            only_declared=True,
            offline=offline,
            unreviewed=tree,
            search_path=tree.without_own(job.environ.get("PATH", os.defpath)) if tree else None,
        ) as run:
            yield run, lua
    finally:
        repository.close()
