"""Why an approval does not fit: what differs between the plan that was approved and the plan of now."""

from __future__ import annotations

from sloth_ci.core.plan import Change, Plan
from sloth_ci.core.words import plural


def explain(approved: Plan, now: Plan) -> str:
    """One sentence, such as `approved 3 changes, now 4: new is update Deployment/shop/web`."""
    before = {(change.type, change.ref): change for change in approved.changes}
    after = {(change.type, change.ref): change for change in now.changes}
    parts = []
    new = [key for key in after if key not in before]
    gone = [key for key in before if key not in after]
    other = [key for key in after if key in before and _content(before[key]) != _content(after[key])]
    for label, keys in (("new", new), ("gone", gone), ("different", other)):
        if keys:
            named = ", ".join(f"{kind} {ref}" for kind, ref in keys[:5])
            more = f" and {len(keys) - 5} more" if len(keys) > 5 else ""
            parts.append(f"{label} {'is' if len(keys) == 1 else 'are'} {named}{more}")
    counts = f"approved {plural(len(before), 'change')}, now {len(after)}"
    if not parts:
        return f"{counts}: a value that only the digest sees differs (a secret, or an object that does not change)"
    return f"{counts}: {'; '.join(parts)}"


def which_half(approved: str, now: str) -> str:
    """What is known from the two digests alone."""
    intent, _, effect = approved.partition(".")
    intent_now, _, effect_now = now.partition(".")
    if intent != intent_now and effect != effect_now:
        return "the revision renders something else, and other live state would be changed"
    if intent != intent_now:
        return "the revision renders something else than what was approved"
    return "the destination changed since the approval, in fields that the plan would change"


def _content(change: Change) -> list[tuple[str, object, object]]:
    """Masked fields are left out: fingerprints of two runs cannot be compared."""
    return [(f.path, f.before, f.after) for f in change.fields if not f.masked]
