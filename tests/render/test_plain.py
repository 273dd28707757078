from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth_ci.core.objects import digest_of
from sloth_ci.core.yaml import MAX_FILE_BYTES
from sloth_ci.render import Problem, RenderFailed, load_bodies
from sloth_ci.render.index import index

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"


def problems(run: Any, tree: Any, **settings: Any) -> list[Problem]:
    with pytest.raises(RenderFailed) as raised:
        run(tree, **settings)
    assert str(raised.value) == "\n".join(str(problem) for problem in raised.value.problems)
    return list(raised.value.problems)


def test_reads_every_manifest_below_the_target_path(files: Any, run: Any) -> None:
    tree = files(
        {
            "k8s/b.yaml": POD.format("b1") + "---\n" + POD.format("b2"),
            "k8s/deep/er/a.yml": POD.format("a"),
            "k8s/j.json": json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "j", "namespace": "n"}}),
            "k8s/README.md": "no manifest",
            "k8s/values.yaml": "replicas: 3\n",
            "k8s/empty.yaml": "# nothing\n",
            "k8s/list.yaml": "- a\n- b\n",
            "other/c.yaml": POD.format("c"),
        },
        "k8s",
    )
    rendered = run(tree)
    assert rendered.kind == "plain"
    assert [(str(m.ref), str(m.source)) for m in rendered.manifests] == [
        ("Pod/a", "k8s/deep/er/a.yml:1"),
        ("Pod/b1", "k8s/b.yaml:1"),
        ("Pod/b2", "k8s/b.yaml:6"),
        ("Pod/n/j", "k8s/j.json:1"),
    ]
    assert rendered.skipped == 4
    assert rendered.inputs == ("k8s",)
    assert rendered.warnings == ()
    assert [m.body["metadata"]["name"] for m in rendered.manifests] == ["a", "b1", "b2", "j"]


def test_the_items_of_a_list_are_objects_with_their_own_lines(files: Any, run: Any) -> None:
    text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: b}\n"
    rendered = run(files({"l.yaml": text}))
    assert [str(m.source) for m in rendered.manifests] == ["l.yaml:4", "l.yaml:7"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apiVersion: v1\nmetadata: {name: a}\n", [(1, "has an apiVersion and no kind")]),
        ("kind: Pod\nmetadata: {name: a}\n", [(1, "has a kind and no apiVersion")]),
        ("apiVersion: v1\nkind: Pod\n", [(1, "has no metadata.name")]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: ''}\n", [(1, "has no metadata.name")]),
        ("apiVersion: v1\nkind: Pod\nmetadata: [a]\n", [(1, "metadata is not a table")]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: 12}\n", [(1, "metadata.name is not a string: put it in quotes")]),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: 1}\n", [(1, "metadata.namespace is not a string: put it in quotes")]),
        ("apiVersion: 1\nkind: Pod\nmetadata: {name: a}\n", [(1, "apiVersion is not of the form v1 or group/v1")]),
        ("apiVersion: a/b/c\nkind: Pod\nmetadata: {name: a}\n", [(1, "apiVersion is not of the form v1 or group/v1")]),
        ("apiVersion: v1\nkind: [Pod]\nmetadata: {name: a}\n", [(1, "kind is not a name")]),
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: a-}\n", [(1, "generateName cannot be declared: without a metadata.name the next sync would not find the object again")]),
        (POD.format("a") + "---\nreplicas: 3\n", [(6, "has neither apiVersion nor kind, though other documents of the file are objects")]),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", [(3, "expected an object in List, found a number")]),
        (LFS, [(1, "is a Git LFS pointer: the file itself was not fetched (git lfs pull)")]),
        (b"apiVersion: v1\nkind: \xff\n", [(2, "a byte that is not UTF-8")]),
    ],
)  # fmt: skip
def test_what_cannot_be_an_object_says_why(
    files: Any, run: Any, text: str | bytes, expected: list[tuple[int, str]]
) -> None:
    assert problems(run, files({"k8s/x.yaml": text}, "k8s")) == [Problem("k8s/x.yaml", *item) for item in expected]


def test_every_bad_file_is_reported_at_once(files: Any, run: Any) -> None:
    tree = files(
        {"k/a.yaml": "a: [", "k/b.yaml": "apiVersion: v1\n", "k/c.yaml": POD.format("ok"), "k/d.yaml": LFS}, "k"
    )
    found = problems(run, tree)
    assert [problem.path for problem in found] == ["k/a.yaml", "k/b.yaml", "k/d.yaml"]
    assert problems(run, tree) == found, "the same again from the cache"


