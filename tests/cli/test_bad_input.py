"""What goes wrong in real life: a clear error, the exit code that belongs to it, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from support.bodies import body
from support.world import World

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("lua", "code", "message"),
    [
        ('gitops.workflow({ rpeo = "." })', 2, "no repository"),
        ('gitops.workflow({ repo = ".", auto_snyc = true })', 2, "did you mean 'auto_sync'?"),
        ('gitops.workflow({ repo = ".", auto_sync = "yes" })', 2, "'auto_sync': expected true or false"),
        ('gitops.wrokflow({ repo = "." })', 2, "did you mean"),
        ("local x = nil\nx.y = 1", 2, "sloth.lua:2"),
        ("syntax error here", 2, "sloth.lua:1"),
        ("error({})", 2, "sloth.lua"),
        ("while true do end", 2, "sloth.lua:1"),
        ("while true do pcall(function() while true do end end) end", 2, "sloth.lua"),
        ("local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000000) .. i end", 2, "memory"),
        ('gitops.workflow({ repo = "/nowhere" })', 9, "/nowhere"),
        ('gitops.workflow({ repo = ".", branch = "mian", target_path = "k8s" })', 2, "did you mean 'main'?"),
        ('gitops.workflow({ repo = ".", branch = "main", target_path = "nope" })', 3, "no folder 'nope'"),
        ('gitops.workflow({ repo = "." }) gitops.workflow({ repo = "." })', 2, "declared twice"),
        ("gitops.sync_workflow('x')", 2, "there is no workflow 'x'"),
        ("os.execute('id')", 2, "sloth.lua:1"),
        ("require('io').open('/etc/passwd')", 2, "sloth.lua:1"),
        (
            'gitops.workflow({ repo = ".", destination = { directory = "a", branch = "b" } })',
            2,
            "directory and branch at once",
        ),
        (
            'gitops.workflow({ repo = ".", branch = "main", destination = { branch = "main" } })',
            2,
            "branch 'main' is the branch",
        ),
    ],
)
def test_a_bad_workflow_file(world: World, sloth: Run, lua: str, code: int, message: str) -> None:
    (world.root / "sloth.lua").write_text(lua)
    done = sloth("preview")
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert not (world.root / "live").exists()


MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("bad.yaml", "a: [1\nb: 2\n", "k8s/bad.yaml:2"),
        ("tab.yaml", "kind: X\n\tfoo: bar\n", "k8s/tab.yaml:2"),
        ("dup.yaml", MANIFEST % "x" + "data: {a: '1'}\ndata: {b: '2'}\n", "k8s/dup.yaml:5"),
        ("utf.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \xff\xfe}\n", "k8s/utf.yaml"),
        ("noname.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "k8s/noname.yaml:1"),
        ("generate.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: x-}\n", "generateName"),
        ("bomb.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{c}: &{c} [{','.join([f'*{p}'] * 9)}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)), "k8s/bomb.yaml"),
        ("huge.yaml", b"# " + b"x" * (100 * 1024 * 1024), "k8s/huge.yaml"),
        ("lfs.yaml", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n", "LFS"),
    ],
)  # fmt: skip
def test_a_bad_manifest_is_named_with_file_and_line(
    world: World, sloth: Run, name: str, content: str | bytes, message: str
) -> None:
    world.push("bad", {f"k8s/{name}": content})
    done = sloth("preview", "--base", "HEAD~1", "--target-path", "k8s")
    assert done.returncode == 3, done.stdout + done.stderr
    assert message in done.stderr


def test_all_bad_files_are_reported_at_once(world: World, sloth: Run) -> None:
    world.push("bad", {f"k8s/{n}.yaml": "a: [" for n in range(3)} | {"k8s/fine.yaml": MANIFEST % "fine"})
    done = sloth("preview", "--base", "HEAD~1", "--target-path", "k8s")
    assert done.returncode == 3
    assert [f"k8s/{n}.yaml:" in done.stderr for n in range(3)] == [True] * 3
    assert "fine.yaml" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("with space.yaml", MANIFEST % "space"),
        ("new\nline.yaml", MANIFEST % "newline"),
        ("crlf.yaml", (MANIFEST % "crlf").replace("\n", "\r\n")),
        ("bom.yaml", "\ufeff" + MANIFEST % "bom"),
        ("ümläut.yaml", MANIFEST % "umlaut"),
    ],
)
def test_odd_files_that_are_fine(world: World, sloth: Run, name: str, content: str) -> None:
    world.push("odd", {f"k8s/{name}": content})
    done = sloth("preview", "--base", "HEAD~1", "--target-path", "k8s")
    assert done.returncode == 0, done.stderr
    assert "1 change " in done.stdout


def test_a_symlink_out_of_the_tree_is_refused(world: World, sloth: Run) -> None:
    os.symlink("/etc/passwd", world.root / "k8s" / "link.yaml")
    world.push("link", {})
    done = sloth("preview", "--base", "HEAD~1", "--target-path", "k8s")
    assert done.returncode == 3, done.stdout
    assert "k8s/link.yaml" in done.stderr
    assert "root:" not in done.stderr


def test_an_empty_revision_does_not_delete_everything(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(
        'gitops.workflow({ repo = ".", branch = "main", target_path = "k8s", destination = { directory = "live" } })'
    )
    assert sloth("sync").returncode == 0
    before = world.live()
    world.push("empty", {"k8s/README": "nothing here"}, delete=("k8s/web.yaml",))
    done = sloth("sync")
    assert done.returncode == 4
    assert "1 object, all there are, would be deleted" in done.stderr
    assert world.live() == before


def test_no_secret_in_any_output(world: World, sloth: Run) -> None:
    def secret(value: str) -> dict[str, object]:
        return body("Secret", "db", stringData={"password": value, "cert": f"line1\n{value}\n"})

    (world.root / "sloth.lua").write_text(
        'gitops.workflow({ repo = ".", branch = "main", target_path = "k8s", destination = { directory = "live" },\n'
        '  credentials = { type = "token", token = "ghp_supersecret" } })'
    )
    world.push("one", {"k8s/s.yaml": secret("hunter2-first")})
    said = [sloth("sync"), sloth("sync", "--format", "json")]
    world.push("two", {"k8s/s.yaml": secret("hunter2-second")})
    said += [sloth("preview", "--format", form) for form in ("terminal", "markdown", "json", "html")]
    said += [sloth("preview", "--verbose"), sloth("sync"), sloth("status"), sloth("history"), sloth("rollback")]
    world.pull()
    world.push(
        "three",
        {"k8s/s.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2-third\n"},
    )
    said += [sloth("preview"), sloth("sync")]
    for done in said:
        for value in ("hunter2", "aHVudGVyMi", "ghp_supersecret"):
            assert value not in done.stdout + done.stderr, done.args


@pytest.mark.parametrize(
    "arguments",
    [
        ("preview", "--nope"),
        ("prevew",),
        ("run", "--param", "x"),
        ("rollback", "--to", "nonsense"),
        ("sync", "-e", "prod"),
    ],
)
def test_a_wrong_command_line_exits_with_2(world: World, sloth: Run, arguments: tuple[str, ...]) -> None:
    done = sloth(*arguments)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")


def test_outside_of_any_repository(world: World, sloth: Run) -> None:
    empty = world.folder / "empty"
    empty.mkdir()
    done = sloth("preview", cwd=empty)
    assert done.returncode in {2, 9}, done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize(
    "event", [{"GITHUB_EVENT_NAME": "pull_request_target"}, {"CI_PIPELINE_SOURCE": "merge_request_event"}]
)
def test_code_of_a_pull_request_has_no_rights(world: World, sloth: Run, event: dict[str, str]) -> None:
    for call in ("exec.run('touch owned', { read_only = true })", "http.get('http://127.0.0.1:9/')", "env.get('HOME')"):
        (world.root / "sloth.lua").write_text(call)
        done = sloth("run", env=event)
        assert done.returncode == 2
        assert "pull or merge request" in done.stderr
    (world.root / "sloth.lua").write_text(
        'gitops.workflow({ repo = ".", branch = "main", target_path = "k8s", destination = { directory = "live" }, auto_sync = true })'
    )
    assert sloth("run", env=event).returncode == 0
    assert sloth("sync", env=event).returncode == 0
    assert not (world.root / "owned").exists()
    assert not (world.root / "live").exists(), "it is rehearsed"


def test_a_token_named_by_its_variable_never_reaches_lua(world: World, sloth: Run) -> None:
    (world.root / "sloth.lua").write_text(
        'gitops.workflow({ repo = "https://127.0.0.1:9/o/r", branch = "main", credentials = { token_env = "MY_TOKEN" } })'
    )
    missing = sloth("preview")
    assert missing.returncode == 2
    assert "MY_TOKEN is not set" in missing.stderr
    there = sloth("preview", env={"MY_TOKEN": "s3cr3t"})
    assert there.returncode == 9
    assert "s3cr3t" not in there.stdout + there.stderr


def test_a_job_of_no_ci_is_told_once_and_shown_the_commands_of_a_person(sloth: Run) -> None:
    done = sloth("ci")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "error: this is no job of GitHub Actions or GitLab CI",
        "hint: outside of CI use sloth-ci preview, sync, run, drift or rollback",
    ]
