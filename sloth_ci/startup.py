"""From a command line or a CI job to a session with its workflows declared."""

from __future__ import annotations

import getpass
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sloth_ci.assets import lua_dir
from sloth_ci.core.errors import UsageError
from sloth_ci.core.events import Observer
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import WorkflowSpec, did_you_mean
from sloth_ci.engine.api import Api
from sloth_ci.engine.ordering import in_order
from sloth_ci.engine.ports import Forge, Gate
from sloth_ci.engine.session import Session, Stop

if TYPE_CHECKING:
    from sloth_ci.repo import Offline
    from sloth_ci.script.host import Reader
    from sloth_ci.script.run import Script

WORKFLOW_FILES = ("sloth.lua", ".sloth/workflow.lua")


@dataclass
class Run:
    """A session whose Lua file was read."""

    session: Session
    api: Api
    script: Script
    builtin: bool
    """No Lua file was found, so the built-in default workflow is used."""

    def close(self) -> None:
        """Let go of the Lua state and of Git."""
        self.script.close()
        self.session.close()

    def choose(self, environment: str | None, name: str | None) -> list[WorkflowSpec]:
        """The declared workflows of an environment and of a name. Raises UsageError where there is none."""
        declared = list(self.session.workflows.values())
        chosen = [
            workflow
            for workflow in declared
            if environment in (None, workflow.environment) and name in (None, workflow.name, workflow.id)
        ]
        active = [workflow for workflow in chosen if workflow.id not in self.session.inactive]
        for workflow in chosen:
            if workflow not in active:
                self.session.observer.log("info", f"{workflow.name}: {self.session.inactive[workflow.id]}")
        if active:
            return active
        if chosen:
            raise UsageError("no workflow is deployed from this branch", self.session.inactive[chosen[0].id])
        if not declared:
            raise UsageError("the Lua file declares no workflow", "declare one with gitops.workflow{ repo = … }")
        for asked, known in (
            (environment, [w.environment for w in declared if w.environment]),
            (name, [w.name for w in declared]),
        ):
            if asked is not None and asked not in known:
                raise UsageError(f"no workflow is declared for '{asked}'", did_you_mean(asked, known))
        raise UsageError(f"no workflow named '{name}' is declared for '{environment}'")

    def choose_one(self, environment: str | None, name: str | None) -> WorkflowSpec:
        """As `choose`, and there must be just one."""
        chosen = self.choose(environment, name)
        if len(chosen) > 1:
            listed = ", ".join(f"{w.name} ({w.environment})" if w.environment else w.name for w in chosen)
            raise UsageError(f"{len(chosen)} workflows are declared: {listed}", "choose with --environment or --name")
        return chosen[0]


@dataclass(frozen=True)
class Source:
    """A Lua file that is not read from the work tree: that of the base branch, while a pull request is checked out."""

    path: str
    """In the repository."""
    reader: Reader
    top: Path
    """The top of the repository."""


@dataclass(frozen=True)
class Options:
    """What the command line says about the run as a whole."""

    workflow_file: str | None = None
    target_path: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    allow_env: tuple[str, ...] = ()
    rehearse: bool = False
    source: Source | None = None
    """Where the Lua is read from, instead of the work tree. It is trusted, and the work tree is not."""
    builtin: bool = False
    """Use the built-in workflow, whatever the work tree holds."""
    reviewed: bool = True
    """Whether the file is of a branch that was looked at: one of another branch runs no commands."""
    declare_only: bool = False
    """Calls of the file that would change something are rehearsed: only what it declares is wanted."""


