"""GitLab's template says what the program does, and what scripts/check_ci.py holds against it is found."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
import yaml

import gitlab_template
from publish_action import published_template
from sloth_ci.ci.inputs import Inputs, gitlab_variable
from sloth_ci.ci.outputs import DOTENV, FINDINGS, JUNIT, REPORT, SUMMARY
from support.project import ROOT

TEXT = (ROOT / gitlab_template.TEMPLATE).read_text(encoding="utf-8")
HEADER: dict[str, Any] = gitlab_template.header(TEXT)["inputs"]
JOBS = gitlab_template.interpolated(TEXT)
OF_ONE_RUN = {"bundle", "base", "head", "task", "params", "to", "reason", "release-hold", "token", "kubeconfig"}
"""What is no setting of a project: a variable of one pipeline, or a secret."""
IMAGE = f"docker://ghcr.io/sloth-runner/gitops@sha256:{'ab' * 32}"


def test_the_inputs_are_those_that_the_program_reads() -> None:
    read = {field.encode_name: field.default for field in msgspec.structs.fields(Inputs)}
    settings = {name: default for name, default in read.items() if name not in OF_ONE_RUN}
    offered = {name: str(about["default"]) for name, about in HEADER.items() if name in settings}
    # GitLab knows numbers.
    assert offered.pop("approvals") == "0"
    assert settings.pop("approvals") == ""
    assert offered == settings


def test_a_choice_has_all_the_words_of_the_program() -> None:
    words = {field.encode_name: get_args(field.type) for field in msgspec.structs.fields(Inputs)}
    assert tuple(HEADER["fail-on"]["options"]) == words["fail-on"]
    assert tuple(HEADER["comment"]["options"]) == words["comment"]
    assert set(words["command"]) - set(HEADER["command"]["options"]) == {"report"}, "which is for forks on GitHub"


def test_a_job_has_the_variables_that_the_program_reads() -> None:
    read = {gitlab_variable(field.encode_name) for field in msgspec.structs.fields(Inputs)}
    set_by_us = {name for name in JOBS[".sloth"]["variables"] if name.startswith("SLOTH_")}
    assert read - set_by_us == {gitlab_variable(name) for name in OF_ONE_RUN}
    assert set_by_us <= read


def test_the_artifacts_are_what_the_program_leaves() -> None:
    kept = JOBS[".sloth"]["artifacts"]
    assert kept["paths"] == [REPORT, SUMMARY]
    assert kept["reports"] == {"dotenv": DOTENV, "codequality": FINDINGS, "junit": JUNIT}
    assert kept["when"] == "always"


def test_only_a_preview_is_tried_again_or_broken_off() -> None:
    hidden = {name: job for name, job in JOBS.items() if name.startswith(".sloth")}
    assert [name for name, job in hidden.items() if job.get("retry")] == [".sloth:preview"]
    assert [name for name, job in hidden.items() if job.get("interruptible")] == [".sloth:preview"]
    assert [name for name, job in hidden.items() if job.get("allow_failure")] == []


def test_every_job_is_there_to_be_extended() -> None:
    ready = {name: job for name, job in JOBS.items() if not name.startswith(".")}
    assert ready == {name: {"extends": f".{name}"} for name in ready}
    assert {f".{name}" for name in ready} | {".sloth"} == {name for name in JOBS if name.startswith(".")}


def test_the_user_file_is_short_and_names_inputs_that_there_are() -> None:
    file = (ROOT / "lua/templates/gitlab.yml").read_text(encoding="utf-8")
    assert len(file.splitlines()) <= 6
    (entry,) = yaml.safe_load(file)["include"]
    assert entry["remote"].endswith(f"/v1/{gitlab_template.TEMPLATE}")
    assert entry["inputs"].keys() <= HEADER.keys()


def test_the_published_form_differs_in_its_image_alone() -> None:
    form = published_template(TEXT, IMAGE)
    assert gitlab_template.header(form)["inputs"]["image"] == {**HEADER["image"], "default": IMAGE[len("docker://") :]}
    assert form.count("\n") == TEXT.count("\n") - 1, "and its comment"
    with pytest.raises(ValueError, match="no line"):
        published_template(form, IMAGE)
    with pytest.raises(ValueError, match="is no image"):
        published_template(TEXT, "gitops:v1")


def test_it_holds() -> None:
    assert gitlab_template.problems(TEXT, TEXT) == []


@pytest.mark.parametrize(
    ("part", "instead", "problem"),
    [
        ("inputs.fail-on ]]", "inputs.fails-on ]]", "input fails-on is used and not declared"),
        ("inputs.fail-on ]]", "inputs.fails-on ]]", "input fail-on is declared and not used"),
        ('"$[[ inputs.fail-on ]]"', "$[[ input.fail-on ]]", "names no input"),
        ("default: conflicts", "default: conflict", "its default 'conflict' is no option"),
        ("type: number\n      default: 0", "type: number\n      default: none", "its default 'none' is no number"),
        ("      default: production", "      default: a:b", "does not match its regex"),
        ("regex: '^[\\w, ]*$'", "regex: '.*'", "its regex lets a quote through"),
        ("      regex: '^[\\w, ]*$'\n", "", "it takes any text"),
        ("      description: The stage of the preview.\n", "", "it has no description"),
    ],
)
def test_what_does_not_hold_is_said(part: str, instead: str, problem: str) -> None:
    assert part in TEXT
    changed = TEXT.replace(part, instead)
    assert problem in " ".join(gitlab_template.problems(changed, changed))


def test_a_component_of_its_own_text_is_said() -> None:
    assert gitlab_template.problems(TEXT, f"{TEXT}\n") == ["templates/gitops/template.yml has another text: make docs"]


def test_a_template_without_a_header_is_none() -> None:
    with pytest.raises(ValueError, match="a template is"):
        gitlab_template.header("job: { script: [a] }\n")
