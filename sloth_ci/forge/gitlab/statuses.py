"""Commit statuses: what a plan said, kept by GitLab.

A status has 255 characters and no field for an identity, so it is the end of the description:
`1 change · plan <digest> · changes <digest of the changes>`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sloth_ci.core.review import CheckReport, Conclusion, PlanCheck
from sloth_ci.forge.errors import Invalid, Missing
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ, REPORT
from sloth_ci.forge.gitlab.payload import login_of, seconds_of

_LIMIT = 255
_STATES: Mapping[Conclusion, str] = {
    "success": "success",
    "neutral": "success",
    "failure": "failed",
    "action_required": "pending",
}
_UNFINISHED = ("pending", "running")
_DIGEST = r"[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?"
_IDENTITY = re.compile(rf" · plan ({_DIGEST})(?: · changes ([0-9a-f]{{32}}))?\Z")


class Identity(NamedTuple):
    """What a status is about."""

    digest: str
    """Of the plan; empty for a status that is about none."""
    changes: str
    """Of its changes; empty where they are not kept."""


class Statuses:
    """Those of this token's user. The statuses of a commit are read once a run, all of them with one list."""

    def __init__(
        self,
        client: Client,
        keep: Callable[[Mapping[str, str]], str],
        changes: Callable[[str, str], dict[str, str]],
        ref: Callable[[str], str],
    ) -> None:
        """`keep` has changes kept and returns their digest; `changes` finds those of a commit by it again.

        `ref` is the one that a commit is the head of, as far as that is known.
        """
        self._client = client
        self._keep = keep
        self._changes = changes
        self._ref = ref
        self._known: dict[str, dict[int, Any]] = {}

    def newest(self, sha: str, name: str) -> PlanCheck | None:
        """Our newest status of that name on a commit."""
        named = self._named(sha, name)
        return self._read(named) if named else None

    def first_shown(self, sha: str) -> float | None:
        """When the first plan of ours was to be seen on a commit."""
        times = [seconds_of(one["created_at"]) for one in self._ours(sha) if identity_of(one).digest]
        return min(times, default=None)

    def report(self, sha: str, said: CheckReport) -> PlanCheck:
        """Say it as a status, unless the newest of ours says the same.

        GitLab makes a new one each time, but for one that waits, which it would change: that is ended first where it is
        about another plan. So each tells since when its plan is shown.
        """
        description = describe(said.title, said.digest, self._keep(said.changes))

        def once() -> PlanCheck:
            try:
                return self._report(sha, said, description)
            except BaseException:
                self._known.pop(sha, None)  # what became of it is to be looked up
                raise

        return self._client.repeated(once)

    def _report(self, sha: str, said: CheckReport, description: str) -> PlanCheck:
        state = _STATES[said.conclusion]
        named = self._named(sha, said.name)
        if not named or (named[0]["status"], named[0]["description"]) != (state, description):
            if named and named[0]["status"] in _UNFINISHED:
                self._end(sha, named[0], state, said.digest)
            self._post(sha, said.name, {"state": state, "description": description, **self._place(sha)})
        return self._read(self._named(sha, said.name))

    def _end(self, sha: str, status: Any, state: str, digest: str) -> None:
        """End one that waits, where it cannot become what is to be said now.

        GitLab lets none wait twice. One that is about another plan is to stay what it was, and one of another pipeline
        would have that wait for ever.
        """
        pipeline = status.get("pipeline_id")  # older versions do not tell
        elsewhere = bool(pipeline) and self._place(sha).get("pipeline_id", pipeline) != pipeline
        if state in _UNFINISHED or elsewhere or identity_of(status).digest != digest:
            place = {"pipeline_id": pipeline} if pipeline else {"ref": status["ref"]}
            self._post(sha, status["name"], {"state": "canceled", **place})

    def _place(self, sha: str) -> dict[str, Any]:
        """The pipeline of this job, where that is of this commit; else GitLab takes the newest one of the commit.

        No `ref` goes with it: a merge request's pipeline has `refs/merge-requests/7/head` for one, and a branch's name
        would find another pipeline, or make one. A pipeline of merged results is of another commit, so that the head may
        have none, and GitLab would make one for any branch that holds it.
        """
        environ = self._client.environ
        if environ.get("CI_COMMIT_SHA") == sha and environ.get("CI_PIPELINE_ID", "").isdigit():
            return {"pipeline_id": int(environ["CI_PIPELINE_ID"])}
        merged = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") == sha and self._ref(sha)
        return {"ref": merged} if merged else {}

    def _post(self, sha: str, name: str, body: dict[str, Any]) -> None:
        if self._client.environ.get("CI_JOB_URL"):
            body["target_url"] = self._client.environ["CI_JOB_URL"]
        path = f"{self._client.here}/statuses/{sha}"
        whole = {**body, "name": name}
        what = f"write the status '{name}'"
        try:
            kept = self._client.send(what, "post", path, REPORT, whole, repeat=False)
        except Missing as error:
            # No pipeline, and no branch of this project holds the commit: as of a fork.
            ref = self._ref(sha)
            if not ref or "References for commit" not in error.message:
                raise
            kept = self._client.send(what, "post", path, REPORT, {**whole, "ref": ref}, repeat=False)
        self._known[sha][kept["id"]] = kept

    def _named(self, sha: str, name: str) -> list[Any]:
        """Ours of that name, the newest first."""
        return sorted((one for one in self._ours(sha) if one["name"] == name), key=_id, reverse=True)

    def _ours(self, sha: str) -> list[Any]:
        """Anybody who may push can write a status of any name: what counts is whose it is."""
        if sha not in self._known:
            path = f"{self._client.here}/repository/commits/{sha}/statuses"
            try:
                # Jobs are statuses, too, in the stages of their pipeline; what is posted is in this one.
                found = self._client.pages(f"read the statuses of {sha[:10]}", path, READ, all="true", stage="external")
            except (Missing, Invalid):
                found = []  # nobody has pushed that commit
            login = self._client.login if found else ""
            ours = [one for one in found if one.get("author") and login_of(one["author"]) == login]
            self._known[sha] = {one["id"]: one for one in ours}
        return list(self._known[sha].values())

    def _read(self, named: list[Any]) -> PlanCheck:
        newest = named[0]
        identity = identity_of(newest)
        shown = newest
        for one in named:
            if identity_of(one).digest != identity.digest:
                break
            shown = one
        return PlanCheck(
            id=newest["id"],
            name=newest["name"],
            digest=identity.digest,
            completed=seconds_of(shown["created_at"]),
            url=newest["target_url"] or "",
            changes=self._changes(newest["sha"], identity.changes),
        )


def describe(title: str, digest: str, changes: str) -> str:
    """A description that `identity_of` reads. A title that looks like an identity is none."""
    line = " ".join(title.split())
    end = f" · plan {digest}" if digest else ""
    if digest and changes:
        end += f" · changes {changes}"
    room = _LIMIT - len(end)
    if len(line) > room:
        line = f"{line[: room - 1].rstrip()}…"
    return f"{line}{end}" if end or not _IDENTITY.search(line) else f"{line[: room - 1]}."


def identity_of(status: Mapping[str, Any]) -> Identity:
    """What `describe` wrote; empty where it is not as it was written."""
    match = _IDENTITY.search(status["description"] or "")
    return Identity(match[1], match[2] or "") if match else Identity("", "")


def _id(status: Any) -> int:
    return int(status["id"])
