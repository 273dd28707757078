"""The engine on a real cluster, from a commit to what kubectl sees, and back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ApprovalError, ConflictError, LockedError
from sloth_ci.core.objects import Ref
from sloth_ci.engine.doctor import workflow_findings
from sloth_ci.engine.drift import drift
from sloth_ci.engine.place import locked, open_place
from support.bodies import body, deployment
from support.cluster import ControlPlane
from support.clusterworld import ClusterWorld
from support.gitrepo import GitRepo
from support.world import configmap


@pytest.fixture
def world(
    tmp_path: Path, git_repo: Callable[..., GitRepo], control_plane: ControlPlane, namespace: str
) -> ClusterWorld:
    return ClusterWorld(tmp_path, git_repo, control_plane, namespace)


def web(image: str = "web:1", **more: Any) -> dict[str, Any]:
    """A Deployment that names no namespace."""
    made = deployment(image=image, **more)
    del made["metadata"]["namespace"]
    return made


def plain(name: str, **data: str) -> dict[str, Any]:
    made = configmap(name, **data)
    made["metadata"].pop("namespace", None)
    return made


def migration(command: str) -> dict[str, Any]:
    """A Job that is run before each sync."""
    pods = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "migrate:1", "args": [command]}]}
    about = {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}
    return body("Job", "migrate", None, api="batch/v1", metadata=about, spec={"template": {"spec": pods}})


def test_another_hook_is_something_new_also_where_no_object_changes(world: ClusterWorld) -> None:
    """It is a program in the cluster: nobody gets one in by the side of an approval."""
    workflow = world.to_cluster(approval_required=True)
    world.push("one", {"k8s/web.yaml": web(), "k8s/migrate.yaml": migration("up")})
    assert [hook.changed for hook in world.preview(workflow).hooks] == [True]
    world.sync(workflow)
    shown = len(world.person.shown)
    world.push("same", {"k8s/a.yaml": plain("a", key="1")})
    assert [hook.changed for hook in world.preview(workflow).hooks] == [False]
    world.sync(workflow)
    assert len(world.person.shown) == shown + 1
    world.push("another", {"k8s/migrate.yaml": migration("down")})
    plan = world.preview(workflow)
    assert (plan.changes, [hook.changed for hook in plan.hooks]) == ((), [True])
    world.person.approves = False
    with pytest.raises(ApprovalError):
        world.sync(workflow)


def test_a_commit_arrives_and_a_second_preview_is_empty(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web(), "k8s/a.yaml": plain("a", key="1")})
    plan = world.preview(workflow)
    assert {(change.type, str(change.ref)) for change in plan.changes} == {
        ("create", f"Deployment/{world.namespace}/web"),
        ("create", f"ConfigMap/{world.namespace}/a"),
    }
    assert not plan.conflicts
    assert world.objects() == set()
    outcome = world.sync(workflow, approved=plan)
    assert (outcome.status, outcome.health) == ("succeeded", "healthy"), outcome.message
    assert world.objects() == {"Deployment/web", "ConfigMap/a"}
    again = world.preview(workflow)
    assert (again.changes, again.drift, again.unchanged) == ((), (), 2)
    assert world.sync(workflow).status == "nothing"
    assert world.status(workflow)["status"] == "synced"


def test_the_plan_shows_declared_fields_alone(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web("web:1")})
    world.sync(workflow)
    world.push("two", {"k8s/web.yaml": web("web:2")})
    plan = world.preview(workflow)
    (change,) = plan.changes
    assert [(f.path, f.before, f.after) for f in change.fields] == [
        ("spec.template.spec.containers[name=web].image", "web:1", "web:2")
    ]
    assert plan.intent is not None
    assert [c.ref for c in plan.intent] == [change.ref]


def test_a_broken_image_is_rolled_back_in_the_cluster_and_in_git(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web("web:1"), "k8s/a.yaml": plain("a", key="1")})
    assert world.sync(workflow).status == "succeeded"
    before = world.spec_of_all()
    bad = world.push("two", {"k8s/web.yaml": web("broken:2"), "k8s/b.yaml": plain("b")}, delete=("k8s/a.yaml",))
    outcome = world.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert "ImagePullBackOff" in outcome.message
    assert world.spec_of_all() == before
    assert world.log()[0].startswith(f"Revert {bad[:10]}")
    assert world.sync(workflow).status == "nothing"


def test_what_is_gone_from_git_is_pruned_and_what_is_not_ours_stays(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.kubectl("create", "configmap", "theirs")
    world.push("one", {"k8s/web.yaml": web(), "k8s/a.yaml": plain("a"), "k8s/b.yaml": plain("b")})
    world.sync(workflow)
    world.push("two", {}, delete=("k8s/a.yaml",))
    plan = world.preview(workflow)
    assert [(c.type, c.ref.name) for c in plan.changes] == [("delete", "a")]
    assert world.sync(workflow, approved=plan).status == "succeeded"
    assert world.objects() == {"Deployment/web", "ConfigMap/b", "ConfigMap/theirs"}


def test_a_namespace_and_a_crd_stay_unless_they_say_otherwise(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    extra = f"{world.namespace}-extra"
    world.push(
        "one",
        {
            "k8s/web.yaml": web(),
            "k8s/ns.yaml": {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": extra}},
            "k8s/in.yaml": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "in", "namespace": extra}},
        },
    )
    plan = world.preview(workflow)
    notes = {c.ref.name: c.notes for c in plan.changes}
    assert any("unverified" in note for note in notes["in"])
    assert world.sync(workflow, approved=plan).status == "succeeded"
    world.push("two", {}, delete=("k8s/ns.yaml", "k8s/in.yaml"))
    plan = world.preview(workflow)
    assert [c.ref.kind for c in plan.changes] == ["ConfigMap"]
    assert any(f"Namespace/{extra}" in warning for warning in plan.warnings)
    assert world.sync(workflow).status == "succeeded"
    # It is still in the inventory: a word on the object lets it go.
    world.plane.kubectl("-n", extra, "create", "configmap", "somebody-elses")
    world.plane.kubectl("annotate", "namespace", extra, "sloth-ci/prune=true")
    (change,) = world.preview(workflow).changes
    assert (change.type, change.ref) == ("delete", Ref("", "Namespace", "", extra))
    assert change.dependents == ("1 ConfigMap lives in it",)


def test_a_hand_edit_is_a_conflict_that_names_its_maker(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/a.yaml": plain("a", key="git"), "k8s/web.yaml": web()})
    world.sync(workflow)
    world.kubectl("patch", "configmap", "a", "--field-manager=alice", "-p", json.dumps({"data": {"key": "hand"}}))
    plan = world.preview(workflow)
    (conflict,) = plan.conflicts
    assert conflict.type == "field_ownership"
    assert "alice" in conflict.description
    with pytest.raises(ConflictError):
        world.sync(workflow)
    with world.opened() as session:
        seen = drift(session, workflow)
    assert [(d.path, d.live, d.git, d.outcome) for d in seen.drift] == [("data.key", "hand", "git", "blocks")]

    left = world.to_cluster(conflicts={"field_ownership": "yield"})
    plan = world.preview(left)
    assert (plan.changes, [d.outcome for d in plan.drift]) == ((), ["left"])

    forced = world.to_cluster(conflicts={"managers": {"alice": "force"}})
    plan = world.preview(forced)
    assert [d.outcome for d in plan.drift] == ["overwritten"]
    assert world.sync(forced, approved=plan).status == "succeeded"
    assert world.get("configmap/a")["data"] == {"key": "git"}


def test_two_syncs_at_once(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web()})
    place = open_place(world.session(holder="the first one"), workflow)
    with locked(place):
        with pytest.raises(LockedError, match="the first one"):
            world.sync(workflow)
        assert world.status(workflow)["locked_by"] == "the first one"
    place.destination.close()
    assert world.sync(workflow).status == "succeeded"


@pytest.mark.parametrize("cached", [True, False], ids=["with a clone in the cache", "from the backup"])
def test_a_rollback_while_git_is_away(world: ClusterWorld, cached: bool) -> None:
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web("web:1"), "k8s/a.yaml": plain("a", key="1")})
    world.sync(workflow)
    before = world.spec_of_all()
    world.push("two", {"k8s/web.yaml": web("web:2"), "k8s/b.yaml": plain("b")}, delete=("k8s/a.yaml",))
    world.sync(workflow)
    assert world.spec_of_all() != before
    hidden = world.origin.with_name("away.git")
    world.origin.rename(hidden)
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    new_runner: dict[str, Any] = {} if cached else {"root": elsewhere, "cache_dir": elsewhere / "cache"}
    outcome = world.rollback(workflow, **new_runner)
    hidden.rename(world.origin)
    assert outcome.status == "succeeded", outcome.message
    assert ("going back to what was saved before" in world.listener.text()) is not cached
    assert world.spec_of_all() == before
    assert world.sync(workflow).status == "nothing"
    assert world.log()[0].startswith("Revert")


def test_doctor_says_what_there_is(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    with world.opened() as session:
        found = {finding.name: finding for finding in workflow_findings(session, workflow)}
    assert "Kubernetes v1." in found["shop: server"].detail
    assert found["shop: rights"].ok


def test_a_namespace_that_is_not_there_is_made_with_the_state_and_the_plan_says_so(world: ClusterWorld) -> None:
    world.namespace = f"{world.namespace}-new"
    workflow = world.to_cluster()
    world.push("one", {"k8s/web.yaml": web(), "k8s/a.yaml": plain("a")})
    plan = world.preview(workflow)
    assert not plan.conflicts
    (warning,) = plan.warnings
    assert warning.startswith(f"Namespace/{world.namespace} does not exist; a sync makes it")
    assert {note for change in plan.changes for note in change.notes} == {"unverified until its Namespace exists"}
    assert world.sync(workflow, approved=plan).status == "succeeded"
    assert world.objects() == {"Deployment/web", "ConfigMap/a"}


def test_an_approved_plan_with_its_own_namespace_is_not_stale_when_the_state_made_it(world: ClusterWorld) -> None:
    world.namespace = f"{world.namespace}-own"
    workflow = world.to_cluster()
    declared = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace, "labels": {"team": "a"}}}
    world.push("one", {"k8s/web.yaml": web(), "k8s/ns.yaml": declared})
    plan = world.preview(workflow)
    assert {change.type for change in plan.changes} == {"create"}
    assert world.sync(workflow, approved=plan).status == "succeeded"
    labels = json.loads(world.plane.kubectl("get", "namespace", world.namespace, "-o", "json"))["metadata"]["labels"]
    assert labels["team"] == "a"
    assert world.preview(workflow).changes == ()


def test_an_approved_creation_is_not_tried_twice_and_one_with_conflicts_cannot_be_approved(world: ClusterWorld) -> None:
    workflow = world.to_cluster()
    wrong = plain("a")
    wrong["data"] = {"key": 1}
    world.push("one", {"k8s/web.yaml": web(), "k8s/a.yaml": wrong})
    plan = world.preview(workflow)
    assert [conflict.type for conflict in plan.conflicts] == ["validation"]
    with pytest.raises((ApprovalError, ConflictError)):
        world.sync(workflow, approved=plan.digest)
    assert world.objects() == set()
    world.push("two", {"k8s/a.yaml": plain("a", key="1")})
    plan = world.preview(workflow)
    assert world.sync(workflow, approved=plan.digest).status == "succeeded"
