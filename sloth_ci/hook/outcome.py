"""What one workflow renders of one revision, as far as it can be: what is wrong with some files does not hide the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sloth_ci.core.errors import RenderError
from sloth_ci.core.objects import Manifest, digest_of
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.preview import rendered_tree
from sloth_ci.engine.session import Session
from sloth_ci.render import Problem, Rendered, RenderFailed, SourceEntry, SourceTree, detect


class Outcome(NamedTuple):
    """What came of a render."""

    manifests: tuple[Manifest, ...] = ()
    duplicates: tuple[tuple[Manifest, Manifest], ...] = ()
    problems: tuple[Problem, ...] = ()
    error: RenderError | None = None
    """Why nothing could be rendered at all, where that is no problem of a file."""
    plain: bool = False
    """The files are read as they are."""


def outcome_of(session: Session, workflow: WorkflowSpec, revision: str) -> Outcome:
    """Render what a workflow has at a revision (a full sha); a folder that is not there is empty. Never raises RenderError."""
    tree: SourceTree = session.repository(workflow.repository).tree(revision, workflow.target_path, missing_ok=True)
    plain = False
    try:
        kind = workflow.render.type
        plain = (detect(tree.entries(), tree.path) if kind == "auto" else kind) == "plain"
        return _outcome(rendered_tree(session, workflow, tree), (), plain)
    except RenderFailed as failed:
        if not plain:
            return Outcome(problems=failed.problems)
        try:
            rest = rendered_tree(session, workflow, _Without(tree, {problem.path for problem in failed.problems}))
        except RenderError:
            return Outcome(problems=failed.problems, plain=True)
        return _outcome(rest, failed.problems, plain)
    except RenderError as error:
        return Outcome(error=error, plain=plain)


def _outcome(rendered: Rendered, problems: tuple[Problem, ...], plain: bool) -> Outcome:
    return Outcome(rendered.manifests, rendered.duplicates, problems, None, plain)


class _Without:
    """A folder of a revision without some of its files."""

    def __init__(self, tree: SourceTree, paths: set[str]) -> None:
        self.path = tree.path
        self.tree_id = f"{tree.tree_id}-{digest_of(sorted(paths))}"
        self._tree = tree
        self._paths = paths

    def entries(self) -> Sequence[SourceEntry]:
        return [entry for entry in self._tree.entries() if entry.path not in self._paths]

    def read(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        return self._tree.read(blobs)

    def sizes(self, blobs: Iterable[str]) -> Mapping[str, int]:
        return self._tree.sizes(blobs)

    def at(self, path: str) -> SourceTree:
        return _Without(self._tree.at(path), self._paths)