def start(
    options: Options,
    *,
    environ: Mapping[str, str],
    observer: Observer,
    gate: Gate,
    forge: Forge | None = None,
    stop: Stop | None = None,
    checkpoint: Callable[[str], None] = lambda name: None,
    offline: Offline | None = None,
    unreviewed: Unreviewed | None = None,
    branch: str | None = None,
) -> Run:
    """Find the Lua file, run it, and return what it declared. Raises UsageError, ScriptError.

    `offline`, `unreviewed` and `branch` are those of `Session`.
    """
    from sloth_ci.script.run import load

    source = options.source
    file = source.top / source.path if source else None
    if source is None and not options.builtin:
        file = find_workflow_file(options.workflow_file, Path.cwd())
    root = root_of(file) if file else top_of(Path.cwd())
    theirs = is_pull_request(environ)
    trusted = source is not None or options.builtin or not theirs
    session = Session(
        root=root,
        environ=environ,
        cache_dir=cache_dir(environ),
        observer=observer,
        gate=gate,
        forge=forge,
        stop=stop or Stop(),
        holder=holder(environ),
        rehearsal=options.rehearse or options.declare_only or theirs,
        checkpoint=checkpoint,
        offline=offline,
        unreviewed=unreviewed,
        branch=branch,
    )
    api = Api(
        session,
        trusted=trusted,
        runs_commands=options.reviewed and not theirs and not (source and options.rehearse),
        allowed_environment=options.allow_env,
    )
    values = {"target_path": options.target_path} if options.target_path is not None else {}
    script = load(
        file or lua_dir() / "default.lua",
        api,
        reader=source.reader if source else None,
        values=values,
        params=options.params,
        environ=environ,
        directory=root,
    )
    if options.target_path is not None:
        _retarget(session, options.target_path, builtin=file is None)
    in_order(session, list(session.workflows.values()))  # so that a wrong depends_on is found by every command
    session.rehearsal = options.rehearse or theirs
    return Run(session, api, script, builtin=file is None)


@contextmanager
def stoppable(run: Run) -> Iterator[None]:
    """SIGTERM and Ctrl-C end a run at its next safe point, and a second one at once. The run is closed at the end."""

    def stop(number: int, _frame: object) -> None:
        if run.session.stop.is_set():
            raise KeyboardInterrupt  # asked twice
        run.session.observer.log("warn", f"{signal.Signals(number).name}: stopping at the next safe point")
        run.session.stop.set()
        run.script.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        run.close()


def is_pull_request(environ: Mapping[str, str]) -> bool:
    """Whether CI runs this for a pull or merge request, or a group of them: whose code has no rights, and can only rehearse."""
    return (
        environ.get("GITHUB_EVENT_NAME", "").startswith(("pull_request", "merge_group"))
        or environ.get("CI_PIPELINE_SOURCE") == "merge_request_event"
        or bool(environ.get("CI_MERGE_REQUEST_IID"))
    )


def _retarget(session: Session, target_path: str, *, builtin: bool) -> None:
    """`--target-path` is for the built-in workflow, or for a file that declares a single one."""
    if builtin:
        return
    if len(session.workflows) != 1:
        raise UsageError(
            "--target-path needs a file that declares one workflow", "choose with --environment or --name instead"
        )
    from msgspec.structs import replace

    (workflow,) = session.workflows.values()
    session.workflows.clear()
    session.add_workflow(replace(workflow, target_path=target_path))


def find_workflow_file(given: str | None, start_at: Path) -> Path | None:
    """The file that was named, else the first of `WORKFLOW_FILES` here or in a folder above, up to the repository's top."""
    if given is not None:
        path = Path(given)
        if not path.is_file():
            raise UsageError(f"there is no workflow file {given}", "write one with sloth-ci init")
        return path.resolve()
    for folder in (start_at, *start_at.parents):
        for name in WORKFLOW_FILES:
            if (folder / name).is_file():
                return folder / name
        if (folder / ".git").exists():
            return None
    return None


def root_of(file: Path) -> Path:
    """The folder that the paths of a workflow file are counted from."""
    return file.parent.parent if file.parent.name == ".sloth" else file.parent


def top_of(folder: Path) -> Path:
    """The top of the repository around a folder, else the folder itself."""
    return next((above for above in (folder, *folder.parents) if (above / ".git").exists()), folder)


def cache_dir(environ: Mapping[str, str]) -> Path:
    """`SLOTH_CACHE_DIR`, else `sloth-ci` in the user's cache directory."""
    if environ.get("SLOTH_CACHE_DIR"):
        return Path(environ["SLOTH_CACHE_DIR"])
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or "~").expanduser() / ".cache")
    return Path(base) / "sloth-ci"


def holder(environ: Mapping[str, str]) -> str:
    """Who runs this, for locks and history: the URL of the CI job, or user, host and process."""
    if environ.get("GITHUB_RUN_ID"):
        server = environ.get("GITHUB_SERVER_URL", "")
        return f"{server}/{environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{environ['GITHUB_RUN_ID']}"
    if environ.get("CI_JOB_URL"):
        return environ["CI_JOB_URL"]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's uid without an entry in passwd
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()} (process {os.getpid()})"
