"""A real repository's history on one real control plane: every revision in order, three back, and compared with a fresh one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.managed import our_fields, project
from sloth_ci.core.objects import digest_of
from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.engine.preview import preview
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.sync import sync
from support.cluster import PARTS, ControlPlane
from support.world import Listener, Person

KINDS = (
    "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,apiservices,roles,rolebindings,serviceaccounts,"
    "configmaps,secrets,services,deployments,daemonsets,statefulsets,networkpolicies,poddisruptionbudgets,"
    "prometheuses.monitoring.coreos.com,prometheusrules.monitoring.coreos.com,servicemonitors.monitoring.coreos.com,"
    "podmonitors.monitoring.coreos.com,alertmanagers.monitoring.coreos.com"
)
SET_BY_SERVERS = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink")


def git(*args: str, cwd: Path) -> str:
    return subprocess.run(["git", *args], cwd=cwd, check=True, capture_output=True, text=True).stdout


class Replay:
    """The history of the bundle, pushed to a bare origin one revision at a time and synced to a control plane."""

    def __init__(self, folder: Path, bundle: Path, plane: ControlPlane) -> None:
        folder.mkdir()
        self.folder, self.plane = folder, plane
        self.work, self.origin = folder / "work", folder / "origin.git"
        git("clone", "-q", str(bundle), str(self.work), cwd=folder)
        git("init", "-q", "--bare", "-b", "main", str(self.origin), cwd=folder)
        self.originals = git("rev-list", "--reverse", "HEAD", cwd=self.work).split()
        self.revisions = [self._served(original) for original in self.originals]
        self.workflow: WorkflowSpec = read_table(
            {
                "repository": {"url": str(self.origin), "branch": "main"},
                "name": "monitoring",
                "target_path": "manifests",
                "destination": {"kubeconfig": str(plane.admin), "namespace": "default"},
                # kwok's pods serve nothing, so the metrics API behind one of them is never available.
                "sync_policy": {"prune_limit": 1.0, "health_check": {"timeout": "180s", "ignore": ["APIService"]}},
            },
            WorkflowSpec,
            "workflow",
        )

    def _served(self, original: str) -> str:
        """The revision with the one API version that no supported Kubernetes serves brought up to date, as its users had to."""
        git(
            "checkout",
            "-q",
            "-B",
            "served",
            *(["served"] if original != self.originals[0] else [original]),
            cwd=self.work,
        )
        git("rm", "-rqf", ".", cwd=self.work)
        git("checkout", original, "--", ".", cwd=self.work)
        for path in self.work.glob("manifests/*podDisruptionBudget.yaml"):
            path.write_text(path.read_text().replace("policy/v1beta1", "policy/v1"))
        git("add", "-A", cwd=self.work)
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        git(*who, "commit", "-q", "--allow-empty", "-m", f"as {original[:8]}", cwd=self.work)
        return git("rev-parse", "HEAD", cwd=self.work).strip()

    def push(self, revision: str) -> None:
        git("push", "-qf", str(self.origin), f"{revision}:refs/heads/main", cwd=self.work)

    def session(self) -> Session:
        return Session(
            root=self.folder,
            environ=dict(os.environ),
            cache_dir=self.folder / "cache",
            observer=Listener(),
            gate=Person(),
            holder="replay",
        )

    def run(self, use: Callable[..., Any], **more: Any) -> Any:
        session = self.session()
        try:
            return use(session, self.workflow, **more)
        finally:
            session.close()

    def members(self) -> dict[str, str]:
        """Everything of the set, without what a server sets: name → digest."""
        items = json.loads(
            self.plane.kubectl(
                "get", KINDS, "-A", "-l", "applyset.kubernetes.io/part-of", "-o", "json", "--show-managed-fields"
            )
        )["items"]
        return {
            f"{i['kind']}/{i['metadata'].get('namespace', '')}/{i['metadata']['name']}": _declared(i) for i in items
        }


def _declared(item: dict[str, Any]) -> str:
    if item["apiVersion"].startswith("monitoring."):
        # A default of a newer CRD (`shards: 1`) stays in etcd when the CRD goes back: it is nobody's, and no apply removes it.
        fields = our_fields(item)
        assert fields is not None
        item = project(item, fields)
    item.pop("status", None)
    metadata = item["metadata"]
    for key in SET_BY_SERVERS:
        metadata.pop(key, None)
    metadata["labels"].pop("applyset.kubernetes.io/part-of")  # it is made from the address of the repository
    annotations = metadata.get("annotations", {})
    for key in ("deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"):
        annotations.pop(key, None)
    if item["kind"] == "Service":
        for key in ("clusterIP", "clusterIPs"):
            if item["spec"].get(key) not in ("None", ["None"]):
                item["spec"].pop(key, None)
    return digest_of(item)


@pytest.mark.timeout(900)
def test_every_revision_and_three_back(
    tmp_path: Path, bundles: Path, engine: Callable[[str], Path], own_control_plane: ControlPlane
) -> None:
    replay = Replay(tmp_path / "replay", bundles / "kube-prometheus.bundle", own_control_plane)
    replay.push(replay.originals[0])
    told = {(c.type, c.resource.partition("/")[0], "policy/v1" in c.description) for c in replay.run(preview).conflicts}
    assert told == {("validation", "PodDisruptionBudget", True)}
    for revision in replay.revisions:
        replay.push(revision)
        plan = replay.run(preview)
        assert not plan.conflicts, plan.conflicts
        outcome = replay.run(sync, approved=plan)
        assert outcome.status == ("succeeded" if plan.changes else "nothing"), outcome.message
        assert {(c.type, c.ref) for c in plan.changes} == {(i.action, i.ref) for i in outcome.items}
        again = replay.run(preview)
        assert (again.changes, again.drift) == ((), ())
    back = replay.revisions[-4]
    outcome = replay.run(rollback, reason="three back", to=back)
    assert outcome.status == "succeeded", outcome.message
    assert outcome.revert_status == "committed"
    assert replay.run(preview).changes == ()

    engines = {name: engine(name) for name in PARTS}
    with ControlPlane.start(tmp_path / "fresh-plane", engines, engine("kubectl")) as plane:
        fresh = Replay(tmp_path / "fresh", bundles / "kube-prometheus.bundle", plane)
        fresh.push(fresh.revisions[-4])
        assert fresh.run(sync).status == "succeeded"
        wanted, got = fresh.members(), replay.members()
        assert {name for name in wanted if got.get(name) != wanted[name]} == set()
        assert {name.partition("/")[0] for name in got.keys() - wanted.keys()} <= {"CustomResourceDefinition"}
