"""What the resolvers of the GraphQL API share: who asks, how lists are paged, how GitHub refuses."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from support.github.accounts import Token, at_least

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub
    from support.github.repository import Repository

Node = dict[str, Any]


class Denied(Exception):
    """GitHub would not do this, and says why: its errors have a type."""

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type


class Unsupported(Exception):
    """GitHub has it and the fake has not."""


class Asking:
    """Who asks."""

    def __init__(self, fake: FakeGitHub, token: Token) -> None:
        self.fake = fake
        self.token = token

    def repository(self, full_name: str) -> Repository:
        """A repository that the token can see. Raises Denied."""
        found = self.fake.repositories.get(full_name)
        if found is not None:
            seen = self.token.repository == full_name if self.token.app else found.level(self.token.login) != "none"
            if seen or not found.private:
                return found
        raise Denied("NOT_FOUND", f"Could not resolve to a Repository with the name '{full_name}'.")

    def need(self, repository: Repository, permission: str, access: Literal["read", "write"]) -> None:
        """Raises Denied where the token may not do this."""
        if access == "read" and not repository.private:
            return
        if self.token.app:
            fine = self.token.repository == repository.full_name and self.token.grants(permission, access)
        else:
            fine = at_least(repository.level(self.token.login), access)
        if not fine:
            kind = "integration" if self.token.app else "personal access token"
            raise Denied("FORBIDDEN", f"Resource not accessible by {kind}")


def connection(name: str, items: Sequence[Any], shape: Callable[[Any], Node], args: dict[str, Any]) -> Node:
    """A page of a list. Raises Denied where the caller does not say how much of it, or wants more than 100."""
    first: int | None = args.get("first")
    size = args.get("last") if first is None else first
    if size is None:
        words = f"You must provide a `first` or `last` value to properly paginate the `{name}` connection."
        raise Denied("MISSING_PAGINATION_BOUNDARIES", words)
    if not 0 < size <= 100:
        words = f"Requesting {size} records on the `{name}` connection exceeds the `first` limit of 100 records."
        raise Denied("EXCESSIVE_PAGINATION", words)
    start = int(base64.b64decode(args["after"])) + 1 if args.get("after") else 0
    end = int(base64.b64decode(args["before"])) if args.get("before") else len(items)
    if first is not None:
        end = min(end, start + first)
    else:
        start = max(start, end - size)
    nodes = [shape(item) for item in items[start:end]]
    cursors = [base64.b64encode(str(number).encode()).decode() for number in range(start, end)]
    return {
        "nodes": nodes,
        "edges": [{"node": found, "cursor": cursor} for found, cursor in zip(nodes, cursors, strict=True)],
        "totalCount": len(items),
        "pageInfo": {
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
            "startCursor": cursors[0] if cursors else None,
            "endCursor": cursors[-1] if cursors else None,
        },
    }
