"""GitHub's runner, played by act: it runs a user's workflow file, with the container action in its published form.

    ran = act.run(checkout, workflow, event="pull_request", payload={...})
    assert ran.exit_code == 5
    assert ran.outputs["has-changes"] == "true"

As on GitHub, a container action gets INPUT_*, GITHUB_*, the payload, and a workspace that it shares with the other steps.
Unlike there: GITHUB_WORKSPACE is the path on the host, `environment:` and `permissions:` mean nothing, and GITHUB_SHA is the
checkout's HEAD. Containers use the host's network, so that the action reaches a forge on loopback.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from docker import Docker
from publish_action import published
from support.project import ROOT
from support.waiting import until

ACTION: Final = "sloth-runner/gitops@v1"
TOKEN: Final = "ghs_token-of-the-run"
"""Long enough that masking it masks nothing else."""
NOWHERE: Final = {
    "GITHUB_API_URL": "http://127.0.0.1:9",
    "GITHUB_GRAPHQL_URL": "http://127.0.0.1:9/graphql",
    "GITHUB_SERVER_URL": "http://127.0.0.1:9",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_REPOSITORY_OWNER": "acme",
}
"""Where nobody listens."""
ARTIFACTS: Final = ".artifacts"
"""The folder of a workspace that plays the store of artifacts, with a folder for each."""
TIMEOUT: Final = 300.0
"""Seconds for a whole run."""
_PROGRAM: Final = Path(sys.executable).parent / "act"
_EXIT_CODE: Final = re.compile(r"^exit with `FAILURE`: (\d+)$")
_NAME: Final = re.compile(r"^name: *(.*)$", re.MULTILINE)

_ARTIFACT: Final = {
    name: f"""\
name: {name}
description: Plays actions/{name}-artifact within one workspace.
inputs:
  name: {{ description: of the artifact, default: artifact }}
  path: {{ description: of the files, default: . }}
  if-no-files-found: {{ description: what then, default: warn }}
  run-id: {{ description: of the other run, default: "" }}
  github-token: {{ description: to ask for it, default: "" }}
runs:
  using: composite
  steps:
    - shell: bash
      env:
        STORE: {ARTIFACTS}/${{{{ inputs.name }}}}
        FILES: ${{{{ inputs.path }}}}
      run: |
        {script}
"""
    for name, script in {
        "upload": 'mkdir -p "$STORE"; while read -r file; do if [ -e "$file" ]; then cp "$file" "$STORE"; fi; done <<< "$FILES"',
        "download": 'cp "$STORE"/* "$FILES"',
    }.items()
}

Line = Mapping[str, Any]


class ActError(AssertionError):
    """act itself could not run the workflow, or a run did not do what a test waits for."""


@dataclass(frozen=True)
class Ran:
    """What became of a run."""

    code: int
    """act's own exit code: 0 where all jobs succeeded, else 1."""
    lines: Sequence[Line] = field(repr=False)
    """What act said, a JSON object a line."""

    @cached_property
    def text(self) -> str:
        """Everything that was said, by act and by the containers: the log of the job."""
        return "\n".join(str(line.get("msg", "")).rstrip("\n") for line in self.lines)

    @cached_property
    def printed(self) -> str:
        """What the containers printed, without act's own lines."""
        return "\n".join(str(line["msg"]).rstrip("\n") for line in self.lines if line.get("raw_output"))

    @cached_property
    def steps(self) -> Mapping[str, str]:
        """The result of each step that has one, by its id, or its number from 0: `success`, `failure` or `skipped`."""
        ended = (line for line in self.lines if "stepResult" in line and "stepID" in line)
        return {str(line["stepID"][-1]): str(line["stepResult"]) for line in ended}

    @cached_property
    def jobs(self) -> Mapping[str, str]:
        """The result of each job, by its id."""
        return {str(line["jobID"]): str(line["jobResult"]) for line in self.lines if "jobResult" in line}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of all steps. Of two steps with the same output, the later one's."""
        return {
            str(line["name"]): str(line.get("arg", "")) for line in self.lines if line.get("command") == "set-output"
        }

    def outputs_of(self, step: str) -> Mapping[str, str]:
        """The outputs of one step, by its id."""
        return {
            str(line["name"]): str(line.get("arg", ""))
            for line in self.lines
            if line.get("command") == "set-output" and list(line.get("stepID", ())) == [step]
        }

    @cached_property
    def exit_code(self) -> int:
        """The exit code of the container that failed; 0 where none did."""
        own = (str(line.get("msg", "")) for line in self.lines if not line.get("raw_output") and "command" not in line)
        return next((int(found[1]) for text in own if (found := _EXIT_CODE.search(text))), 0)

    @cached_property
    def summary(self) -> str:
        """The job summary, as all steps wrote it."""
        return "".join(str(line.get("content", "")) for line in self.lines if line.get("command") == "summary")


