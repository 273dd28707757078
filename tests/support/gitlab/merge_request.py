"""A merge request, and what people do to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from support.forges.bare import Conflict, Signature
from support.forges.diffs import FileChange
from support.gitlab.model import Merged, Note, ReviewState, Rule, Version
from support.gitlab.refused import Refused, not_found, unauthorized

if TYPE_CHECKING:
    from support.gitlab.project import Project

Method = Literal["merge", "squash", "rebase", "ff"]


@dataclass
class MergeRequest:
    """A merge request. Its head moves with its branch as long as it is open."""

    project: Project
    id: int
    number: int
    """Its `iid`."""
    login: str
    title: str
    body: str | None
    branch: str
    base: str
    head_project: Project
    created_at: str
    updated_at: str
    state: Literal["opened", "closed", "merged"] = "opened"
    closed_at: str | None = None
    closed_by: str | None = None
    merged: Merged | None = None
    labels: list[str] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    """The oldest first."""
    approvals: dict[str, str] = field(default_factory=dict)
    """Who approved it, and when."""
    reviewers: dict[str, tuple[ReviewState, str]] = field(default_factory=dict)
    """The state of each, and since when they are one."""
    rules: list[Rule] | None = None
    """Approval rules of its own, instead of the project's. Premium."""

    @property
    def fork(self) -> bool:
        """Whether its branch is in another project."""
        return self.head_project is not self.project

    @property
    def head(self) -> str:
        """The sha of its head."""
        return self.versions[-1].head

    @property
    def version(self) -> Version:
        """What it is now."""
        return self.versions[-1]

    @property
    def draft(self) -> bool:
        """Whether its title says so."""
        return self.title.lower().startswith(("draft:", "[draft]", "(draft)"))

    @property
    def notes(self) -> list[Note]:
        """Its notes, those of GitLab itself as well, the oldest first."""
        return [note for note in self.project.notes.values() if note.number == self.number]

    @property
    def comments(self) -> list[Note]:
        """What people wrote, the oldest first."""
        return [note for note in self.notes if not note.system]

    @property
    def conflicts(self) -> bool:
        """Whether it cannot be merged without a person."""
        try:
            self.project.git.merge_tree(self.project.head(self.base), self.head)
        except Conflict:
            return True
        return False

    def commits(self) -> list[str]:
        """Its commits, the oldest first."""
        return self.project.git.commits(self.version.base, self.head)

    def files(self) -> list[FileChange]:
        """What it changes, from where it parted from its target."""
        return self.project.git.changes(self.version.base, self.head)

    def approval_rules(self) -> list[Rule]:
        """What has to be met before it may be merged. Without Premium there is no such thing."""
        if not self.project.premium:
            return []
        return self.project.approval_rules if self.rules is None else self.rules

    def missing(self, rule: Rule) -> int:
        """How many approvals a rule still wants."""
        counted = [login for login in self.approvals if not rule.people or login in rule.people]
        return max(0, rule.required - len(counted))

    def refresh(self) -> None:
        """See where the branch is now: a push makes a version. Only an open merge request follows it."""
        if self.state != "opened":
            return
        project = self.project
        head = self.head_project.git.resolve(f"refs/heads/{self.branch}")
        start = project.git.resolve(f"refs/heads/{self.base}")
        if head is None or start is None or (self.versions and head == self.head):
            return
        if self.fork and not project.git.resolve(head):
            project.git.git("fetch", "--quiet", "--no-tags", str(self.head_project.git.path), head)
        at = project.fake.clock.tick()
        base = project.git.merge_base(start, head) or start
        self.versions.append(Version(project.fake.next_id(), head, base, start, at))
        self.updated_at = at
        project.git.set_ref(f"refs/merge-requests/{self.number}/head", head)

    def pushed(self, login: str, before: str) -> None:
        """See a push of somebody: a version, the note about it, and (where the project is set so) no approval any more."""
        self.refresh()
        if self.head == before:
            return
        git = self.project.git
        new = git.commits(before, self.head)
        lines = "".join(f"<li>{sha[:8]} - {git.info(sha).message.splitlines()[0]}</li>" for sha in new)
        plural = "" if len(new) == 1 else "s"
        self.said(login, f"added {len(new)} commit{plural}\n\n<ul>{lines}</ul>\n\n[Compare with previous version]")
        if self.project.reset_approvals_on_push:
            self.approvals.clear()
            for reviewer, (state, since) in self.reviewers.items():
                if state == "approved":
                    self.reviewers[reviewer] = ("unapproved", since)

    # --- what people do

    def said(self, login: str, body: str) -> Note:
        """A note of GitLab itself about what somebody did."""
        return self.project.add_note(self.number, login, body, system=True)

    def comment(self, login: str, body: str) -> Note:
        """Somebody writes a note. Raises Refused where it is too long, or has nothing but quick actions."""
        return self.project.comment(self.number, login, body)

    def request_review(self, *logins: str) -> None:
        """Ask somebody for a review."""
        for login in logins:
            self.project.fake.account(login)
            self.reviewers[login] = ("unreviewed", self.project.fake.clock.tick())
            self.said(self.login, f"requested review from @{login}")

    def _reviewed(self, login: str, state: ReviewState) -> None:
        since = self.reviewers[login][1] if login in self.reviewers else self.project.fake.clock.tick()
        self.reviewers[login] = (state, since)

    def approve(self, login: str, sha: str | None = None) -> None:
        """Somebody approves it. Raises Refused: with `sha`, where that is not its head; 401 where they may not, or have."""
        self.refresh()
        project = self.project
        if sha is not None and sha != self.head:
            raise Refused(409, f"SHA does not match HEAD of source branch: {self.head}")
        own = login == self.login and not project.author_approval
        if self.state == "merged" or own or login in self.approvals or project.access(login) < 30:
            raise unauthorized()
        self.approvals[login] = project.fake.clock.tick()
        if login in self.reviewers:
            self._reviewed(login, "approved")
        self.said(login, "approved this merge request")

    def unapprove(self, login: str) -> None:
        """Somebody takes that back. Raises Refused (404) where they had not."""
        if login not in self.approvals:
            raise not_found()
        del self.approvals[login]
        if login in self.reviewers:
            self._reviewed(login, "unapproved")
        self.project.fake.clock.tick()
        self.said(login, "unapproved this merge request")

    def request_changes(self, login: str, body: str = "not yet") -> None:
        """Somebody wants changes, and takes back an approval. Whoever was not asked for a review becomes a reviewer."""
        self.project.fake.account(login)
        self.approvals.pop(login, None)
        if body:
            self.comment(login, body)
        self._reviewed(login, "requested_changes")
        self.said(login, "requested changes")

    def push(self, login: str, files: Mapping[str, str | bytes | None], message: str = "more") -> str:
        """Somebody pushes another commit to its branch."""
        return self.head_project.commit(login, self.branch, files, message)

    def close(self, login: str) -> None:
        """Close it without merging."""
        self.refresh()
        self.state, self.closed_by = "closed", login
        self.closed_at = self.updated_at = self.project.fake.clock.tick()
        self.said(login, "closed")

    def reopen(self, login: str = "") -> None:
        """Open it again. Raises Refused for a merged one."""
        if self.state == "merged":
            raise Refused(422, {"base": ["a merged merge request cannot be opened again"]})
        self.state, self.closed_at, self.closed_by = "opened", None, None
        self.said(login or self.login, "reopened")
        self.refresh()

    def merge(self, login: str, method: Method | None = None, message: str = "") -> str:
        """Merge it, by default as the project wants it. Returns the head of the target branch then. Raises Refused.

        `squash` makes one commit of its own, and a merge commit where the project merges by merge commits.
        """
        self.refresh()
        project = self.project
        method = method or project.merge_method
        if self.state != "opened" or self.draft or any(self.missing(rule) for rule in self.approval_rules()):
            raise Refused(405, "405 Method Not Allowed")
        if self.conflicts:
            raise Refused(422, "Branch cannot be merged")
        at = project.fake.clock.tick()
        before = project.head(self.base)
        if method == "rebase":
            self._rebase(login, before)
        merge_commit, squash_commit = self._commits(login, method, before, message)
        sha = merge_commit or squash_commit or self.head
        project.git.set_ref(f"refs/heads/{self.base}", sha)
        self.state, self.updated_at = "merged", at
        self.merged = Merged(login, at, merge_commit, squash_commit, tuple(project.git.commits(before, sha)))
        self.said(login, "merged")
        project.moved(login, self.base, before, sha)
        return sha

    def _commits(self, login: str, method: Method, before: str, message: str) -> tuple[str | None, str | None]:
        """The merge commit and the squash commit that a way of merging makes."""
        git, fake = self.project.git, self.project.fake
        who = Signature(*fake.identity(login), fake.clock.now())
        about = f"{self.title}\n\nSee merge request {self.project.full_name}!{self.number}"
        if method in ("ff", "rebase"):
            if not git.contains(self.head, before):
                raise Refused(405, "405 Method Not Allowed")
            return None, None
        tree = git.merge_tree(before, self.head)
        squashed = None
        if method == "squash":
            author = Signature(*fake.identity(self.login), fake.clock.now())
            squashed = git.commit_tree(tree, [before], f"{message or self.title}\n", author, who)
            if self.project.merge_method != "merge":
                return None, squashed
        first = f"Merge branch '{self.branch}' into '{self.base}'"
        return git.commit_tree(
            tree, [before, squashed or self.head], f"{first}\n\n{message or about}\n", who, who
        ), squashed

    def _rebase(self, login: str, onto: str) -> None:
        project = self.project
        before = self.head
        sha = project.git.rebase(onto, self.commits(), project.fake.clock.now())
        if self.fork:
            self.head_project.git.git("fetch", "--quiet", str(project.git.path), sha)
        self.head_project.git.set_ref(f"refs/heads/{self.branch}", sha)
        self.head_project.moved(login, self.branch, before, sha)
