"""Check runs: what a plan said, kept by GitHub. Its `external_id` is the plan's digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Annotation, CheckReport, PlanCheck
from sloth_ci.forge.errors import Invalid, Missing
from sloth_ci.forge.github.client import Client
from sloth_ci.forge.github_payload import seconds_of

WRITE = "checks: write"
"""Also where one is only read: whoever looks for a check of ours is about to write one."""
_TEXT_LIMIT = 65_535
"""GitHub counts characters; bytes are never fewer."""
_ANNOTATIONS = 50
"""How many a request may bring. Those of an update are added to what is there."""
# Always the last thing in the text, empty where there was no room: what a manifest holds cannot pass for it.
_CHANGES = re.compile(r"<!-- sloth-ci:changes(?: (\{.*\}))? -->\s*\Z")
_NO_CHANGES = "<!-- sloth-ci:changes -->"


class Checks:
    """Those of this run's App. The checks of a commit are read once a run, all of them with one list."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, dict[int, Any]] = {}

    def newest(self, sha: str, name: str) -> PlanCheck | None:
        """Our newest check of that name on a commit."""
        run = self._newest(sha, name)
        return None if run is None else _read(run)

    def first_completed(self, sha: str) -> float | None:
        """When the first plan of ours was to be seen on a commit."""
        times = [
            seconds_of(run["completed_at"]) for run in self._ours(sha) if run["external_id"] and run["completed_at"]
        ]
        return min(times, default=None)

    def report(self, sha: str, said: CheckReport) -> PlanCheck:
        """Say it as a check.

        The newest of ours with that name is updated if it is about the same plan. It keeps its time, so that approvals
        that came after it still count; where another plan was shown in between, this one has to be looked at anew.
        """

        def once() -> PlanCheck:
            try:
                return self._report(sha, said)
            except BaseException:
                self._known.pop(sha, None)  # what became of it is to be looked up
                raise

        return self._client.repeated(once)

    def _report(self, sha: str, said: CheckReport) -> PlanCheck:
        run = self._newest(sha, said.name)
        what = f"write the check '{said.name}'"
        left = list(said.annotations)
        body: dict[str, Any] = {
            "status": "completed",
            "conclusion": said.conclusion,
            "external_id": said.digest,
            "output": _output(said),
        }
        if run is not None and (run["external_id"] or "") == said.digest:
            left = self._not_there(run, left)
            if run["completed_at"]:
                body["completed_at"] = run["completed_at"]
            kept = self._send(what, "PATCH", f"/check-runs/{run['id']}", _with(body, left))
        else:
            body |= {"name": said.name, "head_sha": sha}
            if self._client.run_url:
                body["details_url"] = self._client.run_url
            kept = self._send(what, "POST", "/check-runs", _with(body, left))
        for start in range(_ANNOTATIONS, len(left), _ANNOTATIONS):
            # The output takes the place of the one before, the annotations alone are added to those that are there.
            more = _with({"output": body["output"]}, left[start:])
            kept = self._send(f"annotate the check '{said.name}'", "PATCH", f"/check-runs/{kept['id']}", more)
        self._known[sha][kept["id"]] = kept
        return _read(kept)

    def _send(self, what: str, verb: str, path: str, body: dict[str, Any]) -> Any:
        # Annotations are added each time, and a check that is made is made again: never twice without a look.
        return self._client.send(what, verb, f"{self._client.here}{path}", WRITE, body, repeat=False)

    def _newest(self, sha: str, name: str) -> Any | None:
        named = [run for run in self._ours(sha) if run["name"] == name]
        return max(named, key=lambda run: int(run["id"]), default=None)

    def _ours(self, sha: str) -> list[Any]:
        """Any App may write a check of any name: what counts is whose it is."""
        if sha not in self._known:
            path = f"{self._client.here}/commits/{sha}/check-runs"
            try:
                found = self._client.pages(
                    f"read the checks of {sha[:10]}", path, WRITE, item="check_runs", filter="all"
                )
            except (Missing, Invalid):
                found = []  # nobody has pushed that commit
            app = self._client.app
            ours = [run for run in found if app and (run.get("app") or {}).get("slug") == app]
            self._known[sha] = {run["id"]: run for run in ours}
        return list(self._known[sha].values())

    def _not_there(self, run: Any, annotations: list[Annotation]) -> list[Annotation]:
        """Those that a check does not have yet."""
        if not annotations or not run["output"]["annotations_count"]:
            return annotations
        path = f"{self._client.here}/check-runs/{run['id']}/annotations"
        there = {
            (old["path"], old["start_line"], old["annotation_level"], old["title"] or "", old["message"])
            for old in self._client.pages(f"read the annotations of '{run['name']}'", path, WRITE)
        }
        return [a for a in annotations if (a.path, a.line, a.level, a.title, a.message) not in there]


def _read(run: Any) -> PlanCheck:
    ended = run["completed_at"] if run["status"] == "completed" else None
    return PlanCheck(
        id=run["id"],
        name=run["name"],
        digest=run["external_id"] or "",
        completed=seconds_of(ended) if ended else None,
        url=run["html_url"] or "",
        changes=_changes((run.get("output") or {}).get("text") or ""),
    )


def _changes(text: str) -> dict[str, str]:
    """What `_with_changes` kept; nothing where it is not as it was written."""
    match = _CHANGES.search(text)
    try:
        found = json.loads(match[1]) if match and match[1] else {}
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in found.items()}


def _with_changes(text: str, changes: Mapping[str, str]) -> str:
    # `-->` would end the comment; in JSON these characters are only in strings, where they may be escaped.
    packed = json.dumps(dict(changes), separators=(",", ":")).replace("-", "\\u002d").replace(">", "\\u003e")
    for mark in (f"<!-- sloth-ci:changes {packed} -->", _NO_CHANGES):
        whole = f"{text}\n\n{mark}" if text else mark
        if len(whole.encode()) <= _TEXT_LIMIT:
            return whole
    if not _CHANGES.search(text) and len(text.encode()) <= _TEXT_LIMIT:
        return text
    raise ForgeError(f"the text of the check is too long: {len(text.encode())} bytes of {_TEXT_LIMIT}")


def _output(said: CheckReport) -> dict[str, Any]:
    output: dict[str, Any] = {"title": said.title, "summary": said.summary}
    if said.text or said.changes:
        output["text"] = _with_changes(said.text, said.changes)
    return output


def _with(body: dict[str, Any], annotations: Sequence[Annotation]) -> dict[str, Any]:
    """The body with as many annotations as one request may bring."""
    first = [_annotation(annotation) for annotation in annotations[:_ANNOTATIONS]]
    return {**body, "output": {**body["output"], "annotations": first}} if first else body


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "path": annotation.path,
        "start_line": annotation.line,
        "end_line": annotation.line,
        "annotation_level": annotation.level,
        "title": annotation.title,
        "message": annotation.message,
    }
