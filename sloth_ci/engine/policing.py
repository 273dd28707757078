"""The policy of a workflow, with its own rules: functions of the Lua file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from sloth_ci.core.errors import SlothError, UsageError
from sloth_ci.core.hooks import HookPhase
from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.core.plan import Change, ChangeType, Impact
from sloth_ci.core.planner import Judge, Judgement
from sloth_ci.core.words import clip
from sloth_ci.core.workflow import PolicySpec, WorkflowSpec
from sloth_ci.engine.session import Session

_NONE = PolicySpec()
_LONGEST = 500


def policies_of(session: Session, workflow: WorkflowSpec) -> list[PolicySpec]:
    """The workflow's policy, and those that the gate holds it to. Raises UsageError for a rule that is no function."""
    policy = workflow.policy
    for where, asked in (("deny", policy.deny), ("warn", policy.warn)):
        for name, function in asked.rules.items():
            if not callable(function):
                raise UsageError(
                    f"policy.{where}.rules.{name}: expected a function", "for example function(change) … end"
                )
    return [one for one in (policy, *session.gate.policies(workflow)) if one != _NONE]


def judge_of(
    policies: Sequence[PolicySpec],
    before: Mapping[Ref, Manifest],
    after: Iterable[Manifest],
    runs: Iterable[Change] = (),
) -> Judge | None:
    """What holds a plan to policies; None where there are none.

    `before` and `after`: the objects as they were declared, and as they are now; what was so before is not the plan's
    doing. `runs`: hooks, which are held to it like changes.
    """
    if not policies:
        return None
    from sloth_ci.policy.judge import judge  # most workflows have none

    now = {manifest.ref: manifest for manifest in after}

    def held(changes: Sequence[Change]) -> Judgement:
        return judge(policies, _ask, partial(_body, before), partial(_body, now), [*changes, *runs])

    return held


def _body(manifests: Mapping[Ref, Manifest], ref: Ref) -> Body | None:
    return manifests[ref].body if ref in manifests else None


def ran(session: Session, hooks: Iterable[tuple[HookPhase, Manifest]], known: Mapping[Ref, Manifest]) -> list[Change]:
    """The hooks that are not as they were, as a policy is told of them."""
    found = []
    for _, hook in hooks:
        was = known.get(hook.ref)
        if was is None or was.digest != hook.digest:
            state = session.fingerprint.mask(hook.body)
            current = session.fingerprint.mask(was.body) if was else None
            kind: ChangeType = "update" if was else "create"
            found.append(Change(kind, hook.ref, hook.version, Impact.LOW, (), "no", (), current, state, hook.source))
    return found


def without_functions(policy: PolicySpec) -> PolicySpec:
    """What denies, but for rules of its own: of a Lua file that is not read any more nobody can call a function."""
    return PolicySpec(deny=replace(policy.deny, rules={}), exempt=policy.exempt)


def _ask(function: Any, change: Change) -> str | None:
    """Call a rule: None where it holds, else why not. One that fails does not hold."""
    from sloth_ci.report.document import change_document  # only rules of one's own need it

    try:
        result = function(change_document(change))
    except SlothError as error:
        return clip(f"the rule failed: {error.message}", _LONGEST)
    verdict, reason = (*result, None)[:2] if isinstance(result, tuple) else (result, None)
    if verdict is True or (verdict is None and reason is None):
        return None
    if isinstance(verdict, str):
        verdict, reason = False, verdict
    if verdict is not None and verdict is not False:
        return f"the rule returned a {type(verdict).__name__}: it returns nothing, true, or false and why"
    return clip(str(reason), _LONGEST) if reason else "it does not hold"
