from __future__ import annotations

import functools
import subprocess
import threading
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import RenderError, UsageError
from sloth_ci.render import Problem, RenderFailed

CHART = "apiVersion: v2\nname: shop\nversion: 1.0.0\n"
POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  text: {{ .Values.text | quote }}\n  namespace: {{ .Release.Namespace }}\n"


@pytest.fixture
def path(helm: Path, programs: Any) -> Path:
    folder: Path = programs([helm])
    return folder


def chart(files: Any, templates: dict[str, str], **more: Any) -> Any:
    return files(
        {"c/Chart.yaml": CHART, **{f"c/templates/{name}": text for name, text in templates.items()}, **more}, "c"
    )


def problems(run: Any, tree: Any, **settings: Any) -> list[Problem]:
    with pytest.raises(RenderFailed) as raised:
        run(tree, **settings)
    return list(raised.value.problems)


def text_of(rendered: Any) -> str:
    return str(next(m.body["data"]["text"] for m in rendered.manifests if m.ref.kind == "ConfigMap"))


def test_every_object_knows_its_template(files: Any, run: Any, path: Path) -> None:
    tree = chart(
        files,
        {
            "a.yaml": "{{/* two */}}\n" + POD.format("{{ .Release.Name }}-a") + "---\n" + CONFIG,
            "deep/b.yaml": "{{ range list 1 2 }}\n---\n" + POD.format("b{{ . }}") + "{{ end }}",
            "NOTES.txt": "hello",
            "_helpers.tpl": '{{ define "x" }}{{ end }}',
            "named.yaml": POD.format("first") + "---\n" + POD.format("second"),
        },
        **{
            "c/values.yaml": "text: from the chart\n",
            "c/crds/crd.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: xs.x.io}\n",
            "c/charts/sub/Chart.yaml": CHART.replace("shop", "sub"),
            "c/charts/sub/templates/s.yaml": POD.format("sub"),
        },
    )
    for _ in range(2):
        rendered = run(tree, path=path)
        assert rendered.kind == "helm"
        assert rendered.inputs == ("c",)
        assert rendered.warnings == ()
        assert [(str(m.ref), str(m.source)) for m in rendered.manifests] == [
            ("ConfigMap/shop", "c/templates/a.yaml:7"),
            ("Pod/b1", "c/templates/deep/b.yaml:3"),
            ("Pod/b2", "c/templates/deep/b.yaml:3"),
            ("Pod/first", "c/templates/named.yaml:1"),
            ("Pod/second", "c/templates/named.yaml:6"),
            ("Pod/shop-a", "c/templates/a.yaml:2"),
            ("Pod/sub", "c/charts/sub/templates/s.yaml:1"),
            ("CustomResourceDefinition/xs.x.io", "c/crds/crd.yaml:1"),
        ]
        assert text_of(rendered) == "from the chart"


def test_values_override_in_order(files: Any, run: Any, path: Path) -> None:
    more = {
        "c/values.yaml": "text: chart\n",
        "c/extra.yaml": "text: extra\n",
        "c/values-prod.yaml": "text: automatic\n",
        "env/prod,eu.yaml": "text: declared\n",
    }
    tree = chart(files, {"c.yaml": CONFIG}, **more)
    render = functools.partial(run, tree, path=path)
    declared = {"prod": ["env/prod,eu.yaml"]}
    assert text_of(render()) == "chart"
    assert text_of(render(values_files=["extra.yaml"])) == "extra"
    assert text_of(render(values_files=["c/extra.yaml"])) == "extra"
    assert text_of(render(values_files=["../env/prod,eu.yaml"])) == "declared"
    assert text_of(render(values_files=["/env/prod,eu.yaml"])) == "declared"
    assert text_of(render(environment="prod", values_files=["extra.yaml"])) == "automatic"
    assert text_of(render(environment="prod", environment_values=declared)) == "declared"
    assert text_of(render(environment="test", environment_values=declared)) == "chart"
    assert text_of(render(environment="prod", environment_values=declared, values={"text": "inline"})) == "inline"
    assert text_of(render(environment="../c/values-prod")) == "chart"
    assert render(environment="prod", environment_values=declared).inputs == ("c", "env/prod,eu.yaml")


@pytest.mark.parametrize(
    "name", ["nope.yaml", "../../outside.yaml", "/etc/passwd", "https://example.com/v.yaml", "escape.yaml", "templates"]
)
def test_values_that_are_not_in_the_repository(files: Any, run: Any, path: Path, name: str) -> None:
    tree = chart(files, {"c.yaml": CONFIG}, **{"c/escape.yaml": Path("../../outside.yaml")})
    (tree.root.parent / "outside.yaml").write_text("text: x\n")
    with pytest.raises(RenderError, match="helm values not found: ") as raised:
        run(tree, path=path, values_files=[name, "also-not.yaml"])
    assert raised.value.message == f"helm values not found: '{name}', 'also-not.yaml'"


