"""Comment commands: `/sloth deploy production`, alone on a line of a comment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import did_you_mean

Verb = Literal["help", "preview", "deploy", "approve", "rollback", "lock", "unlock"]
VERBS: tuple[Verb, ...] = get_args(Verb)
_LINE = re.compile(r"/sloth(?:[ \t]+(?P<words>\S.*?))?[ \t]*")
_ABOUT_AN_ENVIRONMENT = frozenset[Verb]({"deploy", "rollback", "lock", "unlock"})
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")


def commands(request_word: str = "pull request") -> dict[str, str]:
    """What can be asked for, and what it does. `request_word` is what the forge calls a change under review."""
    this = f"this {request_word}"
    return {
        "/sloth help": "this list",
        "/sloth preview": "plan it again, and report",
        "/sloth approve": "approve the plan that is shown, as an approving review does",
        "/sloth deploy ENV": f"apply the approved plan of {this} to an environment, and lock it for {this}",
        "/sloth rollback ENV [reason]": "put an environment back to what it was before, and Git too",
        "/sloth lock ENV [reason]": f"let nothing into an environment but {this}",
        "/sloth unlock ENV": "take that back",
    }


HELP = commands()
"""In GitHub's words."""


class SlashCommand(NamedTuple):
    """What somebody asked for."""

    verb: Verb
    environment: str | None = None
    reason: str = ""


def command_line(comment: str) -> str | None:
    """The first line of a comment that is a command, as it is written; None where there is none."""
    return next((line for line in _own_lines(comment) if _LINE.fullmatch(line)), None)


def find_command(comment: str, environments: Sequence[str]) -> SlashCommand | None:
    """The command in a comment, or None. One a comment; what is quoted or in a code block is none.

    Raises UsageError where it cannot be understood, with what was probably meant.
    """
    lines = list(_own_lines(comment))
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    if not found:
        return None
    if len(found) > 1:
        raise UsageError("a comment can hold one command", "write another comment for the next one")
    words = (found[0]["words"] or "help").split()
    verb = next((known for known in VERBS if known == words[0].lower()), None)
    if verb is None:
        raise UsageError(f"there is no command '{words[0]}'", did_you_mean(words[0].lower(), VERBS))
    rest = words[1:]
    if verb not in _ABOUT_AN_ENVIRONMENT:
        return SlashCommand(verb)
    if not rest:
        raise UsageError(f"/sloth {verb} needs an environment", f"there are: {', '.join(environments)}")
    if rest[0] not in environments:
        raise UsageError(f"there is no environment '{rest[0]}'", did_you_mean(rest[0], environments))
    return SlashCommand(verb, rest[0], " ".join(rest[1:]))


def _own_lines(comment: str) -> list[str]:
    """The lines that the author wrote as text."""
    lines: list[str] = []
    fence = ""
    for line in comment.replace("\r\n", "\n").split("\n"):  # as Markdown has lines, and the `>` of a quote
        mark = _FENCE.match(line)
        if fence:
            closes = mark and mark[1].startswith(fence) and not line.strip(" `~")
            fence = "" if closes else fence
        elif mark:
            fence = mark[1]
        elif not line.startswith((">", "    ", "\t")):
            lines.append(line.strip())
    return lines


def approves(body: str) -> bool:
    """Whether a comment is an approval. Another command that is wrong is none: whoever runs it tells its author."""
    try:
        command = find_command(body, ())
    except UsageError:
        return False
    return command is not None and command.verb == "approve"
