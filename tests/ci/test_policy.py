"""A policy in CI: what a request may bring, and what its merge may deploy, whoever has approved it."""

from __future__ import annotations

from sloth_ci.core.yaml import dump
from support.bodies import body
from support.ciworld import CiWorld, Request

POLICY = """
    policy = {
        deny = {
            image_tags = true,
            rules = {
                no_blue = function(change)
                    local meta = (change.desired_state or {}).metadata or {}
                    if (meta.labels or {}).color == "blue" then
                        return false, change.kind .. " " .. change.name .. " is blue"
                    end
                end,
            },
        },
        warn = { resources = true },
    },
"""


def with_policy(world: CiWorld, policy: str = POLICY) -> str:
    """The Lua file of main with a policy, and nobody to ask for an approval."""
    lua = world.git("show", "main:sloth.lua")
    return lua.replace("approval_required = true,", f"auto_sync = true,{policy}")


def merged(world: CiWorld, image: str, branch: str = "feature", **files: str) -> Request:
    pull: Request = world.pull(image, branch=branch, **files)
    pull.merge("bob", "squash")
    return pull


def test_what_a_policy_denies_is_a_conflict_and_what_it_warns_of_is_told(world: CiWorld) -> None:
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world)})
    pull = world.pull("web:latest")
    job = world.preview(pull)
    assert job.code == 4, job.log
    assert job.outputs["conflicts"] == "1"
    told = world.comment(pull, "sloth-ci:preview")
    assert "the image web:latest names no version" in told
    assert "container web has no requests.cpu" in told

    pull.push("alice", {"k8s/web.yaml": world.git("show", "feature:k8s/web.yaml").replace("web:latest", "web:2")})
    assert world.preview(pull, "synchronize").code == 0
    assert "container web has no requests.cpu" in world.comment(pull, "sloth-ci:preview")


def test_a_rule_of_the_lua_file_is_asked(world: CiWorld) -> None:
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world)})
    web = world.git("show", "main:k8s/web.yaml")
    blue = web.replace("  name: web\n", "  name: web\n  labels:\n    color: blue\n", 1)
    assert blue != web
    world.repo.commit("alice", "feature", {"k8s/web.yaml": blue})
    job = world.preview(world.open("alice", "feature"))
    assert job.code == 4, job.log
    assert "no_blue: Deployment web is blue" in job.log


def test_a_merge_does_not_deploy_what_a_policy_denies(world: CiWorld) -> None:
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world)})
    merged(world, "web:latest")
    job = world.deploy()
    assert job.code == 4, job.log
    assert "policy Deployment/shop/web" in job.log
    assert not world.rendered()


def test_a_merge_does_not_take_away_the_policy_that_it_has_to_pass_itself(world: CiWorld) -> None:
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world)})
    merged(world, "web:latest", **{"sloth.lua": with_policy(world, "")})
    job = world.deploy()
    assert job.code == 4, job.log
    assert not world.rendered()


def test_a_new_workflow_is_not_held_to_the_policy_of_another(world: CiWorld) -> None:
    lua = with_policy(world, 'policy = { deny = { namespaces = { "shop" } } },')
    world.repo.commit("alice", "main", {"sloth.lua": lua})
    billing = (
        world.git("show", "main:sloth.lua").replace('"k8s"', '"billing"').replace('name = "shop"', 'name = "billing"')
    )
    billing = billing.replace("rendered/production", "rendered/billing").replace('{ "shop" }', '{ "billing" }')
    config = dump(body("ConfigMap", "c", "billing", data={"a": "1"}))
    more = {"sloth.lua": f"{lua}\n{billing}", "billing/c.yaml": config}
    world.repo.commit("alice", "main", dict(more))
    job = world.deploy()
    assert job.code == 0, job.log
    renamed = lua.replace('name = "shop"', 'name = "store"').replace("policy =", "-- policy =")
    world.repo.commit("alice", "main", {"sloth.lua": renamed, "k8s/c.yaml": config})
    job = world.deploy()
    assert job.code == 4, job.log
    assert "the namespace billing is none of shop" in job.log


def test_a_rollback_goes_back_to_what_a_policy_denies_today(world: CiWorld) -> None:
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world, "")})
    merged(world, "web:latest")
    assert world.deploy().code == 0
    world.repo.commit("alice", "main", {"sloth.lua": with_policy(world)})
    merged(world, "web:3", "next")
    assert world.deploy().code == 0
    job = world.by_hand("rollback")
    assert job.code == 0, job.log
    assert "web:latest" in world.rendered()
