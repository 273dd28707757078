from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.render import Rendered, render
from sloth_ci.render.cache import FORMAT, Cache, name_of

POD = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {}\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2}\n"


def summary(rendered: Rendered) -> Any:
    return (
        [(m.ref, m.version, m.digest, m.source) for m in rendered.manifests],
        rendered.digest,
        rendered.skipped,
        rendered.warnings,
    )


def test_a_known_tree_is_neither_listed_nor_read(watch: Any, files: Any, run: Any) -> None:
    tree = files(
        {f"{i}.yaml": POD.format(f"p{i}") for i in range(30)}
        | {"x.txt": "", "c/Chart.yaml": "", "dup.yaml": POD.format("p1")}
    )
    first = run(tree)
    counting = watch(tree.at(""))
    again = run(counting)
    assert (counting.listed, counting.blobs) == (0, 0)
    assert summary(again) == summary(first)
    assert [m.body for m in again.manifests] == [m.body for m in first.manifests]
    assert [(str(a.source), str(b.source)) for a, b in again.duplicates] == [("1.yaml:1", "dup.yaml:1")]


def test_of_a_new_tree_only_new_files_are_read(watch: Any, files: Any, run: Any) -> None:
    run(files({f"{i}.yaml": POD.format(f"p{i}") for i in range(30)}))
    changed = files({"3.yaml": POD.format("changed"), "31.yaml": POD.format("new"), "moved/4.yaml": POD.format("p4")})
    (changed.root / "4.yaml").unlink()
    counting = watch(changed)
    rendered = run(counting)
    assert counting.blobs == 2
    fresh = render_fresh(changed.at(""))
    assert summary(rendered) == summary(fresh)


def render_fresh(tree: Any, **settings: Any) -> Rendered:
    from sloth_ci.core.workflow import RenderSpec

    options = {"environment": None, "namespace": None, "cache_dir": Path("/dev/null/cache"), "environ": {}, **settings}
    return render(tree, RenderSpec(), **options)


def test_settings_do_not_share_records(files: Any, run: Any) -> None:
    tree = files({"kustomization.yaml": "resources: []\n", "a.yaml": POD.format("a")})
    plain = run(tree, type="plain")
    assert [str(m.ref) for m in plain.manifests] == ["Pod/a"]
    assert [str(m.ref) for m in run(tree, type="plain", namespace="n").manifests] == ["Pod/n/a"]
    assert [str(m.ref) for m in run(tree, type="plain").manifests] == ["Pod/a"]
    assert run(files({"sub/a.yaml": POD.format("a")}, "sub")).manifests[0].source.path == "sub/a.yaml"


def test_no_body_reaches_the_disk_and_nobody_else_may_read(files: Any, run: Any, cache_dir: Path) -> None:
    rendered = run(files({"s.yaml": SECRET}))
    assert rendered.manifests[0].body["data"] == {"password": "aHVudGVyMg=="}
    stored = list((cache_dir / "render").iterdir())
    assert len(stored) == 2
    assert (cache_dir / "render").stat().st_mode & 0o777 == 0o700
    for path in stored:
        assert path.stat().st_mode & 0o777 == 0o600
        content = path.read_bytes()
        assert b"hunter2" not in content
        assert b"aHVudGVyMg" not in content


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data.replace(b"sloth-render %d" % FORMAT, b"sloth-render 0"),
        lambda data: os.urandom(len(data)),
        lambda data: data + b"more",
    ],
    ids=["empty", "cut", "flipped", "old format", "noise", "longer"],
)
def test_a_damaged_cache_is_ignored_and_mended(watch: Any, files: Any, run: Any, cache_dir: Path, damage: Any) -> None:
    tree = files({"a.yaml": POD.format("a"), "b.yaml": POD.format("b")})
    first = summary(run(tree))
    for path in (cache_dir / "render").iterdir():
        path.write_bytes(damage(path.read_bytes()))
    counting = watch(tree)
    assert summary(run(counting)) == first
    assert counting.blobs == 2
    counting = watch(tree)
    assert summary(run(counting)) == first
    assert counting.blobs == 0


def test_a_record_of_another_shape_is_ignored(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("x", {"a": 1})
    assert cache.load("x", dict[str, int]) == {"a": 1}
    assert cache.load("x", list[int]) is None


def test_without_a_place_for_the_cache_everything_works(files: Any, run: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tree = files({"a.yaml": POD.format("a")})
    for place in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nowhere")):
        assert [m.body["kind"] for m in run(tree, cache_dir=place).manifests] == ["Pod"]


def test_a_folder_that_others_may_write_to_is_not_believed(watch: Any, files: Any, run: Any, cache_dir: Path) -> None:
    tree = files({"a.yaml": POD.format("a")})
    run(tree)
    (cache_dir / "render").chmod(0o777)
    counting = watch(tree)
    run(counting)
    assert counting.blobs == 1


def test_old_and_surplus_records_are_dropped(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(450):
        cache.store(f"n{number}", number)
        os.utime(tmp_path / "render" / f"n{number}", (time.time() - 450 + number,) * 2)
    os.utime(tmp_path / "render" / "n449", (1, 1))
    cache.store("last", 1)
    left = {path.name for path in (tmp_path / "render").iterdir()}
    assert len(left) == 400
    assert {"last", "n448"} <= left
    assert not {"n449", "n0"} & left


def test_a_record_in_use_stays_young(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.store("x", 1)
    os.utime(tmp_path / "render" / "x", (1, 1))
    assert cache.load("x", int) == 1
    assert time.time() - (tmp_path / "render" / "x").stat().st_mtime < 60


def test_two_processes_share_it(files: Any, cache_dir: Path) -> None:
    tree = files({f"{i}.yaml": POD.format(f"p{i}") for i in range(40)})
    program = (
        "import sys\nfrom pathlib import Path\nfrom sloth_ci.core.workflow import RenderSpec\n"
        "from sloth_ci.render import DirectoryTree, render\n"
        "for n in range(12):\n"
        f"    tree = DirectoryTree(Path({str(tree.root)!r}), '', [f'{{i}}.yaml' for i in range(n, 40)])\n"
        f"    print(render(tree, RenderSpec(), environment=None, namespace=None, cache_dir=Path({str(cache_dir)!r}), environ={{}}).digest)\n"
    )
    root = str(Path(__file__).parents[2])
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": root}
        )
        for _ in range(3)
    ]
    outputs = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(outputs) == 1
    expected = [render_fresh(type(tree)(tree.root, "", [f"{i}.yaml" for i in range(n, 40)])).digest for n in range(12)]
    assert outputs.pop().split() == expected
    assert not [path for path in (cache_dir / "render").iterdir() if path.name.startswith(".new-")]


def test_names_differ_where_anything_differs() -> None:
    names = {
        name_of("a", "s", 1),
        name_of("b", "s", 1),
        name_of("a", "t", 1),
        name_of("a", "s", "1"),
        name_of("a", "s", 1, None),
    }
    assert len(names) == 5
