"""`sloth-ci hook install` and `uninstall` in real repositories: what is written where, and that nothing is ever lost."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.hook import install as module
from sloth_ci.hook.install import findings, install, offer, uninstall
from support.gitrepo import GitRepo
from support.hooked import BEFORE, Hooked, noting, program, tree

INIT_WROTE = (
    "#!/bin/sh\n"
    "# Shows what the push would change. A conflict stops it; a fault of ours never does.\n"
    "# To push without: SLOTH_SKIP=1 git push, or git push --no-verify.\n"
    '[ -z "${SLOTH_SKIP:-}" ] || exit 0\n'
    'command -v sloth-ci >/dev/null 2>&1 || { echo "pre-push: sloth-ci is not on PATH, so there is no preview" >&2; exit 0; }\n'
    "while read -r _ head _ base; do\n"
    "  case $head in *[!0]*) ;; *) continue ;; esac # a branch is deleted\n"
    '  case $base in *[!0]*) ;; *) base=$(git merge-base "$head" "$1/HEAD" 2>/dev/null) ;; esac # a branch is new\n'
    "  code=0\n"
    '  sloth-ci preview ${base:+--base "$base"} --head "$head" </dev/null >&2 || code=$?\n'
    '  if [ "$code" -eq 4 ]; then\n'
    '    echo "pre-push: stopped by the conflicts above (git push --no-verify pushes all the same)" >&2\n'
    "    exit 1\n"
    "  fi\n"
    "done\n"
    "exit 0\n"
)


@pytest.fixture
def hooked(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Hooked:
    return Hooked(tmp_path, git_repo("a repository"))


def put(hooked: Hooked, *names: str) -> list[str]:
    return install(hooked.root, names or ["pre-push"], everywhere=False, environ=os.environ)


def take(hooked: Hooked) -> list[str]:
    return uninstall(hooked.root, everywhere=False, environ=os.environ)


def test_it_is_written_where_git_looks_and_once(hooked: Hooked) -> None:
    assert put(hooked, "pre-push", "pre-commit") == ["wrote .git/hooks/pre-push", "wrote .git/hooks/pre-commit"]
    before = tree(hooked.hooks)
    assert put(hooked, "pre-push", "pre-commit") == [
        ".git/hooks/pre-push is there already",
        ".git/hooks/pre-commit is there already",
    ]
    assert tree(hooked.hooks) == before
    assert hooked.push().returncode == 0
    (note,) = hooked.notes
    assert note.startswith("sloth-ci hook run pre-push origin ")
    assert note.endswith(f"<refs/heads/main {hooked.repo.head} refs/heads/main {hooked.repo.sha('HEAD^')}>")
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x").returncode == 0
    assert hooked.notes == ["sloth-ci hook run pre-commit <>"]
    assert take(hooked) == ["removed .git/hooks/pre-push", "removed .git/hooks/pre-commit"]
    assert tree(hooked.hooks) == {}
    assert take(hooked) == ["there is no hook of sloth-ci here"]


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o644])
def test_a_hook_that_is_there_runs_first_and_comes_back_to_the_byte(hooked: Hooked, mode: int) -> None:
    program(hooked.hooks / "pre-push", noting(hooked.notes_file, "theirs"), mode)
    before = tree(hooked.hooks)
    assert put(hooked) == [
        "wrote .git/hooks/pre-push",
        "  pre-push.sloth-before is the one that was there: it runs first",
    ]
    assert put(hooked) == [".git/hooks/pre-push is there already"]
    assert tree(hooked.hooks)["pre-push.sloth-before"] == before["pre-push"]
    assert hooked.push().returncode == 0
    # Git runs none that is not executable, and so do we.
    ran = [line.split()[0] for line in hooked.notes]
    assert ran == (["theirs", "sloth-ci"] if mode & 0o100 else ["sloth-ci"])
    assert take(hooked) == ["put back .git/hooks/pre-push, as it was"]
    assert tree(hooked.hooks) == before


@pytest.mark.parametrize("target", ["../../scripts/pre-push", "../../nowhere"])
def test_a_link_stays_a_link(hooked: Hooked, target: str) -> None:
    program(hooked.root / "scripts/pre-push", noting(hooked.notes_file, "theirs"))
    hooked.hooks.mkdir(exist_ok=True)
    (hooked.hooks / "pre-push").symlink_to(target)
    before = tree(hooked.hooks)
    put(hooked)
    assert os.readlink(hooked.hooks / "pre-push.sloth-before") == target
    assert hooked.push().returncode == 0
    assert len(hooked.notes) == (1 if "nowhere" in target else 2)
    take(hooked)
    assert tree(hooked.hooks) == before


def test_what_init_wrote_up_to_now_is_replaced_and_so_is_an_older_version(hooked: Hooked) -> None:
    path = program(hooked.hooks / "pre-push", INIT_WROTE)
    assert put(hooked) == ["updated .git/hooks/pre-push"]
    assert os.listdir(hooked.hooks) == ["pre-push"]
    current = path.read_bytes()
    # An older one: the same seal over other text.
    rest = b"# what version 0 did\nexit 0\n"
    path.write_bytes(b"#!/bin/sh\n# sloth-ci hook " + digest(rest) + b"\n" + rest)
    assert put(hooked) == ["updated .git/hooks/pre-push"]
    assert path.read_bytes() == current
    path.chmod(0o644)  # Git would pass it over
    assert put(hooked) == ["updated .git/hooks/pre-push"]
    assert os.access(path, os.X_OK)
    path.write_text(INIT_WROTE)
    assert take(hooked) == ["removed .git/hooks/pre-push"]


def digest(rest: bytes) -> bytes:
    return hashlib.sha256(rest).hexdigest()[:16].encode()


def test_one_that_somebody_edited_is_left_and_that_is_said(hooked: Hooked) -> None:
    program(hooked.hooks / "pre-push", noting(hooked.notes_file, "theirs"))
    put(hooked, "pre-push", "pre-commit")
    for name in ("pre-push", "pre-commit"):
        with (hooked.hooks / name).open("a") as file:
            file.write("# mine\n")
    before = tree(hooked.hooks)
    again = put(hooked)
    assert again == [
        (
            ".git/hooks/pre-push is there already, with changes of yours; "
            "for the one of this version: rm .git/hooks/pre-push, then again"
        )
    ]
    assert take(hooked) == [
        (
            ".git/hooks/pre-push was edited since it was installed, so it is left; "
            "without it: mv .git/hooks/pre-push.sloth-before .git/hooks/pre-push"
        ),
        ".git/hooks/pre-commit was edited since it was installed, so it is left; without it: rm .git/hooks/pre-commit",
    ]
    assert tree(hooked.hooks) == before


def test_a_hook_that_calls_ours_already_is_left_alone(hooked: Hooked) -> None:
    program(hooked.hooks / "pre-push", '#!/bin/sh\nsloth-ci hook run pre-push "$@"\n')
    before = tree(hooked.hooks)
    assert put(hooked) == [".git/hooks/pre-push is your own and runs sloth-ci already"]
    assert take(hooked) == [".git/hooks/pre-push is your own: take the line with sloth-ci out of it"]
    assert tree(hooked.hooks) == before


def test_what_was_kept_by_somebody_else_is_never_overwritten(hooked: Hooked) -> None:
    program(hooked.hooks / "pre-push", BEFORE)
    program(hooked.hooks / "pre-push.sloth-before", "#!/bin/sh\n# yet another\n")
    program(hooked.hooks / "pre-commit", BEFORE)
    before = tree(hooked.hooks)
    with pytest.raises(UsageError, match=r"\.git/hooks/pre-push\.sloth-before is there already") as caught:
        put(hooked, "pre-commit", "pre-push")
    assert caught.value.hint is not None
    assert "mv .git/hooks/pre-push.sloth-before .git/hooks/pre-push" in caught.value.hint
    assert tree(hooked.hooks) == before, "not even the other one was installed"
    assert "is left" in take(hooked)[0]
    assert tree(hooked.hooks) == before


def test_a_folder_in_the_place_of_the_hook_is_an_error_that_names_it(hooked: Hooked) -> None:
    (hooked.hooks / "pre-push").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"\.git/hooks/pre-push is a folder"):
        put(hooked)
    assert take(hooked) == ["there is no hook of sloth-ci here"]


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("step", range(8))
def test_stopped_in_the_middle_nothing_is_lost_and_it_can_be_done_again(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch, step: int, kind: str, links: bool
) -> None:
    """Each call that changes the folder may be the last; a file system without hard links is one of the cases."""
    program(hooked.root / "theirs", noting(hooked.notes_file, "theirs"))
    path = hooked.hooks / "pre-push"
    path.parent.mkdir(exist_ok=True)
    if kind == "link":
        path.symlink_to("../../theirs")
    else:
        program(path, noting(hooked.notes_file, "theirs"))
    before = tree(hooked.hooks)
    count = 0

    def stopping(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal count
            count += 1
            if count == step + 1:
                raise KeyboardInterrupt
            if name == "link" and not links:
                raise PermissionError(1, "Operation not permitted")
            return real(*args, **kwargs)

        return call

    places = {"link": os, "replace": os, "copy2": shutil, "write_bytes": Path, "chmod": Path}
    with monkeypatch.context() as patch:
        for name, place in places.items():
            patch.setattr(place, name, stopping(name, getattr(place, name)))
        try:
            put(hooked)
        except KeyboardInterrupt:
            assert step < count
        else:
            assert step >= count
    assert hooked.push().returncode == 0
    assert "theirs" in [line.split()[0] for line in hooked.notes], "the hook that was there runs at any time"
    put(hooked)
    assert hooked.push().returncode == 0
    assert [line.split()[0] for line in hooked.notes] == ["theirs", "sloth-ci"]
    take(hooked)
    assert tree(hooked.hooks) == before


def test_a_folder_that_cannot_be_written_is_said_with_the_way_out(hooked: Hooked) -> None:
    (hooked.root / ".git/hooks").write_text("a file where the folder should be")
    with pytest.raises(UsageError, match=r"cannot (read|write) .*\.git/hooks") as caught:
        put(hooked)
    assert str(hooked.root / ".git") in (caught.value.hint or "")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/usr/bin/setpriv").exists(), reason="root may write everywhere")
def test_a_read_only_folder_is_said_with_the_way_out(hooked: Hooked) -> None:
    """As somebody who is not root: an account of that number needs no name."""
    hooked.hooks.mkdir(exist_ok=True)
    hooked.hooks.chmod(0o555)
    for place in (hooked.folder, *hooked.folder.parents[:3]):
        place.chmod(place.stat().st_mode | 0o055)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*drop, sys.executable, "-m", "sloth_ci.cli", "hook", "install"],
        cwd=hooked.root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"error: cannot write {hooked.hooks}" in done.stderr
    assert "Permission denied" in done.stderr
    assert f"hint: check the rights of {hooked.hooks}" in done.stderr
    assert tree(hooked.hooks) == {}


def test_without_a_repository_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this is no Git repository") as caught:
        install(tmp_path, ["pre-push"], everywhere=False, environ=os.environ)
    assert "--global" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="this is no Git repository"):
        uninstall(tmp_path, everywhere=False, environ=os.environ)
    assert list(findings(tmp_path, os.environ)) == []
    assert offer(tmp_path, os.environ) == ("", "", "")


def test_linked_worktrees_share_it(hooked: Hooked) -> None:
    other = hooked.folder / "other tree"
    hooked.repo.git("worktree", "add", "-q", "-b", "side", str(other))
    lines = install(other / ".", ["pre-push"], everywhere=False, environ=os.environ)
    assert lines == [f"wrote {os.path.relpath(hooked.hooks / 'pre-push', other)}"]
    assert put(hooked) == [".git/hooks/pre-push is there already"]
    assert hooked.git("push", "-q", "origin", "side", cwd=other).returncode == 0
    assert len(hooked.notes) == 1


def test_a_submodule_has_its_own(hooked: Hooked, git_repo: Callable[..., GitRepo]) -> None:
    inner = git_repo("inner")
    inner.commit("one", {"b.yaml": "b: 1\n"})
    hooked.repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    sub = hooked.root / "sub"
    install(sub, ["pre-push"], everywhere=False, environ=os.environ)
    assert (hooked.root / ".git/modules/sub/hooks/pre-push").exists()
    assert not (hooked.root / ".git/hooks/pre-push").exists()
    assert hooked.git("push", "-q", "origin", "HEAD:refs/heads/new", cwd=sub).returncode == 0
    assert len(hooked.notes) == 1


def test_a_bare_repository_has_one_too(hooked: Hooked) -> None:
    bare = hooked.folder / "mirror.git"
    hooked.repo.git("clone", "-q", "--bare", str(hooked.origin), str(bare))
    assert install(bare, ["pre-push"], everywhere=False, environ=os.environ) == ["wrote hooks/pre-push"]
    assert hooked.git("push", "-q", "origin", "main:refs/heads/copy", cwd=bare).returncode == 0
    assert len(hooked.notes) == 1


def test_from_inside_of_it_and_by_git_dir_it_is_the_same(hooked: Hooked, tmp_path: Path) -> None:
    (hooked.root / "deep/er").mkdir(parents=True)
    for place in (hooked.root / "deep/er", hooked.root / ".git"):
        install(place, ["pre-push"], everywhere=False, environ=os.environ)
        assert take(hooked) == ["removed .git/hooks/pre-push"]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environ = {**os.environ, "GIT_DIR": str(hooked.root / ".git"), "GIT_WORK_TREE": str(hooked.root)}
    install(elsewhere, ["pre-push"], everywhere=False, environ=environ)
    assert take(hooked) == ["removed .git/hooks/pre-push"]


def test_the_command_line_shows_the_lines_and_the_errors(hooked: Hooked) -> None:
    def sloth(*args: str, group: tuple[str, ...] = ("hook",)) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(Path(sys.executable).parent / "sloth-ci"), *group, *args],
            cwd=hooked.root,
            capture_output=True,
            text=True,
            check=False,
        )

    assert sloth("install", "--pre-commit").stdout == "wrote .git/hooks/pre-commit\n"
    assert sloth("install").stdout == "wrote .git/hooks/pre-push\n"
    assert "ok       hook: .git/hooks/pre-push\n" in sloth("doctor", group=()).stdout
    assert sloth("uninstall").stdout == "removed .git/hooks/pre-push\nremoved .git/hooks/pre-commit\n"
    assert (
        "missing  hook: there is no preview before a push\n         → sloth-ci hook install\n"
        in sloth("doctor", group=()).stdout
    )
    (hooked.hooks / "pre-push").mkdir()
    refused = sloth("install")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == (
        "error: .git/hooks/pre-push is a folder: Git has no hook there\nhint: move it away and install again\n"
    )


def test_doctor_says_whether_it_is_there_and_current(hooked: Hooked) -> None:
    environ = {**os.environ, "PATH": f"{hooked.bin}{os.pathsep}{os.environ['PATH']}"}

    def found() -> tuple[bool, str, str]:
        (finding,) = findings(hooked.root, environ)
        assert not finding.needed
        return finding.ok, finding.detail, finding.mend

    assert found() == (False, "there is no preview before a push", "sloth-ci hook install")
    path = program(hooked.hooks / "pre-push", INIT_WROTE)
    assert found() == (False, ".git/hooks/pre-push is of another version", "sloth-ci hook install")
    put(hooked)
    assert found() == (True, ".git/hooks/pre-push", "")
    path.write_text(path.read_text().replace("exit 0", "exit  0"))
    assert found() == (True, ".git/hooks/pre-push, with changes of yours", "")
    program(path, BEFORE)
    assert found()[0] is False
    path.unlink()
    path.mkdir()
    assert found()[0] is False


def test_doctor_says_where_the_hook_finds_no_program(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "this_command", lambda environ: "/no/such/sloth-ci")
    put(hooked)
    (finding,) = findings(hooked.root, {**os.environ, "PATH": "/usr/bin:/bin"})
    assert (finding.ok, finding.detail) == (False, ".git/hooks/pre-push finds no sloth-ci")


def test_init_writes_it_where_none_is_and_says_what_is_left(hooked: Hooked) -> None:
    assert offer(hooked.root, os.environ) == (".git/hooks/pre-push", "", "")
    assert offer(hooked.root, os.environ) == ("", ".git/hooks/pre-push", "")
    program(hooked.hooks / "pre-push", INIT_WROTE)
    assert offer(hooked.root, os.environ).written == ".git/hooks/pre-push"
    program(hooked.hooks / "pre-push", BEFORE)
    before = tree(hooked.hooks)
    offered = offer(hooked.root, os.environ)
    assert offered == ("", ".git/hooks/pre-push", "sloth-ci hook install: it runs the hook that is there first")
    assert tree(hooked.hooks) == before
    hooked.repo.git("config", "core.hooksPath", "/dev/null")
    assert offer(hooked.root, os.environ).following.startswith("sloth-ci hook install: hooks are switched off here")
