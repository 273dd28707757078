"""A GitLab of one's own: stateful, on loopback, and held to GitLab's own description of itself.

    fake = FakeGitLab(folder, data / "gitlab-openapi.json")
    with fake:
        project = fake.project("acme/shop", from_repo=git_repo)
        project.allow("bob", "developer")
        project.commit("alice", "feature", {"web.yaml": "..."})
        pull = project.open_pull("alice", "feature")
        token = fake.project_token(project, "developer")        # SLOTH_TOKEN
        job = project.job_token()                               # CI_JOB_TOKEN
        ...                                   # the program under test speaks to fake.api with token.value
        pull.approve("bob")
        pull.merge("bob", "squash")
        fake.check()                          # raises if anybody said what GitLab would not understand

REST is below `/api/v4`, Git at `/GROUP/PROJECT.git`.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from support.forges.clock import Clock
from support.forges.record import Record
from support.forges.unhappy import Unhappy
from support.gitlab import description
from support.gitlab.accounts import Account, AnyLevel, Group, Token, access
from support.gitlab.bare import Bare
from support.gitlab.model import QuickAction
from support.gitlab.project import Project
from support.gitlab.server import Server
from support.gitlab.unhappy import LIMITS, Fault
from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.gitlab.environ import Event


class Violations(AssertionError):
    """Somebody, perhaps the fake itself, said what GitLab's description does not allow."""


class FakeGitLab:
    """The forge. `folder` is where it keeps its repositories, `rest` GitLab's description of its REST API.

    It is the Enterprise Edition, where a project without `premium` answers as Free does; with `edition="ce"` it is the
    Community Edition, which does not know the paths of Premium at all.
    """

    def __init__(
        self,
        folder: Path,
        rest: Path,
        *,
        clock: Clock | None = None,
        port: int = 0,
        edition: Literal["ee", "ce"] = "ee",
    ) -> None:
        self.folder = folder
        self.description = description.load(rest)
        self.edition = edition
        self.clock = clock or Clock()
        self.record = Record()
        self.unhappy: Unhappy[Fault] = Unhappy(LIMITS)
        self.lock = threading.RLock()
        """Held by whoever reads or writes the state: a request, or a test that runs beside one."""
        self.accounts: dict[str, Account] = {}
        self.groups: dict[str, Group] = {}
        self.projects: dict[str, Project] = {}
        self.tokens: dict[str, Token] = {}
        self.quick_actions: list[QuickAction] = []
        """What GitLab would have executed, of what was written to it."""
        self.violations: list[str] = []
        self._ids = itertools.count(1001)
        folder.mkdir(parents=True, exist_ok=True)
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """CI_SERVER_URL."""
        self.api = f"{self.url}/api/v4"
        """CI_API_V4_URL."""

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no longer."""
        self._server.stop()

    # --- judging

    def violation(self, words: str) -> None:
        """Note that somebody said what GitLab would not understand."""
        self.violations.append(words)

    def check(self) -> None:
        """Raises Violations if there is any."""
        if self.violations:
            raise Violations("\n".join(dict.fromkeys(self.violations)))

    def everything_said(self) -> str:
        """All text that was ever sent to it, to be searched for what must not be there."""
        return self.record.said()

    # --- making

    def next_id(self) -> int:
        """An id that nothing else has."""
        return next(self._ids)

    def account(self, login: str, email: str = "") -> Account:
        """Somebody, who comes to be by being named. With `email`, commits of that address are theirs."""
        account = self.accounts.get(login)
        if account is None:
            number = self.next_id()
            account = Account(login, number, login.capitalize(), f"{number}-{login}@users.noreply.gitlab.example")
            self.accounts[login] = account
        if email:
            account.email = email
        return account

    def knows(self, login: str) -> bool:
        """Whether there is such a person."""
        return login in self.accounts

    def person(self, number: int) -> Account | None:
        """Somebody by their id."""
        return next((account for account in self.accounts.values() if account.id == number), None)

    def identity(self, login: str) -> tuple[str, str]:
        """The name and the address of somebody's commits."""
        account = self.account(login)
        return account.name, account.email

    def group(self, path: str, members: Mapping[str, AnyLevel] | None = None) -> Group:
        """A group, and who is in it."""
        found = self.groups.setdefault(path, Group(path, self.next_id()))
        for login, level in (members or {}).items():
            self.account(login)
            found.members[login] = access(level)
        return found

    def groups_of(self, path: str) -> list[Group]:
        """The groups at a path, from the root on."""
        parts = path.split("/")
        paths = ("/".join(parts[: count + 1]) for count in range(len(parts)))
        return [self.groups[one] for one in paths if one in self.groups]

    def project(
        self,
        full_name: str,
        *,
        from_repo: GitRepo | None = None,
        from_path: Path | None = None,
        visibility: Literal["private", "internal", "public"] = "private",
        parent: Project | None = None,
        premium: bool = False,
    ) -> Project:
        """A project with the branches and tags of a repository, or an empty one.

        A private one, unless said otherwise: of a public one everybody may read everything, so that a missing right would
        not be seen.
        """
        git = Bare(self.folder / f"{full_name}.git")
        git.install()
        source = from_repo.path if from_repo else from_path
        if source:
            git.git("fetch", "--quiet", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        git.known = git.objects()
        namespace = full_name.rpartition("/")[0]
        if namespace not in self.accounts:
            self.group(namespace)
        made = Project(self, full_name, git, visibility=visibility, parent=parent, premium=premium)
        self.projects[full_name] = made
        return made

    def find(self, name: str) -> Project | None:
        """A project by its id or by its path."""
        if name.isdigit():
            return next((project for project in self.projects.values() if project.id == int(name)), None)
        return self.projects.get(name)

    # --- tokens

    def token(self, login: str, *scopes: str) -> Token:
        """A person's token, which may do what the person may; of the scope `api` unless others are named."""
        self.account(login)
        return self.keep(Token(f"glpat-{login}{self.next_id():012}", login, "personal", scopes or ("api",)))

    def project_token(self, project: Project, level: AnyLevel = "developer", *scopes: str) -> Token:
        """A project access token: of a bot user of its own, which is a member of the project."""
        number = self.next_id()
        login = f"project_{project.id}_bot_{hashlib.sha256(str(number).encode()).hexdigest()[:32]}"
        self.account(login).bot = True
        project.allow(login, level)
        return self.keep(Token(f"glpat-bot{number:012}", login, "project", scopes or ("api",), project.full_name))

    def keep(self, token: Token) -> Token:
        """Let a token in from now on."""
        self.tokens[token.value] = token
        return token

    # --- CI

    def event(self, source: str, project: Project, **about: object) -> Event:
        """What a pipeline's job finds in its environment. See `environ`."""
        from support.gitlab.environ import build

        return build(self, source, project, about)
