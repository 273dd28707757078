"""Hooks: objects that are made at a point of every sync, waited for until they are done, and not kept in the inventory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.errors import ApplyError, SlothError, UnhealthyError
from sloth_ci.core.graph import Graph, Node
from sloth_ci.core.health import Verdict, verdict
from sloth_ci.core.hooks import DeletePolicy, HookPhase, delete_policies, hook_phases
from sloth_ci.core.objects import Body, Manifest, Ref
from sloth_ci.destinations.kubernetes import wait
from sloth_ci.destinations.kubernetes.blame import blame
from sloth_ci.destinations.kubernetes.cluster import Cluster
from sloth_ci.destinations.kubernetes.single import delete, follow, get, wait_until_gone
from sloth_ci.destinations.kubernetes.work import Blame, Verb, work_off
from sloth_ci.destinations.kubernetes.write import Applier

LABEL: Final = "sloth-ci/hook"
"""Label of a hook: the applyset id of its workflow. A hook is no member, so it does not have the label of one."""


def run_hooks(
    cluster: Cluster, applyset_id: str, phase: HookPhase, hooks: Sequence[Manifest], carrying: Carrying
) -> None:
    """Run those of one phase, wave after wave, until each is done: a Job or a Pod completed, anything else healthy.

    `carrying.done` is called for a hook that is done. Raises ApplyError where one failed, UnhealthyError where one did
    not end in time, and as `work_off` does.
    """
    if not hooks:
        return
    graph = Graph((Node(hook.ref, hook.body) for hook in hooks), settle_all=True)
    job = _Running(cluster, applyset_id, hooks, carrying)
    try:
        work_off(graph, job, carrying)
    except UnhealthyError as error:
        job.clean_up("HookFailed")
        if job.failed:
            raise ApplyError(f"{phase} hook failed: {error.message}", error.hint) from None
        raise UnhealthyError(f"{phase} hook did not end in time: {error.message}", error.hint) from None
    except ApplyError as error:
        job.clean_up("HookFailed")
        raise ApplyError(f"{phase} hook: {error.message}", error.hint) from None
    job.clean_up("HookSucceeded")


class _Running:
    verb = Verb("run", "applying", "progressing")
    done_when_settled = True

    def __init__(self, cluster: Cluster, applyset_id: str, hooks: Sequence[Manifest], carrying: Carrying) -> None:
        self._cluster, self._applyset, self._carrying = cluster, applyset_id, carrying
        self._hooks = {hook.ref: hook for hook in hooks}
        self._applier = Applier(cluster, None, carrying, [hook.body for hook in hooks])
        self._uids: dict[Ref, str] = {}
        self.failed: set[Ref] = set()

    def act(self, ref: Ref) -> str | None:
        self._make_way(ref)
        self._uids[ref] = self._applier(ref, _labelled(self._hooks[ref].body, self._applyset), None)
        return None

    def settle(self, refs: Collection[Ref], stopped: Callable[[], bool]) -> None:
        pods = [ref for ref in refs if (ref.group, ref.kind) == ("", "Pod")]
        others = [ref for ref in refs if ref not in pods]
        if others:
            wait.wait(
                self._cluster,
                others,
                timeout=self._applier.budget.left(),
                stopped=stopped,
                told=self._told,
                uids={ref: self._uids[ref] for ref in others},
            )
        for ref in pods:
            self._wait_completed(ref, stopped)

    def blame(self, ref: Ref, error: SlothError) -> Blame:
        return blame(ref, self._hooks[ref].source, error)

    def clean_up(self, policy: DeletePolicy) -> None:
        """Delete the hooks that want it so. That it cannot be done is no failure of the hook."""
        for ref in sorted(self._uids):
            if policy in delete_policies(self._hooks[ref].body):
                try:
                    delete(self._cluster, ref, {"uid": self._uids[ref]}, exact=False)
                except SlothError as error:
                    self._carrying.observer.log("warn", f"{ref} could not be deleted after it ran: {error.message}")

    def _make_way(self, ref: Ref) -> None:
        """A hook of an earlier run goes first: it would not run again, and two must not run at once."""
        live = get(self._cluster, ref)
        if live is None:
            return
        self._refuse_foreign(live)
        if "BeforeHookCreation" in delete_policies(self._hooks[ref].body) or _has_run(ref, live):
            delete(self._cluster, ref, live["metadata"], exact=False, policy="Foreground")
            wait_until_gone(
                self._cluster,
                ref,
                live["metadata"]["uid"],
                timeout=self._applier.budget.left(),
                stopped=self._carrying.stopped,
            )

    def _refuse_foreign(self, live: Body) -> None:
        owner = (live["metadata"].get("labels") or {}).get(LABEL)
        if owner == self._applyset or (owner is None and hook_phases(live) is not None):
            return
        whose = "is a hook of another workflow" if owner else "is there already, and no hook"
        raise ApplyError(f"it would be replaced, but the one that {whose}", "give the hook another name")

    def _told(self, ref: Ref, found: Verdict) -> None:
        self._carrying.observer.item(str(ref), wait.STATES[found.state], found.reason)
        if found.state == "failed":
            self.failed.add(ref)

    def _wait_completed(self, ref: Ref, stopped: Callable[[], bool]) -> None:
        """A pod is healthy when it is ready; as a hook it is done when it has ended."""
        found = Verdict("progressing", "it is not scheduled yet")
        for body in follow(self._cluster, ref, timeout=self._applier.budget.left(), stopped=stopped):
            if body is None or body["metadata"]["uid"] != self._uids[ref]:
                found = Verdict("failed", "it was deleted while it ran")
            else:
                found = verdict(body, self._cluster.client.now())
                if found.state == "healthy" and not _has_run(ref, body):
                    found = Verdict("progressing", "it is running")
            self._told(ref, found)
            if found.state == "healthy":
                return
            if found.state == "failed":
                break
        raise UnhealthyError(f"{ref}: {found.reason}", f"kubectl logs -n {ref.namespace} {ref.name} tells more")


def _has_run(ref: Ref, live: Body) -> bool:
    status = live.get("status") or {}
    if (ref.group, ref.kind) == ("batch", "Job"):
        ended = {"Complete", "Failed"}
        return any(c.get("type") in ended and c.get("status") == "True" for c in status.get("conditions") or ())
    return (ref.group, ref.kind) == ("", "Pod") and status.get("phase") in {"Succeeded", "Failed"}


def _labelled(body: Body, applyset_id: str) -> Body:
    metadata: Mapping[str, object] = body["metadata"]
    labels = {**(body["metadata"].get("labels") or {}), LABEL: applyset_id}
    return {**body, "metadata": {**metadata, "labels": labels}}
