"""One call of the REST API: who asks for what, and what a handler may answer. Handlers register themselves by `route`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple
from urllib.parse import unquote, urlencode

from support.gitlab.accounts import AnyLevel, Token, access
from support.gitlab.description import ROOT
from support.gitlab.merge_request import MergeRequest
from support.gitlab.model import Note
from support.gitlab.refused import Refused, forbidden, no_such_route, not_found, unauthorized

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.project import Project


Login = Literal["always", "writes", "later"]
"""`always` and `writes` (all but reading) are 401 without a token, whatever the project: `authenticate!` and
`authenticate_non_get!` of lib/api. `later`: first the project has to be one that everybody sees, else it is 404."""


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
    level: int
    """What is needed on the project. A member of any level may read where this is 0, of a public project everybody."""
    job: bool
    """Whether CI_JOB_TOKEN is good for it."""
    login: Login
    """When a token is asked for."""
    premium: bool
    """Whether there is no such path in the Community Edition."""
    run: Callable[[Call], Answer]


@dataclass
class Call:
    """A request that has been understood and let in."""

    fake: FakeGitLab
    token: Token | None
    path: str
    params: dict[str, str]
    query: dict[str, list[str]]
    body: dict[str, Any]
    given: Project | None = None

    @property
    def project(self) -> Project:
        """The project that the path names."""
        assert self.given
        return self.given

    @property
    def login(self) -> str:
        """Who asks."""
        return self.token.login if self.token else ""

    def one(self, name: str, default: str = "") -> str:
        """A value of the query."""
        return self.query.get(name, [default])[-1]

    def true(self, name: str) -> bool:
        """Whether the query says yes."""
        return self.one(name).lower() in ("true", "1", "yes", "on")

    def pull(self) -> MergeRequest:
        """The merge request that the path names."""
        number = int(self.params.get("merge_request_iid") or self.params["noteable_id"])
        pull = self.project.pulls.get(number)
        if pull is None:
            raise not_found()
        pull.refresh()
        return pull

    def note(self) -> Note:
        """The note that the path names."""
        note = self.project.notes.get(int(self.params["note_id"]))
        if note is None or note.number != self.pull().number:
            raise not_found()
        return note

    def commit(self, name: str = "") -> str:
        """The commit that the path (or an argument) names by a sha, a branch or a tag."""
        sha = self.project.git.resolve(name or self.params["sha"])
        if sha is None:
            raise not_found("Commit")
        return sha

    def needs(self, level: AnyLevel) -> None:
        """Raises Refused where who asks is less than that."""
        if self.project.access(self.login) < access(level):
            raise forbidden()

    def page(self, items: Sequence[Any], shape: Callable[[Any], Any], *, count: bool = True) -> Answer:
        """A page of a list, with the headers that say where the others are. Without `count`, not how many there are."""
        size = min(int(self.one("per_page", "20")), 100)
        page = int(self.one("page", "1"))
        last = max(1, -(-len(items) // size))
        places = {"prev": page - 1, "next": page + 1, "first": 1, "last": last if count else 0}
        links = []
        for word, number in places.items():
            if 1 <= number <= last:
                query = {name: values for name, values in self.query.items() if name not in ("page", "per_page")}
                pairs = [
                    (f"{name}[]" if len(values) > 1 else name, one) for name, values in query.items() for one in values
                ]
                where = urlencode([*pairs, ("page", number), ("per_page", size)])
                links.append(f'<{self.fake.api}{self.path}?{where}>; rel="{word}"')
        headers = {
            "X-Page": str(page),
            "X-Per-Page": str(size),
            "X-Prev-Page": str(page - 1) if page > 1 else "",
            "X-Next-Page": str(page + 1) if page < last else "",
            "Link": ", ".join(links),
        }
        if count:
            headers |= {"X-Total": str(len(items)), "X-Total-Pages": str(last)}
        return Answer(200, [shape(item) for item in items[(page - 1) * size : page * size]], headers)


ROUTES: Final[list[Route]] = []


def route(
    method: str,
    template: str,
    level: AnyLevel = "reporter",
    *,
    job: bool = False,
    login: Login = "writes",
    premium: bool = False,
) -> Callable[[Callable[[Call], Answer]], Callable[[Call], Answer]]:
    """Register a handler for an operation, by the method and the path of GitLab's description (below `/api/v4`)."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(template))

    def register(run: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        ROUTES.append(Route(method, f"{ROOT}{template}", re.compile(pattern), access(level), job, login, premium, run))
        return run

    return register


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """The operation of a request, and what its path names."""
    fitting = [
        (found, match) for found in ROUTES if found.method == method and (match := found.pattern.fullmatch(path))
    ]
    if not fitting:
        return None
    # `members/all` is no member whose id is `all`.
    found, match = max(fitting, key=lambda pair: len(re.sub(r"\{\w+\}", "", pair[0].template)))
    return found, {name: unquote(value) for name, value in match.groupdict().items()}


def authorize(call: Call, found: Route) -> None:
    """Raises Refused where the token may not do this, in the words of GitLab."""
    fake, token = call.fake, call.token
    if found.premium and fake.edition == "ce":
        raise no_such_route()
    reads = found.method in ("GET", "HEAD")
    if token and token.kind == "job":
        if not found.job:
            # Where a job token is not taken, it is as if there was none: lib/gitlab/auth/auth_finders.rb.
            token = call.token = None
    elif token and not token.grants("api", *(("read_api",) if reads else ())):
        words = "The request requires higher privileges than provided by the access token."
        raise Refused(
            403, "insufficient_scope", key="error", error_description=words, scope="api read_api" if reads else "api"
        )
    alone = "{id}" not in found.template
    if token is None and (found.login == "always" or alone or (found.login == "writes" and not reads)):
        raise unauthorized()
    if "/projects/" not in found.template:
        return
    _authorize_project(call, found, token, reads=reads)


def _authorize_project(call: Call, found: Route, token: Token | None, *, reads: bool) -> None:
    project = call.given = call.fake.find(call.params["id"])
    login = token.login if token else ""
    # The token of a job is good for its own project alone: no other one of the fake has it on its list.
    foreign = (
        token is not None and project is not None and token.kind != "personal" and token.project != project.full_name
    )
    if token and project and foreign and token.kind == "job" and project.visibility != "public":
        own = token.project.rpartition("/")[2]
        raise forbidden(f"Authentication by CI/CD job token not allowed from {own} to {project.name}.")
    if project is None or not project.sees(login) or (foreign and project.visibility != "public"):
        raise not_found("Project")
    level = 0 if foreign else project.access(login)
    if level < found.level and not (reads and found.level <= access("reporter") and project.visibility == "public"):
        raise forbidden() if token else unauthorized()
