"""What is in this checkout and is not deployed: commits that nobody pushed, and changes that nobody committed."""

from __future__ import annotations

from sloth_ci.core.errors import RepositoryError
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.session import Session
from sloth_ci.repo import Repository

_MANIFESTS = (".yaml", ".yml", ".json")
HEAD = "HEAD"


def tell_what_stays(session: Session, workflow: WorkflowSpec, revision: str, *, head: str | None) -> None:
    """Say once what a person at this checkout may expect to be in `revision`, and is not. `head`: what was asked for."""
    repository = session.repository(workflow.repository)
    if repository.work_tree is None or head not in {None, HEAD}:
        return
    if head is None:
        _tell_unpushed(session, workflow, repository, revision)
    _tell_uncommitted(session, workflow, repository)


def _tell_unpushed(session: Session, workflow: WorkflowSpec, repository: Repository, revision: str) -> None:
    try:
        here = repository.resolve(HEAD)
    except RepositoryError:
        return  # a checkout without a commit has none that is not pushed
    if repository.is_ancestor(here, revision):
        return
    branch = session.branch_of(workflow)
    whose, way = ("origin's ", "push them") if repository.remote is not None else ("", "merge them")
    session.tell_once(f"HEAD has commits that {whose}{branch} does not have yet: {way}, or take them with --head HEAD")


def _tell_uncommitted(session: Session, workflow: WorkflowSpec, repository: Repository) -> None:
    try:
        found = repository.uncommitted(workflow.target_path)
    except RepositoryError as error:
        session.observer.log("debug", f"nobody knows what is not committed: {error.message}")
        return
    written = _written(session, workflow, repository)
    everything = not workflow.target_path.strip("./")
    count = 0
    for path, new in found:
        wanted = not new or path.endswith(_MANIFESTS) or (path.endswith("/") and not everything)
        count += wanted and not path.startswith(written)
    if count:
        where = "" if everything else f" below {workflow.target_path}"
        session.tell_once(f"not committed, and so left out: {plural(count, 'change')}{where}")


def _written(session: Session, workflow: WorkflowSpec, repository: Repository) -> tuple[str, ...]:
    """Folders of the work tree that are sloth-ci's own to write."""
    folders = [session.root / ".sloth"]
    if workflow.destination is not None and workflow.destination.directory is not None:
        folders.append(session.root / workflow.destination.directory)
    top = (repository.work_tree or repository.root).resolve()
    inside = (one.resolve() for one in folders)
    return tuple(f"{one.relative_to(top)}/" for one in inside if one.is_relative_to(top))
