"""The inputs of the action and of the template, as the runner hands them over."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, get_args

import msgspec

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import did_you_mean
from sloth_ci.report.checkrun import FailOn

Command = Literal["auto", "preview", "sync", "run", "drift", "rollback", "report", "doctor"]
YesNo = Literal["false", "true"]
WhenToComment = Literal["true", "false", "changes"]


class Inputs(msgspec.Struct, frozen=True, kw_only=True, rename=lambda name: name.replace("_", "-")):
    """One field for each input; the texts in action.yml and in the template are what users read."""

    command: Command = "auto"
    workflow: str = ""
    environment: str = ""
    task: str = ""
    params: str = ""
    target_path: str = ""
    token: str = ""
    kubeconfig: str = ""
    base: str = ""
    head: str = ""
    approvals: str = ""
    comment: WhenToComment = "true"
    fail_on: FailOn = "conflicts"
    working_directory: str = ""
    allow_env: str = ""
    to: str = "previous"
    reason: str = ""
    release_hold: YesNo = "false"
    bundle: str = ""

    def __repr__(self) -> str:
        return f"Inputs(command={self.command!r})"  # a token and a kubeconfig are among the others

    @property
    def pairs(self) -> dict[str, str]:
        """`params`, a `K=V` on each line. Raises UsageError."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, self.params.splitlines())):
            key, equals, value = line.partition("=")
            if not equals or not key:
                raise UsageError(f"params: '{line}': expected K=V", "for example reason=new prices, one on each line")
            found[key.strip()] = value.strip()
        return found

    @property
    def variables(self) -> tuple[str, ...]:
        """`allow-env`, names apart by commas, blanks or lines."""
        return tuple(filter(None, re.split(r"[\s,]+", self.allow_env)))

    @property
    def least_approvals(self) -> int:
        """`approvals`: how many a plan takes at least, where the Lua file asks for fewer. Raises UsageError."""
        if not self.approvals.strip():
            return 0
        if not re.fullmatch(r"\s*\d{1,2}\s*", self.approvals):
            raise UsageError(f"approvals: '{self.approvals}': expected a number of people")
        return int(self.approvals)


def input_names() -> list[str]:
    """As action.yml writes them, but for the token, which each CI system calls something else."""
    return [field.encode_name for field in msgspec.structs.fields(Inputs)]


def github_variable(name: str) -> str:
    """Where the runner of GitHub Actions puts an input: in capitals, with its dashes."""
    return f"INPUT_{'GITHUB-TOKEN' if name == 'token' else name.upper()}"


def gitlab_variable(name: str) -> str:
    """The CI/CD variable that is an input on GitLab: `SLOTH_FAIL_ON`."""
    return f"SLOTH_{name.upper().replace('-', '_')}"


def read_inputs(environ: Mapping[str, str], variable: Callable[[str], str] = github_variable) -> Inputs:
    """Read the inputs. An empty one is one that was not given. Raises UsageError for a word that an input does not know."""
    given: dict[str, str] = {}
    for field in msgspec.structs.fields(Inputs):
        value = environ.get(variable(field.encode_name), "")
        if value.strip():
            given[field.encode_name] = value
    for field in msgspec.structs.fields(Inputs):
        words = get_args(field.type)
        value = given.get(field.encode_name, "").strip()
        if words and value:
            if value not in words:
                raise UsageError(f"{field.encode_name}: unknown word '{value}'", did_you_mean(value, words))
            given[field.encode_name] = value
    return msgspec.convert(given, Inputs)


def kubeconfig_text(value: str) -> str:
    """A kubeconfig that was given as it is, in base64, or by its path: of a variable of type file GitLab's runner gives that.

    Raises UsageError where it is none of these.
    """
    path = value.strip()
    try:
        if os.path.isabs(path) and os.path.isfile(path):
            value = Path(path).read_text(encoding="utf-8")
        text = value if "clusters" in value else base64.b64decode("".join(value.split()), validate=True).decode()
    except (binascii.Error, OSError, ValueError):
        text = ""
    if "clusters" not in text:
        raise UsageError(
            "kubeconfig: this is no kubeconfig",
            "give the file's content, or its base64, from a secret: kubeconfig: ${{ secrets.KUBECONFIG }}, or SLOTH_KUBECONFIG on GitLab",
        )
    return text
