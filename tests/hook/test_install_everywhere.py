"""`sloth-ci hook install --global` with a real Git: ours run where a workflow file is, and a repository's own run as ever."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.hook.everywhere import PASSED_ON
from sloth_ci.hook.everywhere import home as our_folder
from sloth_ci.hook.install import findings, install, offer, uninstall
from support.gitrepo import GitRepo
from support.hooked import BEFORE, Hooked, noting, program, tree


@pytest.fixture
def hooked(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Hooked:
    made = Hooked(tmp_path, git_repo("a repository"))
    made.repo.commit("a workflow", {"sloth.lua": "-- empty"})
    return made


def put(hooked: Hooked, *names: str, everywhere: bool = True) -> list[str]:
    return install(hooked.root, names or ["pre-push"], everywhere=everywhere, environ=os.environ)


def take(hooked: Hooked, *, everywhere: bool = True) -> list[str]:
    return uninstall(hooked.root, everywhere=everywhere, environ=os.environ)


def ran(hooked: Hooked) -> list[str]:
    return [line.split()[0] for line in hooked.notes]


def test_it_is_set_up_once_and_taken_back_to_the_byte(hooked: Hooked, home: Path) -> None:
    (home / ".config").mkdir()
    before = tree(home)
    ours = home / ".config/sloth-ci/hooks"
    assert put(hooked) == [
        f"wrote {ours}: pre-push in every repository that has a workflow file",
        "set core.hooksPath (global) to it; a repository's own hooks run as before",
    ]
    assert hooked.repo.git("config", "--global", "core.hooksPath") == str(ours)
    after = tree(home)
    assert put(hooked) == [f"{ours} is there already, and core.hooksPath (global) names it"]
    assert tree(home) == after
    put(hooked, "pre-push", "pre-commit")
    put(hooked)
    assert tree(home) == after, "what was left out the second time is gone"
    assert take(hooked) == ["took core.hooksPath (global) back", f"removed {ours}"]
    assert tree(home) == before
    assert take(hooked) == ["there are no hooks of sloth-ci for all repositories"]


def test_ours_runs_where_a_workflow_file_is_and_nowhere_else(hooked: Hooked, git_repo: Callable[..., GitRepo]) -> None:
    put(hooked, "pre-push", "pre-commit")
    assert hooked.push().returncode == 0
    assert hooked.git("commit", "-q", "--allow-empty", "-m", "x").returncode == 0
    assert [line.split()[3] for line in hooked.notes] == ["pre-push", "pre-commit"]
    hooked.repo.git("mv", "sloth.lua", "other.lua")
    assert hooked.push().returncode == 0
    assert hooked.notes == []
    (hooked.root / ".sloth").mkdir()
    (hooked.root / ".sloth/workflow.lua").write_text("")
    hooked.answer(4)
    assert hooked.push().returncode != 0
    assert ran(hooked) == ["sloth-ci"]
    assert hooked.push(env={"SLOTH_SKIP": "1"}).returncode == 0


def test_a_repositorys_own_hooks_of_all_kinds_still_run(hooked: Hooked, git_repo: Callable[..., GitRepo]) -> None:
    """Each with its own name, arguments and stdin, and its answer counts: the same with and without ours."""
    own = hooked.root / ".git/hooks"
    for name in PASSED_ON:
        if not name.startswith("p4-"):
            program(own / name, noting(hooked.notes_file, "$0"))
    for name in ("pre-receive", "update", "post-receive", "post-update"):
        program(hooked.origin / "hooks" / name, noting(hooked.notes_file, "origin-" + name))
    (own / "proc-receive").unlink()

    def day() -> list[str]:
        hooked.repo.git("reset", "-q", "--hard", "origin/main")
        repo = hooked.repo
        repo.write({"a.yaml": "a: 2\n"})
        steps = [
            ("commit", "-q", "-am", "one"),
            ("commit", "-q", "--amend", "-m", "two"),
            ("checkout", "-q", "-B", "side", "HEAD^"),
            ("commit", "-q", "--allow-empty", "-m", "three"),
            ("merge", "-q", "--no-ff", "-m", "merged", "main"),
            ("rebase", "-q", "main"),
            ("format-patch", "-q", "-1", "-o", str(hooked.folder), "main"),
            ("checkout", "-q", "--detach", "main^"),
            ("am", "-q", *map(str, hooked.folder.glob("0001-*.patch"))),
            ("push", "-q", "--force", "origin", "main:day"),
            ("push", "-q", "origin", ":day"),
            ("checkout", "-q", "main"),
        ]
        for step in steps:
            done = hooked.git(
                *step, env={"GIT_COMMITTER_DATE": "@1767225600 +0000", "GIT_AUTHOR_DATE": "@1767225600 +0000"}
            )
            assert done.returncode == 0, (step, done.stderr)
        return [line for line in hooked.notes if not line.startswith("sloth-ci")]

    day()  # the first has nothing of a day before
    alone = day()
    put(hooked, "pre-push", "pre-commit")
    assert day() == alone
    seen = {line.split()[0].rpartition("/")[2] for line in alone}
    wanted = {
        *(
            "applypatch-msg",
            "pre-applypatch",
            "post-applypatch",
            "pre-commit",
            "pre-merge-commit",
            "prepare-commit-msg",
        ),
        *("commit-msg", "post-commit", "pre-rebase", "post-checkout", "post-merge", "pre-push", "post-rewrite"),
        *("reference-transaction", "post-index-change"),
        *("origin-pre-receive", "origin-update", "origin-post-receive", "origin-post-update"),
    }
    assert wanted <= seen, wanted - seen


@pytest.mark.parametrize("name", ["commit-msg", "prepare-commit-msg", "pre-commit", "pre-rebase", "pre-push"])
def test_the_no_of_a_repositorys_own_hook_counts(hooked: Hooked, name: str) -> None:
    put(hooked, "pre-push", "pre-commit")
    program(hooked.root / ".git/hooks" / name, noting(hooked.notes_file, name, 1))
    commit = hooked.git("commit", "-q", "--allow-empty", "-m", "x")
    rebase = hooked.git("rebase", "-q", "--force-rebase", "HEAD^")
    push = hooked.git("push", "-q", "origin", "HEAD:refs/heads/new")
    assert [done.returncode == 0 for done in (commit, rebase, push)] == [
        name not in {"commit-msg", "prepare-commit-msg", "pre-commit"},
        name not in {"pre-rebase", "prepare-commit-msg"},  # each commit that is made anew has a message
        name != "pre-push",
    ]
    assert name in ran(hooked)


def test_worktrees_submodules_and_bare_repositories_have_theirs_run(
    hooked: Hooked, git_repo: Callable[..., GitRepo]
) -> None:
    inner = git_repo("inner")
    inner.commit("one", {"b.yaml": "b: 1\n"})
    hooked.repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    hooked.repo.git("commit", "-q", "-m", "sub")
    other = hooked.folder / "other tree"
    hooked.repo.git("worktree", "add", "-q", "-b", "side", str(other))
    put(hooked, "pre-push")
    program(hooked.root / ".git/hooks/pre-push", noting(hooked.notes_file, "own"))
    program(hooked.root / ".git/modules/sub/hooks/pre-push", noting(hooked.notes_file, "sub"))
    program(hooked.origin / "hooks/pre-push", noting(hooked.notes_file, "bare"))
    assert hooked.git("push", "-q", "origin", "side", cwd=other).returncode == 0
    assert ran(hooked) == ["own", "sloth-ci"]
    assert hooked.git("push", "-q", "origin", "HEAD:refs/heads/x", cwd=hooked.root / "sub").returncode == 0
    assert ran(hooked) == ["sub"]
    assert hooked.git("push", "-q", str(inner.path), "main:refs/heads/y", cwd=hooked.origin).returncode == 0
    assert ran(hooked) == ["bare"]


def test_git_updates_a_checked_out_branch_as_before(hooked: Hooked, git_repo: Callable[..., GitRepo]) -> None:
    """A push-to-checkout hook that does nothing would leave the work tree behind."""
    put(hooked)
    target = git_repo("target")
    target.git("config", "receive.denyCurrentBranch", "updateInstead")
    target.commit("base", {"old": "1"})
    target.git("pull", "-q", "--no-rebase", "--allow-unrelated-histories", str(hooked.root), "main")
    hooked.repo.git("pull", "-q", str(target.path), "main")
    hooked.repo.commit("more", {"new.yaml": "n: 1\n"})
    assert hooked.git("push", "-q", str(target.path), "main").returncode == 0
    assert (target.path / "new.yaml").read_text() == "n: 1\n"


def test_a_repository_with_a_hook_of_ours_is_previewed_once(hooked: Hooked) -> None:
    program(hooked.root / ".git/hooks/pre-push", noting(hooked.notes_file, "theirs"))
    put(hooked)
    # Git looks into our folder; the repository's own is where it would be without it.
    assert put(hooked, everywhere=False)[0] == "wrote .git/hooks/pre-push"
    assert hooked.push().returncode == 0
    assert ran(hooked) == ["theirs", "sloth-ci"]
    assert take(hooked, everywhere=False) == ["put back .git/hooks/pre-push, as it was"]
    assert hooked.push().returncode == 0
    assert ran(hooked) == ["theirs", "sloth-ci"]


def test_a_setting_that_is_there_is_not_overwritten(hooked: Hooked, home: Path) -> None:
    shared = hooked.folder / "shared hooks"
    program(shared / "pre-push", BEFORE)
    hooked.repo.git("config", "--global", "core.hooksPath", str(shared))
    before = tree(home), tree(shared)
    with pytest.raises(UsageError, match=r"core\.hooksPath \(global\) is .*shared hooks already") as caught:
        put(hooked)
    assert f'add `sloth-ci hook run pre-push "$@"` to {shared}/pre-push' in (caught.value.hint or "")
    assert (tree(home), tree(shared)) == before
    with pytest.raises(UsageError, match="outside of this repository") as caught:
        put(hooked, everywhere=False)
    assert f"to {shared}/pre-push" in (caught.value.hint or "")
    assert "git config --global --unset core.hooksPath && sloth-ci hook install --global" in (caught.value.hint or "")
    assert offer(hooked.root, os.environ).following.startswith("sloth-ci hook install: core.hooksPath (global)")
    assert take(hooked) == ["there are no hooks of sloth-ci for all repositories"]
    assert (tree(home), tree(shared)) == before


def test_what_somebody_put_into_our_folder_stays(hooked: Hooked, home: Path) -> None:
    put(hooked)
    ours = home / ".config/sloth-ci/hooks"
    program(ours / "commit-msg", BEFORE)
    (ours / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="commit-msg is not as sloth-ci wrote it"):
        put(hooked)
    assert take(hooked) == [
        "took core.hooksPath (global) back",
        f"left {ours}: commit-msg, notes.txt is not as sloth-ci wrote it",
    ]
    assert sorted(os.listdir(ours)) == ["commit-msg", "notes.txt"]


def test_doctor_knows_it(hooked: Hooked) -> None:
    assert [finding.ok for finding in findings(hooked.root, os.environ)] == [False]
    put(hooked)
    (finding,) = findings(hooked.root, os.environ)
    assert (finding.ok, finding.detail) == (True, "the hooks for all repositories of this user")


def test_the_folder_is_where_configuration_is() -> None:
    assert our_folder({"XDG_CONFIG_HOME": "/x y"}) == Path("/x y/sloth-ci/hooks")
    assert our_folder({"HOME": "/h"}) == Path("/h/.config/sloth-ci/hooks")


def test_a_mail_that_is_checked_outside_of_a_repository_finds_no_hook_of_its_own(hooked: Hooked, home: Path) -> None:
    put(hooked)
    done = subprocess.run([home / ".config/sloth-ci/hooks/sendemail-validate", "x"], cwd=hooked.folder, check=False)
    assert done.returncode == 0
