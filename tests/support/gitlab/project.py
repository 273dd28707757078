"""A project of the fake forge, as a test sees it."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from support.forges.bare import ZERO, Signature
from support.gitlab import quick
from support.gitlab.accounts import ACCESS, AnyLevel, Level, access
from support.gitlab.bare import Bare
from support.gitlab.ci import Pipelines
from support.gitlab.merge_request import MergeRequest
from support.gitlab.model import Freeze, Label, Note, ProtectedBranch, Push, QuickAction, Rule
from support.gitlab.refused import Refused, bad_request

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab

NOTE_LIMIT = 1_000_000
"""Characters of a note: `max_note_length` of lib/gitlab/database (doc/administration/instance_limits.md)."""


class Project(Pipelines):
    """Its Git is a real bare repository; what is said about it is kept here."""

    def __init__(
        self,
        fake: FakeGitLab,
        full_name: str,
        git: Bare,
        *,
        visibility: Literal["private", "internal", "public"],
        parent: Project | None,
        premium: bool,
    ) -> None:
        super().__init__()
        self.fake = fake
        self.id = fake.next_id()
        self.full_name = full_name
        """`group/subgroup/name`."""
        self.git = git
        self.visibility = visibility
        self.parent = parent
        self.premium = premium
        """Whether it has protected environments, approval rules and deployment approvals."""
        self.default_branch = "main"
        self.created_at = fake.clock.tick()
        self.levels: dict[str, int] = {}
        self.pulls: dict[int, MergeRequest] = {}
        self.notes: dict[int, Note] = {}
        self.labels: dict[str, Label] = {}
        self.branches: list[ProtectedBranch] = []
        self.freezes: list[Freeze] = []
        self.pushes: list[Push] = []
        self.approval_rules: list[Rule] = []
        self.merge_method: Literal["merge", "rebase", "ff"] = "merge"
        self.reset_approvals_on_push = False
        self.author_approval = not premium
        """Whether the author's own approval counts: without Premium nothing forbids it."""
        self.job_token_may_push = False
        """The setting `ci_push_repository_for_job_token_allowed`."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.full_name.rpartition("/")[2]

    @property
    def namespace(self) -> str:
        """The path of its group or person."""
        return self.full_name.rpartition("/")[0]

    @property
    def path(self) -> Path:
        """The folder of the bare repository."""
        return self.git.path

    @property
    def url(self) -> str:
        """Its page."""
        return f"{self.fake.url}/{self.full_name}"

    @property
    def clone_url(self) -> str:
        """Where Git finds it, over HTTP."""
        return f"{self.url}.git"

    # --- people

    def allow(self, login: str, level: AnyLevel) -> None:
        """Make somebody a member of a level."""
        self.fake.account(login)
        self.levels[login] = access(level)

    def members(self) -> dict[str, int]:
        """The members of it and of its groups, each at the highest level."""
        found: dict[str, int] = {}
        for group in self.fake.groups_of(self.namespace):
            for login, level in group.members.items():
                found[login] = max(level, found.get(login, 0))
        for login, level in self.levels.items():
            found[login] = max(level, found.get(login, 0))
        if self.namespace in self.fake.accounts:
            found[self.namespace] = 50
        return {login: level for login, level in found.items() if level}

    def access(self, login: str) -> int:
        """What somebody may do, as a number: 0 where they are no member."""
        return self.members().get(login, 0)

    def level(self, login: str) -> Level:
        """The same as a word."""
        return max((number, level) for level, number in ACCESS.items() if number <= self.access(login))[1]

    def sees(self, login: str) -> bool:
        """Whether somebody (nobody, where empty) may know of it at all."""
        if self.visibility == "public" or (self.visibility == "internal" and login):
            return True
        return self.access(login) > 0

    def protection(self, branch: str) -> ProtectedBranch | None:
        """The rule of a branch, by its name or by a wildcard."""
        return next((rule for rule in self.branches if fnmatch.fnmatchcase(branch, rule.pattern)), None)

    def may_push(self, login: str, branch: str) -> bool:
        """Whether somebody may push to a branch."""
        rule = self.protection(branch)
        if rule is None:
            return self.access(login) >= 30
        if login in rule.people and self.premium:
            return True
        return 0 < rule.push <= self.access(login)

    def may_update(self, login: str, branch: str) -> bool:
        """Whether somebody may push to a branch or merge into it: without that they run no pipeline on it."""
        rule = self.protection(branch)
        return self.may_push(login, branch) or bool(rule and 0 < rule.merge <= self.access(login))

    # --- Git

    def head(self, branch: str = "") -> str:
        """The sha of a branch, by default of the default branch."""
        sha = self.git.resolve(f"refs/heads/{branch or self.default_branch}")
        assert sha, f"{self.full_name} has no branch {branch or self.default_branch}"
        return sha

    def commit(
        self, login: str, branch: str, files: Mapping[str, str | bytes | None], message: str = "change", start: str = ""
    ) -> str:
        """Somebody pushes a commit. A branch that is not there is made from `start`, by default the default branch."""
        before = self.git.resolve(f"refs/heads/{branch}")
        parent = before or self.head(start)
        content = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        tree = self.git.changed_tree(parent, content)
        self.fake.clock.advance(1)
        who = Signature(*self.fake.identity(login), self.fake.clock.now())
        sha = self.git.commit_tree(tree, [parent], message, who, who)
        self.git.set_ref(f"refs/heads/{branch}", sha)
        self.moved(login, branch, before or ZERO, sha)
        return sha

    def delete_branch(self, login: str, branch: str) -> None:
        """Somebody deletes a branch. Merge requests from it stay open."""
        before = self.head(branch)
        self.fake.clock.advance(1)
        self.git.set_ref(f"refs/heads/{branch}", None)
        self.moved(login, branch, before, ZERO)

    def moved(self, login: str, branch: str, before: str, after: str, *, tag: bool = False) -> None:
        """Note that somebody moved a branch, and let the merge requests see it."""
        at = self.fake.clock.tick()
        since = [] if ZERO in (before, after) else self.git.commits(before, after)
        title = None if after == ZERO else self.git.info(after).message.split("\n")[0]
        count = len(since) if before != ZERO else int(after != ZERO)
        ref = f"refs/{'tags' if tag else 'heads'}/{branch}"
        self.pushes.append(Push(self.fake.next_id(), login, ref, before, after, at, count, title))
        self.git.known |= self.git.objects()
        for project in self.fake.projects.values():
            for pull in project.pulls.values():
                if pull.state == "opened" and pull.head_project is self and pull.branch == branch:
                    pull.pushed(login, pull.head)

    def fork(self, login: str) -> Project:
        """Somebody's own copy."""
        self.fake.account(login)
        return self.fake.project(
            f"{login}/{self.name}", from_path=self.path, visibility=self.visibility, parent=self, premium=self.premium
        )

    def delete(self) -> None:
        """It is gone. Merge requests from it stay, and come from nowhere."""
        del self.fake.projects[self.full_name]

    def protect(
        self,
        branch: str = "",
        *,
        push: AnyLevel = "maintainer",
        merge: AnyLevel = "maintainer",
        people: Sequence[str] = (),
        force: bool = False,
    ) -> ProtectedBranch:
        """Protect a branch (by default the default branch; `release/*` is a wildcard). Nobody at the level `none`.

        A new project of GitLab has its default branch protected for maintainers; one of the fake only when a test says so.
        """
        rule = ProtectedBranch(
            self.fake.next_id(), branch or self.default_branch, access(push), access(merge), tuple(people), force
        )
        self.branches.append(rule)
        return rule

    # --- merge requests

    def open_pull(
        self,
        login: str,
        branch: str,
        base: str = "",
        *,
        title: str = "A change",
        body: str | None = None,
        head_project: Project | None = None,
        draft: bool = False,
    ) -> MergeRequest:
        """Somebody opens a merge request, from a fork where `head_project` says so. Raises Refused."""
        base = base or self.default_branch
        head_project = head_project or self
        missing = [
            ["Source branch", branch, head_project.git.resolve(f"refs/heads/{branch}")],
            ["Target branch", base, self.git.resolve(f"refs/heads/{base}")],
        ]
        for what, name, sha in missing:
            if not sha:
                raise Refused(400, [f'{what} "{name}" does not exist'])
        if head_project is self and branch == base:
            raise Refused(422, ["You can't use same project/branch for source and target"])
        for other in self.pulls.values():
            same = other.state == "opened" and other.base == base and other.branch == branch
            if same and other.head_project is head_project:
                raise Refused(
                    409, [f"Another open merge request already exists for this source branch: !{other.number}"]
                )
        self.fake.account(login)
        at = self.fake.clock.tick()
        number = len(self.pulls) + 1
        title = f"Draft: {title}" if draft else title
        pull = MergeRequest(self, self.fake.next_id(), number, login, title, body, branch, base, head_project, at, at)
        pull.body = None if body is None else self.execute(number, login, body)
        pull.refresh()
        self.pulls[number] = pull
        return pull

    def execute(self, number: int, login: str, text: str) -> str:
        """The text without its quick actions, which GitLab executes; the fake notes that it would have."""
        rest, found = quick.extract(text)
        self.fake.quick_actions += [QuickAction(login, self.full_name, number, *command) for command in found]
        return rest

    def comment(self, number: int, login: str, body: str) -> Note:
        """Somebody writes a note. Raises Refused where it is too long, or (202) has nothing but quick actions."""
        check_body(body)
        rest = self.execute(number, login, body)
        if not rest.strip():
            raise Refused(202, {}, key="commands_changes")
        return self.add_note(number, login, rest)

    def add_note(self, number: int, login: str, body: str, *, system: bool = False) -> Note:
        """A note on a merge request."""
        self.fake.account(login)
        at = self.fake.clock.tick()
        note = Note(self.fake.next_id(), number, login, body, at, at, system)
        self.notes[note.id] = note
        return note

    def edit_comment(self, note: Note, login: str, body: str) -> None:
        """Somebody changes a note. Raises Refused where it is too long."""
        check_body(body)
        note.body, note.updated_at = self.execute(note.number, login, body), self.fake.clock.tick()

    def label(self, name: str, color: str = "#6699cc", description: str | None = None) -> Label:
        """A label. Raises Refused (409) where there is one of its name."""
        if name in self.labels:
            raise Refused(409, "Label already exists")
        self.labels[name] = Label(self.fake.next_id(), name, color, description)
        return self.labels[name]

    def freeze(self, start: str, end: str, timezone: str = "UTC") -> Freeze:
        """A deploy freeze, by two cron expressions."""
        made = Freeze(self.fake.next_id(), start, end, timezone, self.fake.clock.tick())
        self.freezes.append(made)
        return made


def check_body(body: str) -> None:
    """Raises Refused for a text that is too long for a note, or empty."""
    if not body.strip():
        raise bad_request('Note {:note=>["can\'t be blank"]}')
    if len(body) > NOTE_LIMIT:
        raise bad_request(f'Note {{:note=>["is too long (maximum is {NOTE_LIMIT} characters)"]}}')
