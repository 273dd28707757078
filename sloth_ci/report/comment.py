"""What is said on a pull or merge request: the plans before a merge, what became of them after it, and answers to commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from sloth_ci.core.gate import Verdict
from sloth_ci.core.outcome import Outcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.review import Overlap
from sloth_ci.core.slash import commands
from sloth_ci.core.words import first_line, plural
from sloth_ci.report.ladder import Places, Step, ladder
from sloth_ci.report.markdown import DIFF_LINES, Cell, digests, note_line, sections, table, verdict_parts
from sloth_ci.report.outcome_markdown import outcomes_markdown
from sloth_ci.report.parts import LIMIT, Parts, blocks, further_lines, size
from sloth_ci.report.text import code, link, markdown

_REASON_LINES = 20
_FILES = 3
_JOINTS = 20
"""Bytes of the blank lines between blocks."""
APPROVING = (
    "**Approving** means: exactly this plan is applied after the merge. Where a fresh plan differs from it, nothing is "
    "applied, and the difference is shown for a new approval."
)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A plan, and what stands between it and its sync."""

    plan: Plan
    verdict: Verdict | None = None
    """What the gate says; None where no approval is required, or nobody was asked."""
    required: bool = False
    """Whether an approval is required that nobody has been asked for yet: on a laptop there is no pull request."""
    check_url: str = ""
    notes: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow of which no plan could be made, or whose plan was not applied."""

    name: str
    """Its environment, or its name."""
    message: str
    hint: str | None = None


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What a report is about, and where else to look."""

    head_sha: str
    base: str = ""
    """The branch that it goes to."""
    overlaps: tuple[Overlap, ...] = ()
    run_url: str = ""
    summary_url: str | None = None
    """The page that shows the job's summary: None is that of the run, empty where there is none."""
    report_url: str = ""
    """Of the HTML report."""
    check_texts: bool = True
    """Whether the page of a check tells its plan: a status of GitLab has no text."""
    request_word: str = "pull request"
    """What the forge calls a change under review."""
    notes: tuple[str, ...] = ()
    """About the whole run."""
    failed: tuple[Failed, ...] = ()


def pull_request_comment(shown: Sequence[Shown], *, about: About, limit: int = LIMIT) -> str:
    """All that a reviewer has to know, of at most `limit` bytes of UTF-8; what has no room is named."""
    return review_markdown(shown, about=about, limit=limit, step="comment")