def test_text_of_other_systems_is_read(files: Any, run: Any) -> None:
    text = POD.format("a") + "---\n" + POD.format("b")
    tree = files(
        {
            "bom/a.yaml": b"\xef\xbb\xbf" + POD.format("bom").encode(),
            "crlf/a.yaml": text.replace("\n", "\r\n"),
            "utf16/a.yaml": POD.format("wide").encode("utf-16"),
        }
    )
    assert [(str(m.ref), m.source.line) for m in run(tree).manifests] == [
        ("Pod/a", 1),
        ("Pod/b", 6),
        ("Pod/bom", 1),
        ("Pod/wide", 1),
    ]


def test_a_repository_may_hold_yaml_of_other_programs_but_a_target_path_may_not(files: Any, run: Any) -> None:
    tree = files({"docs/t.yaml": "{% if x %}\n", "k8s/a.yaml": POD.format("a")})
    rendered = run(tree)
    assert [str(m.ref) for m in rendered.manifests] == ["Pod/a"]
    assert rendered.skipped == 1
    assert len(rendered.warnings) == 1
    assert rendered.warnings[0].startswith("docs/t.yaml:1: ")
    assert rendered.warnings[0].endswith("; skipped, as nothing in it looks like an object")
    assert [p.path for p in problems(run, tree.at("docs"))] == ["docs/t.yaml"]


def test_a_broken_object_is_a_problem_anywhere(files: Any, run: Any) -> None:
    assert [p.path for p in problems(run, files({"a.yaml": POD.format("a") + "  labels: [\n"}))] == ["a.yaml"]


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: skaffold/v4beta1\nkind: Config\n",
        "apiVersion: kind.x-k8s.io/v1alpha4\nkind: Cluster\n",
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
        "apiVersion: v1\nkind: Config\nclusters: []\nusers: []\n",
    ],
)
def test_files_for_programs_on_this_side_of_the_server_are_no_objects(files: Any, run: Any, text: str) -> None:
    rendered = run(files({"x.yaml": text}))
    assert (rendered.manifests, rendered.skipped) == ((), 1)


def test_hidden_files_and_folders_are_not_looked_at(files: Any, run: Any) -> None:
    tree = files({name: POD.format("a") for name in (".github/w.yaml", "k/.sloth/x.yaml", ".drone.yml", "k/a.yaml")})
    rendered = run(tree)
    assert [m.source.path for m in rendered.manifests] == ["k/a.yaml"]
    assert run(tree.at(".github")).manifests[0].source.path == ".github/w.yaml", "unless it is the target path"


def test_charts_and_kustomizations_below_are_named(files: Any, run: Any) -> None:
    tree = files(
        {
            "chart/Chart.yaml": "apiVersion: v2\nname: c\n",
            "chart/templates/x.yaml": "{{ broken",
            "chart/charts/sub/Chart.yaml": "apiVersion: v2\nname: s\n",
            "over/kustomization.yaml": "resources: [x.yaml]\n",
            "over/x.yaml": POD.format("x"),
            "over/deep/kustomization.yml": "resources: []\n",
        }
    )
    rendered = run(tree)
    assert [m.source.path for m in rendered.manifests] == ["over/x.yaml"]
    assert rendered.skipped == 5
    assert rendered.warnings == (
        "not read, as a Helm chart is no plain manifest: chart; to deploy one, make it the target_path",
        "not built, their files are read one by one as they are: the kustomizations in over; to build one, make it the target_path",
    )


def test_of_two_objects_with_one_identity_the_first_by_path_is_the_manifest(files: Any, run: Any) -> None:
    other = POD.format("p") + "spec: {x: 1}\n"
    tree = files(
        {"b.yaml": other, "a.yaml": POD.format("p"), "c.yaml": "kind: Pod\nmetadata: {name: p}\napiVersion: v1"}
    )
    rendered = run(tree)
    assert [str(m.source) for m in rendered.manifests] == ["a.yaml:1"]
    assert [(str(a.source), str(b.source)) for a, b in rendered.duplicates] == [
        ("a.yaml:1", "b.yaml:1"),
        ("a.yaml:1", "c.yaml:1"),
    ]
    assert rendered.duplicates[0][1].body["spec"] == {"x": 1}
    assert rendered.duplicates[1][1].digest == rendered.manifests[0].digest


def test_a_moved_and_reformatted_file_gives_the_same_digest(files: Any, run: Any) -> None:
    tree = files({"a/x.yaml": POD.format("p") + "---\n" + POD.format("q"), "b/y.json": json.dumps({"kind": "Pod", "metadata": {"name": "q"}, "apiVersion": "v1"}), "b/z.yaml": "# moved\nkind: Pod\napiVersion: v1\nmetadata: {'name': \"p\"}\n"})  # fmt: skip
    assert run(tree.at("a")).digest == run(tree.at("b")).digest
    (tree.root / "b/z.yaml").write_text(POD.format("p") + "spec: {x: 1}\n")
    assert run(tree.at("a")).digest != run(tree.at("b")).digest


