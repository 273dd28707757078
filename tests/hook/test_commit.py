"""What the pre-commit hook says of a change, and what it lets pass."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.committing import LUA, Committing, config_map, deployment
from support.gitrepo import GitRepo

BASE = {"sloth.lua": LUA, "deploy/a.yaml": config_map(), "deploy/web.yaml": deployment()}
SKIP = "sloth-ci: to commit all the same: git commit --no-verify, or SLOTH_SKIP=1 git commit"


@pytest.fixture
def shop(git_repo: Callable[..., GitRepo]) -> Committing:
    return Committing(git_repo(), BASE)


def test_a_change_that_is_well_is_committed_without_a_word(shop: Committing) -> None:
    shop.stage({"deploy/b.yaml": config_map("b"), "deploy/web.yaml": deployment("web2")})
    assert shop.commit() == (True, "")


def test_everything_that_is_wrong_is_said_at_once_with_its_place(shop: Committing) -> None:
    shop.stage(
        {
            "deploy/bad.yaml": "a: b: c\n---\nkind: [\n",
            "deploy/web.yaml": deployment(field="replcas"),
            "deploy/b.yaml": config_map("b", k="5"),
            "deploy/twice.yaml": config_map("a"),
            "deploy/key.yaml": config_map("c") + "  k: again\n",
        }
    )
    done = shop.commit()
    assert not done.made
    assert done.lines == [
        "deploy/b.yaml:6: ConfigMap/b: data[k] is not a string: put it in quotes",
        "deploy/bad.yaml:1: a ': ' where none can be: quote the value, or mend the indentation",
        "deploy/bad.yaml:4: a value is missing, or starts with a character that needs quotes",
        "deploy/key.yaml:7: the key 'k' is there twice",
        "deploy/twice.yaml:1: ConfigMap/a: is declared in deploy/a.yaml:1, too",
        "deploy/web.yaml:6: Deployment/web: spec.replcas: unknown field, did you mean 'replicas'?",
        "sloth-ci: 6 problems in 5 files (Kubernetes v1.37.2)",
        SKIP,
    ]


def test_what_was_wrong_before_is_not_held_against_a_commit(git_repo: Callable[..., GitRepo]) -> None:
    old = {
        "deploy/bad.yaml": "kind: [\n",
        "deploy/web.yaml": deployment(field="replcas"),
        "deploy/one.yaml": config_map("same"),
        "deploy/two.yaml": config_map("same", other="x"),
    }
    shop = Committing(git_repo(), BASE | old)
    shop.stage({"deploy/b.yaml": config_map("b")})
    assert shop.commit() == (True, "")
    shop.stage({"deploy/c.yaml": deployment("c", field="replcas")})
    done = shop.commit()
    assert not done.made
    assert [line.split(":")[0] for line in done.lines if line.startswith("deploy/")] == ["deploy/c.yaml"]
    shop.stage({"deploy/c.yaml": config_map("c"), "deploy/bad.yaml": "kind: [\n# touched\n"})
    assert [line.split(":")[0] for line in shop.commit().lines if line.startswith("deploy/")] == ["deploy/bad.yaml"]


def test_the_work_tree_is_not_looked_at(shop: Committing) -> None:
    shop.stage({"deploy/web.yaml": deployment("well")})
    shop.repo.write({"deploy/web.yaml": deployment(field="replcas"), "deploy/new.yaml": "kind: [\n"})
    assert shop.commit() == (True, "")
    shop.stage({"deploy/web.yaml": deployment(field="replcas")})
    shop.repo.write({"deploy/web.yaml": deployment("well")})
    assert not shop.commit().made


def test_what_no_workflow_deploys_is_not_checked(shop: Committing) -> None:
    shop.stage({"docs/example.yaml": "kind: [\n", "README.md": "hello\n"})
    assert shop.commit() == (True, "")


def test_a_deletion_is_no_problem(shop: Committing) -> None:
    shop.stage({}, delete=("deploy/web.yaml",))
    assert shop.commit() == (True, "")
    assert shop.git("commit", "--quiet", "--allow-empty", "--message", "nothing") == (True, "")


def test_no_more_than_a_screen_is_said(shop: Committing) -> None:
    shop.stage({f"deploy/{n:02}.yaml": deployment(f"web-{n}", field="replcas") for n in range(30)})
    done = shop.commit()
    assert len(done.lines) <= 24
    assert done.lines[20] == "... and 10 more"
    assert "sloth-ci: 30 problems in 30 files (Kubernetes v1.37.2)" in done.lines


@pytest.mark.parametrize("how", ["variable", "option"])
def test_the_way_past_it(shop: Committing, how: str) -> None:
    shop.stage({"deploy/bad.yaml": "kind: [\n"})
    if how == "variable":
        assert shop.commit(environ={"SLOTH_SKIP": "1"}) == (True, "")
    else:
        assert shop.commit("--no-verify") == (True, "")


def test_no_value_of_a_secret_is_said(shop: Committing) -> None:
    secret = (
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: s\ntype: hunter2-type\n"
        "data:\n  token: hunter2-plain!\nstringDat:\n  password: hunter2-value\nimmutable: hunter2-yes\n"
    )
    shop.stage({"deploy/s.yaml": secret, "deploy/t.yaml": secret.replace("data:\n", "data: [hunter2\n")})
    done = shop.commit()
    assert not done.made
    assert "hunter2" not in done.said
    assert "deploy/s.yaml:8: Secret/s: stringDat: unknown field, did you mean 'stringData'?" in done.lines
    assert "deploy/s.yaml:10: Secret/s: immutable: expected true or false, found a string" in done.lines
    assert any("data[token] is not base64" in line for line in done.lines)


def test_text_of_the_repository_is_no_command_to_a_terminal_or_a_runner(shop: Committing) -> None:
    shop.stage({"deploy/\x1b[31m::error::x.yaml": "kind: [\n"})
    done = shop.commit()
    assert not done.made
    assert "\x1b" not in done.said
    assert not re.search(r"^::", done.said, re.MULTILINE)


# --- the workflow file ---------------------------------------------------------------------------------------------


def test_a_broken_workflow_file_blocks_with_its_line(shop: Committing) -> None:
    shop.stage({"sloth.lua": LUA + "gitops.workflow{ repo = '.', name = 'b', targetpath = 'x' }\n"})
    done = shop.commit()
    assert not done.made
    assert done.lines[0].startswith("sloth.lua:2: gitops.workflow: unknown key 'targetpath'")
    assert "did you mean 'target_path'?" in done.lines[0]
    shop.stage({"sloth.lua": LUA + "\nif\n"})
    assert re.match(r"sloth\.lua:4: .*unexpected", shop.commit().lines[0])


def test_the_workflow_file_counts_as_it_is_staged(shop: Committing) -> None:
    shop.stage({"other/bad.yaml": "kind: [\n", "deploy/b.yaml": config_map("b")})
    shop.repo.write({"sloth.lua": "this is no Lua\n"})
    assert shop.commit() == (True, "")


def test_a_file_that_the_workflow_file_requires_counts_as_it_is_staged(shop: Committing) -> None:
    shop.stage({"sloth.lua": 'require("shared")\n', "shared.lua": LUA})
    assert shop.commit() == (True, "")
    shop.stage({"shared.lua": "local x = = 1\n"})
    done = shop.commit()
    assert not done.made
    assert done.lines[0].startswith("shared.lua:1: ")


def test_a_workflow_file_that_was_broken_before_is_told_and_blocks_nothing(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), BASE | {"sloth.lua": "if\n"})
    shop.stage({"deploy/b.yaml": config_map("b")})
    done = shop.commit()
    assert done.made
    assert done.lines[0].startswith("sloth-ci: not checked: all of it: sloth.lua:")


def test_a_workflow_that_is_new_is_checked_as_a_whole(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), BASE | {"more/web.yaml": deployment(field="replcas")})
    shop.stage({"sloth.lua": LUA + "-- a word\n"})
    assert shop.commit() == (True, "")
    shop.stage({"sloth.lua": LUA + LUA.replace("shop", "more").replace("deploy", "more")})
    done = shop.commit()
    assert not done.made
    assert done.lines[0].startswith("more/web.yaml:6: Deployment/web: spec.replcas")


def test_what_the_file_would_do_is_not_done_and_no_secret_is_needed(shop: Committing, tmp_path: Path) -> None:
    lua = (
        'gitops.workflow{ repo = ".", name = "shop", target_path = "deploy",\n'
        '  credentials = { token_env = "NOBODY_HAS_THIS" } }\n'
        f'print("a word")\nif command then command.run("touch {tmp_path}/done") end\n'
    )
    shop.stage({"sloth.lua": lua, "deploy/b.yaml": config_map("b")})
    done = shop.commit()
    assert not (tmp_path / "done").exists()
    assert "a word" not in done.said
    assert done.made, done.said


def test_another_repository_is_left_alone(shop: Committing) -> None:
    lua = LUA + 'gitops.workflow{ repo = "https://git.example.com/a/b", name = "b", target_path = "deploy" }\n'
    shop.stage({"sloth.lua": lua, "deploy/b.yaml": config_map("b")})
    assert shop.commit() == (True, "")


# --- without a workflow file ---------------------------------------------------------------------------------------


def test_without_a_workflow_file_what_looks_deployable_is_checked(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), {"k8s/a.yaml": config_map(), ".github/workflows/ci.yml": "on: push\n"})
    shop.stage({"k8s/web.yaml": deployment(field="replcas"), "values.yaml": "a: 1\n", ".github/x.yml": "kind: [\n"})
    done = shop.commit()
    assert not done.made
    assert [line.split(":")[0] for line in done.lines[:-2]] == ["k8s/web.yaml"]


def test_parts_of_kustomizations_are_no_objects_of_their_own(git_repo: Callable[..., GitRepo], kustomize: Path) -> None:
    patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  replicas: 3\n"
    files = {
        "root.yaml": config_map("root"),
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": deployment(),
        "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
        "prod/patch.yaml": patch,
    }
    shop = Committing(git_repo(), {"README.md": "x\n"})
    shop.stage(files)
    path = f"{kustomize.parent}:{os.environ['PATH']}"
    assert shop.commit(environ={"PATH": path}) == (True, "")
    shop.stage({"prod/patch.yaml": patch.replace("replicas", "replcas")})
    done = shop.commit(environ={"PATH": path})
    assert not done.made
    assert any("Deployment/web: spec.replcas: unknown field" in line for line in done.lines)


def test_a_repository_without_manifests_is_left_in_peace(git_repo: Callable[..., GitRepo]) -> None:
    shop = Committing(git_repo(), {"README.md": "x\n"})
    shop.stage({"main.py": "print()\n", "mkdocs.yml": "nav: [\n"})
    assert shop.commit() == (True, "")


# --- faults of ours ------------------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_a_line_and_blocks_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sloth_ci.hook import commit

    def fail(*_: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr(commit, "staged", fail)
    assert commit.pre_commit(environ={}) == 0
    said = capsys.readouterr().err
    assert said == (
        "sloth-ci: a fault of sloth-ci, so nothing was checked: RuntimeError (more: SLOTH_DEBUG=1 sloth-ci hook run pre-commit)\n"
    )
    assert commit.pre_commit(environ={"SLOTH_DEBUG": "1"}) == 0
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_says_nothing_and_is_told_by_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sloth_ci.hook import commit

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commit, "staged", stop)
    assert commit.pre_commit(environ={}) == 130
    assert capsys.readouterr().err == ""


def test_outside_of_a_repository_there_is_nothing_to_check(shop: Committing, tmp_path: Path) -> None:
    code, said = shop.check(cwd=tmp_path)
    assert (code, said) == (0, "sloth-ci: nothing was checked: this is no work tree of Git, so nothing is staged\n")


def test_a_branch_strategy_needs_no_remote_and_no_commit(git_repo: Callable[..., GitRepo]) -> None:
    lua = LUA.replace(" }", ', branch_strategy = "github-flow" }')
    shop = Committing(git_repo())
    shop.stage({**BASE, "sloth.lua": lua})
    assert shop.commit() == (True, "")
    shop.repo.git("remote", "add", "origin", "https://git.example.com/a/b.git")
    shop.repo.git("checkout", "--quiet", "--detach")
    shop.stage({"deploy/web.yaml": deployment(field="replcas")})
    done = shop.commit()
    assert done.lines[0].startswith("deploy/web.yaml:6: ")
    shop.stage({"deploy/web.yaml": deployment("b")})
    assert shop.commit() == (True, "")


def test_a_file_that_does_more_than_declare_asks_no_destination(shop: Committing) -> None:
    lua = (
        'local shop = gitops.workflow{ repo = ".", name = "shop", target_path = "deploy",\n'
        '  destination = { kubeconfig = "nowhere", context = "prod" } }\n'
        "if gitops.generate_diff(shop.workflow_id) then error('a diff') end\n"
        "assert(gitops.sync_workflow(shop.workflow_id))\n"
        "assert(gitops.rollback_workflow(shop.workflow_id, 'why'))\n"
        "assert(gitops.get_workflow_status(shop.workflow_id).status == 'active')\n"
        "gitops.start_auto_sync()\n"
    )
    shop.stage({"sloth.lua": lua, "deploy/b.yaml": config_map("b")})
    assert shop.commit(environ={"CI": "true"}) == (True, "")
    shop.stage({"deploy/web.yaml": deployment(field="replcas")})
    assert shop.commit().lines[0].startswith("deploy/web.yaml:6: ")
