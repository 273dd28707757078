"""Inputs of the action, and what a job leaves behind."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.ci.inputs import Inputs, gitlab_variable, kubeconfig_text, read_inputs
from sloth_ci.ci.outputs import DOTENV, GitHubOutputs, GitLabOutputs
from sloth_ci.ci.workspace import become_owner, environment, workspace_of
from sloth_ci.core.errors import UsageError
from support.ciworld_github import read_outputs

KUBECONFIG = "apiVersion: v1\nkind: Config\nclusters: []\n"


def test_names_keep_their_dashes_and_what_is_empty_was_not_given() -> None:
    inputs = read_inputs(
        {"INPUT_COMMAND": " drift ", "INPUT_GITHUB-TOKEN": "t0ken", "INPUT_FAIL-ON": "", "INPUT_COMMENT": "changes"}
    )
    assert (inputs.command, inputs.token, inputs.fail_on, inputs.comment) == (
        "drift",
        "t0ken",
        "conflicts",
        "changes",
    )


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [("COMMAND", "depoly", "known: "), ("FAIL-ON", "hihg", "did you mean 'high'?"), ("COMMENT", "yes", "known: ")],
)
def test_an_unknown_word_is_an_error(name: str, value: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_inputs({f"INPUT_{name}": value})
    assert hint in (caught.value.hint or "")


def test_on_gitlab_inputs_are_variables() -> None:
    inputs = read_inputs({"SLOTH_TOKEN": "t0ken", "SLOTH_FAIL_ON": "high", "INPUT_COMMAND": "drift"}, gitlab_variable)
    assert (inputs.token, inputs.fail_on, inputs.command) == ("t0ken", "high", "auto")


def test_parameters_are_lines_and_variables_are_words() -> None:
    inputs = Inputs(params="a=1\n\n b = two words=2 \n", allow_env="A, B\nC")
    assert inputs.pairs == {"a": "1", "b": "two words=2"}
    assert inputs.variables == ("A", "B", "C")
    with pytest.raises(UsageError, match="expected K=V"):
        _ = Inputs(params="nonsense").pairs
    assert Inputs(approvals=" 2 ").least_approvals == 2
    with pytest.raises(UsageError, match="expected a number"):
        _ = Inputs(approvals="two").least_approvals


def test_inputs_do_not_show_what_they_hold() -> None:
    assert "t0ken" not in repr(Inputs(token="t0ken", kubeconfig=KUBECONFIG))


def test_a_kubeconfig_comes_as_it_is_in_base64_or_by_its_path(tmp_path: Path) -> None:
    assert kubeconfig_text(KUBECONFIG) == KUBECONFIG
    (tmp_path / "SLOTH_KUBECONFIG").write_text(base64.b64encode(KUBECONFIG.encode()).decode())
    assert kubeconfig_text(str(tmp_path / "SLOTH_KUBECONFIG")) == KUBECONFIG
    wrapped = base64.encodebytes(KUBECONFIG.encode()).decode()
    assert kubeconfig_text(wrapped) == KUBECONFIG
    for wrong in (
        "nonsense",
        base64.b64encode(b"nonsense").decode(),
        "ÄÖ",
        str(tmp_path),
        str(tmp_path / "none"),
        "/\0",
    ):
        with pytest.raises(UsageError, match="no kubeconfig") as caught:
            kubeconfig_text(wrong)
        assert wrong not in str(caught.value)


# --- the runner's files


@pytest.fixture
def outputs(tmp_path: Path) -> tuple[GitHubOutputs, Callable[[str], str], io.StringIO]:
    log = io.StringIO()
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    return GitHubOutputs(environ, log=log), lambda name: (tmp_path / name).read_text(), log


def test_no_value_can_name_another_output(outputs: tuple[GitHubOutputs, Callable[[str], str], io.StringIO]) -> None:
    out, read, _ = outputs
    out.set("digest", "abc\nEOF\nsync-status<<EOF\nsucceeded\nEOF")
    out.set("total", "3")
    assert read_outputs(read("output")) == {"digest": "abc\nEOF\nsync-status<<EOF\nsucceeded\nEOF", "total": "3"}


def test_an_output_that_the_action_does_not_have_is_a_fault(
    outputs: tuple[GitHubOutputs, Callable[[str], str], io.StringIO],
) -> None:
    with pytest.raises(ValueError, match="no output nonsense"):
        outputs[0].set("nonsense", "1")


def test_titles_and_errors_are_data_in_the_log(
    outputs: tuple[GitHubOutputs, Callable[[str], str], io.StringIO],
) -> None:
    out, _, log = outputs
    with out.group("plan a\n::set-output name=x::y"):
        pass
    out.error("100% wrong\n::add-mask::x")
    assert log.getvalue().splitlines() == [
        "::group::plan a\\n::set-output name=x::y",
        "::endgroup::",
        "::error title=sloth-ci::100%25 wrong%0A::add-mask::x",
    ]


def test_without_a_runner_an_error_is_left_to_the_command_line() -> None:
    log = io.StringIO()
    GitHubOutputs({}, log=log).error("wrong")
    assert log.getvalue() == ""


def test_on_gitlab_outputs_are_variables_of_later_jobs(tmp_path: Path) -> None:
    out = GitLabOutputs(tmp_path)
    out.set("has-changes", "true")
    out.set("digest", "abc\nSLOTH_SYNC_STATUS=succeeded")
    out.set("sync-status", "failed")
    assert (tmp_path / DOTENV).read_text().splitlines() == [
        "SLOTH_HAS_CHANGES=true",
        "SLOTH_DIGEST=abc\\nSLOTH_SYNC_STATUS=succeeded",
        "SLOTH_SYNC_STATUS=failed",
    ]
    with pytest.raises(ValueError, match="no output nonsense"):
        out.set("nonsense", "1")


def test_what_a_checkout_brings_does_not_pass_for_an_artifact(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("theirs")
    (tmp_path / DOTENV).symlink_to(outside)
    (tmp_path / "sloth-junit.xml").write_text("<testsuites/>")
    out = GitLabOutputs(tmp_path)
    out.set("total", "1")
    out.summary("found")
    assert outside.read_text() == "theirs"
    assert (tmp_path / DOTENV).read_text() == "SLOTH_TOTAL=1\n"
    assert not (tmp_path / "sloth-junit.xml").exists()
    (tmp_path / DOTENV).unlink()
    (tmp_path / DOTENV).symlink_to(outside)  # a renderer of the pull request might have done that meanwhile
    with pytest.raises(UsageError, match=r"cannot write sloth\.env"):
        out.set("total", "2")
    (tmp_path / "sloth-report.html").mkdir()
    with pytest.raises(UsageError, match=r"cannot write sloth-report\.html"):
        GitLabOutputs(tmp_path)


def test_a_group_is_a_section_of_gitlabs_log(tmp_path: Path) -> None:
    log = io.StringIO()
    out = GitLabOutputs(tmp_path, log=log, clock=lambda: 7.0)
    with out.group("plan a\nsection_end:1:sloth_1\r\x1b[0K"):
        log.write("inside\n")
    title = "plan a\\nsection_end:1:sloth_1\\r\\x1b[0K"
    assert log.getvalue() == (
        f"\x1b[0Ksection_start:7:sloth_1[collapsed=true]\r\x1b[0K{title}\ninside\n\x1b[0Ksection_end:7:sloth_1\r\x1b[0K\n"
    )


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        GitHubOutputs({"GITHUB_OUTPUT": str(tmp_path / "no" / "such")}).set("total", "1")


# --- the workspace


def test_the_kubeconfig_is_in_a_file_for_this_run_alone(tmp_path: Path) -> None:
    environ = {
        "SLOTH_KUBECONFIG": "x",
        "INPUT_KUBECONFIG": "x",
        "INPUT_GITHUB-TOKEN": "t0ken",
        "HOME": "/nonexistent",
        "PATH": "/bin",
    }
    before = Path.cwd()
    (tmp_path / "sub").mkdir()
    inputs = Inputs(token="t0ken", kubeconfig=KUBECONFIG, working_directory="sub")
    with environment(environ, inputs, tmp_path, token_variable="GITHUB_TOKEN") as env:
        path = Path(env["KUBECONFIG"])
        assert (path.read_text(), path.stat().st_mode & 0o777) == (KUBECONFIG, 0o600)
        assert env["GITHUB_TOKEN"] == "t0ken"
        assert os.access(env["HOME"], os.W_OK)
        assert not [name for name in env if name.startswith("INPUT_") or name == "SLOTH_KUBECONFIG"]
        assert Path.cwd() == tmp_path / "sub"
    assert not path.exists()
    assert Path.cwd() == before


@pytest.mark.parametrize("folder", ["missing", "..", "/etc"])
def test_a_working_directory_is_inside_the_checkout(tmp_path: Path, folder: str) -> None:
    with (
        pytest.raises(UsageError, match="working-directory: there is no folder"),
        environment({}, Inputs(working_directory=folder), tmp_path, token_variable="GITHUB_TOKEN"),
    ):
        pass


def test_without_a_checkout_it_is_said_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        workspace_of({"GITHUB_WORKSPACE": str(tmp_path / "missing")})
    assert "actions/checkout" in (caught.value.hint or "")


def test_root_goes_on_as_the_owner_of_the_workspace(tmp_path: Path) -> None:
    become: list[tuple[int, int]] = []
    mine = tmp_path.stat()
    found = become_owner(tmp_path, {}, uid=lambda: 0, become=lambda *who: become.append(who))
    assert become == ([] if mine.st_uid == 0 else [(mine.st_uid, mine.st_gid)])
    assert found == (None if mine.st_uid == 0 else mine.st_uid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_files_of_the_runner_go_with_it(tmp_path: Path) -> None:
    workspace, home, output = tmp_path / "workspace", tmp_path / "home", tmp_path / "output"
    workspace.mkdir()
    home.mkdir()
    output.write_text("")
    os.chown(workspace, 1001, 1001)
    become: list[tuple[int, int]] = []
    environ = {"GITHUB_OUTPUT": str(output), "HOME": str(home)}
    assert become_owner(workspace, environ, become=lambda *who: become.append(who)) == 1001
    assert become == [(1001, 1001)]
    assert {output.stat().st_uid, home.stat().st_uid} == {1001}


def test_somebody_else_than_root_stays_who_they_are(tmp_path: Path) -> None:
    assert become_owner(tmp_path, {}, uid=lambda: 1000, become=lambda *_: pytest.fail("became another user")) is None
