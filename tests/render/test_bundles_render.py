"""Real repositories, every revision of them, against what the tools themselves make."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.objects import Manifest, Source, manifest_of, set_digest
from sloth_ci.core.scope import is_namespaced
from sloth_ci.core.yaml import flatten, parse
from sloth_ci.render import DirectoryTree, candidates, load_bodies


@pytest.fixture(scope="module")
def clones(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Revisions of a bundle, oldest first, each checked out in a folder of its own."""
    made: dict[str, list[Path]] = {}

    def clone(name: str) -> list[Path]:
        if name not in made:
            top = tmp_path_factory.mktemp(name)
            git("clone", "--quiet", "--bare", bundles / f"{name}.bundle", top / "bare")
            shas = git("-C", top / "bare", "rev-list", "--reverse", "main").split()
            for sha in shas:
                git("-C", top / "bare", "worktree", "add", "--quiet", "--detach", top / sha, sha)
            made[name] = [top / sha for sha in shas]
        return made[name]

    return clone


def git(*arguments: Any) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def made_by(*command: Any) -> list[Manifest]:
    """What a tool prints, without the namespaces that the API server would take away."""
    output = subprocess.run(list(command), check=True, capture_output=True).stdout
    found = [manifest_of(item.value, Source("", item.line)) for document in parse(output) for item in flatten(document)]
    for manifest in found:
        if not is_namespaced(manifest.ref.group, manifest.ref.kind, {}):
            manifest.body["metadata"].pop("namespace", None)
    return [manifest_of(manifest.body, manifest.source) for manifest in found]


def same(ours: Any, theirs: list[Manifest]) -> bool:
    load_bodies(ours)
    assert {m.ref: m.body for m in ours} == {m.ref: m.body for m in theirs}
    return set_digest(ours) == set_digest(theirs) and len(ours) == len(theirs)


def test_kube_prometheus_is_what_kustomize_reads_from_its_files(
    clones: Any, run: Any, kustomize: Path, tmp_path: Path
) -> None:
    revisions = clones("kube-prometheus")
    assert len(revisions) == 9
    for revision in revisions[::4]:  # kustomize takes seconds for each
        tree = DirectoryTree(revision, "manifests")
        rendered = run(tree)
        paths = sorted(path.relative_to(revision) for path in (revision / "manifests").rglob("*.yaml"))
        assert (rendered.kind, rendered.duplicates, rendered.warnings) == ("plain", (), ())
        assert rendered.skipped == sum(1 for path in (revision / "manifests").rglob("*") if path.is_file()) - len(paths)
        (revision / "kustomization.yaml").write_text("resources:\n" + "".join(f"- {path}\n" for path in paths))
        assert same(rendered.manifests, made_by(kustomize, "build", revision))
        for manifest in rendered.manifests:
            lines = (revision / manifest.source.path).read_text().splitlines()
            assert f"name: {manifest.ref.name}" in "\n".join(lines[manifest.source.line - 1 :])
        (revision / "kustomization.yaml").unlink()
        assert run(DirectoryTree(revision)).digest == rendered.digest, "the root is the same without configuration"
        assert candidates(DirectoryTree(revision)) == ["manifests"]


def test_every_revision_of_kube_prometheus_is_read(clones: Any, run: Any) -> None:
    for revision in clones("kube-prometheus"):
        rendered = run(DirectoryTree(revision, "manifests"))
        texts = [path.read_text() for path in (revision / "manifests").rglob("*.yaml")]
        objects = sum(len(re.findall(r"^(?:- apiVersion:|kind: (?!\w*List$)\w+$)", t, re.MULTILINE)) for t in texts)
        assert len(rendered.manifests) == objects


def test_microservices_kustomizations_are_what_kustomize_builds(
    clones: Any, run: Any, kustomize: Path, programs: Any
) -> None:
    path = programs([kustomize])
    revisions = clones("microservices-demo")
    assert len(revisions) == 9
    built = 0
    for revision in revisions[::2]:
        for folder in (
            "kustomize",
            "kubernetes-manifests",
            *(f"kustomize/tests/{p.name}" for p in (revision / "kustomize/tests").glob("*/")),
        ):
            if not (revision / folder / "kustomization.yaml").exists():
                continue
            rendered = run(DirectoryTree(revision, folder), path=path)
            assert rendered.kind == "kustomize"
            assert same(rendered.manifests, made_by(kustomize, "build", revision / folder))
            assert all((revision / m.source.path).is_file() for m in rendered.manifests)
            assert all(m.source.path.rpartition("/")[2] != "kustomization.yaml" for m in rendered.manifests)
            built += 1
    assert built >= 10


def test_microservices_chart_is_what_helm_renders(clones: Any, run: Any, helm: Path, programs: Any) -> None:
    path = programs([helm])
    rendered_charts = 0
    for revision in clones("microservices-demo"):
        if not (revision / "helm-chart").exists():
            continue
        rendered = run(DirectoryTree(revision, "helm-chart"), path=path)
        assert rendered.kind == "helm"
        theirs = made_by(helm, "template", "onlineboutique", revision / "helm-chart", "--include-crds", "--skip-tests")
        assert same(rendered.manifests, theirs)
        assert all(m.source.path.startswith("helm-chart/templates/") for m in rendered.manifests)
        rendered_charts += 1
    assert rendered_charts >= 5


def test_the_root_of_microservices_says_what_it_holds(clones: Any, run: Any) -> None:
    tree = DirectoryTree(clones("microservices-demo")[-1])
    rendered = run(tree)
    assert rendered.kind == "plain"
    assert len(rendered.duplicates) > 20
    assert any("helm-chart" in warning for warning in rendered.warnings)
    assert any("kustomize" in warning for warning in rendered.warnings)
    assert candidates(tree) == ["helm-chart", "kubernetes-manifests", "kustomize"]
