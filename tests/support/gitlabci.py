"""GitLab's runner, played by gitlab-ci-local: it runs a user's `.gitlab-ci.yml`, with the template that this one includes.

    found = ci.jobs(checkout, Given(predefined={...}))              # what the pipeline has, by its rules
    ran = ci.run(checkout, "sloth:preview", Given(predefined={...}, project={"SLOTH_TOKEN": ...}))
    assert ran.exit_code == 0

The user's file is taken as it is: what it includes by `remote:` or `component:` is put where gitlab-ci-local keeps what it has
downloaded, as a release publishes it. Without an engine jobs run in a shell of the machine (the shell executor), with sloth-ci of
this work tree on PATH; with one in a container of the image (the Docker executor), on the host's network.

What gitlab-ci-local does otherwise than GitLab, as far as it matters here:

- It knows nothing of a forge. A job has no token, and CI_* are guesses from the checkout: all that the fake GitLab says is given as
  variables, and what it does not say is unset. GITLAB_CI is "false", CI_PROJECT_DIR is /builds/... also in a shell.
- Inputs are put into the parsed YAML, where GitLab puts them into the text: gitlab_template.py does it as GitLab does.
- `environment:` chooses variables by their scope, and no more: no deployment, no protection, no `action:`. `resource_group:`,
  `retry:`, `interruptible:`, `tags:`, and of artifacts `access:`, `expire_in:`, `expose_as:` and reports (but dotenv) do nothing.
- No value is masked in the log, so a test that looks for one there sees more than GitLab's users do.
- A job that is named is run although its rules leave it out: `run` asks for the rules first, and refuses.
- A variable of type file in rules is the path of its file, where GitLab has its content. Those files lie in /tmp, and some are left
  behind: the files here are our own, and the variables paths to them.
- A variable that refers to itself is empty, where GitLab leaves the reference standing: the template has none.
- A shell is started in the checkout itself, and a container gets what Git tracks, with `.git`. A runner fetches it: GIT_DEPTH and
  GIT_STRATEGY do nothing, and CI_COMMIT_SHA is checked out by whoever makes the checkout.
- Only a job that has ended leaves artifacts: one that was cancelled has none, where GitLab keeps those of `when: always`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

import gitlab_template
from docker import Docker
from publish_action import published_template
from support.project import ROOT
from support.waiting import until

TIMEOUT: Final = 300.0
"""Seconds for a whole run."""
STATE: Final = ".gitlab-ci-local"
"""The folder in a checkout where gitlab-ci-local keeps what it has downloaded, and what jobs leave."""
NOWHERE: Final = {
    "CI_SERVER_URL": "http://127.0.0.1:9",
    "CI_API_V4_URL": "http://127.0.0.1:9/api/v4",
    "CI_PROJECT_PATH": "acme/shop",
    "CI_PROJECT_ID": "1",
    "CI_DEFAULT_BRANCH": "main",
}
"""Where nobody listens."""
_GUESSED: Final = (
    *("CI_COMMIT_BRANCH", "CI_COMMIT_TITLE", "CI_COMMIT_MESSAGE", "CI_COMMIT_DESCRIPTION", "CI_COMMIT_REF_PROTECTED"),
    *("GITLAB_USER_LOGIN", "GITLAB_USER_NAME", "GITLAB_USER_EMAIL", "GITLAB_USER_ID", "CI_PROJECT_VISIBILITY"),
    *("CI_REGISTRY", "CI_REGISTRY_IMAGE"),
)
"""What gitlab-ci-local makes up. CI_ENVIRONMENT_* it takes from the job."""
_NO_SCHEMA: Final = ("--no-json-schema-validation",)
_ENDED: Final = re.compile(r"^(?P<job>.+?) finished in .*?(?: (?P<how>FAIL|WARN) (?P<code>\d+) )?$", re.MULTILINE)
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


class CiLocalError(AssertionError):
    """gitlab-ci-local itself could not run the pipeline, or a run did not do what a test waits for."""


@dataclass(frozen=True)
class File:
    """The value of a CI/CD variable of type file."""

    content: str


Value = str | File | Mapping[str, "str | File"]
"""Of a CI/CD variable; by the scope, where it has one for each environment (`production`, `review/*`, `*`)."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """The variables of a job, weakest first."""

    predefined: Mapping[str, str] = field(default_factory=dict)
    """What GitLab sets for this pipeline and job; those of `NOWHERE` lead to no forge."""
    project: Mapping[str, Value] = field(default_factory=dict, repr=False)
    """CI/CD variables of the project."""
    pipeline: Mapping[str, Value] = field(default_factory=dict)
    """Variables of this one pipeline: whoever starts it by hand, by a trigger or a schedule sets them."""


@dataclass(frozen=True)
class Job:
    """A job as its rules leave it in a pipeline."""

    name: str
    stage: str
    when: str
    allow_failure: bool
    environment: Mapping[str, str]
    """As the file has it: `name`, `action`."""


@dataclass(frozen=True)
class Ran:
    """What became of a job."""

    exit_code: int
    text: str = field(repr=False)
    """Everything that was said, by gitlab-ci-local and by the job."""
    log: str = field(repr=False)
    """What the job printed."""
    artifacts: Path
    """The folder with what `artifacts:paths` has kept."""
    dotenv: Mapping[str, str]
    """The variables that later jobs get."""


class CiLocal:
    """gitlab-ci-local with everything it needs: node, the template, and for the Docker executor the image."""

    def __init__(
        self, script: Path, folder: Path, *, path: str, docker: Docker | None = None, image: str = "", helper: str = ""
    ) -> None:
        """`path` is the PATH with node, rsync and git; with an engine there is the image of the jobs, and one with rsync."""
        self._script = script
        self._folder = folder
        self._path = f"{Path(sys.executable).parent}{os.pathsep}{path}"
        self._docker = docker
        self._helper = helper
        self._runs = 0
        text = (ROOT / gitlab_template.TEMPLATE).read_text(encoding="utf-8")
        self.template = published_template(text, f"docker://{image}") if image else text
        """What a user's file includes."""

    def jobs(self, checkout: Path, given: Given, *, schema: bool = False) -> Mapping[str, Job]:
        """The jobs that a pipeline has. With `schema` the whole file is held against GitLab's, which takes half a second.

        Raises CiLocalError where the file is none that GitLab would take.
        """
        command, environ = self._command(checkout, given, "--list-json", *(() if schema else _NO_SCHEMA))
        done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True, check=False)
        start = done.stdout.find("[\n")
        if done.returncode or start < 0:
            raise CiLocalError(f"gitlab-ci-local refuses the file:\n{_COLOUR.sub('', done.stdout + done.stderr)}")
        expanded = yaml.safe_load((checkout / STATE / "expanded-gitlab-ci.yml").read_text(encoding="utf-8"))
        listed = [one for one in json.loads(done.stdout[start:]) if one["when"] != "never"]
        return {one["name"]: _job(one, expanded[one["name"]]) for one in listed}

    def run(self, checkout: Path, job: str, given: Given) -> Ran:
        """Run a job to its end."""
        with self.running(checkout, job, given) as run:
            return run.wait()

    @contextmanager
    def running(self, checkout: Path, job: str, given: Given) -> Iterator[Running]:
        """Start a job, and end it with the block. Raises CiLocalError where the rules leave it out of the pipeline."""
        found = self.jobs(checkout, given)
        if job not in found:
            raise CiLocalError(f"the pipeline has no job {job}, but {', '.join(found) or 'none'}")
        command, environ = self._command(checkout, given, job, *_NO_SCHEMA)
        with subprocess.Popen(
            command,
            cwd=checkout,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            run = Running(process, job, checkout)
            try:
                yield run
            finally:
                if process.poll() is None:
                    process.terminate()
                run.finish()

    def _command(self, checkout: Path, given: Given, *what: str) -> tuple[list[str], dict[str, str]]:
        self._runs += 1
        folder = self._folder / f"run-{self._runs}"
        home, files = folder / "home", folder / "files"
        for place in (home, files):
            place.mkdir(parents=True)
        self._include(checkout)
        predefined = {**NOWHERE, "GITLAB_CI": "true", **given.predefined}
        if self._docker is None:
            predefined["CI_PROJECT_DIR"] = str(checkout)
        variables = {**predefined, **given.project}
        content = {name: _entry(name, value, files) for name, value in variables.items()}
        settings = home / STATE / "variables.yml"
        settings.parent.mkdir()
        settings.write_text(json.dumps({"global": content}), encoding="utf-8")  # JSON is YAML
        of_pipeline = {name: _plain(_text(name, value, files)) for name, value in given.pipeline.items()}
        command = [
            *("node", str(self._script), *what, "--home", str(home), "--no-color"),
            *("--ignore-predefined-vars", ",".join(predefined)),
            *(part for name in _GUESSED if name not in predefined for part in ("--unset-variable", name)),
            *(part for name, value in of_pipeline.items() for part in ("--variable", f"{name}={value}")),
            *self._executor(files),
        ]
        environ = {"PATH": self._path, "HOME": str(home), "LANG": "C.UTF-8", "TMPDIR": str(folder)}
        environ |= self._docker.address if self._docker else self._python()
        return command, environ

    def _executor(self, files: Path) -> Sequence[str]:
        if self._docker is None:
            return ["--force-shell-executor"]
        network = ("--network", "host", "--volume", f"{files}:{files}:ro")
        return [*network, "--pull-policy", "if-not-present", "--helper-image", self._helper]

    def _python(self) -> Mapping[str, str]:
        """In a shell sloth-ci is the work tree's, whatever folder it runs in."""
        return {"PYTHONPATH": str(ROOT), "SLOTH_CACHE_DIR": str(self._folder / "cache")}

    def _include(self, checkout: Path) -> None:
        """Put the template where gitlab-ci-local finds what it has downloaded."""
        *_, user = yaml.safe_load_all((checkout / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        for entry in user.get("include", []):
            if address := entry.get("remote"):
                place = address.split("://", 1)[1]
            elif address := entry.get("component"):
                _, *project, component = address.split("/")
                name, ref = component.split("@")
                place = f"{_host(checkout)}/{'/'.join(project)}/{ref}/templates/{name}/template.yml"
            else:
                continue
            file = checkout / STATE / "includes" / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.template, encoding="utf-8")


class Running:
    """A job that goes on."""

    def __init__(self, process: subprocess.Popen[str], job: str, checkout: Path) -> None:
        self._process = process
        self._job = job
        self._checkout = checkout
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.append(_COLOUR.sub("", line))

    @property
    def text(self) -> str:
        """What was said up to now."""
        return "".join(list(self._lines))

    def until_says(self, text: str, timeout: float = TIMEOUT) -> None:
        """Wait for a text in the log. Raises CiLocalError where the run ends without."""
        until(
            lambda: text in self.text or self._process.poll() is not None, timeout=timeout, what=f"'{text}' in the log"
        )
        if self._process.poll() is not None:
            self.finish()
        if text not in self.text:
            raise CiLocalError(f"the job never said '{text}':\n{self.text}")

    def cancel(self) -> None:
        """Somebody cancels the job: the shell executor sends SIGTERM to what the job has started, and waits for its end."""
        started = [pid for pid in _descendants(self._process.pid) if b"sloth-ci\0ci" in _cmdline(pid)]
        if not started:
            raise CiLocalError(f"no sloth-ci is running:\n{self.text}")
        for pid in started:
            os.kill(pid, signal.SIGTERM)

    def wait(self, timeout: float = TIMEOUT) -> Ran:
        """Wait for the end. Raises CiLocalError where it takes too long, or no job has run."""
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise CiLocalError(f"the run does not end:\n{self.text}") from error
        self.finish()
        ended = [found for found in _ENDED.finditer(self.text) if found["job"] == self._job]
        if len(ended) != 1:
            raise CiLocalError(f"gitlab-ci-local ran no job {self._job}:\n{self.text}")
        start = f"{self._job} > "
        log = "".join(
            line.removeprefix(start) for line in self.text.splitlines(keepends=True) if line.startswith(start)
        )
        artifacts = self._checkout / STATE / "artifacts" / _in_a_path(self._job)
        return Ran(int(ended[0]["code"] or 0), self.text, log, artifacts, _dotenv(artifacts))

    def finish(self) -> None:
        """Read the rest of what is said."""
        self._reader.join(TIMEOUT)


def _host(checkout: Path) -> str:
    """Of the server that the checkout is from."""
    command = ["git", "-C", str(checkout), "remote", "get-url", "origin"]
    address = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return urlsplit(address).hostname or ""


def _job(listed: Mapping[str, Any], expanded: Mapping[str, Any]) -> Job:
    about = expanded.get("environment", {})
    environment = {"name": about} if isinstance(about, str) else about
    return Job(listed["name"], listed["stage"], listed["when"], bool(listed["allow_failure"]), environment)


def _entry(name: str, value: Value, files: Path) -> Mapping[str, object]:
    scoped = {"*": value} if isinstance(value, str | File) else value
    # Of type variable, always: without one, a value that starts with a slash is taken for the path of a file.
    texts = {scope: _plain(_text(f"{name}-{number}", one, files)) for number, (scope, one) in enumerate(scoped.items())}
    return {"type": "variable", "values": texts}


def _text(name: str, value: Value, files: Path) -> str:
    if isinstance(value, str):
        return value
    assert isinstance(value, File), "a variable of a pipeline has no scope"
    (files / name).write_text(value.content, encoding="utf-8")
    return str(files / name)


def _plain(value: str) -> str:
    """A dollar that names no variable."""
    return value.replace("$", "$$")


def _in_a_path(job: str) -> str:
    return re.sub(
        r"[^\w-]+", lambda found: urlsafe_b64encode(found[0].encode()).decode().rstrip("="), job, flags=re.ASCII
    )


def _dotenv(artifacts: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in artifacts.glob(".gitlab-ci-reports/dotenv/*"):
        pairs = (line.partition("=") for line in file.read_text(encoding="utf-8").splitlines() if line)
        found |= {name: value for name, _, value in pairs}
    return found


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        children.setdefault(int(after[1]), []).append(int(status.parent.name))
    found, waiting = [], [pid]
    while waiting:
        waiting += (new := children.get(waiting.pop(), []))
        found += new
    return found


def _cmdline(pid: int) -> bytes:
    try:
        return Path("/proc", str(pid), "cmdline").read_bytes()
    except OSError:
        return b""
