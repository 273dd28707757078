"""What the use-cases ask of the outside: each a Protocol that a module or a small class satisfies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec


class Gate(Protocol):
    """Decides whether a plan may be applied."""

    def guards(self, workflow: WorkflowSpec) -> bool:
        """Whether plans of a workflow have to be let through by `check` at all."""

    def check(self, workflow: WorkflowSpec, plan: Plan) -> None:
        """Raises ApprovalError where an approval is missing or was given to another plan, and says what is missing."""

    def policies(self, workflow: WorkflowSpec) -> Sequence[PolicySpec]:
        """What plans of a workflow are held to beside its own policy."""

    def ask(self) -> str:
        """What `io.read()` returns: a line from a terminal, or in CI `y` where the gate is satisfied, else nothing."""


class Forge(Protocol):
    """What a forge does for Git that a push does not."""

    @property
    def request_word(self) -> str:
        """What the forge calls a change under review: `pull request`, `merge request`."""

    def frozen(self) -> str | None:
        """The freeze that the forge itself holds against deployments now, in words: `frozen until ...`; None where none does."""

    @property
    def repository(self) -> str:
        """The one that it speaks of, as `RepositorySpec.url` may name it: `owner/name`."""

    def commit(self, branch: str, parent: str, message: str, changes: Mapping[str, bytes | None]) -> str:
        """Commit files (None deletes one) on top of `parent`, signed by the forge, and return the new commit's id.

        The files become regular ones that are no programs. Raises StateMoved where the branch is no longer at `parent`,
        BranchRefused where it is protected, and ForgeError for anything else: then it may be done or not.
        """

    def request(self, branch: str, base: str, title: str, body: str) -> str:
        """Ask for a merge of `branch` into `base`, unless somebody did, and return the URL. Raises ForgeError."""
