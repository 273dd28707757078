"""Every error that a user can meet, each class with the exit code of its kind.

    SlothError            1   a fault of ours; the message asks for a report
    ├── UsageError        2   the command line, a Lua table or the Lua itself is wrong
    ├── RenderError       3   manifests cannot be read, rendered or break their schema
    ├── ConflictError     4   the plan has conflicts, or a policy forbids it
    ├── ApprovalError     5   an approval is missing, or was given to another plan
    ├── ApplyError        6   a change was refused or failed half way
    ├── UnhealthyError    7   everything was applied, and it did not become healthy
    ├── RolledBackError   8   it failed, and the destination is back where it was
    ├── ForgeError        9   GitHub or GitLab said no
    │   └── RepositoryError   a Git remote said no, or Git itself failed
    │       ├── StateMoved    another writer was first
    │       └── BranchRefused the branch takes nothing but what a pull request brings
    ├── UnreachableError 10   the destination cannot be reached
    ├── LockedError      11   somebody else is syncing
    └── Interrupted     130   a person or the runner stopped it

A subclass without a code of its own shares its parent's.
"""

from __future__ import annotations

from typing import ClassVar


class SlothError(Exception):
    """What went wrong (`message`) and what the reader can do about it (`hint`)."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(SlothError):
    """The command line, a table in the Lua file, or the Lua itself is wrong."""

    exit_code = 2


class RenderError(SlothError):
    """The desired state cannot be read or rendered, or an object breaks its schema."""

    exit_code = 3


class ConflictError(SlothError):
    """The plan must not be applied as it is."""

    exit_code = 4


class ApprovalError(SlothError):
    """No approval, or one that was given to a different plan."""

    exit_code = 5


class ApplyError(SlothError):
    """The destination refused a change."""

    exit_code = 6


class UnhealthyError(SlothError):
    """All changes were applied and a health check failed or timed out."""

    exit_code = 7


class RolledBackError(SlothError):
    """The sync failed and the destination was put back."""

    exit_code = 8


class ForgeError(SlothError):
    """The forge refused or did not answer."""

    exit_code = 9


class RepositoryError(ForgeError):
    """A Git remote refused or did not answer, or a Git command failed."""

    @property
    def unreachable(self) -> bool:
        """Whether trying again later may help: the remote was not there, rather than saying no."""
        return False


class StateMoved(RepositoryError):
    """Another writer changed a ref since it was read. Read it again and decide anew."""


class BranchRefused(RepositoryError):
    """The branch is protected. What was to be put on it can be asked for by a pull request."""


class UnreachableError(SlothError):
    """The destination does not answer."""

    exit_code = 10


class LockedError(SlothError):
    """Another sync holds the destination."""

    exit_code = 11


class Interrupted(SlothError):
    """Stopped by a signal."""

    exit_code = 130
