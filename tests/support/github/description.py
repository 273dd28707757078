"""GitHub's own description of its API, and of the payloads of its events."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.forges.judge import Asked, Judge, words_of


class Description(Judge):
    """The description of the REST API, and the schema of the GraphQL API."""

    def __init__(self, rest: Path) -> None:
        super().__init__(json.loads(rest.read_bytes(), object_hook=_mended))
        for name in ("pull-request", "pull-request-simple"):
            # Of a fork that was deleted GitHub answers null, whatever it says here.
            head = self.document["components"]["schemas"][name]["properties"]["head"]["properties"]
            head["repo"] = {"nullable": True, "anyOf": [head["repo"], {"nullable": True, "enum": [None]}]}

    def payload_errors(self, event: str, action: str | None, payload: Mapping[str, Any]) -> list[str]:
        """What is wrong with the payload of an event. GitHub describes no `schedule`: that is none of its webhooks."""
        name = "-".join(filter(None, (event, action))).replace("_", "-")
        if name not in self.document["x-webhooks"]:
            return []
        headers = dict.fromkeys(("User-Agent", "X-Github-Event", "X-Github-Delivery"), "x")
        headers |= dict.fromkeys(("X-Github-Hook-Id", "X-Github-Hook-Installation-Target-Id"), "1")
        headers |= {"X-Github-Hook-Installation-Target-Type": "repository", "X-Hub-Signature-256": "x"}
        asked = Asked("POST", f"/{name}", {}, "", headers, json.dumps(payload).encode())
        return [words_of(error) for error in self._judge(f"/{name}").iter_request_errors(asked)]

    def _path(self, template: str) -> Any:
        return self.document["paths"].get(template) or self.document["x-webhooks"][template[1:]]


def _mended(part: dict[str, Any]) -> dict[str, Any]:
    """What GitHub writes and does not mean.

    `nullable` stands beside an `enum` or a choice without null, and the answer is null: OpenAPI 3.0.3 wants it in both.
    A list is told from objects by a property, which it has not.
    """
    if "array" in part.get("discriminator", {}).get("mapping", {}):
        del part["discriminator"]
    if part.get("nullable") is True:
        if isinstance(part.get("enum"), list) and None not in part["enum"]:
            part["enum"].append(None)
        for word in ("anyOf", "oneOf"):
            if isinstance(part.get(word), list):
                part[word].append({"nullable": True, "enum": [None]})
    return part


@functools.cache
def load(rest: Path) -> Description:
    """The description of a folder's file, read once a process."""
    return Description(rest)
