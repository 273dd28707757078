"""People: what they said to a merge request, what they may do, what they own, and what they pushed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Any
from urllib.parse import quote

import msgspec

from sloth_ci.core.codeowners import Owned, Role
from sloth_ci.core.review import PullRequest, Review
from sloth_ci.core.slash import approves
from sloth_ci.core.words import plural
from sloth_ci.forge.errors import Denied, Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ
from sloth_ci.forge.gitlab.notes import Notes
from sloth_ci.forge.gitlab.payload import is_edited, login_of, seconds_of
from sloth_ci.forge.gitlab.statuses import Statuses

_PAGES_OF_PUSHES = 10
_MAY_PUSH = 30
"""The role Developer, as a number."""
_ROLES: Mapping[Role, int] = {"developer": 30, "maintainer": 40, "owner": 50}
_APPROVED = "approved this merge request"
"""The system note of it: people cannot write one of those."""
_TAKEN_BACK = "unapproved this merge request"
_BOT = re.compile(r"(?:project|group)_\d+_bot(?:_|\d|\Z)")
"""The account of an access token of a project or a group."""
_PRIVATE = re.compile(r"(?P<id>\d+)-(?P<login>[^@]+)@users\.noreply\.", re.IGNORECASE)
"""The address that GitLab commits with for somebody who shows none."""


class People:
    """Who may write is asked once for each person of a run, and so are the versions of a merge request."""

    def __init__(self, client: Client, notes: Notes, statuses: Statuses) -> None:
        self._client = client
        self._notes = notes
        self._statuses = statuses
        self._members: dict[str, Any] = {}
        """Members of the project, by their name; the first page of them, and who was asked for."""
        self._all_listed: bool | None = None
        """Whether that page was all of them; None before it was read."""
        self._users: dict[str, Any] = {}
        """Who said something, by their name."""
        self._approvals: dict[int, list[Any]] = {}
        self._versions_of: dict[int, list[Any]] = {}
        self._groups: dict[str, frozenset[str]] = {}
        self._direct_members: list[Any] | None = None

    # --- rights

    def may_write(self, person: str) -> bool:
        """Whether somebody may push. Members of the groups above, and of groups that were invited, are members, too."""
        member = self._member(person)
        if member is None or member["access_level"] < _MAY_PUSH:
            return False
        ended = member.get("expires_at")  # a day; GitLab takes the member away at some time of it
        today = datetime.fromtimestamp(self._client.clock(), UTC).date().isoformat()
        active = {member.get("state") or "active", member.get("membership_state") or "active"} == {"active"}
        return active and not (ended and ended <= today)

    def _member(self, person: str) -> Any | None:
        self._list_members()
        if person not in self._members and not self._all_listed:
            self._members[person] = self._asked_for(person)
        return self._members.get(person)

    def _list_members(self) -> None:
        if self._all_listed is None:
            path = f"{self._client.here}/members/all"
            found, more = self._client.some_pages("see who may push", path, READ, most=1)
            for member in found:
                self._members[member["username"]] = _stronger(self._members.get(member["username"]), member)
            self._all_listed = not more

    def _asked_for(self, person: str) -> Any | None:
        """A member of a large project."""
        user = self._users.get(person) or self._user(f"see what {person} may do", username=person)
        if user is None:
            return None
        path = f"{self._client.here}/members/all/{user['id']}"
        try:
            return self._client.get(f"see what {person} may do", path, READ)
        except Missing:
            return None  # no member

    def _user(self, what: str, **query: str) -> Any | None:
        """The one user that a query names. An older GitLab does not know every query, and would list anybody."""
        [(key, wanted)] = query.items()
        found = self._client.pages(what, "/users", READ, most=1, **query)
        named = [user for user in found if str(user.get(key) or "").lower() == wanted.lower()]
        return named[0] if len(named) == 1 else None

    # --- what they said

    def reviews(self, pull: PullRequest) -> list[Review]:
        """The last word of each person, the oldest first."""
        words = {word.person: word for word in self._by_approval(pull)}
        for word in self._by_comment(pull):
            before = words.get(word.person)
            # One that belongs to no commit for certain takes nothing back.
            if before is None or (word.sha is not None and word.at > before.at):
                words[word.person] = word
        # GitLab keeps these until their person approves or takes them back there.
        words |= {word.person: word for word in self._against(pull)}
        known = [
            msgspec.structs.replace(word, may_write=self.may_write(word.person), void=self._void(word.person))
            for word in words.values()
        ]
        return sorted(known, key=lambda word: word.at)

    def _void(self, person: str) -> str:
        """Why somebody's approval is none: jobs of merge requests may have a token, and so has whoever changes such a job."""
        if person == self._client.login:
            return "is whom SLOTH_TOKEN belongs to"
        return "is an access token, and no person" if _BOT.match(person) else ""

    def _given(self, number: int) -> list[Any]:
        """The approvals that stand."""
        if number not in self._approvals:
            path = f"{self._client.here}/merge_requests/{number}/approvals"
            found = self._client.get(f"read the approvals of !{number}", path, READ).get("approved_by") or []
            self._approvals[number] = found
            self._users |= {login_of(one["user"]): one["user"] for one in found}
        return self._approvals[number]

    def _by_approval(self, pull: PullRequest) -> list[Review]:
        found = []
        for approval in self._given(pull.number):
            person = login_of(approval["user"])
            at = self._approved_at(pull.number, person, approval)
            sha = None if at is None else self._head_at(pull.number, at)
            found.append(Review(person=person, verdict="approved", sha=sha, at=at or 0.0, may_write=False))
        return found

    def _approved_at(self, number: int, person: str, approval: Any) -> float | None:
        """When; an older GitLab tells it only by its own note in the merge request."""
        if approval.get("approved_at"):
            return seconds_of(approval["approved_at"])
        times = [
            seconds_of(note["created_at"])
            for note in self._notes.known(number)
            if note["system"] and note["body"] == _APPROVED and login_of(note["author"]) == person
        ]
        return max(times, default=None)

    def _head_at(self, number: int, at: float) -> str | None:
        """The head that the merge request had then. What came within the same second came after it."""
        before = [one for one in self._versions(number) if floor(seconds_of(one["created_at"])) < floor(at)]
        newest = max(before, key=lambda one: (seconds_of(one["created_at"]), one["id"]), default=None)
        return str(newest["head_commit_sha"]) if newest else None

    def _versions(self, number: int) -> list[Any]:
        """GitLab makes one with each push, and with each new base."""
        if number not in self._versions_of:
            path = f"{self._client.here}/merge_requests/{number}/versions"
            self._versions_of[number] = self._client.pages(f"read the versions of !{number}", path, READ)
        return self._versions_of[number]

    def _against(self, pull: PullRequest) -> list[Review]:
        """Who has requested changes. GitLab tells since when the person reviews, not since when there is a word."""
        path = f"{self._client.here}/merge_requests/{pull.number}/reviewers"
        found = self._client.get(f"read the reviewers of !{pull.number}", path, READ)  # GitLab has no pages of them
        against = [one for one in found if one["state"] == "requested_changes"]
        self._users |= {login_of(one["user"]): one["user"] for one in against}
        return [
            Review(
                person=login_of(one["user"]),
                verdict="changes_requested",
                sha=None,
                at=seconds_of(one["created_at"]),
                may_write=False,
            )
            for one in against
        ]

    def _by_comment(self, pull: PullRequest) -> list[Review]:
        """Notes that approve. What was edited says today what it may not have said when it was written."""
        notes = self._notes.known(pull.number)
        taken_back = {
            login_of(note["author"]): int(note["id"])
            for note in sorted(notes, key=lambda note: int(note["id"]))
            if note["system"] and note["body"] == _TAKEN_BACK
        }
        approving = [
            note
            for note in notes
            if not note["system"]
            and not is_edited(note)
            and approves(note["body"] or "")
            and int(note["id"]) > taken_back.get(login_of(note["author"]), 0)
        ]
        if not approving:
            return []
        self._users |= {login_of(note["author"]): note["author"] for note in approving if note["author"]}
        since = self.head_since(pull)
        found = []
        for note in approving:
            at = seconds_of(note["created_at"])
            sha = pull.head_sha if since is not None and at > since else None
            found.append(Review(person=login_of(note["author"]), verdict="approved", sha=sha, at=at, may_write=False))
        return found

    def head_since(self, pull: PullRequest) -> float | None:
        """When the head was there and its plan was shown: a note after that is about this head and no other.

        The plan's status alone does not tell. A commit may have been checked on another branch before it was pushed to
        this one, or been here before, and come back by a force-push after somebody had approved what was in between.
        """
        newest = max(self._versions(pull.number), key=lambda one: int(one["id"]), default=None)
        shown = self._statuses.first_shown(pull.head_sha)
        if newest is None or newest["head_commit_sha"] != pull.head_sha or shown is None:
            return None
        return max(seconds_of(newest["created_at"]), shown)

    # --- what they pushed

    def pushers(self, pull: PullRequest) -> frozenset[str]:
        """Who wrote the commits, and who pushed them to a branch of this project.

        GitLab tells no users with commits. It is whoever has the private address of one, and any member, or anybody who
        has approved, with the name or the public address of one: too many opens no gate. Who pushed to a fork is not known.
        """
        path = f"{self._client.here}/merge_requests/{pull.number}/commits"
        commits = self._client.pages(f"read the commits of !{pull.number}", path, READ)
        names = {str(one[f"{role}_name"]).casefold() for one in commits for role in ("author", "committer")}
        emails = {str(one[f"{role}_email"]).casefold() for one in commits for role in ("author", "committer")}
        names.discard("")
        emails.discard("")
        private = [match for email in emails if (match := _PRIVATE.match(email))]
        ids, logins = {int(match["id"]) for match in private}, {match["login"] for match in private}
        self._given(pull.number)
        self._list_members()
        known = {**{name: one for name, one in self._members.items() if one}, **self._users}
        people = {
            login
            for login, user in known.items()
            if user["id"] in ids
            or login.casefold() in logins
            or str(user.get("name") or "").casefold() in names
            or str(user.get("public_email") or user.get("email") or "").casefold() in emails
        }
        return frozenset(people | logins | self._pushed(pull, {one["id"] for one in commits} | {pull.head_sha}))

    def _pushed(self, pull: PullRequest, shas: set[str]) -> set[str]:
        """By GitLab's own record of pushes, up to the days after the head came.

        It has a push of many branches as one, which names none of them: whoever made such a one may have pushed here. Where
        so much was pushed that the end of the record is not reached before the head's own push, anybody may have.
        """
        if pull.fork:
            return set()
        came = [seconds_of(one["created_at"]) for one in self._versions(pull.number) if one["head_commit_sha"] in shas]
        days: dict[str, str] = {}
        if came:  # a filter of whole days, in GitLab's own time zone
            days["before"] = (datetime.fromtimestamp(max(came), UTC).date() + timedelta(days=2)).isoformat()
        try:
            found, more = self._client.some_pages(
                f"see who pushed to {pull.head_branch}",
                f"{self._client.here}/events",
                READ,
                most=_PAGES_OF_PUSHES,
                action="pushed",
                sort="desc",
                **days,
            )
        except (Missing, Denied):
            return set()
        pushes = [(login_of(one.get("author")), one.get("push_data") or {}) for one in found]
        here = [(who, push) for who, push in pushes if push.get("ref") == pull.head_branch and _of_branches(push)]
        people = {who for who, push in here if push.get("commit_to") in shas}
        people |= {who for who, push in pushes if not push.get("ref") and _of_branches(push)}
        if more and all(push.get("commit_to") != pull.head_sha for _, push in here):
            self._client.notice(
                f"so much was pushed since that it cannot be told who pushed {pull.head_sha[:10]}, and no approval of "
                f"{pull.name} counts: push to {pull.head_branch} again"
            )
            people |= set(self._users)
        return people

    # --- what they own

    def owners(self, rules: Sequence[Owned]) -> Mapping[str, frozenset[str]]:
        """Who owns what; what cannot be resolved stands there as it is written, and no name is equal to it.

        A name may be written in any case, and may be that of a group at the top.
        """
        return {rule.rule: frozenset(self._owners(rule)) for rule in rules}

    def _owners(self, rule: Owned) -> set[str]:
        found: set[str] = set()
        for name in (*rule.people, *rule.names):
            found |= {self._by_any_case(name)} if self._by_any_case(name) else self._in_group(name) or {name}
        for team in rule.teams:
            found |= self._in_group(team) or {f"@{team}"}
        for email in rule.emails:
            found.add(self._by_address(email) or email)
        for role in rule.roles:
            found |= {one["username"] for one in self._direct() if one["access_level"] == _ROLES[role]} or {f"@@{role}"}
        return found

    def _by_any_case(self, name: str) -> str:
        """A member, or whoever said something, as GitLab writes the name; empty where there is none."""
        self._list_members()
        known = (*self._users, *(login for login, one in self._members.items() if one))
        return next((login for login in known if login.lower() == name.lower()), "")

    def _by_address(self, email: str) -> str:
        self._list_members()
        member = next((login for login, one in self._members.items() if _has_address(one, email)), "")
        user = None if member else self._user(f"find the user of {email}", public_email=email)
        return member or (login_of(user) if user else "")

    def _in_group(self, path: str) -> frozenset[str]:
        """Who is in a group, or in one above it. Empty where there is none that the token may see."""
        if path not in self._groups:
            where = f"/groups/{quote(path, safe='')}/members/all"
            try:
                members: list[Any] = self._client.pages(f"read who is in @{path}", where, READ)
            except Missing:
                members = []
                self._client.notice(
                    f"CODEOWNERS names @{path}: there is no such group, or SLOTH_TOKEN may not see who is in it, as the "
                    "access token of a group above it, with the role Reporter, may"
                )
            self._groups[path] = frozenset(member["username"] for member in members)
        return self._groups[path]

    def _direct(self) -> list[Any]:
        """Members of the project itself: a role in CODEOWNERS means them alone."""
        if self._direct_members is None:
            path = f"{self._client.here}/members"
            self._direct_members = self._client.pages("see who has which role in the project", path, READ)
        return self._direct_members

    # --- the forge's own rules

    def unmet(self, pull: PullRequest) -> list[str]:
        """The approval rules that still ask for something. They are of GitLab Premium: others have none, or no such page."""
        path = f"{self._client.here}/merge_requests/{pull.number}/approval_state"
        try:
            rules = self._client.get(f"read the approval rules of !{pull.number}", path, READ).get("rules") or []
        except Missing:
            return []
        found = []
        for rule in rules:
            if rule["approvals_required"] > 0 and not rule.get("approved"):
                left = max(rule["approvals_required"] - len(rule.get("approved_by") or []), 1)
                found.append(f"{plural(left, 'more approval')} by GitLab's rule '{rule['name']}'")
        return found


def _stronger(one: Any | None, other: Any) -> Any:
    """A member by several ways has the strongest role of them."""
    return one if one is not None and one["access_level"] >= other["access_level"] else other


def _has_address(member: Any | None, email: str) -> bool:
    return member is not None and email.lower() in {
        str(member.get(key) or "").lower() for key in ("public_email", "email")
    }


def _of_branches(push: Mapping[str, Any]) -> bool:
    return bool(push.get("ref_type") == "branch")
