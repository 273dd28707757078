"""Comments on a pull request: our one of a marker, and the commands of people."""

from __future__ import annotations

from typing import Any

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Comment
from sloth_ci.forge.errors import Missing
from sloth_ci.forge.github.client import Client
from sloth_ci.forge.github_payload import comment_of, login_of

WRITE = "pull-requests: write"
READ = "pull-requests: read"


class Thread:
    """The comments of pull requests, of which ours is found again by its marker and by who wrote it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._last: tuple[int, list[Any]] | None = None

    def read(self, number: int) -> list[Any]:
        """All comments, the oldest first, read anew."""
        path = f"{self._client.here}/issues/{number}/comments"
        found = self._client.pages(f"read the comments of #{number}", path, READ)
        self._last = (number, found)
        return found

    def write(self, number: int, marker: str, body: str) -> str:
        """Have one comment of the marker say this. Returns its URL."""
        first = f"<!-- {marker} -->"
        return self._client.repeated(lambda: self._write(number, first, f"{first}\n{body}"))

    def _write(self, number: int, marker: str, text: str) -> str:
        # What was read a moment ago is as good, if ours was there: the answer to the update tells where it went.
        known = self._ours(self._last[1], marker) if self._last and self._last[0] == number else []
        ours = known or self._ours(self.read(number), marker)
        while ours:
            try:
                kept = self._update(ours[0]["id"], text)
            except Missing:
                ours = self._ours(self.read(number), marker)  # somebody deleted it meanwhile
                continue
            self._remove(ours[1:])
            return self._checked(kept, text)
        path = f"{self._client.here}/issues/{number}/comments"
        kept = self._client.send(f"comment on #{number}", "POST", path, WRITE, {"body": text}, repeat=False)
        # Another run may have written one at the same moment. Both runs see both, and keep the older one.
        first, *rest = self._ours(self.read(number), marker) or [kept]
        if first["id"] != kept["id"]:
            kept = self._update(first["id"], text)
        self._remove(rest)
        return self._checked(kept, text)

    def _ours(self, comments: list[Any], marker: str) -> list[Any]:
        """Ours, the oldest first. Anybody can write a marker, and ours may quote somebody who did."""
        mine = [
            c for c in comments if (c["body"] or "").startswith(marker) and login_of(c["user"]) == self._client.login
        ]
        return sorted(mine, key=lambda comment: int(comment["id"]))

    def _update(self, comment_id: int, text: str) -> Any:
        path = f"{self._client.here}/issues/comments/{comment_id}"
        return self._client.send("update the comment", "PATCH", path, WRITE, {"body": text})

    def _remove(self, comments: list[Any]) -> None:
        for comment in comments:
            path = f"{self._client.here}/issues/comments/{comment['id']}"
            try:
                self._client.send("remove a second comment", "DELETE", path, WRITE)
            except Missing:
                continue  # the other run was faster

    def _checked(self, kept: Any, text: str) -> str:
        """The answer to a write holds what GitHub kept: it has cut long comments before without a word."""
        body = (kept["body"] or "").replace("\r\n", "\n").rstrip()
        wanted = text.replace("\r\n", "\n").rstrip()
        if len(body) < len(wanted):
            raise ForgeError(
                f"GitHub kept {len(body)} of the {len(wanted)} characters of the comment {kept['html_url']}",
                "have less in the comment: the whole report is in the check and in the report file",
            )
        return str(kept["html_url"])

    def find(self, comment_id: int) -> Comment:
        """One, as it is now."""
        path = f"{self._client.here}/issues/comments/{comment_id}"
        return comment_of(self._client.get(f"read comment {comment_id}", path, READ))

    def react(self, comment_id: int, reaction: str) -> None:
        """Acknowledge one. A second time changes nothing."""
        path = f"{self._client.here}/issues/comments/{comment_id}/reactions"
        self._client.send(f"react to comment {comment_id}", "POST", path, WRITE, {"content": reaction})
