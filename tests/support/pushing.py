"""A repository with the pre-push hook in it, as a person has it: `git push` runs the hook as Git does."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.gitrepo import GitRepo

LUA = """\
local gitops = require("gitops")
gitops.workflow({
    name = "shop", repo = ".", environment = "production", target_path = "k8s",
    destination = { directory = "live" },
    %s
})
"""
_HOOK = """\
#!/bin/sh
%s -m sloth_ci.cli hook run pre-push %s "$@"
code=$?
echo "$code" >> %s
[ "$code" -ne 4 ]
"""


class Pushed(NamedTuple):
    """A push that has ended."""

    worked: bool
    """Whether Git pushed."""
    said: str
    """What Git and the hook wrote to stderr."""
    codes: list[int]
    """The exit codes of the hook."""

    @property
    def ours(self) -> str:
        """What the hook wrote."""
        lines = self.said.splitlines()
        return "\n".join(
            line for line in lines if not line.startswith(("To ", " * [", "   ", " + ", " - [", "error: failed"))
        )


class Pusher:
    """`origin` is bare and has one Deployment on main; `checkout` is a clone with the hook."""

    def __init__(self, folder: Path, *, rules: str = "", lua: str | None = None) -> None:
        self.folder = folder
        self.origin = folder / "origin.git"
        self.cache = folder / "cache"
        self.checkout = GitRepo(folder / "shop")
        first = {"k8s/web.yaml": dump(deployment()), "sloth.lua": LUA % rules if lua is None else lua}
        self.checkout.commit("first", {name: text for name, text in first.items() if text})
        self.checkout.clone_bare(self.origin)
        self.checkout.git("remote", "set-head", "origin", "main")
        self.install()

    @classmethod
    def of(cls, folder: Path, origin: Path) -> Pusher:
        """A clone of a repository that is there already, with the hook."""
        pusher = cls.__new__(cls)
        pusher.folder, pusher.origin, pusher.cache = folder, origin, folder / "cache"
        subprocess.run(["git", "clone", "-q", str(origin), str(folder / "shop")], check=True)
        pusher.checkout = GitRepo(folder / "shop")
        pusher.install()
        return pusher

    def install(self, *options: str, repository: Path | None = None) -> None:
        """Put the hook in place."""
        common = self.git("rev-parse", "--path-format=absolute", "--git-common-dir", cwd=repository)
        hook = Path(common) / "hooks/pre-push"
        hook.parent.mkdir(exist_ok=True)
        code = shlex.quote(str(self.folder / "codes"))
        hook.write_text(_HOOK % (shlex.quote(sys.executable), shlex.join(options), code))
        hook.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """What Git is run with."""
        path = os.pathsep.join(entry for entry in sys.path if entry)
        return {**os.environ, "PYTHONPATH": path, "SLOTH_CACHE_DIR": str(self.cache)}

    def push(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, git: tuple[str, ...] = ()
    ) -> Pushed:
        """`git push`, as it is typed. Whatever happens, nobody sees a traceback."""
        codes = self.folder / "codes"
        codes.unlink(missing_ok=True)
        done = subprocess.run(
            ["git", *git, "push", *arguments],
            cwd=cwd or self.checkout.path,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "a fault in sloth-ci" not in done.stderr, done.stderr
        found = [int(line) for line in codes.read_text().split()] if codes.exists() else []
        return Pushed(done.returncode == 0, done.stderr, found)

    def run(
        self, *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, stdin: str = ""
    ) -> Pushed:
        """`sloth-ci hook run pre-push`, as a person or a hook manager runs it."""
        done = subprocess.run(
            [sys.executable, "-m", "sloth_ci.cli", "hook", "run", "pre-push", *arguments],
            cwd=cwd or self.checkout.path,
            env={**self.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "a fault in sloth-ci" not in done.stderr, done.stderr
        assert not done.stdout
        return Pushed(done.returncode == 0, done.stderr, [done.returncode])

    def sloth(self, *arguments: str) -> str:
        """Another command of the program; returns what it printed."""
        command = [sys.executable, "-m", "sloth_ci.cli", *arguments]
        done = subprocess.run(
            command, cwd=self.checkout.path, env=self.environ, capture_output=True, text=True, check=False
        )
        assert not done.returncode, done.stderr
        return done.stdout

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Git elsewhere than in the checkout."""
        return self.checkout.git("-C", str(cwd or self.checkout.path), *arguments)

    def change(self, image: str = "web:2", *, message: str = "another image", **files: str) -> str:
        """Commit another image, and what else there is (`__` in a name is a slash)."""
        more = {name.replace("__", "/") + ".yaml": text for name, text in files.items()}
        return self.checkout.commit(message, {"k8s/web.yaml": dump(deployment(image=image)), **more})

    def upstream(self, message: str, files: Mapping[str, str]) -> str:
        """Somebody else pushes to main; nobody has fetched it here."""
        other = self.folder / "other"
        if not other.exists():
            self.git("clone", "-q", str(self.origin), str(other), cwd=self.folder)
        self.git("pull", "-q", cwd=other)
        for name, text in files.items():
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            (other / name).write_text(text)
        self.git("add", "-A", cwd=other)
        self.git("commit", "-qm", message, cwd=other)
        self.git("push", "-q", "origin", "main", cwd=other)
        return self.git("rev-parse", "HEAD", cwd=other)


def configmap(name: str, **data: str) -> str:
    """As YAML."""
    return dump(body("ConfigMap", name, data=data))


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another process does; it has 20 seconds."""
    ends = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Whether there is such a process that is not dead yet: nobody may have waited for it."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in {"", "Z"}