class Act:
    """act with everything it needs: an engine, the image, and the action that names it."""

    def __init__(self, docker: Docker, image: str, base: str, folder: Path) -> None:
        self.docker = docker
        self.image = image
        self._base = base
        self._folder = folder
        self._runs = 0
        self._action = folder / "action"
        self._action.mkdir(parents=True)
        text = (ROOT / "action.yml").read_text(encoding="utf-8")
        (self._action / "action.yml").write_text(published(text, f"docker://{image}"), encoding="utf-8")
        # Without a settings file act asks for one.
        settings = folder / "config" / "act" / "actrc"
        settings.parent.mkdir(parents=True)
        settings.touch()

    def _actions(self, workflow: str) -> Iterator[tuple[str, Path]]:
        """The actions that a workflow uses and act is to take from here: ours, and what plays the artifacts'."""
        yield ACTION, self._action
        for use, name in re.findall(r"uses: (actions/(upload|download)-artifact@\S+)", workflow):
            place = self._folder / name
            place.mkdir(exist_ok=True)
            (place / "action.yml").write_text(_ARTIFACT[name], encoding="utf-8")
            yield use, place

    def run(self, checkout: Path, workflow: str | Path, **options: Any) -> Ran:
        """Run a workflow to its end; the options are those of `running`."""
        with self.running(checkout, workflow, **options) as run:
            return run.wait()

    @contextmanager
    def running(
        self,
        checkout: Path,
        workflow: str | Path,
        *,
        event: str = "push",
        payload: Mapping[str, Any] | None = None,
        runner: Mapping[str, str] = NOWHERE,
        actor: str = "alice",
        secrets: Mapping[str, str] | None = None,
        token: str = TOKEN,
        job: str | None = None,
    ) -> Iterator[Running]:
        """Start a workflow, and end it with the block.

        Args:
            checkout: the workspace, a Git work tree.
            workflow: the workflow file, or its text.
            event: what starts it.
            payload: of the event.
            runner: what GITHUB_* variables the runner sets; those of `NOWHERE` lead to no forge.
            actor: who started it.
            secrets: by name, besides the token.
            token: what `github.token` is.
            job: only this job.
        """
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        folder.mkdir()
        text = workflow.read_text(encoding="utf-8") if isinstance(workflow, Path) else workflow
        named = _NAME.search(text)
        # act names containers by the workflow's name: those of tests that run at the same time would be one another's.
        alone = f"name: {folder.parent.parent.name}-{self._runs}-{os.getpid()}"
        copy = folder / "workflow.yml"
        copy.write_text(_NAME.sub(alone, text, count=1) if named else f"{alone}\n{text}", encoding="utf-8")
        (folder / "event.json").write_text(json.dumps(payload or {}), encoding="utf-8")
        (folder / "secrets").write_text(
            "".join(
                f"{name}={json.dumps(value)}\n" for name, value in {"GITHUB_TOKEN": token, **(secrets or {})}.items()
            )
        )
        variables = {**NOWHERE, **runner, "GITHUB_WORKFLOW": named[1].strip("'\"") if named else "workflow.yml"}
        command = [
            *(str(_PROGRAM), event, "--directory", str(checkout), "--workflows", str(copy)),
            *("--eventpath", str(folder / "event.json"), "--secret-file", str(folder / "secrets")),
            *("--platform", f"ubuntu-latest={self._base}", "--pull=false", "--bind", "--rm", "--json"),
            *(
                "--no-cache-server",
                "--container-daemon-socket",
                "-",
                "--action-cache-path",
                str(self._folder / "cache"),
            ),
            *(part for use, place in self._actions(text) for part in ("--local-repository", f"{use}={place}")),
            *("--actor", actor),
            *(part for name, value in variables.items() for part in ("--env", f"{name}={value}")),
            *(("--job", job) if job else ()),
        ]
        environ = {**os.environ, **self.docker.address, "XDG_CONFIG_HOME": str(self._folder / "config")}
        with subprocess.Popen(
            command,
            cwd=folder,  # act reads .env and .secrets where it stands
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            run = Running(process, self.docker, self.image, checkout)
            try:
                yield run
            finally:
                if process.poll() is None:
                    process.terminate()
                run.finish()


class Running:
    """A run that goes on."""

    def __init__(self, process: subprocess.Popen[str], docker: Docker, image: str, checkout: Path) -> None:
        self._process = process
        self._checkout = checkout
        self._docker = docker
        self._image = image
        self._lines: list[Line] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for text in self._process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"msg": text}
            self._lines.append(line if isinstance(line, dict) else {"msg": text})

    @property
    def text(self) -> str:
        """What was said up to now."""
        return "\n".join(str(line.get("msg", "")) for line in list(self._lines))

    def until_says(self, text: str, timeout: float = TIMEOUT) -> None:
        """Wait for a text in the log. Raises ActError where the run ends without."""
        until(
            lambda: text in self.text or self._process.poll() is not None, timeout=timeout, what=f"'{text}' in the log"
        )
        if self._process.poll() is not None:
            self.finish()
        if text not in self.text:
            raise ActError(f"the run never said '{text}':\n{self.text}")

    def signal(self, name: str) -> None:
        """Send a signal to the action's container, as the runner does to a cancelled job: `INT`, then `TERM`."""
        which = ("--filter", f"ancestor={self._image}", "--filter", f"volume={self._checkout}")
        running = self._docker("ps", "--quiet", *which).split()
        if len(running) != 1:
            raise ActError(f"{len(running)} containers of the action are running:\n{self.text}")
        self._docker("kill", "--signal", name, running[0])

    def wait(self, timeout: float = TIMEOUT) -> Ran:
        """Wait for the end. Raises ActError where it takes too long, or act refused the workflow."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise ActError(f"the run does not end:\n{self.text}") from error
        self.finish()
        ran = Ran(code, list(self._lines))
        if not ran.jobs:
            raise ActError(f"act ran no job:\n{ran.text}")
        return ran

    def finish(self) -> None:
        """Read the rest of what is said."""
        self._reader.join(TIMEOUT)
