"""Kustomizations, charts and custom kinds: what is rendered anew, what is not, and where a finding points."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from sloth_ci.core.schema import Definitions
from sloth_ci.core.workflow import DestinationSpec
from sloth_ci.destinations.kubernetes.access import find_access
from sloth_ci.destinations.kubernetes.schemas import Remembered, bundled
from support.committing import LUA, Committing, config_map, deployment
from support.gitrepo import GitRepo

OVERLAYS = "".join(
    f'gitops.workflow{{ repo = ".", name = "{name}", target_path = "overlays/{name}" }}\n'
    for name in ("dev", "prod", "test")
)
TREE = {
    "sloth.lua": OVERLAYS,
    "base/kustomization.yaml": "resources: [web.yaml]\n",
    "base/web.yaml": deployment(),
    "lone/kustomization.yaml": "resources: [a.yaml]\n",
    "lone/a.yaml": config_map("lone"),
    "overlays/dev/kustomization.yaml": "namePrefix: dev-\nresources: [../../base]\n",
    "overlays/prod/kustomization.yaml": "namespace: prod\nresources: [../../base]\n",
    "overlays/test/kustomization.yaml": "resources: [../../lone]\n",
}


class Tools:
    """Programs on PATH that note in a file how they were called."""

    def __init__(self, folder: Path, *programs: Path) -> None:
        self._log = folder / "runs"
        self._folder = folder / "bin"
        self._folder.mkdir()
        for program in programs:
            script = self._folder / program.name
            script.write_text(f'#!/bin/sh\necho "$@" >> {self._log}\nexec {program} "$@"\n', encoding="utf-8")
            script.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": f"{self._folder}:{os.environ['PATH']}"}

    def runs(self) -> list[str]:
        """How they were called since the last time."""
        found = self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []
        self._log.write_text("", encoding="utf-8")
        return found


@pytest.fixture
def tools(tmp_path: Path, kustomize: Path, helm: Path) -> Tools:
    return Tools(tmp_path, kustomize, helm)


@pytest.fixture
def overlays(git_repo: Callable[..., GitRepo]) -> Committing:
    return Committing(git_repo(), TREE)


def test_only_what_a_change_reaches_is_rendered(overlays: Committing, tools: Tools) -> None:
    overlays.stage({"overlays/prod/kustomization.yaml": "namespace: prod\nnameSuffix: -x\nresources: [../../base]\n"})
    assert overlays.commit(environ=tools.environ) == (True, "")
    assert tools.runs() == ["build ./overlays/prod"] * 2, "as it was, and as it is staged"
    overlays.stage({"overlays/prod/kustomization.yaml": "namespace: prod\nnameSuffix: -y\nresources: [../../base]\n"})
    assert overlays.commit(environ=tools.environ) == (True, "")
    assert tools.runs() == ["build ./overlays/prod"], "what is HEAD by now is remembered"
    overlays.stage({"README.md": "x\n"})
    assert overlays.commit(environ=tools.environ) == (True, "")
    assert tools.runs() == []


def test_a_mistake_in_a_base_is_named_once_for_each_overlay_with_its_own_line(
    overlays: Committing, tools: Tools
) -> None:
    overlays.stage({"base/web.yaml": deployment(field="replcas")})
    done = overlays.commit(environ=tools.environ)
    assert not done.made
    assert done.lines[:2] == [
        "base/web.yaml:6: Deployment/dev-web: spec.replcas: unknown field, did you mean 'replicas'?",
        "base/web.yaml:6: Deployment/prod/web: spec.replcas: unknown field, did you mean 'replicas'?",
    ]
    assert done.lines[2].startswith("sloth-ci: 2 problems in 1 file ")
    assert not [run for run in tools.runs() if "test" in run]


def test_a_mistake_in_a_patch_is_found_in_what_is_rendered(overlays: Committing, tools: Tools) -> None:
    patch = (
        "patches:\n- patch: |\n    - {op: add, path: /spec/paused, value: sometimes}\n  target: {kind: Deployment}\n"
    )
    overlays.stage({"overlays/prod/kustomization.yaml": f"namespace: prod\nresources: [../../base]\n{patch}"})
    done = overlays.commit(environ=tools.environ)
    assert done.lines[0] == (
        "base/web.yaml:1: Deployment/prod/web: spec.paused: expected true or false, found a string"
    )


def test_a_kustomization_that_cannot_be_built_blocks(overlays: Committing, tools: Tools) -> None:
    overlays.stage({"overlays/prod/kustomization.yaml": "resources: [../../base, ../../nowhere]\n"})
    done = overlays.commit(environ=tools.environ)
    assert not done.made
    assert "nowhere" in done.lines[0]
    overlays.stage({}, delete=("base/web.yaml",))
    overlays.repo.git("checkout", "--quiet", "HEAD", "overlays")
    done = overlays.commit(environ=tools.environ)
    assert not done.made
    assert done.lines[0] == "base/kustomization.yaml:1: 'web.yaml' does not exist"


def test_a_kustomization_that_could_not_be_built_before_blocks_nothing(
    git_repo: Callable[..., GitRepo], tools: Tools
) -> None:
    shop = Committing(git_repo(), TREE | {"overlays/prod/kustomization.yaml": "resources: [../../nowhere]\n"})
    shop.stage({"overlays/prod/other.yaml": config_map("x")})
    done = shop.commit(environ=tools.environ)
    assert done.made
    assert done.lines[0].startswith("sloth-ci: not checked: overlays/prod: it could not be rendered before: ")


def test_a_program_that_is_not_here_is_told_and_blocks_nothing(overlays: Committing, tmp_path: Path) -> None:
    bare = tmp_path / "git-only"
    bare.mkdir()
    for name in ("git", "sh"):
        found = subprocess.run(["/bin/sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True)
        (bare / name).symlink_to(found.stdout.strip())
    overlays.stage({"overlays/test/kustomization.yaml": "nameSuffix: -x\nresources: [../../lone]\n"})
    done = overlays.commit(environ={"PATH": str(bare)})
    assert done.made
    assert done.lines == [
        (
            "sloth-ci: not checked: overlays/dev, overlays/prod, overlays/test: "
            "kustomize or kubectl is needed to render this, and there is none on PATH"
        )
    ]


# --- charts --------------------------------------------------------------------------------------------------------

CHART = {
    "sloth.lua": 'gitops.workflow{ repo = ".", name = "app", target_path = "chart", environment = "prod" }\n',
    "chart/Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    "chart/values.yaml": "pull: Always\npassword: hunter2\n",
    "chart/templates/web.yaml": deployment().rstrip() + "\n          imagePullPolicy: {{ .Values.pull }}\n",
}


def test_a_value_that_makes_an_object_wrong_is_found_in_the_template(
    git_repo: Callable[..., GitRepo], tools: Tools
) -> None:
    shop = Committing(git_repo(), CHART)
    shop.stage({"chart/values-prod.yaml": "pull: Allways\n"})
    done = shop.commit(environ=tools.environ)
    assert not done.made
    assert done.lines[0] == (
        "chart/templates/web.yaml:16: Deployment/web: spec.template.spec.containers[0].imagePullPolicy: "
        "'Allways' is none of Always, IfNotPresent, Never; did you mean Always?"
    )


def test_a_template_that_fails_is_named_with_its_line_and_without_values(
    git_repo: Callable[..., GitRepo], tools: Tools
) -> None:
    shop = Committing(git_repo(), CHART)
    shop.stage({"chart/templates/x.yaml": 'a: 1\nb: {{ fail (printf "no %s" .Values.password) }}\n'})
    done = shop.commit(environ=tools.environ)
    assert not done.made
    assert done.lines[0].startswith("chart/templates/x.yaml:2: helm failed: ")
    assert "hunter2" not in done.said


def test_values_that_are_named_and_not_there_block(git_repo: Callable[..., GitRepo], tools: Tools) -> None:
    lua = CHART["sloth.lua"].replace(" }", ', render = { helm = { values_files = { "more.yaml" } } } }')
    shop = Committing(git_repo(), CHART | {"sloth.lua": lua, "more.yaml": "a: 1\n"})
    shop.stage({}, delete=("more.yaml",))
    done = shop.commit(environ=tools.environ)
    assert not done.made
    assert done.lines[0] == "chart:1: helm values not found: 'more.yaml'"


# --- custom kinds --------------------------------------------------------------------------------------------------

CRD = """apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: lamps.home.example.com
spec:
  group: home.example.com
  scope: Namespaced
  names: {kind: Lamp, plural: lamps}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [watts]
            properties:
              watts: {type: integer}
