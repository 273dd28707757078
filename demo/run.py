"""The main job on real repositories: a plan, a sync, a failure, and a rollback that is in Git's log.

Needs nothing but this project and git: no cluster, no forge, no network. Everything happens in a new folder, which is
named at the end and left there to be looked at.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
}


class Demo:
    """A shell session that prints what it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shop = folder / "shop"
        colour = {"FORCE_COLOR": "1"} if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else {}
        self.environ = {**os.environ, **IDENTITY, **colour, "SLOTH_CACHE_DIR": str(folder / "cache")}
        self.environ = {k: v for k, v in self.environ.items() if k not in {"GIT_DIR", "GIT_WORK_TREE", "CI"}}

    def say(self, text: str) -> None:
        """A heading of the story."""
        bold, end = ("\033[1m", "\033[0m") if "FORCE_COLOR" in self.environ else ("", "")
        print(f"\n{bold}── {text}{end}\n", flush=True)

    def run(self, *command: str, code: int = 0) -> None:
        """Run a command and show it, with all its output. Stops the demo where it ends with another code."""
        print(f"$ {shlex.join(command)}", flush=True)
        done = subprocess.run(command, cwd=self.shop, env=self.environ, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != code:
            sys.exit(f"demo: {command[0]} ended with {done.returncode} instead of {code}")
        if code:
            print(f"(exit code {code})", flush=True)

    def git(self, *arguments: str) -> None:
        """Git, without a word."""
        subprocess.run(["git", *arguments], cwd=self.shop, env=self.environ, check=True, capture_output=True)

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a file, as somebody would in an editor."""
        path = self.shop / file
        text = path.read_text()
        if old not in text:
            sys.exit(f"demo: {old!r} is not in {file}")
        path.write_text(text.replace(old, new))

    def commit(self, message: str) -> None:
        """Commit everything and push it to origin."""
        self.git("add", "-A")
        self.git("commit", "-qm", message)
        self.git("push", "-q", "origin", "HEAD:main")


def main() -> None:
    """Tell the story."""
    folder = Path(tempfile.mkdtemp(prefix="sloth-demo-"))
    demo = Demo(folder)
    origin = folder / "origin.git"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(origin)], env=demo.environ, check=True)
    shutil.copytree(HERE / "shop", demo.shop)
    demo.git("init", "-q", "-b", "main")
    demo.git("remote", "add", "origin", str(origin))
    (demo.shop / ".gitignore").write_text("live/\n")
    demo.commit("The shop")

    demo.say("1. A repository with four manifests and a workflow of twenty lines. What would a sync do?")
    demo.run("sloth-ci", "preview")

    demo.say("2. Do it. The destination is a folder here; a branch of rendered manifests works alike.")
    demo.run("sloth-ci", "sync")
    demo.run("find", "live", "-type", "f")

    demo.say("3. A new version, more replicas, a switch inside a JSON document, another password (it stays secret).")
    demo.edit("manifests/web.yaml", "shop:1.4.0", "shop:1.5.0")
    demo.edit("manifests/web.yaml", "replicas: 2", "replicas: 3")
    demo.edit("manifests/config.yaml", '"wishlist": false', '"wishlist": true')
    demo.edit("manifests/config.yaml", "hunter2", "correct-horse")
    demo.commit("Shop 1.5.0 with wishlists")
    demo.run("sloth-ci", "preview")
    demo.run("sloth-ci", "sync")

    demo.say("4. A bad commit: it looks harmless, and the health check finds out that it is not.")
    demo.edit("manifests/web.yaml", "name: DATABASE_URL", "name: DATABASE_URI")
    demo.commit("Rename a variable")
    demo.run("sloth-ci", "sync", code=8)

    demo.say("5. The destination is back, and so is Git: the revert is on the branch, and says why.")
    demo.git("pull", "-q", "origin", "main")
    demo.run("git", "log", "-1", "--format=%h %s%n%n%b")
    demo.run("git", "log", "--oneline")
    demo.run("grep", "-rn", "DATABASE_UR", "live")
    demo.run("sloth-ci", "history")

    demo.say("6. A person can go back, too: to a commit, a moment, or a backup.")
    demo.run("sloth-ci", "rollback", "--to", "HEAD~3", "--reason", "wishlists are slow")
    demo.run("sloth-ci", "status")

    print(f"\nEverything is still there to be looked at: cd {demo.shop}")


if __name__ == "__main__":
    main()
