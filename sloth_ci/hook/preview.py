"""What a push would bring to each workflow that it reaches: planned from what this machine has, as its pull request will be.

The Lua is that of the branch which the push is for, or is to be merged into, and never that of the work tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from sloth_ci.baselua import BaseLua, about_lua
from sloth_ci.core.errors import RenderError, SlothError
from sloth_ci.core.events import ItemState, Level, Observer
from sloth_ci.core.plan import Conflict, Plan
from sloth_ci.core.workflow import RepositorySpec, WorkflowSpec
from sloth_ci.engine.preview import is_untouched, preview_revisions, rendered
from sloth_ci.engine.pull import preview_merge
from sloth_ci.hook.bystander import NoGate
from sloth_ci.hook.refs import Push
from sloth_ci.hook.validity import invalid
from sloth_ci.render import RenderFailed
from sloth_ci.repo import Elsewhere, Offline, Repository, open_repository
from sloth_ci.repo.merging import merged
from sloth_ci.startup import Options, Run, cache_dir, start


@dataclass(frozen=True)
class Previewed:
    """One workflow, and what one pushed commit would bring to it."""

    workflow: WorkflowSpec
    commit: str
    target: str
    """The branch that the workflow follows."""
    pushed: bool
    """The push changes that branch itself, rather than what is merged into it."""
    base: str | None
    """What the remote has there; None where there is no such branch yet."""
    branch: str | None
    """What is pushed, by its name at the remote."""
    builtin: bool
    """Nobody declared it: the repository has no workflow file."""
    plan: Plan | None = None
    """None where nothing that is rendered differs, or `error` says why there is none."""
    error: SlothError | None = None
    before: frozenset[str] = frozenset()
    """Resources of conflicts, and files with problems, that are there without the push, too."""

    @property
    def name(self) -> str:
        """What people call it."""
        return self.workflow.environment or self.workflow.name

    @property
    def unknown(self) -> bool:
        """Whether nobody can tell from here what it would bring, which is no fault of the push."""
        return self.error is not None and not isinstance(self.error, RenderFailed)

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Those of this push: they are not there without it, and Git cannot merge a file that the workflow reads."""
        return tuple(one for one in self.plan.conflicts if self._counts(one)) if self.plan else ()

    def _counts(self, conflict: Conflict) -> bool:
        if conflict.type != "git_merge":
            return conflict.resource not in self.before
        folder = self.workflow.target_path.strip("./")
        return not folder or conflict.resource.startswith(f"{folder}/")

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to say but that nothing changes."""
        return self.error is None and not (self.plan and (self.plan.changes or self.conflicts))


@dataclass
class Previews:
    """The previews of one push."""

    repository: Repository
    offline: Offline
    top: Path
    environ: Mapping[str, str]
    observer: Observer
    pushed_here: bool
    """The push goes to the remote that `offline` looks at, and not to a fork of it."""
    said: list[str] = field(default_factory=list)
    """What concerns the push as a whole."""
    _started: list[tuple[BaseLua, str | None, Run]] = field(default_factory=list)

    def close(self) -> None:
        """Let go of the Lua states and of Git."""
        for _, _, run in self._started:
            run.close()
        self.repository.close()

    def of(self, pushes: Sequence[Push]) -> list[Previewed]:
        """The plans of all branches that are pushed."""
        return [self._planned(run, one) for run, one in self.reached(pushes)]

    def target_of(self, push: Push, commit: str) -> tuple[str, bool]:
        """The branch that a push is for, and whether it is pushed to: the one where a workflow is deployed from.

        For any other it is the one that a merge would reach: of those that workflows follow, the one that the commit has left
        last, else the default branch.
        """
        default = self.repository.default_branch()
        run, _ = self.started(self.tip(default) or commit, push.branch or default)
        if push.branch is not None and self.pushed_here and not push.review:
            # One that follows the branch of that name in another repository, which this one is a fork of, is not reached by it.
            followed = {run.session.branch_of(one) for one in self._ours(run) if self._is_pushed_to(run, one)}
            if push.branch in followed or self.tip(default) is None:
                return push.branch, True
        if push.review and push.branch is not None:
            return push.branch, False
        run, _ = self.started(self.tip(default) or commit, default)
        followed = {run.session.branch_of(one) for one in self._ours(run)}
        there = {name: tip for name in followed if (tip := self.tip(name)) is not None}
        if len(there) < 2:
            return next(iter(there), default), False
        return min(there, key=lambda name: (self.repository.ahead(there[name], commit), name != default, name)), False

    def started(self, revision: str, branch: str) -> tuple[Run, BaseLua]:
        """A session with the Lua of a revision read; the built-in workflow where it has none. `branch`: as in `Session`."""
        for lua, about, run in self._started:
            strategies = any(one.branch_strategy for one in run.session.workflows.values())
            if (about == branch or not strategies) and not lua.changed_by(revision):
                return run, lua
        lua = BaseLua(self.repository, revision, given="", folder=self.top)
        options = Options(rehearse=True, source=lua.source, builtin=lua.source is None, declare_only=True)
        run = start(
            options,
            environ=self.environ,
            observer=_Quiet(self.observer),
            gate=NoGate(),
            offline=self.offline,
            branch=branch,
        )
        self._started.append((lua, branch, run))
        return run, lua

    def tip(self, branch: str) -> str | None:
        """What the remote has there. Raises RepositoryError where that is not here."""
        return self.repository.fetcher.branch(branch)

    def reached(self, pushes: Sequence[Push]) -> Iterator[tuple[Run, Previewed]]:
        """The workflows that a push reaches, each commit once, before anything is planned; and the run that knows each."""
        found: set[tuple[str, str]] = set()
        for push in pushes:
            commit = self.repository.resolve(push.commit)
            target, pushed = self.target_of(push, commit)
            base = self.tip(target)
            run, lua = self.started(base or self.tip(self.repository.default_branch()) or commit, target)
            changed = lua.changed_by(commit)
            self.said += about_lua(lua, changed, target, "push")
            if run.builtin and changed:
                continue  # as in CI: what is declared for the first time takes the place of the built-in workflow
            for workflow in self._ours(run, tell=True):
                key = (workflow.id, commit)
                if key not in found and run.session.branch_of(workflow) == target:
                    found.add(key)
                    there = run.session.repository(workflow.repository).fetcher.branch(target)
                    yield run, Previewed(workflow, commit, target, pushed, there, push.branch, run.builtin)

    def is_untouched(self, run: Run, one: Previewed) -> bool:
        """Whether nothing that is rendered differs: then there is nothing to plan."""
        if one.base is None:
            return False
        after = one.commit
        if not one.pushed:
            after = merged(run.session.repository(one.workflow.repository), one.base, one.commit).commit
        return is_untouched(run.session, one.workflow, one.base, after)

    def _planned(self, run: Run, one: Previewed) -> Previewed:
        workflow, commit, base = one.workflow, one.commit, one.base
        session = run.session
        try:
            if self.is_untouched(run, one):
                return one
            if base is None or one.pushed:
                plan = preview_revisions(session, workflow, base, commit, merging=False)
            else:
                plan = preview_merge(session, workflow, commit, only_git=True)
            plan = structs.replace(plan, conflicts=(*plan.conflicts, *invalid(session, workflow, plan)))
        except SlothError as error:
            return replace(one, error=error, before=self._broken_before(run, one, error))
        return replace(one, plan=plan, before=self._doubled_before(run, one, plan))

    def _broken_before(self, run: Run, one: Previewed, error: SlothError) -> frozenset[str]:
        """The files with problems that have the same in the base: the push did not break them."""
        if not isinstance(error, RenderFailed) or one.base is None:
            return frozenset()
        try:
            rendered(run.session, one.workflow, one.base, missing_ok=True)
        except RenderFailed as earlier:
            known = {(problem.path, problem.reason) for problem in earlier.problems}
            return frozenset(p.path for p in error.problems if (p.path, p.reason) in known)
        except RenderError:
            return frozenset()
        return frozenset()

    def _doubled_before(self, run: Run, one: Previewed, plan: Plan) -> frozenset[str]:
        """The objects that are declared twice in the base, too."""
        if one.base is None or all(conflict.type != "duplicate_resource" for conflict in plan.conflicts):
            return frozenset()
        with suppress(RenderError):
            known = rendered(run.session, one.workflow, one.base, missing_ok=True).duplicates
            return frozenset(str(first.ref) for first, _ in known)
        return frozenset()

    def _is_pushed_to(self, run: Run, workflow: WorkflowSpec) -> bool:
        return run.session.repository(workflow.repository).fetcher.name == self.repository.fetcher.name

    def _ours(self, run: Run, *, tell: bool = False) -> list[WorkflowSpec]:
        """The workflows that deploy what this repository holds."""
        ours = []
        for workflow in run.session.workflows.values():
            if workflow.id in run.session.inactive:
                continue
            try:
                run.session.repository(workflow.repository)
            except Elsewhere as error:
                if tell:
                    self.said.append(f"{workflow.environment or workflow.name} is left out: {error.message}")
                continue
            ours.append(workflow)
        return ours


def open_here(offline: Offline, top: Path, environ: Mapping[str, str]) -> Repository:
    """The repository that is pushed from. Nothing is fetched."""
    return open_repository(
        RepositorySpec(url="."), cwd=top, environ=environ, cache_dir=cache_dir(environ), offline=offline
    )


class _Quiet:
    """What the Lua file prints is for those who run it; a push waits for its preview alone."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def log(self, level: Level, message: str) -> None:
        self._observer.log("debug" if level == "info" else level, message)

    def phase(self, name: str, total: int | None = None) -> None:
        self._observer.phase(name, total)

    def advance(self, item: str) -> None:
        self._observer.advance(item)

    def item(self, ref: str, state: ItemState, detail: str = "") -> None:
        self._observer.item(ref, state, detail)
