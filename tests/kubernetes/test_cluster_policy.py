"""A policy on a cluster: hooks are held to it, what others made excuses nothing, and what was edited by hand is put back."""

from __future__ import annotations

from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError
from support.bodies import body
from support.canary import WatchedWorld
from support.shop import config, push, web

TAGS = {"deny": {"image_tags": True}}


def hook(image: str) -> dict[str, Any]:
    """A Job that runs before each sync."""
    pods = {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}
    metadata = {"annotations": {"argocd.argoproj.io/hook": "PreSync"}}
    return body("Job", "migrate", None, api="batch/v1", metadata=metadata, spec={"template": {"spec": pods}})


def test_a_hook_is_held_to_the_policy(watched: WatchedWorld) -> None:
    push(watched, config("a", n="1"), hook("migrate:latest"))
    with pytest.raises(ConflictError, match=r"Job/.*/migrate: .*migrate:latest names no version"):
        watched.sync(watched.to_cluster(policy=TAGS))
    assert watched.sync(watched.to_cluster()).status == "succeeded"
    push(watched, config("a", n="2"))
    plan = watched.preview(watched.to_cluster(policy=TAGS))
    assert (plan.conflicts, plan.findings) == ((), ()), "an old one that stays is nobody's doing"
    push(watched, hook("migrate"))
    plan = watched.preview(watched.to_cluster(policy=TAGS))
    assert [found.description for found in plan.conflicts] == [
        "image_tags: container c: the image migrate names no version"
    ]


def test_what_somebody_else_made_excuses_nothing(watched: WatchedWorld) -> None:
    """An object that is there already was not declared: taking it over is bringing it."""
    watched.kubectl("create", "configmap", "theirs", "--from-literal=n=1")
    push(watched, config("a", n="1"))
    rule = watched.to_cluster(policy={"deny": {"kinds": ["ConfigMap"]}}, conflicts={"foreign_owner": "adopt"})
    assert watched.sync(watched.to_cluster()).status == "succeeded"
    push(watched, config("theirs", n="2"))
    plan = watched.preview(rule)
    denied = [found.resource for found in plan.conflicts if found.type == "policy"]
    assert denied == [f"ConfigMap/{watched.namespace}/theirs"]


def test_what_was_edited_by_hand_is_put_back(watched: WatchedWorld) -> None:
    """The rule came later, and somebody made the object keep to it in the cluster alone."""
    push(watched, web("web:latest"))
    workflow = watched.to_cluster(conflicts={"field_ownership": "force"})
    assert watched.sync(workflow).status == "succeeded"
    watched.kubectl("set", "image", "deployment/web", "*=web:1")
    strict = watched.to_cluster(conflicts={"field_ownership": "force"}, policy=TAGS)
    plan = watched.preview(strict)
    assert not plan.conflicts
    assert [found.description for found in plan.findings] == [
        "image_tags: container web: the image web:latest names no version (it was so before)"
    ]
    assert watched.sync(strict).status == "succeeded"
    assert watched.get("deployment/web")["spec"]["template"]["spec"]["containers"][0]["image"] == "web:latest"
