"""What Lua may ask for, as plain tables: the functions of `gitops` on a session.

Most files only declare, so that what does things is imported where it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from threading import get_ident

import msgspec
from msgspec import structs

from sloth_ci.core.errors import Interrupted, SlothError, UsageError
from sloth_ci.core.events import Level
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.secrets import is_secret_variable
from sloth_ci.core.workflow import RepositorySpec, WorkflowSpec, read_table
from sloth_ci.engine.branching import by_strategy
from sloth_ci.engine.freeze import check_freezes
from sloth_ci.engine.session import Session, Stop

ALLOWED_ENVIRONMENT = ("CI", "HOME", "USER", "LANG", "TZ", "PWD")
_ALLOWED_PREFIXES = ("SLOTH_", "GITHUB_", "CI_", "GITLAB_", "RUNNER_")


class Api:
    """`script.host.Host` on the real engine."""

    def __init__(
        self,
        session: Session,
        *,
        trusted: bool,
        runs_commands: bool | None = None,
        allowed_environment: tuple[str, ...] = (),
    ) -> None:
        self._session = session
        self._allowed = {*ALLOWED_ENVIRONMENT, *allowed_environment}
        self.trusted = trusted
        self.runs_commands = trusted if runs_commands is None else runs_commands
        self.plans: dict[str, Plan] = {}
        """The last plan of each workflow that the script asked for."""
        self.outcomes: list[SyncOutcome] = []
        self._running: dict[int, Stop] = {}

    @property
    def rehearsal(self) -> bool:
        """Whether every mutation is a dry-run."""
        return self._session.rehearsal

    @property
    def _declares_only(self) -> bool:
        """A hook reads the file to know what it declares: no destination is asked, whatever else it says at its top."""
        return self._session.offline is not None

    def register_repository(self, table: dict[str, object]) -> str:
        """`gitops.register_repository{}`: returns the id."""
        spec = read_table(table, RepositorySpec, "gitops.register_repository")
        return self._session.register_repository(self._with_login(spec))

    def create_workflow(self, table: dict[str, object], what: str) -> str:
        """`gitops.workflow{}` and `gitops.create_workflow{}`: returns the id.

        The repository is `repository` (an id, a URL or a table) or `repo` (a URL); `credentials` belong to it.
        """
        table = dict(table)
        given = table.pop("repo", None) if "repo" in table else table.get("repository")
        credentials = table.pop("credentials", None)
        if given is None:
            raise UsageError(
                f"{what}: no repository", 'give repo = "https://…", or repository = gitops.register_repository{…}'
            )
        repository = self._repository(given, credentials, table.get("branch"), what)
        table["repository"] = msgspec.to_builtins(repository)
        if "name" not in table:
            table["name"] = self._name_of(repository)
        workflow, inactive = by_strategy(self._session, read_table(table, WorkflowSpec, what))
        check_freezes(workflow)
        return self._session.add_workflow(workflow, inactive=inactive)

    def _repository(self, given: object, credentials: object, branch: object, what: str) -> RepositorySpec:
        if isinstance(given, dict):
            spec = read_table(given, RepositorySpec, f"{what}.repository")
        elif not isinstance(given, str):
            raise UsageError(f"{what}: 'repository': expected an id, a URL or a table")
        elif given in self._session.repositories:
            return self._session.repositories[given]
        else:
            table = {"url": given, "branch": branch, "credentials": credentials}
            spec = read_table({k: v for k, v in table.items() if v is not None}, RepositorySpec, what)
        spec = self._with_login(spec)
        self._session.register_repository(spec)
        return spec

    def _with_login(self, spec: RepositorySpec) -> RepositorySpec:
        """Read what the credentials only name from the environment, so that no script ever holds it."""
        credentials = spec.credentials
        if credentials is None or self._session.offline is not None:  # without a remote nobody logs in
            return spec
        found: dict[str, str] = {}
        for field in ("token", "password", "ssh_key"):
            variable = getattr(credentials, f"{field}_env")
            if variable is None:
                continue
            value = self._session.environ.get(variable)
            if not value:
                raise UsageError(
                    f"credentials of {spec.url}: {variable} is not set", f"set it, or leave {field}_env out"
                )
            found[field] = value
        return structs.replace(spec, credentials=structs.replace(credentials, **found))

    def _name_of(self, spec: RepositorySpec) -> str:
        """The last part of the URL; for this very checkout, that of its remote."""
        url = spec.url if spec.url.strip("./") else self._session.repository(spec).display
        return url.rstrip("/").rsplit("/", 1)[-1].removesuffix(".git") or "default"

    def workflow_info(self, workflow_id: str) -> dict[str, object]:
        """The fields of the object that `gitops.workflow` returns."""
        workflow = self._session.workflow(workflow_id)
        return {
            "workflow_id": workflow_id,
            "repository_id": workflow.repository.id,
            "name": workflow.name,
            "environment": workflow.environment,
            "branch": workflow.branch,
            "target_path": workflow.target_path,
            "auto_sync": workflow.auto_sync,
        }

    def generate_diff(self, workflow_id: str) -> dict[str, object] | None:
        """The plan as a table; None only where there is nothing to change and nothing wrong."""
        from sloth_ci.engine.preview import preview
        from sloth_ci.report.document import plan_document

        workflow = self._session.workflow(workflow_id)
        if self._declares_only:
            return None
        plan = preview(self._session, workflow)
        self.plans[workflow_id] = plan
        if not plan.changes and not plan.conflicts and not plan.warnings:
            return None
        moment = datetime.fromtimestamp(self._session.clock(), UTC).isoformat(timespec="seconds")
        return plan_document(plan, generated_at=moment)

    def sync_workflow(self, workflow_id: str) -> tuple[bool, str | None]:
        """True, or false and why."""
        from sloth_ci.engine.sync import sync

        workflow = self._session.workflow(workflow_id)

        def run(session: Session) -> tuple[bool, str | None]:
            outcome = sync(session, workflow)
            self.outcomes.append(outcome)
            return outcome.status != "failed", outcome.message

        return self._outcome(run)

    def rollback_workflow(self, workflow_id: str, reason: str | None, to: str | None) -> tuple[bool, str | None]:
        """True, or false and why."""
        from sloth_ci.engine.rollback import PREVIOUS, rollback

        workflow = self._session.workflow(workflow_id)

        def run(session: Session) -> tuple[bool, str | None]:
            outcome = rollback(session, workflow, reason=reason or "rollback requested", to=to or PREVIOUS)
            return outcome.status != "failed", outcome.message

        return self._outcome(run)

    def _outcome(self, run: Callable[[Session], tuple[bool, str | None]]) -> tuple[bool, str | None]:
        """An outcome is a value: what stops a sync or a rollback is told to the script, which decides."""
        if self._declares_only:
            return True, None
        session = replace(self._session, stop=self._session.stop.child())
        self._running[get_ident()] = session.stop
        try:
            done, message = run(session)
        except Interrupted:
            raise
        except SlothError as error:
            self._session.observer.log("error", error.message)
            return False, error.message
        finally:
            del self._running[get_ident()]
        return done, None if done else message

    def cancel(self, thread: int) -> None:
        """Ask the sync or rollback that runs in a thread to end at its next safe point."""
        stop = self._running.get(thread)
        if stop is not None:
            stop.set()

    def get_workflow_status(self, workflow_id: str) -> dict[str, object]:
        """The table of DESIGN's `get_workflow_status`."""
        from sloth_ci.engine.status import status

        workflow = self._session.workflow(workflow_id)
        if self._declares_only:
            return {**self.workflow_info(workflow_id), "id": workflow_id, "status": "active", "dry_run": True}
        return status(self._session, workflow)

    def list_workflows(self) -> list[dict[str, object]]:
        """Every declared workflow, without asking any remote."""
        return [{"id": workflow_id, **self.workflow_info(workflow_id)} for workflow_id in self._session.workflows]

    def start_auto_sync(self) -> None:
        """In a CI job: one pass, now. Elsewhere the loop starts when the file has run to its end."""
        if self._session.environ.get("CI") and not self._declares_only:
            from sloth_ci.engine.controller import one_pass

            for turn in one_pass(self._session):
                if turn.outcome is None:
                    self._session.observer.log("error", f"{turn.workflow.name}: {turn.error}")
                else:
                    self.outcomes.append(turn.outcome)
        else:
            self._session.auto_sync_started = True

    def stop_auto_sync(self) -> None:
        """The loop does not start, or ends."""
        self._session.auto_sync_started = False

    def ask(self) -> str:
        """What `io.read()` returns."""
        return self._session.gate.ask()

    def log(self, level: Level, message: str) -> None:
        """One line for the reader."""
        self._session.observer.log(level, message)

    def environment(self, name: str) -> str | None:
        """An environment variable that a script may see. Raises UsageError for one it may not."""
        allowed = name in self._allowed or name.startswith(_ALLOWED_PREFIXES)
        if not allowed or is_secret_variable(name, self._session.environ.get(name, "")):
            raise UsageError(
                f"env.get: '{name}' is not allowed",
                "allow it with --allow-env; what is named like a secret never is: use credentials = { token_env = … }",
            )
        return self._session.environ.get(name)
