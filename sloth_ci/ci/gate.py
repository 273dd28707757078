"""The gate in CI: what the forge recorded about a plan, held against the rules of its workflow."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from sloth_ci.ci.ports import Forge
from sloth_ci.core.codeowners import PLACES_OF, Owned, changed_files, rules_for
from sloth_ci.core.errors import ApprovalError, SlothError
from sloth_ci.core.gate import Evidence, Verdict, judge, strictest
from sloth_ci.core.plan import Plan
from sloth_ci.core.review import PlanCheck, Protection, PullRequest, Review
from sloth_ci.core.workflow import ApprovalSpec, PolicySpec, WorkflowSpec
from sloth_ci.engine.policing import without_functions
from sloth_ci.engine.preview import preview
from sloth_ci.engine.pull import changed_inputs
from sloth_ci.engine.session import Session
from sloth_ci.report.text import one_line


def check_name(workflow: WorkflowSpec, session: Session) -> str:
    """The name of a workflow's check: that of its environment, and its own where several share that."""
    where = workflow.environment or workflow.name
    sharing = [w for w in session.workflows.values() if (w.environment or w.name) == where]
    name = f"sloth-ci / {where}" if len(sharing) == 1 else f"sloth-ci / {where} / {workflow.name}"
    return one_line(name, 120)


def approval_name(name: str) -> str:
    """The name of the check that says whether a plan may be merged."""
    return f"{name} / approval"