def test_release_and_namespace(files: Any, run: Any, path: Path) -> None:
    tree = chart(files, {"c.yaml": CONFIG})
    default = run(tree, path=path)
    assert [str(m.ref) for m in default.manifests] == ["ConfigMap/shop"]
    assert default.manifests[0].body["data"]["namespace"] == "default"
    named = run(tree, path=path, release="r1", helm_namespace="team", namespace="other")
    assert [str(m.ref) for m in named.manifests] == ["ConfigMap/team/r1"]
    assert named.manifests[0].body["data"]["namespace"] == "team"
    assert str(run(tree, path=path, namespace="other").manifests[0].ref) == "ConfigMap/other/shop"


@pytest.mark.parametrize(
    "setting", [{"release": "--debug"}, {"release": "UPPER"}, {"helm_namespace": "a b"}, {"release": "x" * 54}]
)
def test_names_that_helm_would_take_for_something_else(
    files: Any, run: Any, path: Path, setting: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        run(chart(files, {"c.yaml": CONFIG}), path=path, **setting)


def test_a_chart_with_a_strange_name_gets_a_release(files: Any, run: Any, path: Path) -> None:
    tree = files({"Chart.yaml": CHART.replace("shop", "My_Shop"), "templates/c.yaml": CONFIG})
    assert [str(m.ref) for m in run(tree, path=path).manifests] == ["ConfigMap/my-shop"]


def test_capabilities(files: Any, run: Any, path: Path) -> None:
    text = CONFIG.replace(
        ".Values.text", '(printf "%s %t" .Capabilities.KubeVersion.Version (.Capabilities.APIVersions.Has "x.io/v1"))'
    )
    tree = chart(files, {"c.yaml": text})
    assert text_of(run(tree, path=path, kube_version="1.29.3", api_versions=["x.io/v1"])) == "v1.29.3 true"
    assert text_of(run(tree, path=path, kube_version="1.30.0")) == "v1.30.0 false"


def test_crds_can_be_left_out(files: Any, run: Any, path: Path) -> None:
    tree = chart(files, {"c.yaml": CONFIG}, **{"c/crds/p.yaml": POD.format("p")})
    assert len(run(tree, path=path).manifests) == 2
    assert len(run(tree, path=path, include_crds=False).manifests) == 1


def test_hooks_are_told_of_and_tests_left_out(files: Any, run: Any, path: Path) -> None:
    hook = POD + "  annotations:\n    helm.sh/hook: {}\n"
    tree = chart(files, {"a.yaml": hook.format("before", "pre-install"), "t.yaml": hook.format("check", "test")})
    for _ in range(2):
        rendered = run(tree, path=path)
        assert [str(m.ref) for m in rendered.manifests] == ["Pod/before"]
        assert rendered.warnings == (
            "Helm hooks are applied like all other objects, in no order of their own: Pod/before",
        )


def test_lookup_and_randomness_are_told_of(files: Any, run: Any, path: Path) -> None:
    text = (
        '{{- /* lookup now */ -}}\n{{- $x := lookup "v1" "Secret" "a" "b" }}\n'
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n  labels: {lookup: now}\ndata:\n  text: "{{ randAlphaNum 8 }}"\n'
        '  {{ "now" }}: {{ .Values.now | default "genCA" }}\n'
    )
    tree = chart(
        files,
        {"a.yaml": text},
        **{"c/charts/s/Chart.yaml": CHART, "c/charts/s/templates/_h.tpl": '{{ define "h" }}\n{{ now }}{{ end }}'},
    )
    warnings = run(tree, path=path).warnings
    assert warnings == (
        "lookup finds nothing here, as no cluster is asked: c/templates/a.yaml:2 (lookup)",
        "differs each time it is rendered, so that no plan is like the one before: c/charts/s/templates/_h.tpl:2 (now), c/templates/a.yaml:9 (randAlphaNum)",
    )
    assert len(run(tree, path=path, allow_lookup=True).warnings) == 1
    first, second = run(tree, path=path), run(tree, path=path)
    assert first.digest != second.digest, "never from the cache"


def test_only_a_change_of_the_inputs_runs_helm(files: Any, run: Any, helm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "counting"
    folder.mkdir()
    (folder / "helm").write_text(f'#!/bin/sh\necho run >> {tmp_path}/runs\nexec {helm} "$@"\n')
    (folder / "helm").chmod(0o755)

    def runs() -> int:
        return (tmp_path / "runs").read_text().count("run")

    tree = chart(files, {"c.yaml": CONFIG}, **{"values.yaml": "text: a\n", "other": "1"})
    digests = [run(tree, path=folder, values_files=["/values.yaml"]).digest]
    files({"other": "2"})
    digests.append(run(tree.at("c"), path=folder, values_files=["/values.yaml"]).digest)
    assert runs() == 1
    files({"values.yaml": "text: b\n"})
    digests.append(run(tree.at("c"), path=folder, values_files=["/values.yaml"]).digest)
    assert runs() == 2
    digests.append(run(tree.at("c"), path=folder, values={"text": "b"}).digest)
    assert runs() == 3
    assert digests[0] == digests[1] != digests[2] == digests[3]


@pytest.mark.parametrize(
    ("template", "where", "words"),
    [
        ("a: {{ .Values.a.b.c }}\n", ("c/templates/x.yaml", 1), "nil pointer"),
        ("a: 1\nb: {{ fail \"set text\" }}\n", ("c/templates/x.yaml", 2), "set text"),
        ("a: {{ required \"text is needed\" .Values.nope }}\n", ("c/templates/x.yaml", 1), "text is needed"),
        ("a: {{ nofunction }}\n", ("c/templates/x.yaml", 1), "not defined"),
        ("a: {{ if }}\n", ("c/templates/x.yaml", 1), "missing value"),
        ("{{ include \"nope\" . }}\n", ("c/templates/x.yaml", 1), "no template"),
        ("a: b: c\n", ("c/templates/x.yaml", 1), ""),
        ("apiVersion: v1\nkind: Pod\n", ("c/templates/x.yaml", 1), "has no metadata.name"),
        ("just text\n", ("c/templates/x.yaml", 1), ""),
        (POD.format("a") + "metadata: {}\n", ("c/templates/x.yaml", 1), ""),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_template(
    files: Any, run: Any, path: Path, template: str, where: tuple[str, int], words: str
) -> None:
    found = problems(run, chart(files, {"x.yaml": template, "ok.yaml": POD.format("ok")}), path=path)
    assert [(p.path, p.line) for p in found] == [where]
    assert words in found[0].reason
    assert "sloth-render" not in found[0].reason


@pytest.mark.parametrize(
    "template",
    [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: {{ .Values.db.password }}: {{ .Values.db.password }}}\n",
        "a: {{ fail (printf \"bad %s\" .Values.db.password) }}\n",
        "a: {{ .Values.db.password.nope }}\n",
        "a: {{ \"hunter2hunter2\" | nofunction }}\n",
        "a: {{ index .Values.db \"hunter2hunter2\" \"x\" }}\n",
        "{{ .Values.db.password }}\n",
        "a: `{{ .Values.db.password }}\n",
        "a: {{ int (printf \"%v\" .Values.db) | nope }}\n",
        "a: {{ fromYaml .Values.db }}\n",
        "a: {{ include .Values.db.password . }}\n",
    ],
)  # fmt: skip
def test_no_message_of_helm_holds_a_secret(files: Any, run: Any, path: Path, template: str) -> None:
    tree = chart(files, {"x.yaml": template}, **{"c/values.yaml": "db: {password: hunter2hunter2}\n"})
    for settings in ({}, {"values": {"db": {"password": "hunter2hunter2"}}}):
        found = problems(run, tree, path=path, **settings)
        assert found
        assert "hunter2" not in str(found)


def test_a_schema_says_which_value_is_wrong(files: Any, run: Any, path: Path) -> None:
    schema = '{"properties": {"replicas": {"type": "integer"}, "password": {"pattern": "^[a-z]+$"}}}'
    tree = chart(files, {"c.yaml": CONFIG}, **{"c/values.schema.json": schema})
    [problem] = problems(run, tree, path=path, values={"replicas": "three", "password": "hunter2!"})
    assert "replicas" in problem.reason
    assert "hunter2" not in problem.reason


def test_a_missing_dependency_names_the_command(files: Any, run: Any) -> None:
    dependencies = "dependencies:\n- name: redis\n  version: 1.0.0\n  repository: https://example.com\n- name: here\n- name: packed\n- name: alias\n"
    tree = chart(
        files,
        {},
        **{
            "c/Chart.yaml": CHART + dependencies,
            "c/charts/here/Chart.yaml": CHART,
            "c/charts/packed-1.2.3.tgz": b"",
            "c/charts/other/Chart.yaml": "name: alias\n",
        },
    )
    with pytest.raises(RenderFailed) as raised:
        run(tree)
    assert raised.value.problems == (Problem("c/Chart.yaml", 5, "the dependency 'redis' is not in charts/"),)
    assert raised.value.hint is not None
    assert "helm dependency build c" in raised.value.hint


def test_a_dependency_in_the_repository_is_built(files: Any, run: Any, path: Path) -> None:
    dependencies = "dependencies:\n- name: lib\n  version: 1.0.0\n  repository: file://../lib\n"
    more = {"lib/Chart.yaml": CHART.replace("shop", "lib"), "lib/templates/p.yaml": POD.format("from-lib")}
    tree = chart(files, {"c.yaml": CONFIG}, **{"c/Chart.yaml": CHART + dependencies, **more})
    rendered = run(tree, path=path)
    assert {str(m.ref) for m in rendered.manifests} == {"ConfigMap/shop", "Pod/from-lib"}
    assert rendered.inputs == ("c", "lib")
    files({"lib/templates/p.yaml": POD.format("changed")})
    assert {m.ref.name for m in run(tree.at("c"), path=path).manifests} == {"shop", "changed"}


@pytest.fixture
def repository(files: Any, helm: Path, tmp_path: Path) -> Iterator[str]:
    """A chart repository on this machine, with the chart `far`."""
    root = files({"far/Chart.yaml": CHART.replace("shop", "far"), "far/templates/p.yaml": POD.format("far")}).root
    served = tmp_path / "charts"
    served.mkdir()
    subprocess.run([helm, "package", root / "far", "--destination", served], check=True, capture_output=True)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(served))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        subprocess.run([helm, "repo", "index", served, "--url", url], check=True, capture_output=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield url
        server.shutdown()
        thread.join()


def test_a_remote_dependency_can_be_allowed(files: Any, run: Any, path: Path, repository: str) -> None:
    dependencies = f"dependencies:\n- name: far\n  version: 1.0.0\n  repository: {repository}\n"
    tree = chart(files, {"c.yaml": CONFIG}, **{"c/Chart.yaml": CHART + dependencies})
    assert problems(run, tree, path=path)
    rendered = run(tree, path=path, allow_remote_bases=True)
    assert {str(m.ref) for m in rendered.manifests} == {"ConfigMap/shop", "Pod/far"}


@pytest.mark.parametrize("text", ["name: [\n", "apiVersion: v2\n", "- a\n", ""])
def test_a_chart_file_that_says_nothing(files: Any, run: Any, text: str) -> None:
    assert [p.path for p in problems(run, files({"c/Chart.yaml": text}, "c"))] == ["c/Chart.yaml"]


def test_what_is_no_chart(files: Any, run: Any) -> None:
    tree = files({"c/x.yaml": POD.format("x")}, "c")
    assert problems(run, tree, type="helm") == [
        Problem("c/Chart.yaml", 1, "there is no such file, so this is no Helm chart")
    ]


def test_without_helm_the_error_says_how_to_get_it(files: Any, run: Any) -> None:
    with pytest.raises(RenderError) as raised:
        run(chart(files, {}))
    assert raised.value.message == "helm is needed to render this, and there is none on PATH"
    assert raised.value.hint == "install helm and put it on PATH"


@pytest.mark.parametrize(
    "template",
    [
        "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}",
        '{{ define "x" }}{{ range until 1000 }}{{ include "y" . }}{{ end }}{{ end }}{{ define "y" }}{{ range until 100000 }}{{ end }}{{ end }}{{ include "x" . }}',
    ],
    ids=["loop", "calls"],
)
def test_a_template_without_end_is_stopped(files: Any, run: Any, path: Path, template: str) -> None:
    [problem] = problems(run, chart(files, {"x.yaml": template}), path=path, timeout=2.0)
    assert problem == Problem("c/Chart.yaml", 1, "helm was stopped after 2 seconds")


def test_a_template_that_eats_memory_is_stopped(files: Any, run: Any, path: Path) -> None:
    found = problems(run, chart(files, {"x.yaml": "{{ range until 2000000000 }}{{ end }}"}), path=path, timeout=60.0)
    assert len(found) == 1


def test_files_out_of_the_chart_are_out_of_reach(files: Any, run: Any, path: Path) -> None:
    text = CONFIG.replace(
        ".Values.text", '(cat (.Files.Get "../secret") (.Files.Get "link") (.Files.Get "/etc/hostname"))'
    )
    tree = chart(files, {"c.yaml": text}, **{"secret": "hunter2", "c/link": Path("/etc/passwd")})
    rendered = run(tree, path=path)
    assert text_of(rendered).strip() == ""


def test_links_inside_the_repository_are_part_of_the_chart(files: Any, run: Any, path: Path) -> None:
    more = {"shared/p.yaml": POD.format("shared"), "c/templates/p.yaml": Path("../../shared/p.yaml"), "lib/Chart.yaml": CHART, "lib/templates/l.yaml": POD.format("lib"), "c/charts/lib": Path("../../lib")}  # fmt: skip
    rendered = run(chart(files, {}, **more), path=path)
    assert {str(m.ref) for m in rendered.manifests} == {"Pod/shared", "Pod/lib"}
    assert rendered.inputs == ("c", "lib/Chart.yaml", "lib/templates/l.yaml", "shared/p.yaml")
