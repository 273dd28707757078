from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import RenderError
from sloth_ci.render import Problem, RenderFailed, load_bodies, tools
from sloth_ci.render.kustomization import is_remote
from support.pushing import is_running
from support.waiting import until

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
BASE = {
    "base/kustomization.yaml": "resources:\n- pods.yaml\nnamePrefix: base-\n",
    "base/pods.yaml": "# two of them\n" + POD.format("a") + "---\n" + POD.format("b"),
    "over/prod/kustomization.yml": (
        "resources:\n- ../../base\nnamePrefix: prod-\nnameSuffix: -x\nnamespace: shop\n"
        "configMapGenerator:\n- name: settings\n  literals: [a=1]\nsecretGenerator:\n- name: keys\n  literals: [password=hunter2]\n"
    ),
}


@pytest.fixture(params=["kustomize", "kubectl"])
def tool(request: pytest.FixtureRequest, programs: Any) -> Path:
    """A PATH with one of the two programs that can build kustomizations."""
    folder: Path = programs([request.getfixturevalue(request.param)])
    return folder


@pytest.fixture
def path(kustomize: Path, programs: Any) -> Path:
    folder: Path = programs([kustomize])
    return folder


@pytest.fixture
def server() -> Iterator[tuple[str, list[str]]]:
    """A web server that serves a Pod, and the paths that were asked of it."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(POD.format("remote").encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
        thread.join()


def problems(run: Any, tree: Any, **settings: Any) -> list[Problem]:
    with pytest.raises(RenderFailed) as raised:
        run(tree, **settings)
    return list(raised.value.problems)


def test_an_overlay_is_built_and_every_object_knows_its_file(files: Any, run: Any, tool: Path) -> None:
    tree = files(BASE, "over/prod")
    for _ in range(2):
        rendered = run(tree, path=tool)
        assert rendered.kind == "kustomize"
        assert [
            (m.ref.kind, m.ref.namespace, m.ref.name.rpartition("-x")[0], str(m.source)) for m in rendered.manifests
        ] == [
            ("ConfigMap", "shop", "prod-settings", "over/prod/kustomization.yml:7"),
            ("Pod", "shop", "prod-base-a", "base/pods.yaml:2"),
            ("Pod", "shop", "prod-base-b", "base/pods.yaml:7"),
            ("Secret", "shop", "prod-keys", "over/prod/kustomization.yml:10"),
        ]
        assert rendered.inputs == ("base", "over/prod")
        assert rendered.manifests[3].body["data"] == {"password": "aHVudGVyMg=="}


def test_unchanged_inputs_are_not_built_again(
    files: Any, run: Any, kustomize: Path, tmp_path: Path, cache_dir: Path
) -> None:
    folder = tmp_path / "counting"
    folder.mkdir()
    script = folder / "kustomize"
    script.write_text(f'#!/bin/sh\necho run >> {tmp_path}/runs\nexec {kustomize} "$@"\n')
    script.chmod(0o755)
    tree = files(BASE | {"unrelated.txt": "1"}, "over/prod")
    first = run(tree, path=folder)
    files({"unrelated.txt": "2"})
    again = run(tree.at("over/prod"), path=folder)
    assert again.digest == first.digest
    assert (tmp_path / "runs").read_text().count("run") == 1
    load_bodies(again.manifests[:3])
    assert [m.body for m in again.manifests[:3]] == [m.body for m in first.manifests[:3]]
    assert (tmp_path / "runs").read_text().count("run") == 1
    assert again.manifests[3].body == first.manifests[3].body
    assert (tmp_path / "runs").read_text().count("run") == 2, "a Secret is made again, as it is not kept"
    for stored in (cache_dir / "render").iterdir():
        assert b"hunter2" not in stored.read_bytes()
        assert b"aHVudGVyMg" not in stored.read_bytes()


def test_a_change_outside_the_target_path_counts(files: Any, run: Any, path: Path) -> None:
    before = run(files(BASE, "over/prod"), path=path)
    after = run(files({"base/pods.yaml": POD.format("c")}, "over/prod"), path=path)
    assert before.digest != after.digest
    assert {m.ref.name for m in after.manifests if m.ref.kind == "Pod"} == {"prod-base-c-x"}


def test_a_default_namespace_is_given_to_what_is_built(files: Any, run: Any, path: Path) -> None:
    tree = files(BASE, "base")
    for _ in range(2):
        manifests = run(tree, path=path, namespace="team").manifests
        assert [str(m.ref) for m in manifests] == ["Pod/team/base-a", "Pod/team/base-b"]
        assert manifests[0].body["metadata"] == {"name": "base-a", "namespace": "team"}


def test_patches_of_every_form_are_applied(files: Any, run: Any, path: Path) -> None:
    label = "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{{}: '1'}}}}\n"
    text = (
        "resources: [a.yaml]\npatches:\n- path: p1.yaml\n"
        """- patch: '[{"op": "add", "path": "/metadata/labels/two", "value": "1"}]'\n  target: {kind: Pod}\n"""
        "- patch: |-\n    apiVersion: v1\n    kind: Pod\n    metadata: {name: a, labels: {three: '1'}}\n"
        "patchesStrategicMerge:\n- p4.yaml\n- |-\n  apiVersion: v1\n  kind: Pod\n  metadata: {name: a, labels: {five: '1'}}\n"
    )
    tree = files(
        {
            "kustomization.yaml": text,
            "a.yaml": POD.format("a"),
            "p1.yaml": label.format("one"),
            "p4.yaml": label.format("four"),
        }
    )
    assert set(run(tree, path=path).manifests[0].body["metadata"]["labels"]) == {"one", "two", "three", "four", "five"}
    [problem] = problems(run, files({"b/kustomization.yaml": "patches:\n- patch: |-\n    a: [\n"}, "b"), path=path)
    assert (problem.path, problem.line) == ("b/kustomization.yaml", 3)


def test_files_that_cannot_be_read_are_all_named(files: Any, run: Any, path: Path) -> None:
    tree = files({"kustomization.yaml": "resources: [a.yaml, b.yaml]\n", "a.yaml": "a: [\n", "b.yaml": "x: y: z\n"})
    assert [p.path for p in problems(run, tree, path=path)] == ["a.yaml", "b.yaml"]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("resources:\n- nothing.yaml\n", 2, "'nothing.yaml' does not exist"),
        ("# ../../x\nresources:\n- ../../x\n", 3, "'../../x' leads out of the repository"),
        ("components:\n- ../../../../../../etc\n", 2, "'../../../../../../etc' leads out of the repository"),
        ("resources:\n- /etc/passwd\n", 2, "'/etc/passwd' leads out of the repository"),
        ("resources:\n- escape\n", 2, "'escape' leads out of the repository"),
        ("resources:\n- escape/x.yaml\n", 2, "'escape/x.yaml' leads out of the repository"),
        ("resources: [\n", 2, None),
        ("- a\n", 1, "is not a kustomization: it has to hold one object"),
        ("a: 1\n---\nb: 1\n", 1, "is not a kustomization: it has to hold one object"),
        ("resources:\n- empty\n", 1, "holds none of kustomization.yaml, kustomization.yml, Kustomization"),
    ],
)
def test_what_cannot_be_followed(files: Any, run: Any, path: Path, text: str, line: int, reason: str | None) -> None:
    tree = files({"k/kustomization.yaml": text, "k/escape": Path("../../outside"), "k/empty/x": ""}, "k")
    outside = tree.root.parent / "outside"
    outside.mkdir()
    (outside / "kustomization.yaml").write_text("namePrefix: x\n")
    (outside / "x.yaml").write_text(POD.format("x"))
    found = problems(run, tree, path=path)
    assert [p.line for p in found] == [line]
    if reason:
        assert [p.reason for p in found] == [reason]


@pytest.mark.parametrize(
    "entry",
    [
        "https://example.com/x.yaml",
        "HTTPS://example.com/x.yaml",
        "github.com/org/repo/path?ref=v1",
        "github.com:org/repo",
        "git@example.com:org/repo.git",
        "org@github.com/org/repo",
        "ssh://git@example.com/org/repo",
        "git::https://example.com/org/repo",
        "file:///etc",
        "https://user:hunter2@example.com/org/repo.git",
    ],
)
def test_remote_entries_are_refused_before_anything_runs(files: Any, run: Any, entry: str) -> None:
    for key in ("resources", "components", "bases", "generators", "crds", "configurations"):
        found = problems(run, files({"kustomization.yaml": f"# remote\n{key}:\n- {entry}\n"}))
        assert [(p.path, p.line) for p in found] == [("kustomization.yaml", 3)], key
        shown = entry.replace("user:hunter2", "***").replace("git@", "git@")
        assert "allow_remote_bases" in found[0].reason
        assert "hunter2" not in found[0].reason
        if "@" not in entry:
            assert f"'{shown}' is remote" in found[0].reason


@pytest.mark.parametrize(
    "text",
    [
        "patches:\n- path: https://example.com/x\n",
        "patchesStrategicMerge:\n- https://example.com/x\n",
        "replacements:\n- path: https://example.com/x\n",
        "openapi:\n  path: https://example.com/x\n",
        "configMapGenerator:\n- name: a\n  files: [k=https://example.com/x]\n",
        "secretGenerator:\n- name: a\n  envs: [https://example.com/x]\n",
    ],
)
def test_remote_files_are_refused_wherever_they_are_named(files: Any, run: Any, text: str) -> None:
    found = problems(run, files({"kustomization.yaml": text}))
    assert len(found) == 1
    assert "'https://example.com/x' is remote" in found[0].reason


@pytest.mark.parametrize(
    "entry", ["base", "../base", "a@b", "github.community/x", "git", "x.git", "http", "file.yaml", "a:b"]
)
def test_local_entries_are_not_taken_for_remote(entry: str) -> None:
    assert not is_remote(entry)


def test_remote_bases_can_be_allowed(files: Any, run: Any, path: Path, server: tuple[str, list[str]]) -> None:
    url, asked = server
    tree = files({"kustomization.yaml": f"resources:\n- {url}/x.yaml\n"})
    assert problems(run, tree, path=path)
    assert asked == []
    assert [str(m.ref) for m in run(tree, path=path, allow_remote_bases=True).manifests] == ["Pod/remote"]
    assert "/x.yaml" in asked


def test_what_the_check_does_not_know_of_is_not_fetched_either(files: Any, path: Path, tmp_path: Path) -> None:
    from sloth_ci.render.tools import find, run, workspace

    environ = {"PATH": f"{path}:/usr/bin:/bin", "GITHUB_TOKEN": "hunter2", "KUBECONFIG": "/x", "HOME": "/root"}
    with workspace() as home:
        (home / "tree" / "kustomization.yaml").write_text(f"resources:\n- file://{tmp_path}\n")
        finished = run(find(environ, "kustomize"), ["build", "."], home, environ)
        assert finished.code != 0
        assert "transport 'file' not allowed" in finished.errors
        shown = run(find({"PATH": "/usr/bin:/bin"}, "env"), [], home, environ).output.decode()
    assert "hunter2" not in shown
    assert "KUBECONFIG=/dev/null\n" in shown
    assert f"HOME={home}/home\n" in shown
    assert not home.exists()


PLUGIN = "apiVersion: x.io/v1\nkind: Evil\nmetadata:\n  name: e\n  annotations:\n    config.kubernetes.io/function: |\n      exec:\n        path: ./evil.sh\n"


@pytest.mark.parametrize("where", ["file", "folder", "inline", "builtin"])
@pytest.mark.parametrize("key", ["generators", "transformers", "validators"])
def test_plugins_are_refused(files: Any, run: Any, path: Path, where: str, key: str) -> None:
    marker = path.parent / "ran"
    texts = {
        "file": f"{key}:\n- plugin.yaml\n",
        "folder": f"{key}:\n- plugin\n",
        "inline": f"{key}:\n- |-\n" + "".join(f"  {line}\n" for line in PLUGIN.splitlines()),
        "builtin": f"{key}:\n- plugin.yaml\n",
    }
    plugin = PLUGIN.replace("x.io/v1", "builtin").replace("Evil", "PrefixTransformer") if where == "builtin" else PLUGIN
    tree = files(
        {
            "kustomization.yaml": texts[where],
            "plugin.yaml": plugin,
            "plugin/kustomization.yaml": "resources: [p.yaml]\n",
            "plugin/p.yaml": PLUGIN,
            "evil.sh": f"#!/bin/sh\ntouch {marker}\n",
        }
    )
    (tree.root / "evil.sh").chmod(0o755)
    found = problems(run, tree, path=path)
    assert len(found) == 1
    assert found[0].path == "kustomization.yaml" if where != "folder" else "plugin/kustomization.yaml"
    assert "allow_exec_plugins" in found[0].reason
    assert not marker.exists()


def test_plugins_can_be_allowed(files: Any, run: Any, path: Path) -> None:
    script = "#!/bin/sh\ncat > /dev/null\ncat <<END\napiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: made}\nEND\n"
    tree = files({"kustomization.yaml": "generators: [plugin.yaml]\n", "plugin.yaml": PLUGIN, "evil.sh": script})
    (tree.root / "evil.sh").chmod(0o755)
    for program in ("sh", "cat"):
        (path / program).symlink_to(f"/bin/{program}")
    assert [str(m.ref) for m in run(tree, path=path, allow_exec_plugins=True).manifests] == ["Pod/made"]


def test_built_in_generators_are_no_plugins(files: Any, run: Any, tool: Path) -> None:
    text = "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: c}\nliterals: [a=1]\n"
    tree = files({"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": text})
    assert [m.ref.kind for m in run(tree, path=tool).manifests] == ["ConfigMap"]


@pytest.mark.parametrize("form", ["helmCharts:\n- name: thing\n  repo: https://example.com\n  version: 1.0.0\n", "generators:\n- |-\n  apiVersion: builtin\n  kind: HelmChartInflationGenerator\n  metadata: {name: x}\n  name: thing\n  repo: https://example.com\n"])  # fmt: skip
def test_charts_that_would_be_fetched_are_refused(files: Any, run: Any, form: str) -> None:
    found = problems(run, files({"kustomization.yaml": form}))
    assert [p.reason.partition(";")[0] for p in found] == ["the chart 'thing' is not in charts/ and would be fetched"]


def test_a_chart_in_the_repository_is_inflated(
    files: Any, run: Any, kustomize: Path, helm: Path, programs: Any
) -> None:
    tree = files(
        {
            "kustomization.yaml": "helmCharts:\n- name: thing\n  releaseName: r\n",
            "charts/thing/Chart.yaml": "apiVersion: v2\nname: thing\nversion: 1.0.0\n",
            "charts/thing/values.yaml": "",
            "charts/thing/templates/p.yaml": POD.format("{{ .Release.Name }}"),
        }
    )
    assert [str(m.ref) for m in run(tree, path=programs([kustomize, helm])).manifests] == ["Pod/r"]


def test_a_file_outside_its_kustomization_is_refused_by_kustomize(files: Any, run: Any, tool: Path) -> None:
    tree = files({"k/kustomization.yaml": "resources: [../pod.yaml]\n", "pod.yaml": POD.format("a")}, "k")
    [problem] = problems(run, tree, path=tool)
    assert (problem.path, problem.line) == ("k/kustomization.yaml", 1)
    assert "is not in or below" in problem.reason
    assert "sloth-render" not in problem.reason


def test_links_inside_are_followed_and_links_outside_find_nothing(files: Any, run: Any, path: Path) -> None:
    tree = files(
        {
            "k/kustomization.yaml": "resources: [pod.yaml]\n",
            "k/pod.yaml": Path("real.yaml"),
            "k/real.yaml": POD.format("a"),
        },
        "k",
    )
    assert [str(m.source) for m in run(tree, path=path).manifests] == ["k/real.yaml:1"]
    text = "configMapGenerator:\n- name: c\n  files: [passwd]\n"
    tree = files({"e/kustomization.yaml": text, "e/passwd": Path("/etc/passwd")}, "e")
    [problem] = problems(run, tree, path=path)
    assert "root:" not in problem.reason


@pytest.mark.parametrize(
    "extra",
    [
        "secretGenerator:\n- name: s\n  literals: [hunter2hunter2]\n",
        "secretGenerator:\n- name: s\n  envs: [secret.env]\n",
        "patches:\n- patch: |-\n    password: hunter2hunter2\n    x: [\n",
        "patches:\n- patch: |-\n    kind: Secret\n    apiVersion: v1\n    metadata: {name: nope}\n    stringData: {p: hunter2hunter2}\n",
        "patches:\n- target: {kind: Secret}\n  patch: |-\n    - op: replace\n      path: /data/none/deep\n      value: hunter2hunter2\n",
        "replacements:\n- source: {kind: Secret, fieldPath: data.p}\n  targets: [{select: {kind: Secret}, fieldPaths: [nope.x.y]}]\n",
        "resources: [secret.yaml, again.yaml]\n",
        "commonLabels: {a: [hunter2hunter2]}\n",
        "unknownField: hunter2hunter2\n",
    ],
)
def test_no_message_of_a_tool_holds_a_secret(files: Any, run: Any, tool: Path, extra: str) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {p: hunter2hunter2}\ndata: {q: aHVudGVyMmh1bnRlcjI=}\n"
    text = extra if "resources" in extra else f"resources: [secret.yaml]\n{extra}"
    tree = files(
        {
            "kustomization.yaml": text,
            "secret.yaml": secret,
            "again.yaml": secret,
            "secret.env": "hunter2hunter2 and more\n",
        }
    )
    found = problems(run, tree, path=tool)
    assert len(found) == 1
    assert "hunter2" not in found[0].reason
    assert "aHVudGVy" not in found[0].reason


def test_without_a_program_the_error_says_how_to_get_one(files: Any, run: Any) -> None:
    with pytest.raises(RenderError) as raised:
        run(files({"kustomization.yaml": "resources: []\n"}))
    assert raised.value.message == "kustomize or kubectl is needed to render this, and there is none on PATH"
    assert raised.value.hint == "install kustomize or kubectl and put it on PATH"


def test_a_program_that_does_not_end_is_stopped_with_its_children(
    files: Any, run: Any, tmp_path: Path, programs: Callable[..., Path]
) -> None:
    script = tmp_path / "kustomize"
    script.write_text(f"#!/bin/sh\n/bin/sleep 600 & echo $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    [problem] = problems(
        run, files({"kustomization.yaml": """ {"namePrefix": "x"} """}), path=programs([script]), timeout=3.0
    )
    assert problem.reason == "kustomize was stopped after 3 seconds"
    child = int((tmp_path / "child").read_text())
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().rpartition(") ")[2].startswith("Z")


@pytest.mark.parametrize("moment", ["_limit_memory", "_read"])
def test_an_interrupt_leaves_no_program_and_no_thread_to_wait_for(
    files: Any, run: Any, tmp_path: Path, programs: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Whenever it comes: also in the first moments of the program."""
    script = tmp_path / "kustomize"
    script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec /bin/sleep 600\n")
    script.chmod(0o755)

    def interrupted(_: object) -> None:
        until((tmp_path / "pid").exists)
        raise KeyboardInterrupt

    monkeypatch.setattr(tools, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(files({"kustomization.yaml": "namePrefix: x\n"}), path=programs([script]))
    until(lambda: (tmp_path / "pid").read_text().strip())
    assert not is_running(int((tmp_path / "pid").read_text()))
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer) and not thread.daemon]


