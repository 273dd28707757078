"""Why an approval does not fit: what differs between the plan that was approved and the plan of now."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET

from sloth_ci.core.objects import digest_of
from sloth_ci.core.plan import Change, Plan
from sloth_ci.core.words import plural

_SHOWN = 5


def change_digests(plan: Plan) -> dict[str, str]:
    """What has to be kept of a plan to explain later what differs: `type resource` to a digest of its content.

    What a sync runs belongs to it: `PreSync hook Job/shop/migrate`.
    """
    changes = {f"{change.type} {change.ref}": _content(change) for change in plan.changes}
    return changes | {f"{hook.phase} hook {hook.ref}": hook.digest[:16] for hook in plan.hooks}


def explain(approved: Plan | Mapping[str, str], now: Plan) -> str:
    """One sentence, such as `approved 3 changes, now 4: new is update Deployment/shop/web`.

    `approved` is the plan, or its `change_digests`.
    """
    before = change_digests(approved) if isinstance(approved, Plan) else approved
    after = change_digests(now)
    parts = []
    new = [key for key in after if key not in before]
    gone = [key for key in before if key not in after]
    other = [key for key in after if key in before and before[key] != after[key]]
    for label, keys in (("new", new), ("gone", gone), ("different", other)):
        if keys:
            named = ", ".join(keys[:_SHOWN])
            more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
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


def hides_something(plan: Plan) -> bool:
    """Whether only the digest sees all of a plan."""
    return any(map(hides, plan.changes)) or any(not hook.digest for hook in plan.hooks)


def hides(change: Change) -> bool:
    """Whether a change has values that only the digest sees: fingerprints of two runs cannot be compared."""
    return change.ref.kind == "Secret" or any(field.masked for field in change.fields)


def _content(change: Change) -> str:
    """What is set; of what is made (a creation has no fields) all of it. Masked values are left out."""
    fields = [(f.path, *_values(f.before, f.after)) for f in change.fields if not f.masked]
    made = change.desired_state if change.type in {"create", "recreate"} and not hides(change) else None
    return digest_of([fields, made])[:16]


def _values(*values: object) -> list[list[object]]:
    """Each in a list of its own, so that one that is not there differs from null."""
    return [[] if value is UNSET else [value] for value in values]
