"""What the shims do when Git runs them: what is passed on, what stops a push, and what never does."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.hook import install as module
from sloth_ci.hook.install import install
from sloth_ci.hook.shim import hook_text
from support.gitrepo import GitRepo
from support.hooked import Hooked, noting, program
from support.project import ROOT
from support.waiting import until


@pytest.fixture
def hooked(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Hooked:
    """A folder with a blank and a quote in its name, and both hooks installed."""
    made = Hooked(tmp_path / "it's here", git_repo("it's here/a repository"))
    install(made.root, ["pre-push", "pre-commit"], everywhere=False, environ=os.environ)
    return made


SHELLS = [[shell] for shell in ("sh", "dash", "bash") if shutil.which(shell)]
if shutil.which("busybox"):  # what Alpine has
    SHELLS.append(["busybox", "sh"])


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
@pytest.mark.parametrize(
    ("code", "ends"), [(0, 0), (1, 0), (2, 0), (3, 0), (4, 1), (5, 0), (20, 0), (127, 0), (130, 130), (255, 0)]
)
@pytest.mark.parametrize("name", ["pre-push", "pre-commit"])
def test_only_a_no_and_a_stop_are_passed_on(hooked: Hooked, shell: list[str], name: str, code: int, ends: int) -> None:
    hooked.answer(code)
    done = subprocess.run(
        [*shell, str(hooked.hooks / name), "origin", "the url"],
        input="a b c d\n",
        cwd=hooked.root,
        env={**os.environ, "PATH": f"{hooked.bin}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (ends, "", "")
    wanted = (
        "sloth-ci hook run pre-push origin the url <a b c d>"
        if name == "pre-push"
        else "sloth-ci hook run pre-commit <a b c d>"
    )
    assert hooked.notes == [wanted]


def test_a_no_stops_the_push_and_a_fault_does_not(hooked: Hooked) -> None:
    hooked.answer(4)
    refused = hooked.push()
    assert refused.returncode != 0
    assert hooked.repo.git("-C", str(hooked.origin), "log", "--format=%s", "main") == "first"
    hooked.answer(1)
    assert hooked.push().returncode == 0
    assert hooked.repo.git("-C", str(hooked.origin), "rev-parse", "main") == hooked.repo.head


@pytest.mark.parametrize("reads", [True, False])
def test_the_hook_that_was_there_gets_the_same_and_its_no_counts(hooked: Hooked, reads: bool) -> None:
    program(hooked.hooks / "pre-push.sloth-before", noting(hooked.notes_file, "theirs", reads=reads))
    assert hooked.push("origin", "main", "main:other").returncode == 0
    theirs, ours = _pair(hooked.notes)
    if reads:
        assert theirs.removeprefix("theirs ") == ours.removeprefix("sloth-ci hook run pre-push ")
    assert "refs/heads/main" in ours
    assert "refs/heads/other" in ours
    program(hooked.hooks / "pre-push.sloth-before", noting(hooked.notes_file, "theirs", 3, reads=reads))
    refused = hooked.push()
    assert refused.returncode != 0
    assert [line for line in hooked.notes if line.startswith("sloth-ci")] == []
    assert refused.stderr.startswith("error: failed to push"), "nothing of the shell's own"


def _pair(notes: list[str]) -> tuple[str, str]:
    text = "\n".join(notes)
    theirs, _, ours = text.partition("\nsloth-ci")
    return theirs, "sloth-ci" + ours


def test_thousands_of_refs_reach_both_also_where_the_first_does_not_read(hooked: Hooked) -> None:
    """More than a pipe holds, in a process that ignores SIGPIPE, as programs that call Git often do."""
    program(hooked.hooks / "pre-push.sloth-before", noting(hooked.notes_file, "theirs", reads=False))
    lines = "".join(f"refs/heads/b{number} {'1' * 40} refs/heads/b{number} {'0' * 40}\n" for number in range(5000))
    done = subprocess.run(
        ["sh", str(hooked.hooks / "pre-push"), "origin", "url"],
        input=lines,
        env={**os.environ, "PATH": f"{hooked.bin}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        restore_signals=False,  # Python ignores SIGPIPE, and so does its child then
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\n".join(hooked.notes) == f"theirs origin url <>\nsloth-ci hook run pre-push origin url <{lines.rstrip()}>"


def test_a_push_without_anything_to_push_hands_on_nothing(hooked: Hooked) -> None:
    assert hooked.git("push", "-q", "origin", "main").returncode == 0
    (note,) = hooked.notes
    assert note.endswith("<>")


def test_gits_variables_reach_both(hooked: Hooked) -> None:
    show = '#!/bin/sh\necho "$0: $GIT_INDEX_FILE $GIT_AUTHOR_NAME ${GIT_PREFIX-unset}" >> ' + f'"{hooked.notes_file}"\n'
    program(hooked.hooks / "pre-commit.sloth-before", show)
    program(hooked.bin / "sloth-ci", show)
    (hooked.root / "sub").mkdir()
    (hooked.root / "a.yaml").write_text("a: 2\n")
    done = hooked.git("commit", "-q", "-m", "x", "../a.yaml", cwd=hooked.root / "sub", env={"GIT_AUTHOR_NAME": "A B"})
    assert done.returncode == 0, done.stderr
    theirs, ours = (line.partition(": ")[2] for line in hooked.notes)
    assert theirs == ours
    assert "next-index" in ours, "a commit of some paths has an index of its own"
    assert "A B" in ours


def test_skipping_skips_ours_alone(hooked: Hooked) -> None:
    program(hooked.hooks / "pre-push.sloth-before", noting(hooked.notes_file, "theirs"))
    hooked.answer(4)
    assert hooked.push(env={"SLOTH_SKIP": "1"}).returncode == 0
    assert [line.split()[0] for line in hooked.notes] == ["theirs"]
    assert hooked.push(env={"SLOTH_SKIP": "0"}).returncode != 0
    assert [line.split()[0] for line in hooked.notes] == ["theirs", "sloth-ci"]
    assert hooked.push("--no-verify", "origin", "main").returncode == 0
    assert hooked.notes == []
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x").returncode != 0
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x", env={"SLOTH_SKIP": "1"}).returncode == 0


def test_without_the_program_the_recorded_one_runs_else_one_line_and_the_push_goes_on(
    hooked: Hooked, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = program(hooked.folder / "else where's/sloth-ci", noting(hooked.notes_file, "recorded", 4))
    monkeypatch.setattr(module, "this_command", lambda environ: elsewhere.as_posix())
    install(hooked.root, ["pre-push", "pre-commit"], everywhere=False, environ=os.environ)
    assert hooked.push(path=False).returncode != 0
    assert [line.split()[0] for line in hooked.notes] == ["recorded"]
    assert hooked.push().returncode == 0
    assert [line.split()[0] for line in hooked.notes] == ["sloth-ci"]
    elsewhere.unlink()
    done = hooked.push(path=False)
    assert (done.returncode, done.stderr) == (0, "pre-push: sloth-ci is not on PATH, so there is no preview\n")
    done = hooked.git("commit", "-q", "--allow-empty", "-m", "x", path=False)
    assert (done.returncode, done.stderr) == (0, "pre-commit: sloth-ci is not on PATH, so nothing was checked\n")


def test_the_program_of_this_environment_is_recorded(hooked: Hooked) -> None:
    here = Path(sys.executable).with_name("sloth-ci").as_posix()
    assert f"\nrecorded={here} everywhere='' #" in (hooked.hooks / "pre-push").read_text()


def test_ctrl_c_stops_the_push(hooked: Hooked) -> None:
    program(
        hooked.bin / "sloth-ci",
        f"#!{sys.executable}\nimport signal, sys\n"
        f"try:\n    open({str(hooked.notes_file)!r}, 'w').write('up')\n    signal.pause()\nexcept KeyboardInterrupt:\n    sys.exit(130)\n",
    )
    process = subprocess.Popen(
        ["git", "push", "-q", "origin", "main:stopped"],
        cwd=hooked.root,
        env={**os.environ, "PATH": f"{hooked.bin}{os.pathsep}{os.environ['PATH']}"},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        until(lambda: hooked.notes_file.exists() and hooked.notes_file.read_text(), what="the hook runs")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(300) != 0
    finally:
        process.kill()
        process.wait()
    assert hooked.repo.git("-C", str(hooked.origin), "branch", "--list", "stopped") == ""


@pytest.mark.parametrize("name", ["pre-push", "pre-commit", "repository"])
def test_a_shim_has_line_ends_and_words_of_plain_sh(name: str) -> None:
    """Git for Windows and Alpine have no bash; a carriage return would be part of the last word."""
    text = hook_text(name, recorded="C:/Program Files/it's/sloth-ci.exe")
    assert text.startswith(b"#!/bin/sh\n")
    assert b"\r" not in text
    subprocess.run(["sh", "-n"], input=text, check=True)
    checked = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", "-"], input=text, capture_output=True, check=False
    )
    assert checked.stdout == b""
    assert os.access(ROOT / "hooks" / name, os.X_OK)