def test_a_program_that_floods_is_stopped(files: Any, run: Any, tmp_path: Path, programs: Any) -> None:
    script = tmp_path / "kustomize"
    script.write_text("#!/bin/sh\nexec /usr/bin/yes\n")
    script.chmod(0o755)
    [problem] = problems(run, files({"kustomization.yaml": "namePrefix: x\n"}), path=programs([script]))
    assert problem.reason == "kustomize wrote more than 256 MiB and was stopped"


def test_a_huge_file_next_to_a_kustomization(files: Any, run: Any, path: Path) -> None:
    tree = files({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": POD.format("a")})
    with (tree.root / "huge.bin").open("wb") as file:
        file.truncate(100 * 2**20)
    assert len(run(tree, path=path).manifests) == 1
    (tree.root / "huge.bin").rename(tree.root / "huge.yaml")
    assert problems(run, tree.at(""), path=path) == [Problem("huge.yaml", 1, "is 100 MiB; a manifest may have 32 MiB")]


def test_an_alias_bomb_is_refused(files: Any, run: Any, path: Path) -> None:
    levels = "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join('*' + chr(97 + i) for _ in range(9))}]\n" for i in range(9)
    )
    bomb = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\na: &a [x]\n{levels}"
    [problem] = problems(run, files({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": bomb}), path=path)
    assert problem.path == "a.yaml"
    tree = files(
        {
            "p/kustomization.yaml": "patches: [{path: b.yaml}]\nresources: [c.yaml]\n",
            "p/b.yaml": bomb,
            "p/c.yaml": POD.format("c"),
        },
        "p",
    )
    assert problems(run, tree, path=path)