def test_a_default_namespace_is_for_namespaced_objects_that_name_none(files: Any, run: Any) -> None:
    crd = (
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {1}s.x.io}}\n"
        "spec: {{group: x.io, scope: {0}, names: {{kind: {1}}}}}\n---\napiVersion: x.io/v1\nkind: {1}\nmetadata: {{name: o}}\n"
    )
    tree = files(
        {
            "a.yaml": POD.format("a") + "---\n" + POD.format("b\n  namespace: own"),
            "b.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: team}\n",
            "c.yaml": crd.format("Cluster", "Wide"),
            "d.yaml": crd.format("Namespaced", "Narrow"),
            "e.yaml": "apiVersion: unknown.io/v1\nkind: Thing\nmetadata: {name: o}\n",
        }
    )
    for _ in range(2):  # parsed, then from the cache
        rendered = run(tree, namespace="team")
        assert {str(m.ref) for m in rendered.manifests} == {
            "Pod/team/a",
            "Pod/own/b",
            "Namespace/team",
            "CustomResourceDefinition/Wides.x.io",
            "CustomResourceDefinition/Narrows.x.io",
            "Wide/o",
            "Narrow/team/o",
            "Thing/team/o",
        }
        for manifest in rendered.manifests:
            assert manifest.body["metadata"].get("namespace", "") == manifest.ref.namespace
    bare = {str(m.ref) for m in run(tree).manifests}
    assert "Pod/a" in bare


@pytest.mark.parametrize("namespace", [None, "team"])
def test_what_lives_in_no_namespace_keeps_none(files: Any, run: Any, namespace: str | None) -> None:
    """As the API server takes one away from a ClusterRole that names one: with it and without it is the same object."""
    crd = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: teams.policy.networking.k8s.io, namespace: wrong}
