"""Who there is: people, bots, groups and their members, and the tokens that they come with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from support.gitlab.model import Job

Level = Literal["none", "guest", "planner", "reporter", "developer", "maintainer", "owner"]
AnyLevel = Literal[
    "none", "guest", "planner", "reporter", "developer", "maintainer", "owner", "read", "triage", "write", "maintain", "admin"
]  # fmt: skip
"""A level, or GitHub's word for it: so one table of cases can be run against both forges."""

ACCESS: Final[Mapping[Level, int]] = {
    "none": 0,
    "guest": 10,
    "planner": 15,
    "reporter": 20,
    "developer": 30,
    "maintainer": 40,
    "owner": 50,
}
"""The numbers of lib/gitlab/access.rb."""

_GITHUB: Final[Mapping[str, Level]] = {
    "read": "reporter",
    "triage": "reporter",
    "write": "developer",
    "maintain": "maintainer",
    "admin": "owner",
}

SCOPES: Final = ("api", "read_api", "read_user", "read_repository", "write_repository")


def access(level: AnyLevel) -> int:
    """The number of a level."""
    return ACCESS[_GITHUB.get(level, level)]  # type: ignore[arg-type]  # one of the two dictionaries has each


@dataclass
class Account:
    """Somebody."""

    login: str
    id: int
    name: str
    email: str
    bot: bool = False
    """Of a project access token."""
    state: Literal["active", "blocked"] = "active"


@dataclass
class Group:
    """A group, whose members are members of its projects and subgroups, too."""

    path: str
    id: int
    members: dict[str, int] = field(default_factory=dict)
    """The access level of each."""


@dataclass(frozen=True)
class Token:
    """What a request comes with."""

    value: str = field(repr=False)
    login: str
    kind: Literal["personal", "project", "job"] = "personal"
    scopes: tuple[str, ...] = ("api",)
    project: str = ""
    """The path of the project that a project access token or a job is of."""
    job: Job | None = None

    def grants(self, *scopes: str) -> bool:
        """Whether it has one of some scopes."""
        return any(scope in self.scopes for scope in scopes)
