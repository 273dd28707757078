"""What is staged, as a revision that everything else can read: neither the index nor the work tree is touched.

For a hook Git sets GIT_DIR, GIT_INDEX_FILE (`git commit FILE` and `-a` have an index of their own), GIT_WORK_TREE and others,
some of them relative. All other commands of sloth-ci leave them out on purpose; here they say what is committed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.errors import RepositoryError
from sloth_ci.core.words import plural
from sloth_ci.repo import git
from sloth_ci.repo.checkout import Checkout

_WHERE = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CEILING_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_DISCOVERY_ACROSS_FILESYSTEM",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
)
"""What says where a repository is, and its parts."""
_NOBODY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "sloth-ci"), ("EMAIL", "sloth-ci@localhost"), ("DATE", "@0 +0000"))
}
"""The same content is the same commit, whenever it is looked at."""


class Staged(NamedTuple):
    """What a commit would hold."""

    checkout: Checkout
    commit: str
    """A commit that nothing refers to, and `git gc` takes away again; HEAD where nothing is staged."""
    bases: tuple[str, ...]
    """HEAD, and what is being merged; before the first commit of a repository, an empty one."""


class Unready(RepositoryError):
    """There is nothing that could be committed."""


def staged(environ: Mapping[str, str], cwd: Path) -> Staged:
    """Write down what is in the index.

    Where the pre-commit framework says from which commit to which (`pre-commit run --from-ref A --to-ref B`), it is these. Raises
    Unready with unmerged files or outside of a work tree, GitError.
    """
    env = git.environment(environ) | {name: environ[name] for name in _WHERE if environ.get(name)}
    asked = ["--git-dir", "--git-common-dir", "--git-path", "index", "--show-toplevel"]
    done = git.call(["rev-parse", "--path-format=absolute", *asked], cwd=cwd, env=env)
    if done.code != 0:
        if "must be run in a work tree" in done.err or "not a git repository" in done.err:
            raise Unready("this is no work tree of Git, so nothing is staged")
        raise git.failure(["rev-parse"], done, env=env, what="cannot find out what is staged")
    git_dir, common, index, top = (Path(os.fsdecode(line)) for line in done.out.removesuffix(b"\n").split(b"\n"))
    checkout = Checkout(git_dir, common, top)
    span = environ.get("PRE_COMMIT_FROM_REF"), environ.get("PRE_COMMIT_TO_REF")
    if span[0] and span[1]:
        before, after = (_commit(name, checkout, env) for name in span if name)
        return Staged(checkout, after, (before,))
    tree = _tree_of(index, checkout, env)
    bases = _bases(checkout, env)
    if tree == git.run(["rev-parse", f"{bases[0]}^{{tree}}"], git_dir=git_dir, env=env).decode().strip():
        return Staged(checkout, bases[0], bases)
    commit = git.run(
        ["commit-tree", tree, "-p", bases[0], "-m", "what was staged, for sloth-ci"], git_dir=git_dir, env=env | _NOBODY
    )
    return Staged(checkout, commit.decode().strip(), bases)


def _tree_of(index: Path, checkout: Checkout, env: Mapping[str, str]) -> str:
    """The tree of an index: of a copy of it, as Git would write to the index itself what it finds out."""
    with tempfile.TemporaryDirectory(prefix="sloth-index-") as folder:
        copy = Path(folder) / "index"
        if index.exists():
            shutil.copyfile(index, copy)
        args = ["write-tree", "--missing-ok"]
        done = git.call(args, git_dir=checkout.git_dir, env={**env, "GIT_INDEX_FILE": str(copy)})
        if done.code == 0:
            return done.out.decode().strip()
        unmerged = {line.partition(": unmerged (")[0] for line in done.err.splitlines() if ": unmerged (" in line}
        if unmerged:
            raise Unready(f"{plural(len(unmerged), 'file')} not merged yet")
        raise git.failure(args, done, env=env, what="cannot read what is staged")


def _commit(name: str, checkout: Checkout, env: Mapping[str, str]) -> str:
    args = ["rev-parse", "--verify", f"{git.plain_argument(name, 'revision')}^{{commit}}"]
    return git.run(args, git_dir=checkout.git_dir, env=env, what=f"cannot find {name}").decode().strip()


def _bases(checkout: Checkout, env: Mapping[str, str]) -> tuple[str, ...]:
    done = git.call(
        ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"],
        git_dir=checkout.git_dir,
        env=env,
        what="cannot read HEAD",
    )
    if done.code != 0:
        tree = git.run(["mktree"], git_dir=checkout.git_dir, env=env, input=b"").decode().strip()
        empty = git.run(["commit-tree", tree, "-m", "nothing"], git_dir=checkout.git_dir, env={**env, **_NOBODY})
        return (empty.decode().strip(),)
    try:
        merging = (checkout.git_dir / "MERGE_HEAD").read_text(encoding="ascii").split()
    except FileNotFoundError:
        merging = []
    return (done.out.decode().strip(), *merging)
