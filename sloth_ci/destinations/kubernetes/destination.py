"""A Kubernetes cluster as a destination: the parts of this package, put together for one workflow."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from sloth_ci.core.carrying import Carrying
from sloth_ci.core.finding import Finding
from sloth_ci.core.health import Verdict
from sloth_ci.core.hooks import HookPhase
from sloth_ci.core.ledger import BackupItem
from sloth_ci.core.objects import Body, Manifest, Ref, Write
from sloth_ci.core.observed import Observed
from sloth_ci.core.scope import defined_by, is_namespaced
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.words import plural
from sloth_ci.core.workflow import ConflictPolicy, DestinationSpec
from sloth_ci.destinations.kubernetes import hooks, restore, wait, write
from sloth_ci.destinations.kubernetes.applyset import applyset_id, parent_name
from sloth_ci.destinations.kubernetes.cluster import Cluster, connect
from sloth_ci.destinations.kubernetes.doctor import findings
from sloth_ci.destinations.kubernetes.observe import NOTHING_SEEN, look_up, observe
from sloth_ci.destinations.kubernetes.state import KubernetesHome


def open_kubernetes(
    spec: DestinationSpec,
    root: Path,
    environ: Mapping[str, str],
    workflow_id: str,
    unreviewed: Unreviewed | None = None,
) -> KubernetesDestination:
    """Raises UsageError for a kubeconfig that does not hold what is asked for, or is not to be believed."""
    cluster = connect(spec, root, environ, unreviewed)
    return KubernetesDestination(cluster, spec.state_namespace or cluster.namespace, workflow_id)


class KubernetesDestination:
    """`destinations.Destination` on a cluster."""

    atomic = False
    running = True

    def __init__(self, cluster: Cluster, state_namespace: str, workflow_id: str) -> None:
        self._cluster = cluster
        self._state_namespace = state_namespace
        self._home = Ref("", "Namespace", "", state_namespace)
        self._applyset = applyset_id(parent_name(workflow_id), state_namespace)
        self._seen = NOTHING_SEEN
        self._desired: Mapping[Ref, Manifest] = {}
        self._uids: dict[Ref, str] = {}
        self.home = KubernetesHome(cluster, state_namespace)
        self.label = cluster.label
        self.id = cluster.id

    def settle(self, manifests: Sequence[Manifest]) -> Sequence[Manifest]:
        """No namespace on what has none, and the default one on what names none."""
        defined = {(s.group, s.kind): s.namespaced for m in manifests if (s := defined_by(m.body)) is not None}
        scopes: dict[tuple[str, str], bool] = {}
        for manifest in manifests:
            kind = (manifest.ref.group, manifest.ref.kind)
            if kind not in scopes:
                resource = self._cluster.discovery.find(*kind)
                scopes[kind] = resource.namespaced if resource else is_namespaced(*kind, defined)
        return [self._settled(manifest, scopes[manifest.ref.group, manifest.ref.kind]) for manifest in manifests]

    def _settled(self, manifest: Manifest, namespaced: bool) -> Manifest:
        namespace = (manifest.ref.namespace or self._cluster.namespace) if namespaced else ""
        if namespace == manifest.ref.namespace:
            return manifest
        metadata = {key: value for key, value in manifest.body["metadata"].items() if key != "namespace"}
        if namespace:
            metadata["namespace"] = namespace
        ref = manifest.ref._replace(namespace=namespace)
        body = {**manifest.body, "metadata": metadata}
        return Manifest(ref, manifest.version, manifest.digest, manifest.source, body=body)

    def observe(
        self,
        desired: Sequence[Manifest],
        inventory: Collection[Ref],
        policy: ConflictPolicy,
        *,
        creations_tried: bool = False,
    ) -> Observed:
        self._desired = {manifest.ref: manifest for manifest in desired}
        self._seen = observe(
            self._cluster,
            self._applyset,
            desired,
            inventory,
            policy,
            state_namespace=self._home.name,
            creations_tried=creations_tried,
        )
        observed = self._seen.observed
        if self._home in observed.objects and self._home not in self._desired:
            objects = {ref: manifest for ref, manifest in observed.objects.items() if ref != self._home}
            warning = f"{self._home} is no longer in Git and stays: the state of this workflow lies in it"
            return observed._replace(
                objects=objects, unseen=observed.unseen | {self._home}, warnings=[*observed.warnings, warning]
            )
        return observed

    def saved(self, refs: Iterable[Ref]) -> Mapping[Ref, Body]:
        return {ref: _kept(self._seen.raw[ref]) for ref in refs if ref in self._seen.raw}

    def current(self, refs: Collection[Ref]) -> Mapping[Ref, Body]:
        return {ref: _kept(raw) for ref, raw in look_up(self._cluster, refs).items()}

    def restoring(self, items: Sequence[BackupItem]) -> Sequence[Write]:
        return restore.restoring(self._cluster, [item for item in items if item.body or item.ref != self._home])

    def write(self, writes: Sequence[Write], carrying: Carrying) -> None:
        asked = {item.ref for item in writes}
        restored = any(item.body is not None and restore.is_restore(item.body) for item in writes)
        claims = [self._desired[ref] for ref in self._seen.claims if ref not in asked and not restored]
        quiet = [Write(manifest.ref, manifest.body, manifest.source) for manifest in claims]
        told = replace(carrying, done=lambda ref: carrying.done(ref) if ref in asked else None)
        standing = (manifest for manifest in self._desired.values() if manifest.ref not in asked)
        known = self._seen.known
        self._uids |= write.write(self._cluster, self._applyset, [*writes, *quiet], known, told, standing=standing)

    def run_hooks(self, phase: HookPhase, hooked: Sequence[Manifest], carrying: Carrying) -> None:
        hooks.run_hooks(self._cluster, self._applyset, phase, hooked, carrying)

    def wait(self, refs: Collection[Ref], carrying: Carrying) -> bool:
        told_healthy: set[Ref] = set()

        def told(ref: Ref, verdict: Verdict) -> None:
            carrying.observer.item(str(ref), wait.STATES[verdict.state], verdict.reason)
            if verdict.state == "healthy" and ref not in told_healthy:
                told_healthy.add(ref)
                carrying.done(ref)

        return wait.wait(
            self._cluster,
            refs,
            timeout=carrying.health_timeout,
            stopped=carrying.stopped,
            told=told,
            uids={ref: self._uids[ref] for ref in refs if ref in self._uids},
            unblock=True,
        )

    def findings(self) -> Iterable[Finding]:
        return findings(self._cluster, self._state_namespace)

    def learn(self, versions: Collection[str], cache_dir: Path, *, now: float) -> str | None:
        from sloth_ci.destinations.kubernetes.schemas import remember  # no preview needs it

        found = remember(self._cluster, cache_dir, versions, now=now)
        return None if found is None else f"{plural(len(found.documents), 'API version')} of Kubernetes {found.version}"

    def close(self) -> None:
        self._cluster.client.close()


def _kept(raw: bytes) -> Body:
    """An object as a backup keeps it: with who owns which field, without what a controller reports."""
    body: Body = msgspec.json.decode(raw)
    body.pop("status", None)
    return body
