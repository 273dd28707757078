"""The action's face says what the program does, and nothing of it is fetched by a name that can move."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import yaml

import sloth_ci
from publish_action import published
from sloth_ci.ci.inputs import Inputs, github_variable
from sloth_ci.ci.outputs import NAMES
from sloth_ci.core.errors import UsageError
from support.project import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
# Digests stand for images that were built elsewhere.
IMAGE = f"docker://ghcr.io/sloth-runner/gitops@sha256:{'ab' * 32}"


def named(name: str) -> str:
    """What action.yml calls an input."""
    return github_variable(name).removeprefix("INPUT_").lower()


def test_the_inputs_are_those_that_the_program_reads() -> None:
    read = {named(field.encode_name): field.default for field in msgspec.structs.fields(Inputs)}
    offered = {name: about["default"] for name, about in ACTION["inputs"].items()}
    assert offered.pop("github-token") == "${{ github.token }}"
    assert read.pop("github-token") == ""
    assert offered == read


def test_a_choice_names_all_its_words() -> None:
    for field in msgspec.structs.fields(Inputs):
        description = ACTION["inputs"][named(field.encode_name)]["description"]
        assert [word for word in get_args(field.type) if f"`{word}`" not in description] == []


def test_the_outputs_are_those_that_the_program_sets() -> None:
    assert list(ACTION["outputs"]) == list(NAMES)


def test_everything_is_described() -> None:
    parts = {**ACTION["inputs"], **ACTION["outputs"]}
    assert [name for name, about in parts.items() if not about["description"].endswith(".")] == []


def test_the_published_form_differs_in_its_image_alone() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    form = yaml.safe_load(published(text, IMAGE))
    assert form["runs"] == {"using": "docker", "image": IMAGE}
    assert {**form, "runs": None} == {**ACTION, "runs": None}
    assert "A release puts" not in published(text, IMAGE)


@pytest.mark.parametrize("image", ["Dockerfile", "ghcr.io/sloth-runner/gitops", "docker://", "docker://a b", ""])
def test_only_an_image_is_published(image: str) -> None:
    with pytest.raises(ValueError, match="is no image"):
        published("runs:\n  image: Dockerfile\n", image)


def test_an_action_that_names_an_image_already_is_not_published_again() -> None:
    with pytest.raises(ValueError, match="no line"):
        published(published((ROOT / "action.yml").read_text(encoding="utf-8"), IMAGE), IMAGE)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_action_is_pinned_and_its_version_said(file: Path) -> None:
    used = re.findall(r"^\s*(?:- )?uses: (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    assert used
    pinned = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+|\./ # zizmor: ignore\[self-repository\]")
    assert [use for use in used if not pinned.fullmatch(use)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_job_has_the_rights_it_names_and_an_end(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        assert job["permissions"]
        assert job["timeout-minutes"] <= 60


def test_the_dockerfile_keeps_to_the_classic_builder() -> None:
    assert not re.search(r"^# *syntax=|<<[-A-Z'\"]|--mount|--chmod|--chown=\$|--link", DOCKERFILE, re.MULTILINE)
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - set(re.findall(r" AS (\S+)", DOCKERFILE))
    assert bases == {"python:3.13-slim"}, "one base, by a tag: an engine asks a registry about a digest"


def test_the_image_takes_what_is_pinned_here() -> None:
    pins = {name: _pins(name) for name in ("image", "dev")}
    assert {"hatchling", "helm-binary"} <= pins["image"].keys()
    assert pins["image"].items() <= pins["dev"].items()


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / f"requirements/{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^(\S+)==(\S+)", text, re.MULTILINE))


def _start(*given: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/entrypoint.py"), *given]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


def test_the_image_starts_as_the_action() -> None:
    done = _start()
    assert "this is no job of GitHub Actions" in done.stderr
    assert done.returncode == UsageError.exit_code


def test_the_image_starts_with_an_option() -> None:
    assert _start("--version").stdout == f"sloth-ci, version {sloth_ci.__version__}\n"


def test_the_image_starts_with_any_command_and_all_variables() -> None:
    """A shell in between would lose the inputs with a dash in their name."""
    done = _start("env", **{"INPUT_GITHUB-TOKEN": "a b", "INPUT_ALLOW-ENV": "x"})
    assert {"INPUT_GITHUB-TOKEN=a b", "INPUT_ALLOW-ENV=x"} <= set(done.stdout.splitlines())
    assert _start("sh", "-c", "exit 7").returncode == 7


def test_the_image_says_how_a_command_of_the_program_is_given() -> None:
    done = _start("preview")
    assert done.stderr == "preview: No such file or directory; a command of sloth-ci is: sloth-ci preview\n"
    assert done.returncode == 1
