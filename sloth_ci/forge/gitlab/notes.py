"""Notes on a merge request: our one of a marker, and the commands of people."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Comment, PullRequest, Reaction
from sloth_ci.core.slash import command_line
from sloth_ci.forge.errors import Invalid, Missing
from sloth_ci.forge.gitlab.changes import Changes, digest_of, read_changes, with_changes
from sloth_ci.forge.gitlab.client import Client
from sloth_ci.forge.gitlab.errors import READ, READ_BY_JOB, WRITE
from sloth_ci.forge.gitlab.payload import comment_of, login_of
from sloth_ci.forge.gitlab.quick import without_actions

_EMOJI: dict[Reaction, str] = {"eyes": "eyes", "+1": "thumbsup", "-1": "thumbsdown", "confused": "confused"}


class Notes:
    """The notes of merge requests, of which ours is found again by its marker and by who wrote it.

    Ours also keeps what the commit statuses of this run have no room for: see `changes`.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: dict[int, list[Any]] = {}
        self._changes: dict[str, Changes] = {}
        """Of this run's reports, by their digest; the newest are last."""

    def keep(self, changes: Changes) -> str:
        """Have the next note of ours keep these. Returns their digest."""
        digest = digest_of(changes)
        if digest:
            self._changes.pop(digest, None)
            self._changes[digest] = changes
        return digest

    def changes(self, number: int | None, digest: str) -> dict[str, str]:
        """Those of a digest, as a note of ours on that merge request has them; empty where none does.

        Whoever edits the note cannot change them: the digest stands in a status.
        """
        if digest in self._changes:
            return dict(self._changes[digest])
        if not digest or number is None:
            return {}
        return self._kept(self.known(number)).get(digest, {})

    def _kept(self, notes: list[Any]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for note in notes:
            if not note["system"] and login_of(note["author"]) == self._client.login:
                found |= read_changes(note["body"] or "")
        return found

    def read(self, number: int) -> list[Any]:
        """All notes, the oldest first, read anew."""
        path = f"{self._client.here}/merge_requests/{number}/notes"
        found = self._client.pages(f"read the notes of !{number}", path, READ_BY_JOB, order_by="created_at", sort="asc")
        self._last[number] = found
        return found

    def known(self, number: int) -> list[Any]:
        """All notes as they were when they were first read in this run."""
        return self._last[number] if number in self._last else self.read(number)

    def write(self, pull: PullRequest, marker: str, body: str) -> str:
        """Have one note of the marker say this. Returns its URL."""
        first = f"<!-- {marker} -->"
        text = f"{first}\n{without_actions(body)}"
        return self._client.repeated(lambda: self._write(pull, first, text))

    def _write(self, pull: PullRequest, marker: str, text: str) -> str:
        number = pull.number
        # What was read a moment ago is as good, if ours was there: the answer to the update tells where it went.
        ours = self._ours(self._last.get(number, []), marker) or self._ours(self.read(number), marker)
        while ours:
            whole = self._whole(text, ours)
            try:
                kept = self._update(number, ours[0]["id"], whole)
            except Missing:
                ours = self._ours(self.read(number), marker)  # somebody deleted it meanwhile
                continue
            self._remove(number, ours[1:])
            return self._checked(pull, kept, whole)
        path = f"{self._client.here}/merge_requests/{number}/notes"
        whole = self._whole(text, [])
        kept = self._client.send(f"write a note on !{number}", "post", path, WRITE, {"body": whole}, repeat=False)
        # Another run may have written one at the same moment. Both runs see both, and keep the older one.
        first, *rest = self._ours(self.read(number), marker) or [kept]
        if first["id"] != kept["id"]:
            whole = self._whole(text, [first])
            kept = self._update(number, first["id"], whole)
        self._remove(number, rest)
        return self._checked(pull, kept, whole)

    def _whole(self, text: str, ours: list[Any]) -> str:
        """With the changes that are kept: those that were there before, of other environments or jobs, stay."""
        known: dict[str, Changes] = {}
        for digest, changes in [*self._kept(ours).items(), *self._changes.items()]:
            known.pop(digest, None)
            known[digest] = changes
        return with_changes(text, known)

    def _ours(self, notes: list[Any], marker: str) -> list[Any]:
        """Ours, the oldest first. Anybody can write a marker, and ours may quote somebody who did."""
        mine = [
            note
            for note in notes
            if (note["body"] or "").startswith(marker) and login_of(note["author"]) == self._client.login
        ]
        return sorted(mine, key=lambda note: int(note["id"]))

    def _update(self, number: int, note: int, text: str) -> Any:
        path = f"{self._client.here}/merge_requests/{number}/notes/{note}"
        return self._client.send("update the note", "put", path, WRITE, {"body": text})

    def _remove(self, number: int, notes: list[Any]) -> None:
        for note in notes:
            path = f"{self._client.here}/merge_requests/{number}/notes/{note['id']}"
            try:
                self._client.send("remove a second note", "delete", path, WRITE)
            except Missing:
                continue  # the other run was faster

    def _checked(self, pull: PullRequest, kept: Any, text: str) -> str:
        """The answer to a write holds what GitLab kept: a line that it takes for a command is gone without a word."""
        url = f"{pull.url}#note_{kept['id']}"
        body = (kept["body"] or "").replace("\r\n", "\n").rstrip()
        wanted = text.replace("\r\n", "\n").rstrip()
        if len(body) < len(wanted):
            raise ForgeError(
                f"GitLab kept {len(body)} of the {len(wanted)} characters of the note {url}",
                "have less in the note: the whole report is in the report file among the artifacts",
            )
        return url

    def find(self, number: int, note: int) -> Comment:
        """One, as it is now. Whoever has the trigger's token can send the event of an old one again."""
        path = f"{self._client.here}/merge_requests/{number}/notes/{note}"
        found = comment_of(self._client.get(f"read note {note}", path, READ_BY_JOB))
        if not self._client.has_token or command_line(found.body) is None:
            return found
        given = self._client.pages(f"read the reactions to note {note}", f"{path}/award_emoji", READ)
        ours = {one["name"] for one in given if login_of(one.get("user")) == self._client.login}
        return replace(found, answered=not ours.isdisjoint({_EMOJI["+1"], _EMOJI["-1"]}))

    def react(self, number: int, note: int, reaction: Reaction) -> None:
        """Acknowledge one with an emoji. A second time changes nothing."""
        path = f"{self._client.here}/merge_requests/{number}/notes/{note}/award_emoji"
        try:
            self._client.send(f"react to note {note}", "post", path, WRITE, {"name": _EMOJI[reaction]})
        except (Missing, Invalid) as error:
            if "already been taken" not in error.message:  # GitLab says so with 404
                raise
