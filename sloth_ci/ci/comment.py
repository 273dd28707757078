"""A comment on a pull request: do what it asks for, and answer in one comment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from sloth_ci.ci.base import on_base
from sloth_ci.ci.deploy import deploy_revision, finish
from sloth_ci.ci.gate import check_name
from sloth_ci.ci.job import Job
from sloth_ci.ci.rehearse import rehearse
from sloth_ci.core.errors import ApprovalError, ConflictError, ForgeError, LockedError, SlothError, UsageError
from sloth_ci.core.ledger import Suspension
from sloth_ci.core.outcome import SyncOutcome
from sloth_ci.core.review import Comment, PullRequest
from sloth_ci.core.slash import SlashCommand, Verb, command_line, find_command
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.engine.ordering import in_order
from sloth_ci.engine.pending import pending_revisions
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.suspend import resume, suspend
from sloth_ci.report.comment import Answer, answer, help_answer
from sloth_ci.startup import Run

_REFUSALS = (UsageError, ApprovalError, LockedError)


def answer_comment(job: Job) -> int:
    """Returns the exit code: that of what was asked for, and 0 where nothing was."""
    event = job.event
    said = event.comment
    if said is None or event.action != "created" or event.number is None:
        return 0
    line = command_line(said.body)
    if line is None:
        job.observer.log("info", "the comment holds no command")
        return 0
    if said.answered:
        job.observer.log("warn", "the comment was answered before: for another time there has to be another comment")
        return 0
    if not job.forge.may_write(said.author):
        job.observer.log("warn", f"{said.author} may not push to {event.repository}, so the command is not followed")
        job.forge.react(event.number, said.id, "confused")
        return 0
    job.forge.react(event.number, said.id, "eyes")
    return _Conversation(job, said, line, job.forge.pull_request(event.number)).follow()


class _Conversation:
    """One command, from the comment to its answer."""

    def __init__(self, job: Job, said: Comment, line: str, pull: PullRequest) -> None:
        self._job, self._said, self._line, self._pull = job, said, line, pull

    def follow(self) -> int:
        """Do it, and answer."""
        try:
            now = self._job.forge.find_comment(self._pull.number, self._said.id)
            if now.edited or now.body != self._said.body:
                raise UsageError("the comment was edited after it was written", "write a new comment")
            code, message = self._do()
        except SlothError as error:
            self._answer("refused" if isinstance(error, _REFUSALS) else "failed", error.message, error.hint)
            self._job.forge.react(self._pull.number, self._said.id, "-1")
            self._job.observer.log("error", error.message)
            finish(self._job)
            return error.exit_code
        if message is not None:
            self._answer("failed" if code else "done", message)
        self._job.forge.react(self._pull.number, self._said.id, "-1" if code else "+1")
        return code

    def _do(self) -> tuple[int, str | None]:
        """The exit code, and the answer in words; None where it was answered in another way."""
        job, pull = self._job, self._pull
        acts: dict[Verb, Callable[[Run, SlashCommand], tuple[int, str | None]]] = {
            "deploy": self._deploy,
            "rollback": self._rollback,
            "lock": self._lock,
            "unlock": self._unlock,
        }
        # The branch that the job runs for, not the one that the pull request names: anybody who may push makes one of those.
        with on_base(job, job.event.branch or "") as (run, _):
            environments = [w.environment or w.name for w in run.session.workflows.values()]
            command = find_command(self._said.body, list(dict.fromkeys(environments)))
            assert command is not None
            if command.verb in acts:
                return acts[command.verb](run, command)
        if command.verb == "help":
            job.forge.comment(pull, self._marker, help_answer(job.forge.request_word))
            return 0, None
        return self._preview(command.verb)

    # --- commands

    def _preview(self, verb: Verb) -> tuple[int, str | None]:
        """`preview`, and what follows an `approve`: the comment itself is the approval, and the gate says whether it counts."""
        event = replace(
            self._job.event,
            kind="pull_request",
            sha=self._pull.head_sha,
            branch=self._pull.base_branch,
            lua_branch=self._job.event.branch,
            pull=self._pull,
        )
        self._job.event = event
        code = rehearse(self._job)
        waiting = [
            f"{one.plan.environment or one.plan.name} waits for {'; '.join(one.verdict.missing)}"
            for one in self._job.shown
            if one.verdict is not None and not one.verdict.open
        ]
        if verb == "approve" and waiting:
            return code, f"seen, and {', '.join(waiting)}"
        return code, "the report above is up to date"

    def _deploy(self, run: Run, command: SlashCommand) -> tuple[int, str]:
        job, pull = self._job, self._pull
        session = run.session
        if pull.fork and pull.state == "open":
            raise ApprovalError("what a fork has is deployed after its merge, and not before", "merge it first")
        if pull.state == "closed":
            raise UsageError(f"{pull.name} is closed", "deploy what is merged or open")
        revision = pull.merge_sha if pull.state == "merged" else pull.head_sha
        assert revision is not None
        for workflow in self._workflows(run, command):
            branch = session.branch_of(workflow)
            if branch != pull.base_branch:
                raise UsageError(
                    f"{workflow.name} is deployed from {branch}, and {pull.name} goes into {pull.base_branch}"
                )
            if pull.state == "open":
                job.gate.belongs(revision, pull)
                job.outcomes.append(self._deploy_unmerged(run, workflow, revision))
            elif pending_revisions(session, workflow, revision):
                job.outcomes.append(deploy_revision(job, session, workflow, revision))
            else:
                raise UsageError(
                    f"something newer than {revision[:10]} is deployed already", "to go back: /sloth rollback"
                )
        return finish(job), f"{revision[:10]} in {command.environment}"

    def _deploy_unmerged(self, run: Run, workflow: WorkflowSpec, revision: str) -> SyncOutcome:
        """The environment is locked for the pull request: the next merge of another one would take this away again."""
        session, number, name = run.session, self._pull.number, self._pull.name
        self._up_to_date(run, workflow)
        self._bound(check_name(workflow, session))
        there = suspend(session, workflow, self._suspension(f"deployed from {name} before its merge"))
        if there is not None and there.pull_request != number:
            where = workflow.environment or workflow.name
            raise LockedError(
                f"{workflow.name} is locked by {there.by}: {there.reason}", f"/sloth unlock {where} takes it back"
            )
        try:
            return deploy_revision(self._job, session, workflow, revision)
        except (ApprovalError, ConflictError, ForgeError):
            if there is None:  # nothing was deployed, so there is nothing to keep others from
                resume(session, workflow, by=f"{name}, which was not deployed")
            raise

    def _rollback(self, run: Run, command: SlashCommand) -> tuple[int, str]:
        reason = command.reason or f"{self._said.author} asked for it on {self._pull.name}"
        for workflow in reversed(self._workflows(run, command)):
            self._job.outcomes.append(rollback(run.session, workflow, reason=reason, to=self._job.inputs.to))
        return finish(self._job), reason

    def _lock(self, run: Run, command: SlashCommand) -> tuple[int, str]:
        for workflow in self._workflows(run, command):
            there = suspend(run.session, workflow, self._suspension(command.reason))
            if there is not None and (there.by, there.pull_request) != (self._said.author, self._pull.number):
                raise LockedError(
                    f"{workflow.name} is locked by {there.by} already: {there.reason or 'no reason was given'}",
                    f"/sloth unlock {command.environment} takes it back, whoever asks",
                )
        return (
            0,
            f"{command.environment} takes nothing but {self._pull.name} until /sloth unlock {command.environment}",
        )

    def _unlock(self, run: Run, command: SlashCommand) -> tuple[int, str]:
        found = [resume(run.session, workflow, by=self._said.author) for workflow in self._workflows(run, command)]
        by = dict.fromkeys(one.by for one in found if one is not None)
        return 0, f"{command.environment} is free again" + (f"; it was locked by {', '.join(by)}" if by else "")

    # --- what they share

    def _workflows(self, run: Run, command: SlashCommand) -> Sequence[WorkflowSpec]:
        where = command.environment
        chosen = [w for w in run.choose(None, None) if where in (w.environment, w.name)]
        return in_order(run.session, chosen)

    def _suspension(self, reason: str) -> Suspension:
        return Suspension(
            by=self._said.author, at=time.time(), reason=reason, pull_request=self._pull.number, sigil=self._pull.sigil
        )

    def _bound(self, name: str) -> None:
        """The plan that is shown now was shown when the comment was written. A comment has no commit of its own.

        Raises ApprovalError.
        """
        check = self._job.forge.plan_check(self._pull.head_sha, name)
        shown = check.completed if check is not None else None
        since = self._job.forge.head_since(self._pull)  # a commit may have been checked on another branch before
        if shown is None or since is None or max(shown, since) > self._said.created:
            raise ApprovalError(
                f"the plan of {self._pull.head_sha[:10]} was not there yet when this was written",
                "look at the plan in the report, and comment again",
            )

    def _up_to_date(self, run: Run, workflow: WorkflowSpec) -> None:
        """What is deployed before its merge has to hold what the branch has, or it would take that away. Raises UsageError."""
        repository = run.session.repository(workflow.repository)
        branch = run.session.branch_of(workflow)
        if not repository.is_ancestor(repository.branch_tip(branch), self._pull.head_sha):
            raise UsageError(f"{self._pull.name} does not have all of {branch} yet", "update its branch first")

    @property
    def _marker(self) -> str:
        return f"sloth-ci:answer:{self._said.id}"

    def _answer(self, state: Answer, message: str, hint: str | None = None) -> None:
        body = answer(
            self._line,
            who=self._said.author,
            state=state,
            sha=self._pull.head_sha,
            message=message,
            hint=hint,
            outcomes=self._job.outcomes,
            run_url=self._job.pages.run,
        )
        self._job.outputs.set("comment-url", self._job.forge.comment(self._pull, self._marker, body))
