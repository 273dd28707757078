"""Why a job runs: the event, in the same words for every forge."""

from __future__ import annotations

from typing import Literal

import msgspec

from sloth_ci.core.review import Comment, PullRequest

Kind = Literal["pull_request", "merge_group", "push", "schedule", "dispatch", "comment", "review", "relay", "nothing"]
"""`dispatch`: somebody started it by hand. `relay`: the run of a fork's pull request has ended, and left a bundle.
`nothing`: a webhook told of something that nothing is to be done for."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. What it says of a pull request was true when it happened."""

    kind: Kind
    repository: str
    """`owner/name`."""
    sender: str
    """The login of who caused it."""
    sha: str
    """The commit that the job is about: of a pull request its head, of a push what was pushed."""
    action: str = ""
    """`opened`, `synchronize`, `submitted`: what happened to it, where there are several."""
    branch: str | None = None
    """The branch that was pushed, or that a pull request or merge group goes into; None for a tag."""
    lua_branch: str | None = None
    """Whose Lua is run, where it is not that of `branch`: anybody who may push makes a branch to ask for a merge into."""
    pull: PullRequest | None = None
    number: int | None = None
    """The pull request that a comment is on."""
    comment: Comment | None = None
    before: str | None = None
    """What a pushed branch held before; None where it is new."""
    default_branch: str = ""
    """Of the repository."""
    deleted: bool = False
    """The push deleted its branch."""
    run_id: int | None = None
    """The run that a relay is about."""
    head_branch: str | None = None
    """Of a relay: the branch that its pull request comes from, as the forge says."""
    head_repository: str | None = None
    untrusted: bool = False
    """The job has a read-only token and no secrets: a fork's pull request, or one of Dependabot's."""
    relayed: bool = False
    """Another job, with rights, reports what this one leaves in a bundle."""
