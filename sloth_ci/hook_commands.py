"""`sloth-ci hook`: install the hooks, take them back, and what Git runs through them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

_NAMES = ("pre-push", "pre-commit")


@click.group()
def hook() -> None:
    """Previews before a push, checks before a commit."""


@hook.command()
@click.option("--pre-push", "push", is_flag=True, help="Preview what a push would change. [where neither is named]")
@click.option("--pre-commit", "commit", is_flag=True, help="Check what is staged.")
@click.option(
    "--global", "everywhere", is_flag=True, help="For every repository of this user that has a workflow file."
)
def install(push: bool, commit: bool, everywhere: bool) -> None:
    """Install hooks. One that is there already is run first, and is put back by `uninstall`.

    \b
    Example:
      sloth-ci hook install --pre-push --pre-commit
    """
    from sloth_ci.hook.install import install as install_hooks

    names = [name for name, wanted in zip(_NAMES, (push, commit), strict=True) if wanted] or ["pre-push"]
    for line in install_hooks(Path.cwd(), names, everywhere=everywhere, environ=os.environ):
        click.echo(line)


@hook.command()
@click.option("--global", "everywhere", is_flag=True, help="Those of `install --global`.")
def uninstall(everywhere: bool) -> None:
    """Take the hooks back. What was there before is there again, to the byte.

    \b
    Example:
      sloth-ci hook uninstall
    """
    from sloth_ci.hook.install import uninstall as uninstall_hooks

    for line in uninstall_hooks(Path.cwd(), everywhere=everywhere, environ=os.environ):
        click.echo(line)


@hook.group()
def run() -> None:
    """What Git runs. The exit code is 4 where the hook says no, and 0 otherwise, whatever else goes wrong."""


@run.command("pre-push")
@click.argument("remote", default="origin")
@click.argument("url", default="")
@click.option("--live", is_flag=True, help="Ask the cluster, too, as long as the budget lasts.")
@click.option(
    "--budget", type=float, default=5.0, show_default=True, metavar="SECONDS", help="How long `--live` may take."
)
def pre_push(remote: str, url: str, live: bool, budget: float) -> None:
    """Preview what a push would change. Git's lines about refs come on stdin.

    \b
    Example:
      git push                            # with the hook installed
      sloth-ci hook run pre-push </dev/null   # the branch that is checked out
    """
    from sloth_ci.hook.push import pre_push as preview_push

    sys.exit(preview_push(remote, url, live=live, budget=budget, environ=os.environ))


@run.command("pre-commit")
def pre_commit() -> None:
    """Check what is staged: YAML, duplicates, schemas, and the renders of what changed.

    \b
    Example:
      git commit                          # with the hook installed
    """
    from sloth_ci.hook.commit import pre_commit as check_staged

    sys.exit(check_staged(environ=os.environ))
