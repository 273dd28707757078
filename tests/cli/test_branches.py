"""Branch strategies: the branch of the run decides what is deployed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]

LUA = """
for _, environment in ipairs({ "production", "staging" }) do
    gitops.workflow({
        name = "shop", repo = ".", target_path = "k8s", branch_strategy = %s,
        environment = environment, destination = { directory = "live/" .. environment },
    })
end
"""


def deployed(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / "live").iterdir()) if (world.root / "live").exists() else []


@pytest.mark.parametrize(
    ("strategy", "branch", "environment"),
    [
        ('"github-flow"', "main", "production"),
        ('"gitflow"', "main", "production"),
        ('"gitflow"', "release/1.2", "staging"),
        ('{ ["main"] = "staging", ["deploy/*"] = "production" }', "main", "staging"),
        ('{ ["main"] = "staging", ["deploy/*"] = "production" }', "deploy/now", "production"),
    ],
)
def test_the_checkout_decides(world: World, sloth: Run, strategy: str, branch: str, environment: str) -> None:
    if branch != "main":
        world.checkout.branch(branch)
        world.checkout.git("push", "-q", "origin", branch)
    (world.root / "sloth.lua").write_text(LUA % strategy)
    done = sloth("sync")
    assert done.returncode == 0, done.stderr
    assert deployed(world) == [environment]


def test_a_branch_that_is_deployed_nowhere_says_so(world: World, sloth: Run) -> None:
    world.checkout.branch("feature/x")
    (world.root / "sloth.lua").write_text(LUA % '"github-flow"')
    done = sloth("sync")
    assert done.returncode == 2
    assert "branch 'feature/x' is deployed nowhere by github-flow" in done.stderr
    assert deployed(world) == []


def test_ci_says_which_branch_it_is(world: World, sloth: Run) -> None:
    world.checkout.git("checkout", "-q", "--detach")
    (world.root / "sloth.lua").write_text(LUA % '"gitflow"')
    world.checkout.git("push", "-q", "origin", "HEAD:refs/heads/release/2")
    assert sloth("sync", env={"CI_COMMIT_BRANCH": "release/2"}).returncode == 0
    assert deployed(world) == ["staging"]
    preview = sloth("preview", env={"GITHUB_BASE_REF": "main", "GITHUB_REF_NAME": "7/merge"})
    assert "shop · production" in preview.stdout


def test_the_environment_can_come_from_the_strategy(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(
        'gitops.workflow({ repo = ".", target_path = "k8s", branch_strategy = "gitflow", destination = { directory = "live/x" } })'
    )
    assert "production" in sloth("sync").stdout
