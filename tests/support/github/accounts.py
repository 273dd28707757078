"""Who there is: people, bots, organisations and their teams, and the tokens that they come with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Level = Literal["none", "read", "triage", "write", "maintain", "admin"]
LEVELS: Final[tuple[Level, ...]] = ("none", "read", "triage", "write", "maintain", "admin")
ACTIONS_BOT: Final = "github-actions[bot]"
Permissions = Mapping[str, Literal["read", "write", "none"]]

# What `permissions: write-all` gives a job. There is no `members` and no `administration`: GITHUB_TOKEN never has those.
ALL: Final = (
    "actions", "attestations", "checks", "contents", "deployments", "discussions", "issues", "packages", "pages",
    "pull_requests", "repository_projects", "security_events", "statuses",
)  # fmt: skip


def at_least(level: Level, wanted: Level) -> bool:
    """Whether a level on a repository includes another one."""
    return LEVELS.index(level) >= LEVELS.index(wanted)


@dataclass
class Account:
    """A person, a bot or an organisation."""

    login: str
    id: int
    type: Literal["User", "Bot", "Organization"] = "User"
    email: str = ""
    """The address that links commits to the account."""
    gone: bool = False
    """Deleted: what the person said stays, by nobody."""


@dataclass
class Team:
    """People of an organisation. `slug` is its name in CODEOWNERS: `@acme/platform`."""

    organisation: str
    slug: str
    id: int
    members: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class App:
    """A GitHub App, which is what makes check runs."""

    id: int
    slug: str
    name: str


ACTIONS: Final = App(15368, "github-actions", "GitHub Actions")


@dataclass(frozen=True)
class Token:
    """What a request comes with: who it speaks for, and what that token may do.

    A person's token may do what the person may. An installation's (GITHUB_TOKEN is one) has permissions, for one
    repository, and is no user: `GET /user` is refused.
    """

    value: str
    login: str
    repository: str | None = None
    """`owner/name` of an installation's only repository; None for a person's token."""
    permissions: Permissions = field(default_factory=dict)
    app: App | None = None

    def grants(self, permission: str, access: Literal["read", "write"]) -> bool:
        """Whether an installation's token has a permission. Everybody has `metadata: read`."""
        given = self.permissions.get(permission, "read" if permission == "metadata" else "none")
        return given in ("write", access)