class ForgeGate:
    """`engine.ports.Gate` of a job that deploys. What it asks of the forge it asks once."""

    def __init__(self, forge: Forge, *, least_approvals: int = 0) -> None:
        self._forge = forge
        self._least = least_approvals
        self._session: Session | None = None
        self._workflows: Callable[[], list[WorkflowSpec]] = list
        self._pulls: dict[tuple[str, str], PullRequest | None] = {}
        self._reviews: dict[int, tuple[list[Review], frozenset[str]]] = {}
        self._protections: dict[str, Protection | None] = {}
        self._before: list[WorkflowSpec] = []

    def hold_to(self, workflows: list[WorkflowSpec]) -> None:
        """Hold every plan at least to the rules of these: a merge does not weaken the gate that it has to pass itself."""
        self._before = workflows

    def attach(self, session: Session, workflows: Callable[[], list[WorkflowSpec]]) -> None:
        """Know the run that this gate is the gate of, and the workflows that `io.read()` asks about."""
        self._session, self._workflows = session, workflows

    def belongs(self, revision: str, pull: PullRequest) -> None:
        """Say which pull request brings a revision, where the forge cannot know it yet."""
        self._pulls[revision, pull.base_branch] = pull

    def pull_of(self, revision: str, branch: str) -> PullRequest | None:
        """The pull request that brought a revision to a branch."""
        if (revision, branch) not in self._pulls:
            self._pulls[revision, branch] = self._forge.pull_request_of(revision, branch)
        return self._pulls[revision, branch]

    def _pull_of(self, workflow: WorkflowSpec, plan: Plan) -> PullRequest | None:
        return self.pull_of(plan.revision, self._run.branch_of(workflow))

    def rules(self, workflow: WorkflowSpec) -> ApprovalSpec | None:
        """The workflow's own, raised to those it had before this run's commit, and to what the action's input demands."""
        same = [w for w in self._before if workflow.id == w.id] or [
            w for w in self._before if workflow.environment is not None and workflow.environment == w.environment
        ]
        rules = strictest([workflow.approval_rules, *(w.approval_rules for w in same)])
        if self._least and (rules is None or rules.reviews < self._least):
            rules = replace(rules or ApprovalSpec(), reviews=self._least)
        return rules

    # --- engine.ports.Gate

    def guards(self, workflow: WorkflowSpec) -> bool:
        """Where a workflow has no rules, its environment may have some at the forge."""
        return self.rules(workflow) is not None or workflow.environment is not None

    def check(self, workflow: WorkflowSpec, plan: Plan) -> None:
        """Raises ApprovalError that says all that is missing."""
        pull = self._pull_of(workflow, plan)
        verdict = self.verdict(workflow, plan, pull, deploying=True)
        if not verdict.open:
            where = f" on {pull.url}" if pull else ""
            merged = pull is not None and pull.state == "merged"  # a forge may take no approval of that any more
            raise ApprovalError(
                f"{plan.name} is not approved{where}: {'; '.join(verdict.missing)}",
                f"{'/sloth preview and /sloth approve in its comments still count; ' if merged else ''}when it is, run this job again",
            )

    def policies(self, workflow: WorkflowSpec) -> list[PolicySpec]:
        """What they were held to before this run's commit; for a workflow with a new name, those that it takes the place of."""
        now = self._session.workflows if self._session else {}
        was = [w for w in self._before if w.id == workflow.id] or [
            w for w in self._before if w.id not in now and w.target_path == workflow.target_path
        ]
        return [without_functions(w.policy) for w in was]

    def ask(self) -> str:
        """`y` where the gate of every workflow of this run is open for what would be deployed now."""
        if self._session is None or self._session.rehearsal:
            return ""
        for workflow in self._workflows():
            try:
                plan = preview(self._session, workflow)
                if (
                    plan.conflicts
                    or not self.verdict(workflow, plan, self._pull_of(workflow, plan), deploying=True).open
                ):
                    return ""
            except SlothError as error:
                self._session.observer.log("warn", f"{workflow.name}: {error.message}")
                return ""
        return "y"

    # --- evidence

    def verdict(
        self,
        workflow: WorkflowSpec,
        plan: Plan,
        pull: PullRequest | None,
        *,
        deploying: bool,
        check: PlanCheck | None = None,
    ) -> Verdict:
        """Hold a plan against the rules. `check`: that of the plan, where it is known already."""
        rules = self.rules(workflow)
        protection = self._protection(workflow.environment) if deploying else None
        evidence = Evidence(
            pull=pull,
            protection=protection,
            request_word=self._forge.request_word,
            # What is merged was held to the forge's own rules by the forge.
            unmet=self._forge.unmet(pull) if plan.brings and pull is not None and pull.state == "open" else (),
        )
        if rules is not None and plan.brings and pull is not None:
            reviews, pushers = self._said(pull)
            owned = self._owned(workflow, plan, pull) if rules.code_owners else []
            evidence = replace(
                evidence,
                check=check or self._forge.plan_check(pull.head_sha, check_name(workflow, self._run)),
                reviews=reviews,
                pushers=pushers,
                owners=self._forge.owners(owned) if owned else {},
                owner_approvals={rule.rule: rule.approvals for rule in owned},
            )
        return judge(plan, rules, evidence)

    @property
    def _run(self) -> Session:
        if self._session is None:
            raise ValueError("the gate is not attached to a run")
        return self._session

    def _said(self, pull: PullRequest) -> tuple[list[Review], frozenset[str]]:
        if pull.number not in self._reviews:
            self._reviews[pull.number] = (self._forge.reviews(pull), self._forge.pushers(pull))
        return self._reviews[pull.number]

    def _protection(self, environment: str | None) -> Protection | None:
        if environment is None:
            return None
        if environment not in self._protections:
            self._protections[environment] = self._forge.protection(environment)
        return self._protections[environment]

    def _owned(self, workflow: WorkflowSpec, plan: Plan, pull: PullRequest) -> list[Owned]:
        """The rules for all files of the pull request that are rendered: one that is moved or deleted belongs to somebody, too.

        By the file that the base branch had when the head was pushed: a pull request does not choose its own owners.
        """
        repository = self._run.repository(workflow.repository)
        files = {*changed_files(plan), *changed_inputs(self._run, workflow, pull.base_sha, pull.head_sha)}
        dialect = self._forge.owners_dialect
        for place in PLACES_OF[dialect]:
            entry = repository.entry(repository.resolve(pull.base_sha), place)
            if entry is not None:
                [(_, text)] = repository.read([entry.blob])
                return rules_for(text.decode("utf-8", "replace"), sorted(files), dialect)
        return []
