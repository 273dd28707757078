"""Whole syncs of accounts that may not do everything."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError, SlothError
from support.access import token_of
from support.canary import WatchedWorld, secret
from support.project import ROOT
from support.shop import config, failing, push, web
from support.waiting import until


def account(world: WatchedWorld, name: str, *roles: str) -> Path:
    """The kubeconfig of a service account that has these ClusterRoles in the namespace."""
    token_of(world.plane, world.namespace, name)
    who = f"{world.namespace}:{name}"
    for role in roles:
        world.kubectl("create", "rolebinding", f"{name}-{role}", "--clusterrole", role, "--serviceaccount", who)
    config = world.plane.kubeconfig(service_account=f"{world.namespace}/{name}", namespace=world.namespace)
    until(lambda: knows(world, config), what="the server knows the bindings")
    return config


def knows(world: WatchedWorld, config: Path) -> bool:
    # `auth can-i` ends with an error where the answer is no.
    try:
        return "yes" in world.plane.kubectl("-n", world.namespace, "auth", "can-i", "list", "configmaps", config=config)
    except AssertionError:
        return False


def grant(world: WatchedWorld, name: str, rules: Sequence[dict[str, Any]]) -> None:
    """A ClusterRole of this world's own."""
    rbac = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    world.plane.api("POST", rbac, {"metadata": {"name": name}, "rules": list(rules)})


@pytest.fixture
def roles(watched: WatchedWorld) -> None:
    """deploy/rbac.yaml, as it is shipped."""
    file = str(ROOT / "deploy" / "rbac.yaml")
    watched.plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", file)


ALL = ["get", "list", "watch", "create", "patch", "update", "delete"]


def test_a_token_that_may_not_patch_one_kind(watched: WatchedWorld) -> None:
    role = f"{watched.namespace}-some"
    everything = {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ALL}
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ALL}
    reads = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "watch", "create"]}
    grant(watched, role, [everything, lease, reads])
    watched.kubeconfig = account(watched, "little", role)
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), web("web:1"), secret())
    (conflict,) = watched.preview(workflow).conflicts
    who = f"system:serviceaccount:{watched.namespace}:little"
    where = f"in namespace {watched.namespace}"
    assert (conflict.type, conflict.resource) == ("permission", f"Deployment/{watched.namespace}/web")
    assert conflict.description == f"'{who}' may not patch deployments.apps {where}"
    assert conflict.suggestions[0].startswith(f"grant the verb patch on deployments.apps {where}")
    with pytest.raises(ConflictError, match=r"may not patch deployments\.apps"):
        watched.sync(workflow)
    assert watched.objects() == set()


def test_a_right_that_is_taken_away_on_the_way(watched: WatchedWorld) -> None:
    """After the plan, before the first write: the sync fails, and takes back what it may."""
    role = f"{watched.namespace}-some"
    both = {"apiGroups": [""], "resources": ["configmaps", "secrets"], "verbs": ALL}
    lease = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ALL}
    services = {"apiGroups": [""], "resources": ["services"], "verbs": ALL}
    grant(watched, role, [both, lease])
    grant(watched, f"{role}-more", [services])
    watched.kubeconfig = account(watched, "little", role, f"{role}-more")
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    push(watched, config("a", n="2"), service)
    plan = watched.preview(workflow)

    def checkpoint(name: str) -> None:
        if name == "backed up":
            watched.kubectl("delete", "rolebinding", f"little-{role}-more")
            until(lambda: not may_patch_services(watched), what="the right is gone")

    outcome = watched.sync(workflow, approved=plan, session=watched.session(checkpoint=checkpoint))
    assert outcome.status == "failed"
    assert (
        f'User "system:serviceaccount:{watched.namespace}:little" cannot patch resource "services"' in outcome.message
    )
    assert "it could not be put back" in outcome.message  # nobody can say whether the Service is there
    assert watched.spec_of_all() == before, "but the rest is"
    watched.kubectl(
        "create", "rolebinding", "back", f"--clusterrole={role}-more", f"--serviceaccount={watched.namespace}:little"
    )
    until(lambda: may_patch_services(watched), what="the right is back")
    mended = watched.sync(workflow)
    assert mended.status == "nothing"
    assert "the state before it is restored" in (mended.recovered or "")
    assert watched.log()[0].startswith("Revert ")
    assert watched.spec_of_all() == before


def may_patch_services(world: WatchedWorld) -> bool:
    try:
        world.plane.kubectl("-n", world.namespace, "auth", "can-i", "patch", "services", config=world.kubeconfig)
    except AssertionError:
        return False
    return True


@pytest.mark.usefixtures("roles")
def test_the_shipped_role_is_enough_for_the_whole_life(watched: WatchedWorld) -> None:
    watched.kubeconfig = account(watched, "sloth-ci", "sloth-ci-deploy")
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), config("b"), web("web:1"), secret())
    plan = watched.preview(workflow)
    assert watched.sync(workflow, approved=plan).status == "succeeded"
    good = watched.spec_of_all()
    push(watched, config("a", n="2"), web("web:2"), failing(), secret(version=2), delete=("b",))
    outcome = watched.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert "BackoffLimitExceeded" in outcome.message
    assert watched.spec_of_all() == good
    watched.pull()
    push(watched, config("a", n="3"), web("web:3"), delete=("b",))
    assert watched.sync(workflow).status == "succeeded"
    assert watched.objects() == {"ConfigMap/a", "Deployment/web", "Secret/keys"}
    assert watched.rollback(workflow).status == "succeeded"
    assert watched.spec_of_all() == good
    assert watched.status(workflow)["status"] in {"synced", "active", "degraded"}


@pytest.mark.usefixtures("roles")
def test_the_shipped_preview_account_previews_and_writes_nothing(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    push(watched, config("a", n="2"), secret(version=2), web("web:1"))
    admin = watched.preview(workflow)
    administrator, watched.kubeconfig = watched.kubeconfig, account(watched, "sloth-ci-preview", "sloth-ci-preview")
    workflow = watched.to_cluster()
    plan = watched.preview(workflow)
    assert not plan.conflicts
    assert [change.ref for change in plan.changes] == [change.ref for change in admin.changes]
    assert plan.digest == admin.digest
    before = watched.spec_of_all()
    with pytest.raises(SlothError, match="leases"):
        watched.sync(workflow)
    assert watched.spec_of_all() == before
    watched.kubeconfig = administrator
    assert watched.sync(watched.to_cluster(), approved=plan).status == "succeeded"
