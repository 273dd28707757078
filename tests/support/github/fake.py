"""A GitHub of one's own: stateful, on loopback, and held to GitHub's own description of itself.

    fake = FakeGitHub(folder, descriptions)
    with fake:
        repo = fake.repository("acme/shop", from_repo=git_repo)
        repo.allow("bob", "write")
        repo.commit("alice", "feature", {"web.yaml": "..."})
        pull = repo.open_pull("alice", "feature")
        token = fake.github_token(repo, {"checks": "write", "contents": "read"})
        ...                                   # the program under test speaks to fake.api with token.value
        pull.approve("bob")
        pull.merge("bob", "squash")
        fake.check()                          # raises if anybody said what GitHub would not understand

The origin is that of an Enterprise Server: REST below `/api/v3`, GraphQL at `/api/graphql`, Git at `/OWNER/REPO.git`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from support.forges.clock import Clock
from support.forges.record import Record
from support.forges.unhappy import Unhappy
from support.github import description
from support.github.accounts import ACTIONS, ACTIONS_BOT, ALL, Account, App, Permissions, Team, Token
from support.github.bare import WEB, Bare
from support.github.graphql import GraphQL
from support.github.repository import Repository
from support.github.server import Server
from support.github.unhappy import LIMITS, Fault
from support.gitrepo import GitRepo

if TYPE_CHECKING:
    from support.github.events import Event
    from support.github.model import Run

REST_FILE: Final = "api.github.com.json"
GRAPHQL_FILE: Final = "schema.graphql"
EXAMPLES_FILE: Final = "webhooks.json"


class Violations(AssertionError):
    """Somebody, perhaps the fake itself, said what GitHub's description does not allow."""


class FakeGitHub:
    """The forge. `folder` is where it keeps its repositories, `descriptions` what scripts/descriptions.py gets."""

    def __init__(self, folder: Path, descriptions: Path, *, clock: Clock | None = None, port: int = 0) -> None:
        self.folder = folder
        self.descriptions = descriptions
        self.description = description.load(descriptions / REST_FILE)
        self.graphql = GraphQL(self, descriptions / GRAPHQL_FILE)
        self.clock = clock or Clock()
        self.record = Record()
        self.unhappy: Unhappy[Fault] = Unhappy(LIMITS)
        self.lock = threading.RLock()
        """Held by whoever reads or writes the state: a request, or a test that runs beside one."""
        self.accounts: dict[str, Account] = {}
        self.teams: dict[tuple[str, str], Team] = {}
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.verified: set[str] = set()
        """Commits that GitHub signed."""
        self.violations: list[str] = []
        self._ids = itertools.count(1001)
        folder.mkdir(parents=True, exist_ok=True)
        self.account(ACTIONS_BOT).type = "Bot"
        self._server = Server(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        """GITHUB_SERVER_URL."""
        self.api = f"{self.url}/api/v3"
        """GITHUB_API_URL, and PyGithub's `base_url`."""
        self.graphql_url = f"{self.url}/api/graphql"
        """GITHUB_GRAPHQL_URL."""

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
        """Note that somebody said what GitHub would not understand."""
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
            account = Account(login, number, email=f"{number}+{login}@users.noreply.github.com")
            self.accounts[login] = account
        if email:
            account.email = email
        return account

    def knows(self, login: str) -> bool:
        """Whether there is such a person."""
        return login in self.accounts

    def identity(self, login: str) -> tuple[str, str]:
        """The name and the address of somebody's commits."""
        return login, self.account(login).email

    def login_of(self, email: str) -> str | None:
        """Whose address that is."""
        if email == WEB[1]:
            return self.account("web-flow").login
        return next((login for login, account in self.accounts.items() if account.email == email), None)

    def team(self, organisation: str, slug: str, members: Iterable[str]) -> Team:
        """A team of an organisation."""
        self.account(organisation).type = "Organization"
        for login in members:
            self.account(login)
        team = Team(organisation, slug, self.next_id(), set(members))
        self.teams[organisation, slug] = team
        return team

    def repository(
        self,
        full_name: str,
        *,
        from_repo: GitRepo | None = None,
        from_path: Path | None = None,
        private: bool = True,
        parent: Repository | None = None,
    ) -> Repository:
        """A repository with the branches and tags of another one, or an empty one.

        A private one, unless said otherwise: of a public one everybody may read everything, so that a missing permission
        would not be seen.
        """
        owner, name = full_name.split("/")
        git = Bare(self.folder / owner / f"{name}.git")
        git.install()
        source = from_repo.path if from_repo else from_path
        if source:
            git.git("fetch", "--quiet", str(source), "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        git.known = git.objects()
        made = Repository(self, self.account(owner), name, git, private=private, parent=parent)
        self.repositories[full_name] = made
        return made

    # --- tokens

    def token(self, login: str) -> Token:
        """A person's token, which may do what the person may."""
        self.account(login)
        return self._keep(Token(f"ghp_{login}{self.next_id():08}", login))

    def github_token(
        self, repository: Repository, permissions: Permissions | None = None, *, fork: bool = False
    ) -> Token:
        """GITHUB_TOKEN of a job: all permissions by default. With `fork`, that of a fork's pull request: it only reads."""
        given: Permissions = dict.fromkeys(ALL, "write") if permissions is None else permissions
        if fork:
            given = {name: "none" if access == "none" else "read" for name, access in given.items()}
        return self.installation_token(repository, given, ACTIONS, ACTIONS_BOT)

    def installation_token(self, repository: Repository, permissions: Permissions, app: App, login: str) -> Token:
        """The token of any App on a repository."""
        self.account(login).type = "Bot"
        return self._keep(Token(f"ghs_{self.next_id():012}", login, repository.full_name, dict(permissions), app))

    def _keep(self, token: Token) -> Token:
        self.tokens[token.value] = token
        return token

    # --- events

    def event(self, name: str, repository: Repository, *, run: Run | None = None, **about: object) -> Event:
        """The event that starts a run, with the payload and the environment that GitHub gives it. See `events`."""
        from support.github.events import build

        return build(self, name, repository, run, about)