def review_markdown(shown: Sequence[Shown], *, about: About, limit: int, step: Step, lines: int = DIFF_LINES) -> str:
    """The plans with their gates, for a step of the ladder, of at most `limit` bytes; diffs of so many `lines` each.

    A limit that leaves no room for the verdict and the table is not kept.
    """
    plans = [one.plan for one in shown]
    cells = [Cell(one.check_url, gate_words(one)) for one in shown]
    head = blocks(_head(shown, about), table(plans, limit // 4, cells) if shown else "")
    foot = _foot(plans, about, limit // 8)
    check = next((one.check_url for one in shown if one.check_url and about.check_texts), "")
    summary = about.run_url if about.summary_url is None else about.summary_url
    more = ladder(step, Places(check=check, summary=summary, html=about.report_url))
    room = limit - size(head) - size(foot) - size(more) - _JOINTS
    top = Parts(room * 2 // 5)
    top.add_all([_failed(one) for one in about.failed], "failure")
    top.add_all([note_line(note) for note in about.notes], "note")
    top.add_all(_gates(shown), "line about approvals", "lines about approvals")
    end = Parts(room // 6)
    word = about.request_word
    end.add_all(_overlaps(about.overlaps, word), f"line about {word}s", f"lines about {word}s")
    above, below = top.text(), end.text()
    middle = sections(
        plans,
        room - size(above) - size(below),
        titled=len(plans) > 1 or bool(about.failed),
        notes=[one.notes for one in shown],
        lines=lines,
    )
    whole = middle.whole and top.whole and end.whole
    return blocks(head, above, middle.text, below, "" if whole else more, foot)


def _head(shown: Sequence[Shown], about: About) -> str:
    parts = [f"❌ {words}" for words in failed_words([one.plan for one in shown], about.failed)]
    if shown or not about.failed:
        parts += verdict_parts([one.plan for one in shown])
    asked = [one for one in shown if one.verdict is not None and one.plan.brings]
    if asked:
        waiting = sum(not one.verdict.open for one in asked if one.verdict is not None)
        parts.append("⏳ waiting for approval" if waiting else "✅ approved")
    return f"### {' · '.join(parts)}\n"


def failed_words(plans: Sequence[Plan], failed: Sequence[Failed]) -> list[str]:
    """How many workflows have no plan, and how many have one that was not applied: what a gate or a hold has refused."""
    planned = {plan.environment or plan.name for plan in plans}
    held = sum(one.name in planned for one in failed)
    counted = ((len(failed) - held, "without a plan"), (held, "not synced"))
    return [f"{plural(number, 'workflow')} {what}" for number, what in counted if number]


def _foot(plans: Sequence[Plan], about: About, room: int) -> str:
    base = f" into {code(about.base, 120)}" if about.base else ""
    parts = [f"commit {code(about.head_sha[:12])}{base}", digests(plans, room)]
    parts += [link(word, url) for word, url in (("run", about.run_url), ("HTML report", about.report_url)) if url]
    return f"<sub>{' · '.join(parts)}</sub>"


def _failed(failed: Failed) -> str:
    """An error, with the lines after its first as they are: they may be the output of a program."""
    said = further_lines(failed.message, _REASON_LINES)
    way = f"\n\n➡️ {markdown(failed.hint, 600)}" if failed.hint else ""
    return f"\n❌ **{markdown(failed.name, 80)}**: {markdown(first_line(failed.message), 1000)}{said}{way}\n"


# --- the gate ---


def gate_words(one: Shown) -> str:
    """Where the approval of a plan is, in two words."""
    if not one.plan.brings:
        return "nothing to approve"
    if one.verdict is None:
        return "required" if one.required else "not required"
    return "✅ given" if one.verdict.open else f"⏳ {len(one.verdict.missing):,} missing"


def _gates(shown: Sequence[Shown]) -> list[str]:
    """What approving means, and for each environment what is still missing."""
    asked = [(one.plan, one.verdict) for one in shown if one.verdict is not None and one.plan.brings]
    if not asked:
        return []
    lines = [f"\n{APPROVING}\n"]
    for plan, verdict in asked:
        name = f"**{markdown(plan.environment or plan.name, 80)}**"
        lines += gate_lines(verdict, f"{name} ")
    return lines


def gate_lines(verdict: Verdict, name: str = "") -> list[str]:
    """What a gate waits for and what it has, as items of a list. `name` is Markdown.

    The items have stars, so that a list with dashes below is another one.
    """
    given = ", ".join(markdown(text, 120) for text in verdict.given[:20])
    if verdict.open:
        return [f"\n* ✅ {name}may be applied" + (f": {given}" if given else "")]
    lines = [f"\n* ⏳ {name}waits for" + (f" (so far: {given})" if given else "")]
    return lines + [f"\n  * {markdown(text, 600)}" for text in verdict.missing]


# --- other pull and merge requests ---


def _overlaps(overlaps: Sequence[Overlap], word: str) -> list[str]:
    if not overlaps:
        return []
    lines = [f"\n**Also open**, and about the same objects: {plural(len(overlaps), word)}\n"]
    for one in overlaps:
        files = [code(file, 200) for file in one.files[:_FILES]]
        files += [f"{len(one.files) - _FILES:,} more"] if len(one.files) > _FILES else []
        title = link(f"{one.sigil}{one.number} {markdown(one.title, 120)}", one.url)
        lines.append(f"\n- {title}" + (f": {', '.join(files)}" if files else ""))
    return lines


# --- after the merge ---


def deployment_comment(
    outcomes: Sequence[Outcome],
    *,
    sha: str,
    links: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    limit: int = LIMIT,
) -> str:
    """What became of a pull or merge request after its merge as `sha`.

    `links` are the pages to go on from, by what they are called: the environment, the run, the request that reverts.
    """
    pages = [link(markdown(word, 80), url) for word, url in (links or {}).items() if url]
    foot = f"<sub>{' · '.join([f'commit {code(sha[:12])}', *pages])}</sub>"
    below = Parts(limit // 4)
    below.add_all([note_line(note) for note in notes], "note")
    told = outcomes_markdown(outcomes, limit - size(foot) - size(below.text()) - _JOINTS)
    return blocks(told, below.text(), foot)


# --- answers ---

Answer = Literal["done", "refused", "failed"]
_ANSWERS: dict[Answer, tuple[str, str]] = {
    "done": ("✅", "done"),
    "refused": ("🚫", "refused"),
    "failed": ("❌", "failed"),
}


def answer(
    command: str,
    *,
    who: str,
    state: Answer,
    sha: str = "",
    message: str = "",
    hint: str | None = None,
    outcomes: Sequence[Outcome] = (),
    run_url: str = "",
    limit: int = LIMIT,
) -> str:
    """The answer to a comment command. `command` is its line, `who` wrote it, `sha` is the commit that it was about."""
    mark, word = _ANSWERS[state]
    head = f"### {mark} {code(command, 200)}: {word}"
    parts = [f"asked by {markdown(who, 80)}", *([f"commit {code(sha[:12])}"] if sha else [])]
    parts += [link("run", run_url)] if run_url else []
    foot = f"<sub>{' · '.join(parts)}</sub>"
    body = Parts(limit - size(head) - size(foot) - _JOINTS)
    if message:
        body.add_all([f"\n{markdown(first_line(message), 2000)}{further_lines(message, 80)}\n"], "message")
    if hint:
        body.add_all([f"\n➡️ {markdown(hint, 600)}\n"], "hint")
    text = body.text()
    room = limit - size(head) - size(foot) - size(text) - _JOINTS
    return blocks(head, text, outcomes_markdown(outcomes, room), foot)


def help_answer(request_word: str = "pull request") -> str:
    """What can be asked for in a comment. `request_word` is what the forge calls a change under review."""
    rows = "".join(f"| {code(command)} | {markdown(said)} |\n" for command, said in commands(request_word).items())
    return (
        f"### Commands\n\n| comment | what it does |\n|---|---|\n{rows}\n"
        "One a comment, alone on its line, by people who may push to this repository.\n"
    )
