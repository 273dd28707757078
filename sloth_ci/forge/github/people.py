"""People: what they said to a pull request, what they may do, what they own, and what they pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from sloth_ci.core.codeowners import Owned
from sloth_ci.core.review import PullRequest, Review
from sloth_ci.core.slash import approves
from sloth_ci.forge.errors import Denied, Missing
from sloth_ci.forge.github.checks import Checks
from sloth_ci.forge.github.client import Client
from sloth_ci.forge.github.comments import Thread
from sloth_ci.forge.github.pulls import READ
from sloth_ci.forge.github_payload import login_of, seconds_of

_GITHUB_ITSELF = "web-flow"
"""The committer of what is merged and edited on GitHub's pages."""


class _Push(NamedTuple):
    by: str
    at: float
    after: str


class People:
    """Who may write is asked once for each person of a run."""

    def __init__(self, client: Client, thread: Thread, checks: Checks) -> None:
        self._client = client
        self._checks = checks
        self._thread = thread
        self._writers: dict[str, bool] = {}
        self._logins: dict[str, str] = {}
        """How GitHub writes the logins of those who said something, by their lower case."""

    def may_write(self, person: str) -> bool:
        """Whether somebody may push. `author_association` does not tell: a member of the organisation may only read."""
        if person not in self._writers:
            path = f"{self._client.here}/collaborators/{quote(person, safe='')}/permission"
            try:
                found = self._client.get(f"see what {person} may do", path, "metadata: read")
            except Missing:  # a bot, or an account that is gone
                found = {"permission": "none"}
            self._writers[person] = found["permission"] in ("admin", "write")
        return self._writers[person]

    def reviews(self, pull: PullRequest) -> list[Review]:
        """The last word of each person, the oldest first."""
        path = f"{self._client.here}/pulls/{pull.number}/reviews"
        words: dict[str, Review] = {}
        for review in self._client.pages(f"read the reviews of #{pull.number}", path, READ):
            person = login_of(review["user"])
            if review["state"] == "DISMISSED":
                # It is the review itself that changes its state: what was said before it does not come back.
                words.pop(person, None)
            elif review["state"] in ("APPROVED", "CHANGES_REQUESTED"):
                words[person] = Review(
                    person=person,
                    verdict="approved" if review["state"] == "APPROVED" else "changes_requested",
                    sha=review["commit_id"],
                    at=seconds_of(review["submitted_at"]),
                    may_write=False,
                )
        for word in self._by_comment(pull):
            before = words.get(word.person)
            # One that belongs to no commit for certain takes nothing back.
            if before is None or (word.sha is not None and word.at > before.at):
                words[word.person] = word
        self._logins |= {person.lower(): person for person in words}
        known = [msgspec.structs.replace(word, may_write=self.may_write(word.person)) for word in words.values()]
        return sorted(known, key=lambda word: word.at)

    def _by_comment(self, pull: PullRequest) -> list[Review]:
        """Comments that approve. What was edited says today what it may not have said when it was written."""
        approving = [
            c
            for c in self._thread.read(pull.number)
            if c["created_at"] == c["updated_at"] and approves(c["body"] or "")
        ]
        if not approving:
            return []
        since = self.head_since(pull)
        found = []
        for comment in approving:
            at = seconds_of(comment["created_at"])
            sha = pull.head_sha if since is not None and at > since else None
            found.append(Review(person=login_of(comment["user"]), verdict="approved", sha=sha, at=at, may_write=False))
        return found

    def head_since(self, pull: PullRequest) -> float | None:
        """When the head was there and its plan was shown: a comment after that is about this head and no other.

        The plan's check alone does not tell. A commit may have been checked on another branch before it was pushed to
        this one, or been here before, and come back by a force-push after somebody had approved what was in between.
        """
        pushed = self._head_push(pull)
        shown = self._checks.first_completed(pull.head_sha)
        return None if pushed is None or shown is None else max(pushed.at, shown)

    def _head_push(self, pull: PullRequest) -> _Push | None:
        """The last push of the head; None where that cannot be told."""
        return next((push for push in self._pushes(pull) if push.after == pull.head_sha), None)

    def _pushes(self, pull: PullRequest) -> list[_Push]:
        """What was pushed to the head's branch, the newest first. Of a fork GitHub does not tell."""
        if pull.fork:
            return []
        path, ref = f"{self._client.here}/activity", f"refs/heads/{pull.head_branch}"
        try:
            found = self._client.get(
                f"see who pushed to {pull.head_branch}", path, "contents: read", ref=ref, per_page="100"
            )
        except (Missing, Denied):
            return []  # an older GitHub Enterprise does not have it: then nobody is known to have pushed
        return [_Push(login_of(a["actor"]), seconds_of(a["timestamp"]), a["after"]) for a in found]

    def pushers(self, pull: PullRequest) -> frozenset[str]:
        """Authors and committers of the commits (GitHub lists 250), and who pushed them to a branch of this repository.

        Of a commit whose address belongs to no account nobody is known, nor who pushed to a fork.
        """
        path = f"{self._client.here}/pulls/{pull.number}/commits"
        commits = self._client.pages(f"read the commits of #{pull.number}", path, READ)
        people = {user["login"] for commit in commits for user in (commit["author"], commit["committer"]) if user}
        shas = {commit["sha"] for commit in commits}
        people |= {push.by for push in self._pushes(pull) if push.after in shas}
        return frozenset(people - {_GITHUB_ITSELF})

    def owners(self, rules: Sequence[Owned]) -> Mapping[str, frozenset[str]]:
        """Who owns what; what cannot be resolved stands there as it is written, and no login is equal to it.

        A login may be written in any case. Where its person said something, it is written as in `reviews`.
        """
        return {rule.rule: frozenset(self._owners(rule)) for rule in rules}

    def _owners(self, rule: Owned) -> set[str]:
        found = {*(self._logins.get(person.lower(), person) for person in rule.people), *rule.emails}
        for team in rule.teams:
            organisation, _, slug = team.partition("/")
            path = f"/orgs/{quote(organisation, safe='')}/teams/{quote(slug, safe='')}/members"
            members: list[Any] = self._client.pages(f"read who is in @{team}", path, "members: read")
            found |= {member["login"] for member in members} or {f"@{team}"}
        return found
