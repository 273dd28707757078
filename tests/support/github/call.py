"""One call of the REST API: who asks for what, and what a handler may answer. Handlers register themselves by `route`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode

from support.github.accounts import Level, Token, at_least
from support.github.pull import Pull, Refused

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub
    from support.github.repository import Repository

Access = Literal["read", "write"]


@dataclass
class Answer:
    """What a handler says."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Route(NamedTuple):
    """An operation that the fake has."""

    method: str
    template: str
    pattern: re.Pattern[str]
    needs: tuple[tuple[str, Access], ...]
    """Permissions of an installation, one of which is enough."""
    level: Level
    """What a person needs on the repository."""
    run: Callable[[Call], Answer]


@dataclass
class Call:
    """A request that has been understood and let in."""

    fake: FakeGitHub
    token: Token | None
    path: str
    params: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    repository: Repository | None = None

    @property
    def repo(self) -> Repository:
        """The repository that the path names."""
        assert self.repository
        return self.repository

    @property
    def login(self) -> str:
        """Who asks."""
        return self.token.login if self.token else ""

    def pull(self) -> Pull:
        """The pull request that the path names."""
        number = int(self.params.get("pull_number") or self.params["issue_number"])
        pull = self.repo.pulls.get(number)
        if pull is None:
            raise Refused(404, "Not Found")
        pull.refresh()
        return pull

    def commit(self, name: str = "") -> str:
        """The commit that the path (or an argument) names by a sha, a branch or a tag."""
        name = name or self.params["ref"]
        sha = self.repo.git.resolve(name.removeprefix("heads/"))
        if sha is None:
            raise Refused(422, f"No commit found for SHA: {name}")
        return sha

    def page(self, items: Sequence[Any], shape: Callable[[Any], Any], key: str = "") -> Answer:
        """A page of a list, with the links to the others."""
        size = min(int(self.query.get("per_page", "30")), 100)
        page = int(self.query.get("page", "1"))
        last = max(1, -(-len(items) // size))
        links = []
        for word, number in (("prev", page - 1), ("next", page + 1), ("last", last), ("first", 1)):
            if number == page or not 1 <= number <= last or (word == "first" and page == 1):
                continue
            where = f"{self.fake.api}{self.path}?{urlencode({**self.query, 'page': str(number)})}"
            links.append(f'<{where}>; rel="{word}"')
        shown = [shape(item) for item in items[(page - 1) * size : page * size]]
        body: Any = {"total_count": len(items), key: shown} if key else shown
        return Answer(200, body, {"Link": ", ".join(links)} if links else {})


ROUTES: Final[list[Route]] = []


def route(
    method: str, template: str, *needs: str, level: Level | None = None
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Register a handler for an operation, by the method and the path of GitHub's description.

    `needs` are permissions of an installation's token (`checks=write`), one of which is enough. A person needs the level
    that goes with it, or the one that is named.
    """
    wanted: list[tuple[str, Access]] = []
    for need in needs:
        name, _, access = need.partition("=")
        assert access in ("read", "write")
        wanted.append((name, "write" if access == "write" else "read"))
    writes = any(access == "write" for _, access in wanted)
    # A path of a file and a ref have slashes of their own.
    kinds = dict.fromkeys(("ref", "basehead", "branch", "environment_name", "name"), ".+") | {"path": ".*"}
    pattern = re.sub(
        r"\\{(\w+)\\}", lambda found: f"(?P<{found[1]}>{kinds.get(found[1], '[^/]+')})", re.escape(template)
    )

    def register(run: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        chosen: Level = level or ("write" if writes else "read")
        ROUTES.append(Route(method, template, re.compile(pattern), tuple(wanted), chosen, run))
        return run

    return register


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The operation of a request, and what its path names."""
    # The longest template that fits: a greedy ref in a shorter one would swallow the rest.
    fitting = [
        (found, match) for found in ROUTES if found.method == method and (match := found.pattern.fullmatch(path))
    ]
    if not fitting:
        return None
    found, match = max(fitting, key=lambda pair: len(re.sub(r"\{\w+\}", "", pair[0].template)))
    return found, {name: unquote(value) for name, value in match.groupdict().items()}


def parse_query(query: str) -> dict[str, str]:
    """A query as names and values."""
    return dict(parse_qsl(query, keep_blank_values=True))


def authorize(call: Call, found: Route) -> None:
    """Raises Refused where the token may not do this, in the words of GitHub."""
    repository, token = call.repository, call.token
    writes = any(access == "write" for _, access in found.needs)
    if token is None:
        if writes or not repository or repository.private:
            raise Refused(401, "Requires authentication")
        return
    if token.app:
        _authorize_installation(call, found, token, writes=writes)
    elif repository and not at_least(repository.level(token.login), found.level):
        raise Refused(403, "Resource not accessible by personal access token")


def _authorize_installation(call: Call, found: Route, token: Token, *, writes: bool) -> None:
    repository = call.repository
    if repository and not repository.private and not writes:
        return  # what everybody may read
    own = not repository or repository.full_name == token.repository
    if own and any(token.grants(name, access) for name, access in found.needs):
        return
    if not own and repository and repository.private:
        raise Refused(404, "Not Found")
    raise Refused(403, "Resource not accessible by integration")


def accepted_permissions(found: Route) -> dict[str, str]:
    """The header by which GitHub says what would have been enough."""
    if not found.needs:
        return {}
    return {"X-Accepted-GitHub-Permissions": "; ".join(f"{name}={access}" for name, access in found.needs)}
