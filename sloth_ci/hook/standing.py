"""Whether a push may go on: what its workflows say of what it would bring, and a person at the terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.plan import Impact
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import PushLevel
from sloth_ci.hook.preview import Previewed
from sloth_ci.render import RenderFailed
from sloth_ci.report.text import one_line

ALL_THE_SAME = "to push all the same: git push --no-verify, or SLOTH_SKIP=1 git push"


def reasons(previews: Sequence[Previewed], *, asking: bool = False) -> list[str]:
    """Why the push is stopped, or with `asking` why somebody is asked, by the `push` table of each workflow.

    The built-in workflow never stands in the way: nobody asked for it.
    """
    found = []
    for one in previews:
        level = one.workflow.push.ask if asking else one.workflow.push.block
        why = None if one.builtin else _reason(one, level)
        if why is not None:
            found.append(f"{one_line(one.name, 80)}: {why}")
    return list(dict.fromkeys(found))


def _reason(one: Previewed, level: PushLevel) -> str | None:
    if level == "none":
        return None
    if isinstance(one.error, RenderFailed):
        # The pull request would fail just so; what was broken before is not this push's.
        broken = {problem.path for problem in one.error.problems} - one.before
        return f"{plural(len(broken), 'file')} cannot be rendered" if broken else None
    if one.plan is None:
        return None
    if one.conflicts:
        return plural(len(one.conflicts), "conflict")
    impact = one.plan.max_impact
    if level == "conflicts" or impact is None:
        return None
    if level == "changes":
        return plural(len(one.plan.changes), "change")
    return f"its highest impact is {impact}" if impact >= Impact[level.upper()] else None


def decide(previews: Sequence[Previewed], stderr: TextIO, environ: Mapping[str, str]) -> int:
    """The exit code: 0 to go on, 4 to stop. At a terminal a person may say otherwise."""
    stopped = reasons(previews)
    asked = stopped or reasons(previews, asking=True)
    if not asked:
        return 0
    answer = _ask(asked, stderr, environ)
    if answer is not None:
        return 0 if answer else ConflictError.exit_code
    if stopped:
        stderr.write(f"sloth-ci: stopped ({'; '.join(stopped)})\n          {ALL_THE_SAME}\n")
        return ConflictError.exit_code
    stderr.write(f"sloth-ci: pushed without asking, as there is no terminal ({'; '.join(asked)})\n")
    return 0


def _ask(why: Sequence[str], stderr: TextIO, environ: Mapping[str, str]) -> bool | None:
    """What a person says; None where there is none. stdin is Git's, so that the terminal itself is read."""
    if not stderr.isatty() or environ.get("GIT_TERMINAL_PROMPT") == "0":
        return None
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
    with os.fdopen(terminal, "rb", buffering=0) as answers:
        stderr.write(f"sloth-ci: {'; '.join(why)}\nPush all the same? (y/N) ")
        stderr.flush()
        said = _line(answers.fileno())
    if said.strip().lower() in {"y", "yes"}:
        return True
    stderr.write(f"sloth-ci: not pushed; {ALL_THE_SAME}\n")
    return False


def _line(terminal: int) -> str:
    said = b""
    while not said.endswith(b"\n"):
        piece = os.read(terminal, 256)
        if not piece:
            break
        said += piece
    return said.decode("utf-8", "replace")