spec: {group: policy.networking.k8s.io, scope: Cluster, names: {kind: Team}}
"""
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader%s}\nrules: []\n"
    team = "apiVersion: policy.networking.k8s.io/v1\nkind: %s\nmetadata: {name: a%s}\n"
    where = ", namespace: wrong"
    tree = files(
        {
            "with/a.yaml": "---\n".join([crd, role % where, team % ("Team", where), team % ("Other", where)]),
            "without/a.yaml": "---\n".join(
                [crd.replace(where, ""), role % "", team % ("Team", ""), team % ("Other", where)]
            ),
        }
    )
    named = run(tree.at("with"), namespace=namespace)
    assert {str(manifest.ref) for manifest in named.manifests} == {
        "CustomResourceDefinition/teams.policy.networking.k8s.io",
        "ClusterRole/reader",
        "Team/a",
        "Other/wrong/a",
    }
    assert all(digest_of(manifest.body) == manifest.digest for manifest in named.manifests)
    assert named.digest == run(tree.at("without"), namespace=namespace).digest


def test_an_empty_namespace_is_none(files: Any, run: Any) -> None:
    (manifest,) = run(files({"a.yaml": POD.format('a\n  namespace: ""')}), namespace="team").manifests
    assert str(manifest.ref) == "Pod/team/a"
    assert manifest.body["metadata"]["namespace"] == "team"
    assert digest_of(manifest.body) == manifest.digest


def test_a_role_that_two_files_put_into_two_namespaces_is_a_duplicate(files: Any, run: Any) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: reader, namespace: %s}\n"
    rendered = run(files({"a.yaml": role % "one", "b.yaml": role % "two"}))
    assert [str(first.ref) for first, _ in rendered.duplicates] == ["ClusterRole/reader"]


def test_a_default_namespace_gives_what_writing_it_down_gives(files: Any, run: Any) -> None:
    tree = files({"a/x.yaml": POD.format("p"), "b/x.yaml": POD.format("p\n  namespace: team")})
    assert run(tree.at("a"), namespace="team").digest == run(tree.at("b")).digest


def test_links_inside_the_repository_are_followed(files: Any, run: Any) -> None:
    tree = files(
        {
            "shared/pod.yaml": POD.format("shared"),
            "shared/more/x.yaml": POD.format("more"),
            "k8s/a.yaml": POD.format("a"),
            "k8s/file.yaml": Path("../shared/pod.yaml"),
            "k8s/folder": Path("../shared/more"),
            "k8s/again.yaml": Path("a.yaml"),
            "k8s/notes.md": Path("../../etc/passwd"),
        },
        "k8s",
    )
    for _ in range(2):
        rendered = run(tree)
        assert [(m.ref.name, m.source.path) for m in rendered.manifests] == [
            ("a", "k8s/a.yaml"),
            ("more", "shared/more/x.yaml"),
            ("shared", "k8s/file.yaml"),
        ]
        assert rendered.duplicates == ()
        assert rendered.inputs == ("k8s", "shared/more", "shared/pod.yaml")
    (tree.root / "shared/pod.yaml").write_text(POD.format("changed"))
    assert "changed" in {m.ref.name for m in run(tree.at("k8s")).manifests}, (
        "what a link leads to is not of the tree's id"
    )


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/passwd", "is a symbolic link that leads out of the repository"),
        ("../../outside.yaml", "is a symbolic link that leads out of the repository"),
        ("../k8s/../../repo/k8s/a.yaml", "is a symbolic link that leads out of the repository"),
        ("link.yaml", "is a symbolic link that leads out of the repository"),
        ("../nowhere.yaml", "is a symbolic link that leads nowhere"),
        ("..", "is a symbolic link to a folder that holds it"),
    ],
)
def test_links_that_cannot_be_followed_are_problems(files: Any, run: Any, target: str, reason: str) -> None:
    tree = files({"k8s/a.yaml": POD.format("a"), "k8s/link.yaml": Path(target)}, "k8s")
    (tree.root.parent / "outside.yaml").write_text(POD.format("outside"))
    assert problems(run, tree) == [Problem("k8s/link.yaml", 1, reason)]


def test_a_huge_file_is_refused_without_being_read(files: Any, run: Any, watch: Any) -> None:
    tree = files({"k/a.yaml": POD.format("a"), "k/b.txt": ""}, "k")
    with (tree.root / "k/huge.yaml").open("wb") as file:
        file.truncate(100 * 2**20)
    with (tree.root / "k/b.txt").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    tree = watch(tree)
    found = problems(run, tree)
    assert found == [Problem("k/huge.yaml", 1, "is 100 MiB; a manifest may have 32 MiB")]
    assert tree.blobs == 1


def test_a_bomb_is_a_problem(files: Any, run: Any) -> None:
    levels = "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join('*' + chr(97 + i) for _ in range(9))}]\n" for i in range(9)
    )
    assert len(problems(run, files({"k/x.yaml": f"apiVersion: v1\nkind: A\na: &a [x]\n{levels}"}, "k"))) == 1


def test_a_path_cannot_forge_a_line_of_the_message(files: Any, run: Any) -> None:
    tree = files({"k/a b\n::error::x.yaml": "a: ["}, "k")
    with pytest.raises(RenderFailed) as raised:
        run(tree)
    assert str(raised.value).startswith("k/a b\\n::error::x.yaml:2: ")
    assert "\n" not in str(raised.value)


def test_a_path_that_is_not_utf8_is_read(files: Any, run: Any) -> None:
    tree = files({"k/\udcff.yaml": POD.format("a")}, "k")
    for _ in range(2):
        assert run(tree).manifests[0].source.path == "k/\udcff.yaml"


def test_bodies_are_read_in_one_go(files: Any, run: Any, watch: Any) -> None:
    tree = files({f"{i}.yaml": POD.format(f"p{i}") for i in range(20)})
    run(tree)
    again = watch(tree.at(""))
    rendered = run(again)
    assert again.reads == []
    load_bodies(rendered.manifests[:15])
    assert [m.body["metadata"]["name"] for m in rendered.manifests[:15]] == [
        m.ref.name for m in rendered.manifests[:15]
    ]
    assert [len(blobs) for blobs in again.reads] == [15]
    load_bodies(rendered.manifests)
    assert [len(blobs) for blobs in again.reads] == [15, 5]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    before=st.text(alphabet="abc:{}[]\"'|>&*!%@`#-? \n\t,\\", max_size=30),
    after=st.text(alphabet="abc:{}[]\"'|>&*!%@`#-? \n\t,\\", max_size=30),
)
def test_no_reason_quotes_the_file(before: str, after: str) -> None:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\nstringData:\n  {before}hunter2{after}\n"
    record, _ = index(text.encode(), None)
    assert "hunter2" not in "".join(reason for _, reason in record.problems)


@pytest.mark.parametrize(
    "text",
    [
        "data: {v: x}\n  a: {{ .Values.x }}\n",
        "data:\n  a: {{ .Values.x }}\n",
        "{{- if .Values.on }}\ndata: {a: b}\n{{- end }}\n",
        "data:\n  {{- toYaml .Values.x | nindent 2 }}\n",
        'data:\n  {{- include "a.labels" . | nindent 4 }}\n',
        "data:\n  {{ $key }}: 1\n",
    ],
)
def test_a_helm_template_among_the_manifests_is_told_as_one(files: Any, run: Any, text: str) -> None:
    tree = files({"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n" + text})
    with pytest.raises(RenderFailed, match=r"; this looks like a Helm template: make its chart the target_path$"):
        run(tree)


def test_braces_that_are_no_template_are_not_told_as_one(files: Any, run: Any) -> None:
    tree = files({"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {{a: b}: c}\n"})
    with pytest.raises(RenderFailed, match=r"a map or a list cannot be a key$"):
        run(tree)
