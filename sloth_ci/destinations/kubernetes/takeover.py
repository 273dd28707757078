"""Objects that somebody else put in place: who did, and what it takes to make them ours.

A server-side apply removes a field only where our own entry in `managedFields` has it. What kubectl or Helm wrote before
is theirs: it would stay for ever. So the entry of a former manager is made ours first. Source: the Kubernetes
documentation, "Migrate from client-side apply to server-side apply", and client-go's `csaupgrade`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sloth_ci.core.errors import ApplyError
from sloth_ci.core.managed import MANAGER, Fields, Owner, difference, is_ours, owners, union
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import ConflictPolicy
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.faults import ApiFault
from sloth_ci.destinations.kubernetes.known import Known

JSON_PATCH: Final = "application/json-patch+json"

_FORMER: Final[Mapping[tuple[str, str], str]] = {
    ("kubectl-client-side-apply", "Update"): "kubectl apply (client-side)",
    ("kubectl-client-side-apply", "Apply"): "kubectl apply (client-side)",
    ("kubectl-last-applied", "Apply"): "kubectl apply (client-side)",
    ("kubectl", "Apply"): "kubectl apply (server-side)",
    ("helm", "Update"): "Helm",
    ("helm", "Apply"): "Helm",
}
"""Manager and operation of tools that declare whole objects as we do, by hand or in a script, and then are done."""
_CONTROLLERS: Final = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
    "kapp": "kapp",
    "kluctl": "kluctl",
}
"""Those that go on declaring: taken over only where the settings say so."""
_TRIES: Final = 5


def former_owners(live: Body, policy: ConflictPolicy) -> list[Owner]:
    """The entries of former managers; none where the object is ours already."""
    entries = owners(live)
    if any(is_ours(owner) for owner in entries):
        return []
    return [owner for owner in entries if not owner.subresource and former_name(owner, policy)]


def former_name(owner: Owner, policy: ConflictPolicy) -> str | None:
    """What a former manager is called by people; None for all others."""
    name = _FORMER.get((owner.manager, owner.operation))
    if name is None and policy.foreign_owner == "adopt":
        name = _CONTROLLERS.get(owner.manager)
    return name


def left_behind(result: Body, former: Iterable[Owner]) -> Fields:
    """What only former managers own once our apply (`result`) is done: the fields that a takeover removes."""
    names = {owner.manager for owner in former}
    kept = [owner.fields for owner in owners(result) if is_ours(owner) or owner.manager not in names]
    return difference(union(*(owner.fields for owner in former)), *kept)


def takeover_note(former: Iterable[Owner], policy: ConflictPolicy, removed: int) -> str:
    """For the plan: nobody's object changes hands in silence. `removed`: how many of the former fields go or change."""
    names = " and ".join(dict.fromkeys(former_name(owner, policy) or owner.manager for owner in former))
    more = f": {plural(removed, 'field')} no longer in Git will be removed" if removed else ""
    return f"taken over from {names}{more}"


def adoption_note(live: Body) -> str | None:
    """The same for an object that no tool declares: made by hand or by a controller; None where it is ours already."""
    entries = owners(live)
    if any(is_ours(owner) for owner in entries):
        return None
    makers = [owner.manager for owner in sorted(entries, key=lambda owner: owner.time) if not owner.subresource]
    return f"exists already, made by {makers[0] if makers else 'somebody unknown'}; adopted"


def take_over(cluster: Cluster, ref: Ref, known: Known) -> None:
    """Make the entries of the former managers ours. Doing it again does nothing.

    Raises ApplyError where the object is another one than was seen or never stands still; ApiFault, UnreachableError.
    """
    resource = cluster.discovery.find(ref.group, ref.kind)
    if resource is None:
        raise ApplyError(f"{ref}: the cluster no longer knows its kind", "sync again")
    path = resource.path(ref.namespace, ref.name)
    for _ in range(_TRIES):
        try:
            live = cluster.client.json("GET", path)
        except ApiFault as fault:
            if fault.code == 404:
                return  # deleted meanwhile: there is nothing to take over
            raise
        if live["metadata"]["uid"] != known.uid:
            return  # made anew meanwhile, by somebody else: what follows is an ordinary apply
        entries = _ours_instead(live, known.former)
        if entries is None:
            return
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": entries},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live["metadata"]["resourceVersion"]},
        ]
        try:
            cluster.client.call("PATCH", path, query={"fieldManager": MANAGER}, body=patch, content_type=JSON_PATCH)
            return
        except ApiFault as fault:
            if fault.code != 409:  # it moved: look again
                raise
    raise ApplyError(f"{ref} changes faster than it can be taken over", "sync again, or stop what keeps changing it")


def _ours_instead(live: Body, former: frozenset[str]) -> list[dict[str, Any]] | None:
    """`managedFields` with one entry of ours in place of theirs; None where there is none of theirs."""
    entries: list[dict[str, Any]] = live["metadata"].get("managedFields") or []

    def of(wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        return [entry for entry in entries if not entry.get("subresource") and wanted(entry)]

    theirs = of(lambda entry: entry.get("manager") in former)
    if not theirs:
        return None
    ours = of(lambda entry: entry.get("manager") == MANAGER and entry.get("operation") == "Apply")
    newest = max([*ours, *theirs], key=lambda entry: entry.get("time", ""))
    merged = {
        **newest,
        "manager": MANAGER,
        "operation": "Apply",
        "fieldsV1": union(*(entry.get("fieldsV1") or {} for entry in [*ours, *theirs])),
    }
    return [merged, *(entry for entry in entries if entry not in theirs and entry not in ours)]
