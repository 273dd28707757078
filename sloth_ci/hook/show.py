"""What a push would change, on stderr: one line where nothing does, else one screen, and the whole of it in a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from msgspec.structs import replace

from sloth_ci.core.errors import SlothError
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.hook.preview import Previewed
from sloth_ci.report.layout import Row, plain
from sloth_ci.report.plan_view import plan_rows
from sloth_ci.report.push_view import Section, section_rows
from sloth_ci.report.terminal import screen_of
from sloth_ci.report.text import one_line

if TYPE_CHECKING:
    from sloth_ci.hook.live import Answers

_PLAIN_LINES = 40
"""Lines where there is no terminal."""
_AROUND = 4
"""Lines that Git and the shell need around ours."""
_FOLDER = "sloth-ci"


def show(
    previews: Sequence[Previewed],
    said: Sequence[str],
    stderr: TextIO,
    *,
    git_dir: Path,
    answers: Answers | None,
    took: float,
    environ: Mapping[str, str],
) -> None:
    """Tell all of it. `took`: seconds. `answers`: what destinations said; None where none was asked."""
    screen = screen_of(stderr, environ=environ)
    loud = [one for one in previews if not one.quiet and not one.unknown]
    told = [
        *said,
        *(_unknown(one) for one in previews if one.unknown),
        *(words for one in previews if (words := _aside(one))),
    ]
    notes: list[Row] = [[(f"sloth-ci: {one_line(note, 400)}", "dim")] for note in dict.fromkeys(told)]
    previews = [one for one in previews if not one.unknown]
    if not loud:
        if previews and not all(one.builtin and _is_empty(one) for one in previews):
            row: Row = [("sloth-ci: nothing deployed changes", "text"), (f" ({took:.1f} s)", "dim")]
            screen.show([*notes, row, *_unanswered(previews, answers)])
        elif notes:
            screen.show(notes)
        return
    columns, lines = screen.size()
    height = lines - _AROUND if screen.moving else _PLAIN_LINES
    head = _headline(loud)
    foot = [*notes, *_foot(previews, loud, answers)]
    sections = [_section(one, several=_several(loud)) for one in loud]
    drawn = section_rows(sections, min(columns, screen.columns), max(4, height - len(foot) - 2), screen.glyphs)
    written = _write(loud, git_dir, page=drawn.cut)
    screen.show([head, *drawn.rows, *foot, _last(loud, written, took)])


def _unknown(one: Previewed) -> str:
    assert one.error is not None
    hint = f" ({one.error.hint})" if one.error.hint else ""
    return f"no preview of {one.name}: {one.error.message}{hint}"


def _aside(one: Previewed) -> str:
    """The conflicts that are no matter of this push, in a few words; empty where there are none."""
    if one.plan is None or len(one.conflicts) == len(one.plan.conflicts):
        return ""
    others = [conflict for conflict in one.plan.conflicts if conflict not in one.conflicts]
    unmerged = [conflict.resource for conflict in others if conflict.type == "git_merge"]
    parts = [f"{plural(len(unmerged), 'file')} elsewhere that Git cannot merge ({unmerged[0]})"] if unmerged else []
    if len(others) > len(unmerged):
        parts.append(f"{plural(len(others) - len(unmerged), 'conflict')} that {one.target} has without this push")
    return f"{one.name}: {' and '.join(parts)}"


def _headline(loud: Sequence[Previewed]) -> Row:
    kinds = {(one.target, one.pushed) for one in loud}
    if len(kinds) > 1:
        where = "what is pushed changes"
    else:
        [(target, pushed)] = kinds
        where = f"pushing this to {target} changes" if pushed else f"merging this into {target} changes"
    names = list(dict.fromkeys(one.name for one in loud))
    who = names[0] if len(names) == 1 else plural(len(names), "environment")
    return [("sloth-ci: ", "dim"), (one_line(where, 160), "text"), (f" {one_line(who, 80)}", "strong")]


def _several(loud: Sequence[Previewed]) -> bool:
    return len({one.commit for one in loud}) > 1


def _section(one: Previewed, *, several: bool) -> Section:
    name = f"{one.name} ({one.workflow.name})" if one.workflow.environment else one.name
    if several:
        name = f"{name}, from {one.branch or one.commit[:10]}"
    plan = replace(one.plan, conflicts=one.conflicts) if one.plan else None
    return Section(name, plan, tuple(_problems(one.error)))


def _problems(error: SlothError | None) -> Iterator[str]:
    if error is not None:
        yield from error.message.split("\n")
        if error.hint:
            yield error.hint


def _foot(previews: Sequence[Previewed], loud: Sequence[Previewed], answers: Answers | None) -> Iterator[Row]:
    quiet = [one.name for one in previews if one.quiet]
    if quiet:
        named = ", ".join(dict.fromkeys(quiet)) if len(quiet) <= 4 else plural(len(quiet), "other workflow")
        yield [(f"  no changes: {one_line(named, 200)}", "dim")]
    yield from _unanswered(loud, answers)


def _last(loud: Sequence[Previewed], written: str, took: float) -> Row:
    """The digest is the half that the pull request's plan shares, whatever its destination holds."""
    digests = [one.plan.digest.partition(".")[0] for one in loud if one.plan is not None]
    parts = [f"digest {digests[0]}"] if len(digests) == 1 else []
    parts += [f"all of it: {written}"] if written else []
    return [(f"  {' · '.join([*parts, f'{took:.1f} s'])}", "dim")]


def _unanswered(previews: Sequence[Previewed], answers: Answers | None) -> Iterator[Row]:
    clusters = list(dict.fromkeys(name for one in previews if (name := cluster_of(one.workflow.destination, one.name))))
    if answers is not None:
        for words in answers.missing:
            yield [(f"  {one_line(words, 300)}", "warn")]
    elif clusters:
        named = clusters[0] if len(clusters) == 1 else plural(len(clusters), "cluster")
        yield [(f"  offline: {one_line(named, 100)} was not asked; sloth-ci hook run pre-push --live does", "dim")]


def cluster_of(destination: DestinationSpec | None, name: str) -> str | None:
    """What to call the cluster that a workflow goes to; None where it goes to none."""
    if destination is None or destination.directory is not None or destination.branch is not None:
        return None
    return f"cluster {destination.context or name}"


def _is_empty(one: Previewed) -> bool:
    """Whether there is nothing that could be deployed: not one object."""
    return one.plan is None or (not one.plan.unchanged and not one.plan.changes)


def _write(loud: Sequence[Previewed], git_dir: Path, *, page: bool) -> str:
    """The plans in full as text in the git directory, and as a page. The path of the file to look at; empty: not written.

    A folder that cannot be written is no reason to keep a preview from anybody.
    """
    plans = [one.plan for one in loud if one.plan is not None]
    if not plans:
        return ""
    rows = [row for plan in plans for row in (*plan_rows(plan, 120, "full"), [])]
    folder = git_dir / _FOLDER
    try:
        folder.mkdir(exist_ok=True)
        named = _put(folder / "push.txt", plain(rows, 120))
        if page:
            from sloth_ci.report.comment import Shown  # 30 ms for the two: only where the screen is too small
            from sloth_ci.report.html import html_report

            named = _put(folder / "push.html", html_report([Shown(plan=plan) for plan in plans]))
        else:
            (folder / "push.html").unlink(missing_ok=True)  # of an earlier push
    except OSError:
        return ""
    return os.path.relpath(named)


def _put(path: Path, text: str) -> Path:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)
