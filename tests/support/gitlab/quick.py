"""Quick actions: the commands that GitLab executes when it finds them in a comment or a description."""

from __future__ import annotations

import re
from typing import Final

_COMMANDS: Final = [
    "add_child",
    "add_contacts",
    "add_email",
    "add_parent",
    "add_todo",
    "allow_merge",
    "approve",
    "assign",
    "assign_reviewer",
    "award",
    "blocked_by",
    "blocks",
    "board_move",
    "child_of",
    "clear_health_status",
    "clear_parent",
    "clear_weight",
    "clone",
    "close",
    "cloned",
    "confidential",
    "convert_to_ticket",
    "copy_metadata",
    "create_merge_request",
    "done",
    "draft",
    "due",
    "duplicate",
    "epic",
    "estimate",
    "health_status",
    "hide_epic_dates",
    "iteration",
    "label",
    "labels",
    "link",
    "lock",
    "merge",
    "milestone",
    "move",
    "page",
    "parent_epic",
    "promote",
    "promote_to",
    "promote_to_incident",
    "publish",
    "react",
    "ready",
    "reassign",
    "reassign_reviewer",
    "rebase",
    "relabel",
    "relate",
    "remove_child",
    "remove_child_epic",
    "remove_contacts",
    "remove_due_date",
    "remove_email",
    "remove_epic",
    "remove_estimate",
    "remove_iteration",
    "remove_milestone",
    "remove_parent",
    "remove_parent_epic",
    "remove_time_spent",
    "remove_zoom",
    "reopen",
    "request_changes",
    "request_review",
    "set_parent",
    "severity",
    "ship",
    "shrug",
    "spend",
    "spend_time",
    "spent",
    "status",
    "submit_review",
    "subscribe",
    "tableflip",
    "tag",
    "target_branch",
    "timeline",
    "title",
    "todo",
    "type",
    "unapprove",
    "unassign",
    "unassign_reviewer",
    "unlabel",
    "unlink",
    "unlock",
    "unrelate",
    "unsubscribe",
    "wip",
    "weight",
    "zoom",
]

# Of lib/gitlab/quick_actions/extractor.rb: code, HTML that has its tags on lines of their own, and quotes keep what they hold.
_PATTERN: Final = re.compile(
    r"(?P<code>^```.+?\n.*?^```$|^```\n.*?^```$)"
    r"|(?P<html>^<[^>]+?>\n.+?\n</[^>]+?>$)"
    r"|(?P<quote>^>>>\n.*?\n>>>$)"
    r"|(?P<inline>`[^`\n]+`)"
    rf"|^/(?P<command>{'|'.join(sorted(_COMMANDS, key=len, reverse=True))})(?=[ \t]|$)(?P<rest>[^\n]*)\n?",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)


def extract(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The text without its commands, and of each command the name and the line."""
    found: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        if not match["command"]:
            return match[0]
        found.append((match["command"].lower(), match[0].rstrip("\n")))
        return ""

    rest = _PATTERN.sub(take, text.replace("\r\n", "\n"))
    return (rest.strip() if found else text), found