"""
LAMP = "apiVersion: home.example.com/v1\nkind: Lamp\nmetadata:\n  name: a\nspec:\n  wats: 3\n"
LAMP_SAID = [
    "deploy/lamp.yaml:5: Lamp/a: spec.watts: is missing",
    "deploy/lamp.yaml:6: Lamp/a: spec.wats: unknown field, did you mean 'watts'?",
]


@pytest.mark.parametrize("place", ["deploy/crd.yaml", "crds/lamps.yaml", "other/chart/crds/lamps.yml"])
def test_a_custom_kind_is_held_to_the_definition_in_the_repository(
    git_repo: Callable[..., GitRepo], place: str
) -> None:
    shop = Committing(git_repo(), {"sloth.lua": LUA, place: CRD, "deploy/a.yaml": config_map()})
    shop.stage({"deploy/lamp.yaml": LAMP})
    for _ in range(2):  # the second time it is remembered
        done = shop.commit()
        assert not done.made
        assert done.lines[:2] == LAMP_SAID


def test_a_definition_counts_as_it_is_staged(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), {"sloth.lua": LUA, "crds/lamps.yaml": CRD})
    shop.stage({"deploy/lamp.yaml": LAMP, "crds/lamps.yaml": CRD.replace("watts", "wats")})
    assert shop.commit() == (True, "")


def test_a_kind_that_nobody_defines_and_one_that_is_defined_in_two_ways_are_taken(
    git_repo: Callable[..., GitRepo],
) -> None:
    shop = Committing(git_repo(), {"sloth.lua": LUA, "deploy/a.yaml": config_map()})
    shop.stage({"deploy/lamp.yaml": LAMP})
    assert shop.commit() == (True, "")
    two = {"one/crd.yaml": CRD, "two/crd.yaml": CRD.replace("watts", "volts")}
    shop.stage(two | {"deploy/lamp.yaml": LAMP.replace("wats", "watt")})
    assert shop.commit() == (True, "")


def test_a_definition_that_is_wrong_itself_is_found(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), {"sloth.lua": LUA})
    shop.stage({"deploy/crd.yaml": CRD.replace("scope:", "scop:")})
    done = shop.commit()
    assert (
        "deploy/crd.yaml:7: CustomResourceDefinition/lamps.home.example.com: spec.scop: unknown field, did you mean 'scope'?"
        in done.lines
    )


# --- which version of Kubernetes -----------------------------------------------------------------------------------


def test_a_cluster_that_was_seen_counts_with_its_version(git_repo: Callable[..., GitRepo], home: Path) -> None:
    config = home / "config"
    cluster = '{"name": "c", "cluster": {"server": "https://203.0.113.7:6443"}}'
    context = '{"name": "prod", "context": {"cluster": "c", "user": "u"}}'
    config.write_text(
        f'{{"apiVersion": "v1", "kind": "Config", "current-context": "prod", "clusters": [{cluster}], '
        f'"contexts": [{context}], "users": [{{"name": "u", "user": {{"token": "hunter2"}}}}]}}',
        encoding="utf-8",
    )
    lua = LUA.replace(" }", f', destination = {{ kubeconfig = "{config}", context = "prod" }} }}')
    nodes, kinds = dict(bundled().definitions.nodes), bundled().definitions.kinds
    spec = nodes["io.k8s.api.apps.v1.DeploymentSpec"]
    fields = {name: node for name, node in spec.fields.items() if name != "revisionHistoryLimit"}
    nodes["io.k8s.api.apps.v1.DeploymentSpec"] = msgspec.structs.replace(spec, fields=fields)
    only = {key: name for key, name in kinds.items() if key.startswith("apps/v1/")}
    found = Remembered("v1.30.1", time.time(), ("apps/v1", "v1"), {"apps/v1": ("x", Definitions(nodes, only))})
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "sloth-ci/schemas"
    folder.mkdir(parents=True)
    key = find_access(DestinationSpec(kubeconfig=str(config), context="prod"), home, os.environ).key
    (folder / f"{key}.json").write_bytes(msgspec.json.encode(found))
    shop = Committing(git_repo(), {"sloth.lua": lua})
    shop.stage({"deploy/web.yaml": deployment(field="revisionHistoryLimit")})
    done = shop.commit()
    assert not done.made
    assert "spec.revisionHistoryLimit: unknown field" in done.lines[0]
    assert done.lines[1] == "sloth-ci: 1 problem in 1 file (Kubernetes v1.30.1, as prod had it)"
    shop.repo.git("config", "core.x", "y")
    (folder / f"{key}.json").unlink()
    assert shop.commit() == (True, "")


def test_a_cluster_that_cannot_be_found_is_no_reason_against_a_commit(git_repo: Callable[..., GitRepo]) -> None:
    lua = LUA.replace(" }", ', destination = { kubeconfig = "nowhere", context = "prod" } }')
    (Path(os.environ["XDG_CACHE_HOME"]) / "sloth-ci/schemas").mkdir(parents=True)
    shop = Committing(git_repo(), {"sloth.lua": lua})
    shop.stage({"deploy/web.yaml": deployment()})
    assert shop.commit() == (True, "")


def test_nothing_heavy_is_loaded(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), {"sloth.lua": LUA.replace(" }", ', destination = { context = "x" } }')})
    shop.stage({"deploy/web.yaml": deployment()})
    code = "import os, sys\nfrom sloth_ci.hook.commit import pre_commit\nassert pre_commit(environ=os.environ) == 0\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=shop.path, capture_output=True, text=True, check=True)
    heavy = {"asyncio", "concurrent.futures", "email", "github", "gitlab", "http.client", "kubernetes", "rich", "ssl"}
    assert heavy & set(done.stdout.split()) == set()


@pytest.mark.parametrize("name", ["kube-prometheus", "microservices-demo"])
def test_no_commit_of_a_real_repository_is_stopped(
    name: str, bundles: Path, tmp_path: Path, kustomize: Path, helm: Path
) -> None:
    """Each commit once more, as it was made, without a workflow file."""
    folder = tmp_path / name
    subprocess.run(["git", "clone", "--quiet", str(bundles / f"{name}.bundle"), str(folder)], check=True)
    repo = Committing(GitRepo(folder))
    path = f"{kustomize.parent}:{helm.parent}:{os.environ['PATH']}"
    shas = repo.repo.git("rev-list", "--first-parent", "--reverse", "HEAD").split()
    repo.repo.git("checkout", "--quiet", "--detach", shas[0])
    stopped: list[tuple[str, str]] = []
    for before, sha in itertools.pairwise(shas):
        repo.repo.git("read-tree", "-u", "--reset", before)
        repo.repo.git("update-ref", "--no-deref", "HEAD", before)
        repo.repo.git("read-tree", "-u", "--reset", sha)
        code, said = repo.check(environ={"PATH": path})
        if code or "fault" in said:
            stopped.append((sha, said))
    assert len(shas) > 5
    assert stopped == []
