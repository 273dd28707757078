"""What is wrong with what is staged: of each workflow whose files changed, what it would render now and did not before."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from sloth_ci.baselua import BaseLua
from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.objects import Manifest
from sloth_ci.core.words import first_line
from sloth_ci.core.workflow import RepositorySpec, WorkflowSpec
from sloth_ci.engine.preview import is_untouched
from sloth_ci.engine.session import Session
from sloth_ci.hook.bystander import NoGate, Silent
from sloth_ci.hook.finding import Finding
from sloth_ci.hook.outcome import Outcome, outcome_of
from sloth_ci.hook.staged import Staged
from sloth_ci.render import candidates
from sloth_ci.render.detect import CHART_FILE, KUSTOMIZATION_FILES, below_any
from sloth_ci.render.tools import ToolMissing
from sloth_ci.repo import Elsewhere, Offline, Repository, git, open_repository
from sloth_ci.repo.checkout import Checkout, named_remotes, read_config
from sloth_ci.repo.tree import show_path
from sloth_ci.startup import Options, Run, cache_dir, start

if TYPE_CHECKING:
    from sloth_ci.hook.judging import Judge

_POSITION = re.compile(r"([^\n:]+):(\d+): (.*)", re.DOTALL)


class Checked(NamedTuple):
    """All that was found."""

    findings: tuple[Finding, ...] = ()
    """By file and line, each once."""
    notes: tuple[str, ...] = ()
    """What was not checked, and why."""
    source: str = ""
    """Where the schemas are from, where an object breaks one."""


def check(found: Staged, environ: Mapping[str, str]) -> Checked:
    """Check what is staged. Nothing is asked of the network. Raises SlothError where sloth-ci itself cannot go on."""
    offline = _offline(found.checkout, environ)
    spec, top, cache = RepositorySpec(url="."), found.checkout.root, cache_dir(environ)
    with closing(open_repository(spec, cwd=top, environ=environ, cache_dir=cache, offline=offline)) as repository:
        changed = frozenset(change.path for change in repository.changed(found.bases[0], found.commit))
        if not changed:
            return Checked()
        looking = _Look(repository, found, offline, environ, changed)
        looking.look()
        return Checked(tuple(sorted(looking.findings)), looking.notes, looking.source)


def _offline(checkout: Checkout, environ: Mapping[str, str]) -> Offline:
    """Branch strategies ask for the default branch of the remote: as this machine saw it last."""
    config = read_config(checkout.git_dir, git.environment(environ))
    names = list(named_remotes(config, checkout.root, environ))
    remote = "origin" if "origin" in names else names[0] if len(names) == 1 else None
    return Offline(remote, default="main", checkout=checkout, config=config)


class _Look:
    """One look at what is staged."""

    def __init__(
        self,
        repository: Repository,
        found: Staged,
        offline: Offline,
        environ: Mapping[str, str],
        changed: frozenset[str],
    ) -> None:
        self._repository = repository
        self._found = found
        self._offline = offline
        self._environ = environ
        self._changed = changed
        self._judge: Judge | None = None
        self.findings: set[Finding] = set()
        self._skipped: dict[str, list[str]] = {}
        """What was not checked, by the reason."""

    def look(self) -> None:
        """Read the workflow file as it is staged, and check what it declares."""
        lua = self._lua(self._found.commit)
        try:
            run = self._start(lua)
        except SlothError as error:
            # What this machine lacks is no fault of the file.
            ours = isinstance(error, UsageError) and bool(lua.changed_by(self._found.bases[0]))
            self._lua_broken(lua, error, changed=ours)
            return
        with closing(run):
            changed = not run.builtin and lua.changed_by(self._found.bases[0])
            before = self._before(run) if changed else None
            for workflow in self._workflows(run):
                if before is None or before.get(workflow.id) == workflow:
                    self._workflow(run, workflow, self._found.bases)
                else:
                    self._workflow(run, workflow, ())

    @property
    def source(self) -> str:
        """Where the schemas are from, where an object breaks one."""
        return self._judge.source if self._judge else ""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was not checked, a line for each reason."""
        return tuple(f"not checked: {', '.join(places)}: {why}" for why, places in self._skipped.items())

    # --- the workflow file -----------------------------------------------------------------------------------------

    def _lua(self, revision: str) -> BaseLua:
        return BaseLua(self._repository, revision, given="", folder=Path.cwd())

    def _start(self, lua: BaseLua) -> Run:
        options = Options(rehearse=True, source=lua.source, builtin=lua.source is None, declare_only=True)
        return start(options, environ=self._environ, observer=Silent(), gate=NoGate(), offline=self._offline)

    def _lua_broken(self, lua: BaseLua, error: SlothError, *, changed: bool) -> None:
        path = lua.path or ""
        where = _POSITION.match(error.message)
        line, message = (int(where[2]), where[3]) if where else (1, error.message)
        if where and where[1] != path:
            path = next((one for one in self._changed if one.endswith(where[1])), path)
        if changed:
            hint = f" ({error.hint})" if error.hint else ""
            self.findings.add(Finding(path, line, "", f"{first_line(message)}{hint}"))
        else:
            self._skipped.setdefault(f"{path}:{line}: {first_line(message)}", []).append("all of it")

    def _before(self, run: Run) -> dict[str, WorkflowSpec]:
        """What was declared before; where that was no better, nothing has to be told apart."""
        try:
            with closing(self._start(self._lua(self._found.bases[0]))) as earlier:
                return dict(earlier.session.workflows)
        except SlothError:
            return dict(run.session.workflows)

    def _workflows(self, run: Run) -> Iterator[WorkflowSpec]:
        """Those of this repository. Without a workflow file, whatever looks as if it could be deployed."""
        for workflow in run.session.workflows.values():
            try:
                run.session.repository(workflow.repository)
            except Elsewhere:
                continue
            if not run.builtin:
                yield workflow
                continue
            for folder in candidates(self._repository.tree(self._found.commit)):
                yield replace(workflow, target_path=folder)

    # --- one workflow ----------------------------------------------------------------------------------------------

    def _workflow(self, run: Run, workflow: WorkflowSpec, bases: Sequence[str]) -> None:
        session, head = run.session, self._found.commit
        if bases and is_untouched(session, workflow, bases[0], head):
            return
        now = outcome_of(session, workflow, head)
        before = [outcome_of(session, workflow, base) for base in bases]
        if now.error is not None:
            self._not_rendered(workflow, now, before)
            return
        if run.builtin and now.plain:
            now = self._without_parts(now, workflow.target_path)
        self._problems(workflow, now, before)
        self._duplicates(now, before)
        known_before = [{(one.ref, one.digest) for one in each.manifests} for each in before]
        everything = (*now.manifests, *(other for _, other in now.duplicates))
        new = [one for one in everything if not any((one.ref, one.digest) in each for each in known_before)]
        if new:
            self._objects(session, workflow, new, now.manifests)

    def _objects(
        self, session: Session, workflow: WorkflowSpec, new: Sequence[Manifest], rendered: Sequence[Manifest]
    ) -> None:
        from sloth_ci.hook.judging import Judge  # most commits bring no object

        self._judge = self._judge or Judge(self._repository, self._found.commit, session)
        self.findings |= set(self._judge.findings(workflow, new, rendered))

    def _not_rendered(self, workflow: WorkflowSpec, now: Outcome, before: Sequence[Outcome]) -> None:
        """It is the commit's fault where it was another way before, and nothing that this machine lacks."""
        assert now.error is not None
        where, message = workflow.target_path or ".", first_line(now.error.message)
        was = any(one.error is not None and one.error.message == now.error.message for one in before)
        if was or isinstance(now.error, ToolMissing) or workflow.render.allow_remote_bases:
            self._skipped.setdefault(message, []).append(show_path(where))
        else:
            self.findings.add(Finding(where, 1, "", message))

    def _problems(self, workflow: WorkflowSpec, now: Outcome, before: Sequence[Outcome]) -> None:
        """What was wrong before, in a file that is as it was, is not this commit's."""
        old = {(problem.path, problem.reason) for each in before for problem in each.problems}
        ours = [one for one in now.problems if one.path in self._changed or (one.path, one.reason) not in old]
        self.findings |= {Finding(one.path, one.line, "", one.reason) for one in ours}
        if now.problems and not ours and not now.plain:
            why = f"it could not be rendered before: {now.problems[0]}"
            self._skipped.setdefault(why, []).append(show_path(workflow.target_path or "."))

    def _duplicates(self, now: Outcome, before: Sequence[Outcome]) -> None:
        old = {_pair(first, other) for each in before for first, other in each.duplicates}
        for first, other in now.duplicates:
            if _pair(first, other) in old:
                continue
            one, two = (first, other) if other.source.path in self._changed else (other, first)
            what = f"is declared in {show_path(one.source.path)}:{one.source.line}, too"
            self.findings.add(Finding(two.source.path, two.source.line, str(two.ref), what))

    def _without_parts(self, now: Outcome, folder: str) -> Outcome:
        """Without what kustomizations and charts below the folder are made of: nobody deploys that as it is."""
        paths = [entry.path for entry in self._repository.tree(self._found.commit, folder, missing_ok=True).entries()]
        names = {*KUSTOMIZATION_FILES, CHART_FILE}
        parts = {posixpath.dirname(path) for path in paths if posixpath.basename(path) in names}
        if not parts:
            return now
        kept = tuple(one for one in now.manifests if not below_any(one.source.path, parts))
        pairs = tuple(
            pair for pair in now.duplicates if not any(below_any(one.source.path, parts) for one in pair)
        )  # fmt: skip
        broken = tuple(one for one in now.problems if not below_any(one.path, parts))
        return now._replace(manifests=kept, duplicates=pairs, problems=broken)


def _pair(first: Manifest, other: Manifest) -> tuple[Any, ...]:
    return first.ref, first.source.path, other.source.path
