"""Plans and outcomes as one HTML file that needs nothing else: no network, no server, no other file.

The head of the page is written here, so that it can be read without the script. The rest is data that the script shows;
it never makes markup of it. The page allows itself this one script and this one style sheet, by their hashes.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path

from sloth_ci.core.outcome import Outcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.words import plural
from sloth_ci.report.comment import About, Shown, failed_words, gate_words
from sloth_ci.report.document import to_json
from sloth_ci.report.html_data import report_data
from sloth_ci.report.panes import FINDING, totals
from sloth_ci.report.text import address, one_line

_ASSETS = Path(__file__).with_name("assets")
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_ROWS = 200
_FEW = 5


def html_report(
    shown: Sequence[Shown],
    *,
    about: About | None = None,
    outcomes: Sequence[Outcome] = (),
    generated_at: str | None = None,
) -> str:
    """The whole page. `generated_at` is ISO 8601."""
    style = _asset("report.css")
    script = _asset("filter.js") + _asset("report.js")
    plans = [one.plan for one in shown]
    slots = {
        "policy": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'",
        "title": _text(_headline(plans, outcomes, about), 200),
        "style": style,
        "head": "".join(_head(shown, about, outcomes, generated_at)),
        "data": _embedded(to_json(report_data(shown, about, outcomes, generated_at))),
        "script": script,
    }
    # In one go: what is put in is never searched for slots.
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("report.html"))


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _embedded(json: str) -> str:
    """JSON that no parser of HTML or of scripts takes for anything else."""
    return re.sub("[<>&\u2028\u2029]", lambda char: _IN_SCRIPT[char[0]], json)


def _text(text: str, limit: int = 300) -> str:
    return escape(one_line(text, limit))


# --- the head of the page ---


def _headline(plans: Sequence[Plan], outcomes: Sequence[Outcome], about: About | None) -> str:
    if not plans:
        failed = len(about.failed) if about else 0
        return f"{plural(failed, 'workflow')} without a plan" if failed else plural(len(outcomes), "outcome")
    total = totals(plans)
    return f"{plural(total.changes, 'change') if total.changes else 'No changes'} to {', '.join(total.named)}"


def _head(
    shown: Sequence[Shown], about: About | None, outcomes: Sequence[Outcome], generated_at: str | None
) -> Iterator[str]:
    plans = [one.plan for one in shown]
    yield f"<h1>{_text(_headline(plans, outcomes, about))}</h1>\n"
    badges = [f'<li class="badge {kind}">{words}</li>' for kind, words in _badges(shown, about)]
    if badges:
        yield f'<ul class="badges">{"".join(badges)}</ul>\n'
    for note in about.notes if about else ():
        yield f'<p class="note">{_text(note, 600)}</p>\n'
    if shown:
        yield _table(shown)
    yield f'<dl class="facts">{"".join(_facts(plans, about, generated_at))}</dl>\n'


def _badges(shown: Sequence[Shown], about: About | None) -> Iterator[tuple[str, str]]:
    total = totals([one.plan for one in shown])
    for words in failed_words([one.plan for one in shown], about.failed) if about else ():
        yield "bad", words
    if total.conflicts:
        yield "bad", plural(total.conflicts, "conflict")
    if total.findings:
        yield "warn", plural(total.findings, FINDING)
    if total.impact is not None:
        yield str(total.impact), f"highest impact {total.impact}"
    if total.irreversible:
        yield "bad", f"{total.irreversible:,} irreversible"
    if total.overwritten:
        yield "warn", f"overwrites {plural(total.overwritten, 'field')} of others"
    asked = [one.verdict for one in shown if one.verdict is not None and one.plan.brings]
    if asked:
        yield ("good", "approved") if all(verdict.open for verdict in asked) else ("warn", "waiting for approval")


def _table(shown: Sequence[Shown]) -> str:
    heads = "".join(
        f'<th scope="col" class="{kind}">{head}</th>'
        for kind, names in (
            ("text", ("environment", "destination")),
            ("number", ("created", "updated", "deleted")),
            ("text", ("impact", "approval")),
        )
        for head in names
    )
    rows = "".join(map(_row, shown[:_ROWS]))
    if len(shown) > _ROWS:
        rows += f'<tr><td colspan="7">… {len(shown) - _ROWS:,} more</td></tr>'
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Environments">'
        f'<table class="environments"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>\n'
    )


def _row(one: Shown) -> str:
    plan = one.plan
    summary = plan.summary
    impact = (
        f'<span class="impact {plan.max_impact}">{plan.max_impact}</span>'
        if plan.max_impact is not None
        else "no change"
    )
    counts = (summary.created_resources, summary.updated_resources, summary.deleted_resources)
    numbers = "".join(f'<td class="number{"" if count else " none"}">{count:,}</td>' for count in counts)
    name = _link(plan.environment or plan.name, one.check_url)
    return (
        f'<tr><th scope="row">{name}</th><td>{_text(plan.destination)}<br>'
        f'<code class="quiet" title="the digest of the plan">{_text(plan.digest, 100)}</code></td>{numbers}'
        f"<td>{impact}</td><td>{escape(gate_words(one))}</td></tr>"
    )


def _facts(plans: Sequence[Plan], about: About | None, generated_at: str | None) -> Iterator[str]:
    def fact(word: str, html: str) -> str:
        return f"<div><dt>{word}</dt><dd>{html}</dd></div>"

    if about:
        base = f" into {_text(about.base, 100)}" if about.base else ""
        yield fact("commit", f"<code>{_text(about.head_sha, 40)}</code>{base}")
    revisions: dict[str, str | None] = {}
    for plan in plans:
        revisions[plan.revision] = revisions.get(plan.revision) or plan.base
    for revision, against_what in list(revisions.items())[:_FEW]:
        against = f" against <code>{_text(against_what[:12])}</code>" if against_what else ""
        yield fact("revision", f"<code>{_text(revision[:12])}</code>{against}")
    unchanged = sum(plan.unchanged for plan in plans)
    if unchanged:
        yield fact("unchanged", plural(unchanged, "object"))
    if generated_at:
        yield fact("made", f"<time>{_text(generated_at, 40)}</time>")
    if about and about.run_url:
        yield fact("run", _link("its page", about.run_url))


def _link(label: str, url: str) -> str:
    """A link to a page of the forge; it tells that page nothing of this one."""
    target = address(url)
    return (
        f'<a href="{escape(target)}" rel="noreferrer noopener">{_text(label, 80)}</a>' if target else _text(label, 80)
    )
