"""Repositories whose hooks are written by somebody else: noticed, left alone, told; and what is told works.

lefthook, pre-commit and prek are the real ones. Husky is no Python package: what it sets up is written here as its version 9
does (core.hooksPath is .husky/_, a file there runs the one of its name in .husky with `sh -e`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from sloth_ci import __version__
from sloth_ci.core.errors import UsageError
from sloth_ci.hook.install import findings, install, offer, uninstall
from support.gitrepo import GitRepo
from support.hooked import BEFORE, Hooked, program, tree
from support.project import ROOT

BIN = Path(sys.executable).parent
BOTH = ("pre-push", "pre-commit")
HUSKY = """\
#!/usr/bin/env sh
script=.husky/${0##*/}
[ -f "$script" ] || exit 0
sh -e "$script" "$@"
"""


@pytest.fixture
def hooked(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Hooked:
    return Hooked(tmp_path, git_repo("a repository"))


def put(hooked: Hooked, *names: str) -> list[str]:
    return install(hooked.root, names or ["pre-push"], everywhere=False, environ=os.environ)


def refused(hooked: Hooked, *names: str) -> tuple[str, list[str]]:
    """What is said, and that nothing was written."""
    before = tree(hooked.root)
    with pytest.raises(UsageError) as caught:
        put(hooked, *names)
    assert tree(hooked.root) == before
    return caught.value.message, (caught.value.hint or "").splitlines()


def written(lines: Sequence[str]) -> str:
    """The lines to add, as they are told: indented by two."""
    return "".join(line[2:] + "\n" for line in lines if line.startswith("  "))


def husky(hooked: Hooked, folder: str = ".husky") -> None:
    for name in ("pre-push", "pre-commit", "commit-msg"):
        program(hooked.root / folder / "_" / name, HUSKY)
    hooked.repo.git("config", "core.hooksPath", f"{folder}/_")


def test_husky_is_told_and_what_is_told_works(hooked: Hooked) -> None:
    husky(hooked)
    message, lines = refused(hooked, *BOTH)
    assert message == "husky runs the hooks of this repository (.husky), so nothing was written"
    assert lines == [
        "add to .husky/pre-push (a new file if there is none):",
        '  ! command -v sloth-ci >/dev/null || sloth-ci hook run pre-push "$@"',
        "add to .husky/pre-commit (a new file if there is none):",
        "  ! command -v sloth-ci >/dev/null || sloth-ci hook run pre-commit",
    ]
    (hooked.root / ".husky/pre-push").write_text(lines[1][2:] + "\n")
    (hooked.root / ".husky/pre-commit").write_text("# npm test\n" + lines[3][2:] + "\n")
    assert put(hooked, *BOTH) == [
        "husky runs pre-push of sloth-ci already",
        "husky runs pre-commit of sloth-ci already",
    ]
    assert [finding.ok for finding in findings(hooked.root, os.environ)] == [True]
    assert uninstall(hooked.root, everywhere=False, environ=os.environ) == [
        "husky runs pre-push and pre-commit of sloth-ci: take it out of .husky"
    ]
    assert hooked.push().returncode == 0
    (note,) = hooked.notes
    assert f"<refs/heads/main {hooked.repo.head} refs/heads/main " in note
    hooked.answer(4)
    assert hooked.push().returncode != 0
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x").returncode != 0
    assert hooked.push(path=False).returncode == 0, "who has no sloth-ci may push"
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x", path=False).returncode == 0


@pytest.mark.parametrize("folder", [".husky", "web/.husky"])
def test_husky_is_known_by_the_setting_and_by_its_folder(hooked: Hooked, folder: str) -> None:
    husky(hooked, folder)
    assert refused(hooked)[1][0] == f"add to {folder}/pre-push (a new file if there is none):"
    hooked.repo.git("config", "core.hooksPath", folder)  # as versions before 9 have it
    assert refused(hooked)[1][0] == f"add to {folder}/pre-push (a new file if there is none):"
    hooked.repo.git("config", "--unset", "core.hooksPath")
    if folder == ".husky":  # a clone before `npm install`
        assert "husky" in refused(hooked)[0]
    else:
        assert put(hooked) == ["wrote .git/hooks/pre-push"]


@pytest.mark.parametrize(
    "name", ["lefthook.yml", ".lefthook.yaml", ".config/lefthook.toml", "lefthook.json", "lefthook-local.yml"]
)
def test_lefthook_is_told_and_what_is_told_works(hooked: Hooked, name: str) -> None:
    """With the real lefthook: what it is told is read by it, and a conflict stops the push through it."""
    file = hooked.root / name
    file.parent.mkdir(exist_ok=True)
    file.write_text({"json": "{}", "toml": "colors = false\n"}.get(file.suffix[1:], "colors: false\n"))
    message, lines = refused(hooked, *BOTH)
    assert message == f"lefthook runs the hooks of this repository ({name}), so nothing was written"
    assert (lines[0], lines[-1]) == (f"add to {name}:", "then: lefthook install")
    added = written(lines)
    file.write_text("{\n" + added + "}\n" if file.suffix == ".json" else file.read_text() + added)
    environ = {**os.environ, "PATH": f"{hooked.bin}{os.pathsep}{BIN}{os.pathsep}{os.environ['PATH']}"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=hooked.root, env=environ, capture_output=True, text=True, check=False)

    for command in ("validate", "install"):
        done = run("lefthook", command)
        assert done.returncode == 0, done.stdout + done.stderr
    assert put(hooked, *BOTH) == [f"lefthook runs {hook} of sloth-ci already" for hook in BOTH]
    assert run("git", "push", "-q", "origin", "main:one").returncode == 0
    (note,) = hooked.notes
    assert note == (
        f"sloth-ci hook run pre-push origin {hooked.origin} <refs/heads/main {hooked.repo.head} refs/heads/one {'0' * 40}>"
    )
    hooked.repo.git("add", name)  # without anything staged lefthook runs nothing
    assert run("git", "commit", "-q", "-m", "x").returncode == 0
    assert hooked.notes == ["sloth-ci hook run pre-commit <>"]
    hooked.answer(4)
    assert run("git", "push", "-q", "origin", "main:two").returncode != 0
    hooked.repo.write({"b.yaml": "b: 1\n"})
    hooked.repo.git("add", "b.yaml")
    assert run("git", "commit", "-q", "-m", "x").returncode != 0
    (hooked.bin / "sloth-ci").unlink()
    environ["PATH"] = os.pathsep.join([str(only(BIN / "lefthook", hooked.folder)), "/usr/bin", "/bin"])
    assert run("git", "push", "-q", "origin", "main:two").returncode == 0, "who has no sloth-ci may push"


def only(command: Path, folder: Path) -> Path:
    """A folder for PATH with that command and no other."""
    place = folder / "only"
    place.mkdir(exist_ok=True)
    (place / command.name).symlink_to(command)
    return place


@pytest.mark.parametrize(
    ("name", "manager"),
    [(".pre-commit-config.yaml", "pre-commit"), (".pre-commit-config.yml", "prek"), ("prek.toml", "prek")],
)
def test_the_frameworks_are_told_and_what_is_told_is_valid(hooked: Hooked, name: str, manager: str) -> None:
    file = hooked.root / name
    file.write_text("" if file.suffix == ".toml" else "repos:\n")
    message, lines = refused(hooked, *BOTH)
    assert message == f"{manager} runs the hooks of this repository ({name}), so nothing was written"
    assert lines[0] == f"add to {name}:"
    assert lines[-1] == f"then: {manager} install --hook-type pre-push --hook-type pre-commit"
    assert f"v{__version__}" in "\n".join(lines)
    file.write_text(file.read_text() + "".join(line + "\n" for line in lines[1:-1]))
    for command in {manager, "prek"}:
        done = subprocess.run(
            [BIN / command, "validate-config", name], cwd=hooked.root, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in (done.stdout + done.stderr).lower()
    assert put(hooked, *BOTH) == [f"{manager} runs {hook} of sloth-ci already" for hook in BOTH]
    assert offer(hooked.root, os.environ) == ("", "", "")


def test_prek_is_told_apart_by_what_it_has_installed(hooked: Hooked) -> None:
    (hooked.root / ".pre-commit-config.yaml").write_text("repos: []\n")
    for command in ("pre-commit", "prek"):
        subprocess.run([BIN / command, "install", "-f"], cwd=hooked.root, check=True, capture_output=True)
        message, lines = refused(hooked)
        assert message.startswith(f"{command} runs the hooks")
        assert lines[-1] == f"then: {command} install --hook-type pre-push"


def test_a_comment_in_a_file_of_theirs_runs_nothing(hooked: Hooked) -> None:
    (hooked.root / "lefthook.yml").write_text(
        'pre-push:\n  jobs:\n    # - run: sloth-ci hook run pre-push "$@"\n    - run: make\n'
    )
    refused(hooked)
    (hooked.root / "lefthook.yml").write_text('pre-push:\n  jobs:\n    - run: sloth-ci hook run pre-push "$@"\n')
    assert "already" in put(hooked)[0]
    refused(hooked, "pre-commit")


def test_a_hook_of_ours_that_is_there_is_kept_current_beside_a_manager(hooked: Hooked) -> None:
    put(hooked)
    (hooked.root / ".pre-commit-config.yaml").write_text("repos: []\n")
    assert put(hooked) == [".git/hooks/pre-push is there already"]
    refused(hooked, *BOTH)
    assert uninstall(hooked.root, everywhere=False, environ=os.environ) == ["removed .git/hooks/pre-push"]


def test_init_points_to_the_command_that_tells(hooked: Hooked) -> None:
    (hooked.root / "lefthook.yml").write_text("colors: false\n")
    assert offer(hooked.root, os.environ) == (
        "",
        "",
        "sloth-ci hook install: lefthook runs the hooks here, it says what to add",
    )


@pytest.mark.parametrize("scope", ["local", "worktree"])
def test_a_folder_of_hooks_in_the_repository_gets_ours_and_that_is_said(hooked: Hooked, scope: str) -> None:
    program(hooked.root / ".githooks/pre-push", BEFORE)
    hooked.repo.git("config", "extensions.worktreeConfig", "true")
    hooked.repo.git("config", f"--{scope}", "core.hooksPath", ".githooks")
    before = tree(hooked.root / ".githooks")
    deep = hooked.root / "deep"
    deep.mkdir()
    assert install(deep, ["pre-push"], everywhere=False, environ=os.environ) == [
        f"core.hooksPath ({scope}) is .githooks: the hooks go there",
        "wrote ../.githooks/pre-push",
        "  pre-push.sloth-before is the one that was there: it runs first",
    ]
    assert hooked.push().returncode == 0
    assert len(hooked.notes) == 1
    assert uninstall(deep, everywhere=False, environ=os.environ) == ["put back ../.githooks/pre-push, as it was"]
    assert tree(hooked.root / ".githooks") == before


def test_a_relative_setting_of_the_user_is_in_each_repository(hooked: Hooked) -> None:
    hooked.repo.git("config", "--global", "core.hooksPath", ".githooks")
    assert put(hooked)[-1] == "wrote .githooks/pre-push"
    assert hooked.push().returncode == 0
    assert len(hooked.notes) == 1


def test_a_folder_outside_is_left_alone_and_the_ways_out_are_said(hooked: Hooked) -> None:
    shared = hooked.folder / "shared"
    program(shared / "pre-push", BEFORE)
    hooked.repo.git("config", "core.hooksPath", str(shared))
    message, (hint,) = refused(hooked)
    assert message == f"core.hooksPath (local) is {shared}, outside of this repository: others may use it, too"
    assert hint == (
        f'add `sloth-ci hook run pre-push "$@"` to {shared}/pre-push, '
        "or give the repository its own hooks back: git config --local --unset core.hooksPath"
    )
    assert (shared / "pre-push").read_text() == BEFORE
    (finding,) = findings(hooked.root, os.environ)
    assert (finding.ok, finding.detail) == (False, message)
    assert uninstall(hooked.root, everywhere=False, environ=os.environ) == ["there is no hook of sloth-ci here"]


def test_what_was_written_before_the_setting_is_taken_out_too(hooked: Hooked) -> None:
    put(hooked)
    hooked.repo.git("config", "core.hooksPath", ".githooks")
    put(hooked)
    assert uninstall(hooked.root, everywhere=False, environ=os.environ) == [
        "removed .githooks/pre-push",
        "removed .git/hooks/pre-push",
    ]


@pytest.mark.parametrize("value", ["/dev/null", ""])
def test_hooks_that_are_switched_off_are_said_and_ours_can_go(hooked: Hooked, value: str) -> None:
    put(hooked)
    hooked.repo.git("config", "core.hooksPath", value)
    message, hint = refused(hooked)
    assert message == f"hooks are switched off here: core.hooksPath (local) is '{value}'"
    assert hint == ["git config --local --unset core.hooksPath"]
    assert uninstall(hooked.root, everywhere=False, environ=os.environ) == ["removed .git/hooks/pre-push"]


def test_this_repository_names_what_the_manifest_has() -> None:
    from sloth_ci.core.yaml import parse
    from sloth_ci.hook.managers import IDS

    (document,) = parse((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    assert {hook["id"]: hook["stages"] for hook in document.value} == {name: [hook] for hook, name in IDS.items()}
    assert {hook["entry"] for hook in document.value} == {f"sloth-ci hook run {hook}" for hook in IDS}
