"""`sloth-ci init`: what it writes, and what it says is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core import yaml
from support.bodies import deployment
from support.world import World, configmap

from .conftest import Run

SET = "next: set destination and auto_sync (or approval_required) in sloth.lua\n"
CHART = "apiVersion: v2\nname: a\nversion: 1.0.0\n"


def branches(root: Path) -> object:
    """Whose pushes the written workflow is for."""
    (document,) = yaml.parse((root / ".github/workflows/sloth.yml").read_bytes())
    return document.value["true"]["push"]["branches"]  # so Kubernetes reads `on`


@pytest.mark.parametrize(
    ("branch", "pattern"),
    [
        ("main", "main"),
        ("trunk", "trunk"),
        ("release/1.x", "release/1.x"),
        ("on", "on"),
        ("1.0", "1.0"),
        ("c++", r"c\+\+"),
    ],
)
def test_the_workflow_is_for_the_branch_of_the_repository(world: World, sloth: Run, branch: str, pattern: str) -> None:
    world.checkout.git("checkout", "-q", "-B", branch)
    assert sloth("init", "--ci", "github").returncode == 0
    assert branches(world.root) == [pattern]


def test_the_remotes_default_branch_goes_before_the_one_that_is_checked_out(world: World, sloth: Run) -> None:
    world.checkout.git("fetch", "-q", "origin", "+main:refs/remotes/origin/stable")
    world.checkout.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/stable")
    world.checkout.git("checkout", "-q", "-b", "my-first-change")
    assert sloth("init", "--ci", "github").returncode == 0
    assert branches(world.root) == ["stable"]


def test_without_a_repository_the_workflow_is_for_main(sloth: Run, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    done = sloth("init", "--ci", "github", cwd=tmp_path / "bare")
    assert "note: this is not a Git repository yet: git init" in done.stdout
    assert branches(tmp_path / "bare") == ["main"]


def test_what_is_left_to_do_is_said_where_ci_deploys(world: World, sloth: Run) -> None:
    assert SET in sloth("init", "--ci", "github").stdout
    (world.root / "sloth.lua").unlink()
    done = sloth("init", "--ci", "none")
    assert "next: sloth-ci preview" in done.stdout
    assert SET not in done.stdout


def test_on_gitlab_the_file_includes_the_template(world: World, sloth: Run) -> None:
    done = sloth("init", "--ci", "gitlab")
    assert done.returncode == 0
    (document,) = yaml.parse((world.root / ".gitlab-ci.yml").read_bytes())
    (entry,) = document.value["include"]
    assert entry["remote"].endswith("/v1/.gitlab-ci-template.yml")
    assert SET in done.stdout
    assert "next: the kubeconfigs, the token, the schedule, the webhook: https://" in done.stdout
    assert "/docs/gitlab.md#set-it-up\n" in done.stdout
    assert "into .gitlab-ci.yml" not in done.stdout


@pytest.mark.parametrize("given", [("--ci", "gitlab"), ()])
def test_a_file_for_gitlab_that_is_there_is_kept_and_told_what_it_lacks(
    world: World, sloth: Run, given: tuple[str, ...]
) -> None:
    (world.root / ".gitlab-ci.yml").write_text("build: { script: [make] }\n")
    done = sloth("init", *given)
    assert (world.root / ".gitlab-ci.yml").read_text() == "build: { script: [make] }\n"
    assert "kept  .gitlab-ci.yml, which is there already" in done.stdout
    assert "next: put the include into .gitlab-ci.yml: https://" in done.stdout
    assert not (world.root / ".github").exists()


@pytest.mark.parametrize(
    ("origin", "forge"),
    [
        ("https://gitlab.com/acme/shop.git", ".gitlab-ci.yml"),
        ("git@gitlab.example.com:acme/shop.git", ".gitlab-ci.yml"),
        ("ssh://git@gitlab.example.com:2222/acme/shop.git", ".gitlab-ci.yml"),
        ("https://github.com/acme/gitlab.git", ".github/workflows/sloth.yml"),
        ("https://git.example.com/gitlab/shop.git", ".github/workflows/sloth.yml"),
        ("/srv/gitlab.example/shop.git", ".github/workflows/sloth.yml"),
    ],
)
def test_the_host_of_the_remote_says_which_ci_it_is(world: World, sloth: Run, origin: str, forge: str) -> None:
    world.checkout.git("remote", "set-url", "origin", origin)
    sloth("init")
    written = [name for name in (".gitlab-ci.yml", ".github/workflows/sloth.yml") if (world.root / name).exists()]
    assert written == [forge]


@pytest.mark.parametrize(
    ("origin", "name"),
    [
        ("https://gitlab.com/acme/Online_Shop.git", "online-shop"),
        ("git@gitlab.example.com:shop", "shop"),
        ("https://gitlab.com/acme/shop/", "shop"),
        ("https://gitlab.com/acme/___.git", "app"),
        (f"https://gitlab.com/acme/{'x' * 60}.git", "x" * 40),
    ],
)
def test_the_workflow_has_the_name_of_the_repository(world: World, sloth: Run, origin: str, name: str) -> None:
    world.checkout.git("remote", "set-url", "origin", origin)
    sloth("init")
    text = (world.root / "sloth.lua").read_text()
    assert f'name = "{name}",\n' in text
    assert f'destination = {{ directory = ".sloth/live/{name}" }},\n' in text
    assert "@" not in text


def test_without_a_remote_the_workflow_has_the_name_of_the_folder(sloth: Run, tmp_path: Path) -> None:
    (tmp_path / "My Shop").mkdir()
    sloth("init", cwd=tmp_path / "My Shop")
    assert 'name = "my-shop",\n' in (tmp_path / "My Shop/sloth.lua").read_text()


@pytest.mark.parametrize(
    ("files", "chosen", "others"),
    [
        ({"a/Chart.yaml": CHART, "k/kustomization.yaml": "resources: []\n"}, "plain", "k, a"),
        ({"a/Chart.yaml": CHART}, "plain", "a"),
    ],
)
def test_plain_manifests_go_before_a_kustomization_and_a_chart(
    world: World, sloth: Run, files: dict[str, str], chosen: str, others: str
) -> None:
    world.push("more", {**files, "plain/a.yaml": configmap("a", k="v")}, delete=("k8s/web.yaml",))
    assert f"note: target_path is '{chosen}'; there are also {others}\n" in sloth("init").stdout


def test_a_kustomization_goes_before_a_chart(world: World, sloth: Run) -> None:
    files: dict[str, Any] = {
        "a/Chart.yaml": CHART,
        "k/kustomization.yaml": "resources: [web.yaml]\n",
        "k/web.yaml": deployment(),
    }
    world.push("more", files, delete=("k8s/web.yaml",))
    assert "note: target_path is 'k'; there are also a\n" in sloth("init").stdout


def test_where_no_manifests_are_it_says_so(world: World, sloth: Run) -> None:
    world.push("none", {"README.md": "nothing"}, delete=("k8s/web.yaml",))
    assert "note: no manifests were found: put them into 'manifests', or correct target_path" in sloth("init").stdout


def test_a_target_path_beside_a_kept_file_is_said_to_be_ignored(world: World, sloth: Run) -> None:
    sloth("init")
    again = sloth("init", "--target-path", "nope").stdout
    assert "kept  sloth.lua, which is there already" in again
    assert "note: --target-path was ignored, as sloth.lua is there already: set target_path in it\n" in again
    assert "ignored" not in sloth("init").stdout


def test_the_help_says_what_happens_without_a_choice(sloth: Run) -> None:
    assert "[default: hook]" in " ".join(sloth("init", "--help").stdout.split())
