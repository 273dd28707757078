"""The server's refusals in words: which object, from which file, why, and what helps."""

from __future__ import annotations

import re
from typing import Final

from sloth_ci.core.errors import SlothError
from sloth_ci.core.immutable import ON_IMMUTABLE, STATEFUL
from sloth_ci.core.objects import Ref, Source
from sloth_ci.core.words import clip
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.work import Blame

_LONGEST: Final = 800
_DENIED: Final = re.compile(r" denied (the )?request")
_VALUE: Final = re.compile(r"(Invalid value: ).{60,}?(: [^:]*)(?=(, [\w.\[\]]+: |]?$))")


def blame(ref: Ref, source: Source | None, error: SlothError) -> Blame:
    """One object's failure: `Deployment/shop/web (apps/web.yaml:3): ...`."""
    where = f"{ref} ({source})" if source else str(ref)
    if not isinstance(error, ApiFault):
        named = error.message.startswith(str(ref))
        return Blame(where + error.message.removeprefix(str(ref)) if named else f"{where}: {error.message}", error.hint)
    is_secret = (ref.group, ref.kind) == ("", "Secret")
    text = _without_values(error) if is_secret else clip(_VALUE.sub(r"\1…\2", error.message), _LONGEST)
    return Blame(f"{where}: {text}", error.hint or hint_of(ref, error))


def _without_values(fault: ApiFault) -> str:
    """What may be shown of a refusal of a Secret: validation and webhooks like to repeat what they were given."""
    denied = _DENIED.search(fault.message)
    if denied:
        return fault.message[: denied.end()]
    if fault.code == 400 or fault.is_misfit:
        fields = ", ".join(dict.fromkeys(cause.field for cause in fault.causes if cause.field))
        return f"{fault.reason}{f': {fields}' if fields else ''} (the server's text is not shown: it may hold values)"
    return fault.message


def hint_of(ref: Ref, fault: ApiFault) -> str | None:
    """What helps against a refusal, as far as it can be told."""
    reasons = {cause.reason for cause in fault.causes}
    message = fault.message
    if "FieldManagerConflict" in reasons:
        return "somebody changed it since the plan was made: look at the new plan, and at conflicts = { field_ownership = ... }"
    if fault.code == 413 or "Too long" in message:
        return "make it smaller: a ConfigMap or a Secret holds 1 MiB, an object 1.5 MiB"
    if _DENIED.search(message):
        return "the webhook or policy that is named there decides: change the manifest, or ask whoever runs it"
    if "exceeded quota" in message:
        return "ask for less, or raise the ResourceQuota"
    if "NamespaceTerminating" in reasons or "being terminated" in message:
        return "wait until the namespace is gone, and sync again"
    if fault.code == 403:
        return "give the account that right: deploy/rbac.yaml lists what is needed"
    if fault.code == 404 and fault.details.get("kind") == "namespaces":
        return "declare the Namespace, or create it first"
    if fault.code == 422 and "immutable" in message:
        if ref.kind in STATEFUL:
            return "leave the field as it is, or migrate to an object of another name"
        return f'leave the field as it is, or let it be made anew with the annotation {ON_IMMUTABLE}: "recreate"'
    if fault.code == 400 or fault.is_misfit:
        return "correct the manifest"
    if fault.transient:
        return "try again later"
    return None
