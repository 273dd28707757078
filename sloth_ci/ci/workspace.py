"""The place that a container action runs in: whose files these are, where the kubeconfig goes, and which folder it is."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sloth_ci.ci.inputs import Inputs, gitlab_variable, input_names, kubeconfig_text
from sloth_ci.core.errors import UsageError

_RUNNER_FILES = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_STATE", "GITHUB_PATH")


def workspace_of(environ: Mapping[str, str]) -> Path:
    """The checkout of the job. Raises UsageError where there is none."""
    folder = Path(environ.get("GITHUB_WORKSPACE") or environ.get("CI_PROJECT_DIR") or ".").resolve()
    if not folder.is_dir():
        raise UsageError(
            f"there is no workspace {folder}",
            "check the repository out first: uses: actions/checkout, or GIT_STRATEGY: clone",
        )
    return folder


def become_owner(
    workspace: Path,
    environ: Mapping[str, str],
    *,
    uid: Callable[[], int] = os.geteuid,
    become: Callable[[int, int], None] | None = None,
) -> int | None:
    """As root, go on as whoever owns the workspace: no renderer runs as root then, and Git trusts the checkout.

    GitHub starts container actions as root, with a workspace of the runner's user. Returns the user, or None where
    nothing changes: somebody else started it, or root owns the workspace. Files that the runner made for this step stay writable.
    """
    owner = workspace.stat()
    if uid() != 0 or owner.st_uid == 0:
        return None
    for name in _RUNNER_FILES:
        file = environ.get(name)
        if file and os.path.isfile(file):
            os.chown(file, owner.st_uid, owner.st_gid)
    home = environ.get("HOME")
    if home and os.path.isdir(home) and os.stat(home).st_uid == 0 and Path(home) not in {Path("/"), Path("/root")}:
        os.chown(home, owner.st_uid, owner.st_gid)
    (become or _become)(owner.st_uid, owner.st_gid)
    return owner.st_uid


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


@contextmanager
def environment(
    environ: Mapping[str, str], inputs: Inputs, workspace: Path, *, token_variable: str
) -> Iterator[dict[str, str]]:
    """The environment of the run: the token where Git looks for it, the kubeconfig in a file that goes with the run.

    A home that cannot be written to is replaced, and with it the cache. Inputs are left out: whoever needs one has it.
    """
    given = {gitlab_variable(name) for name in input_names()}
    env = {name: value for name, value in environ.items() if not name.startswith("INPUT_") and name not in given}
    if inputs.token:
        env[token_variable] = inputs.token
    with tempfile.TemporaryDirectory(prefix="sloth-") as folder:
        home = env.get("HOME", "")
        if not home or not os.access(home, os.W_OK):
            env["HOME"] = folder
        if inputs.kubeconfig.strip():
            file = Path(folder, "kubeconfig")
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
                out.write(kubeconfig_text(inputs.kubeconfig))
            env["KUBECONFIG"] = str(file)
        before = Path.cwd()
        target = (workspace / inputs.working_directory).resolve()
        if not target.is_relative_to(workspace) or not target.is_dir():
            raise UsageError(
                f"working-directory: there is no folder '{inputs.working_directory}' in the checkout",
                "it is counted from the root of the repository",
            )
        os.chdir(target)
        try:
            yield env
        finally:
            os.chdir(before)
