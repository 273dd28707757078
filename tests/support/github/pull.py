"""A pull request, and what people do to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from support.forges.bare import Conflict, Signature
from support.forges.diffs import FileChange
from support.github.model import Comment, Label, Mergedness, Review

if TYPE_CHECKING:
    from support.github.repository import Repository

Method = Literal["merge", "squash", "rebase"]


class Refused(Exception):
    """GitHub would not do this: a status and the words of its answer."""

    def __init__(self, status: int, message: str, *, errors: list[object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors


@dataclass
class Pull:
    """A pull request. Its head moves with its branch as long as it is open."""

    repository: Repository
    id: int
    number: int
    login: str
    title: str
    body: str | None
    branch: str
    base: str
    head_repository: Repository
    created_at: str
    updated_at: str
    base_sha: str
    """Where the base branch was when the head last moved: GitHub lets it grow old."""
    draft: bool = False
    head: str = ""
    """The sha of its head."""
    state: Literal["open", "closed"] = "open"
    closed_at: str | None = None
    closed_by: str | None = None
    merged: Mergedness | None = None
    reviews: list[Review] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    """Logins of those who were asked for a review."""
    test_merge: str | None = None
    """The commit at refs/pull/N/merge; None where there is a conflict."""
    _seen: tuple[str, str] = ("", "")
    """Head and base as they were when the test merge was made."""

    def __post_init__(self) -> None:
        self.refresh()

    @property
    def fork(self) -> bool:
        """Whether its head is in another repository."""
        return self.head_repository is not self.repository

    @property
    def comments(self) -> list[Comment]:
        """Its comments, the oldest first."""
        return [comment for comment in self.repository.comments.values() if comment.number == self.number]

    def commits(self) -> list[str]:
        """Its commits, the oldest first."""
        return self.repository.git.commits(self.base_sha, self.head)

    def files(self) -> list[FileChange]:
        """What it changes, from where it parted from its base branch."""
        git = self.repository.git
        return git.changes(git.merge_base(self.base_sha, self.head) or self.base_sha, self.head)

    def refresh(self) -> None:
        """See where the branch is now. Only an open pull request follows it, and a deleted branch leaves it where it is."""
        if self.state != "open":
            return
        repository = self.repository
        head = self.head_repository.git.resolve(f"refs/heads/{self.branch}")
        base = repository.git.resolve(f"refs/heads/{self.base}")
        if head is None and self.head and not self.fork:
            # Without its branch GitHub closes it.
            self.state, self.closed_at = "closed", repository.fake.clock.tick()
        if base is None or head is None or (head, base) == self._seen:
            return
        if self.fork and not repository.git.resolve(head):
            repository.git.git("fetch", "--quiet", "--no-tags", str(self.head_repository.git.path), head)
        if head != self.head:
            self.updated_at = repository.fake.clock.tick() if self.head else self.updated_at
            self.head, self.base_sha = head, base
            repository.git.set_ref(f"refs/pull/{self.number}/head", head)
        self._seen = (head, base)
        self.test_merge = self._test_merge(base)

    def _test_merge(self, base: str) -> str | None:
        git = self.repository.git
        name = f"refs/pull/{self.number}/merge"
        try:
            tree = git.merge_tree(base, self.head)
        except Conflict:
            git.set_ref(name, None)
            return None
        who = Signature(*self.repository.fake.identity(self.login), self.repository.fake.clock.now())
        sha = git.commit_tree(tree, [base, self.head], f"Merge {self.head} into {base}", who)
        git.set_ref(name, sha)
        return sha

    # --- what people do

    def review(
        self,
        login: str,
        state: Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED"],
        body: str = "",
        sha: str | None = None,
    ) -> Review:
        """Review it, by default its head. Raises Refused where the author approves."""
        if login == self.login and state != "COMMENTED":
            verb = "approve" if state == "APPROVED" else "request changes on"
            raise Refused(422, "Unprocessable Entity", errors=[f"Review Can not {verb} your own pull request"])
        fake = self.repository.fake
        fake.account(login)
        self.refresh()
        review = Review(fake.next_id(), login, state, body, sha or self.head, fake.clock.tick())
        self.reviews.append(review)
        if login in self.requested:
            self.requested.remove(login)
        return review

    def approve(self, login: str, body: str = "", *, sha: str | None = None) -> Review:
        """Somebody approves it."""
        return self.review(login, "APPROVED", body, sha)

    def request_changes(self, login: str, body: str = "not yet", *, sha: str | None = None) -> Review:
        """Somebody wants changes."""
        return self.review(login, "CHANGES_REQUESTED", body, sha)

    def dismiss(self, review: Review) -> None:
        """A review counts no longer."""
        if review.state not in ("APPROVED", "CHANGES_REQUESTED"):
            raise Refused(422, "Validation Failed", errors=["Can not dismiss a commented pull request review"])
        review.state = "DISMISSED"
        self.repository.fake.clock.tick()

    def comment(self, login: str, body: str) -> Comment:
        """Somebody writes a comment."""
        return self.repository.comment(self.number, login, body)

    def push(self, login: str, files: dict[str, str | bytes | None], message: str = "more") -> str:
        """Somebody pushes another commit to its branch."""
        return self.head_repository.commit(login, self.branch, files, message)

    def close(self, login: str) -> None:
        """Close it without merging."""
        self.refresh()
        self.state = "closed"
        self.closed_by = login
        self.closed_at = self.updated_at = self.repository.fake.clock.tick()

    def reopen(self) -> None:
        """Open it again. Raises Refused for a merged one."""
        if self.merged:
            raise Refused(422, "Validation Failed", errors=["state cannot be changed. The pull request was merged."])
        self.state, self.closed_at, self.closed_by = "open", None, None
        self.refresh()

    def merge(self, login: str, method: Method = "merge", *, title: str | None = None, message: str = "") -> str:
        """Merge it. Returns the commit that is then the head of the base branch. Raises Refused."""
        self.refresh()
        repository = self.repository
        fake, git = repository.fake, repository.git
        if self.state != "open" or self.draft:
            raise Refused(405, "Pull Request is not mergeable")
        at = fake.clock.tick()
        who = Signature(*fake.identity(login), fake.clock.now())
        before = repository.head(self.base)
        try:
            if method == "rebase":
                sha = git.rebase(before, self.commits(), fake.clock.now())
            else:
                tree = git.merge_tree(before, self.head)
                first = (
                    title or f"Merge pull request #{self.number} from {self.head_repository.owner.login}/{self.branch}"
                )
                parents = [before, self.head]
                if method == "squash":
                    first, parents = title or f"{self.title} (#{self.number})", [before]
                sha = git.commit_tree(tree, parents, f"{first}\n\n{message or self.title}\n", who)
        except Conflict as error:
            raise Refused(405, "Pull Request is not mergeable") from error
        git.set_ref(f"refs/heads/{self.base}", sha)
        self._merged(login, method, at, before, sha)
        if method != "rebase":  # what it makes itself GitHub signs; what was rebased it does not
            fake.verified.add(sha)
        repository.moved(login, self.base, before, sha, kind="pr_merge")
        return sha

    def land(self, sha: str) -> str:
        """The merge queue brings a commit that it made for a `merge_group` to the base branch. Returns it."""
        repository = self.repository
        before = repository.head(self.base)
        assert repository.git.contains(sha, before), "the queue makes another commit where the base branch has moved"
        at = repository.fake.clock.tick()
        bot = repository.fake.account("github-merge-queue[bot]")
        bot.type = "Bot"
        repository.git.set_ref(f"refs/heads/{self.base}", sha)
        self._merged(bot.login, "merge", at, before, sha)
        repository.moved(bot.login, self.base, before, sha, kind="merge_queue_merge")
        return sha

    def _merged(self, login: str, method: Method, at: str, before: str, sha: str) -> None:
        self.state, self.closed_at, self.updated_at, self.closed_by = "closed", at, at, login
        self.merged = Mergedness(sha, login, at, method, tuple(self.repository.git.commits(before, sha)))
