"""Take the pictures of docs/both-forges.md: the same change on GitHub and on GitLab, and the same failure.

    SLOTH_TEST_DATA=FOLDER python scripts/pictures_forges.py [FOLDER OF THE PICTURES]

The jobs are real (`sloth-ci ci`, as each forge's runner starts it); the forges are those of the tests. Needs a chromium, as
scripts/pictures.py says.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import descriptions
from pictures import ROOT, STYLE, as_markdown, take
from sloth_ci.core.yaml import dump
from support.bodies import body
from support.ciworld import CiWorld
from support.ciworld_github import GitHubCi
from support.ciworld_gitlab import GitLabCi
from support.github import FakeGitHub
from support.gitlab import FakeGitLab
from support.gitrepo import GitRepo

GITLAB_STYLE: Final = (
    STYLE
    + """
.comment { border-radius: 4px; } .by { background: none; border: 0; padding: 12px 16px 0; }
body { font: 14px/1.5 "Noto Sans", "Liberation Sans", sans-serif; }
h3 { font-size: 16px; font-weight: 600; } th { background: light-dark(#ececef, #28272d); }
"""
)
SIZES: Final = {"plan": (900, 740), "failed": (900, 420)}


def checks_of(world: CiWorld, sha: str) -> str:
    """The checks of a commit, as a list below the comment."""
    words = {"success": "✅", "action_required": "⏳", "failure": "❌"}
    rows = "".join(
        f"<li>{words.get(state, state)} <code>{name}</code></li>" for name, state in world.checks(sha).items()
    )
    title = "Checks of the head" if world.forge == "github" else "Statuses in the merge request's pipeline"
    return f"<div class='comment' style='margin-top:14px'><div class='by'><b>{title}</b></div><div class='body'><ul>{rows}</ul></div></div>"


def page(world: CiWorld, text: str, more: str = "") -> str:
    """A comment or a note as its forge shows it, more or less."""
    style = STYLE if world.forge == "github" else GITLAB_STYLE
    by = (
        "<b>github-actions</b> bot commented"
        if world.forge == "github"
        else "<b>sloth-ci</b> @project_7_bot · Developer"
    )
    return (
        f"<!doctype html><meta charset='utf-8'><style>{style}</style><div class='comment'><div class='by'>{by}</div>"
        f"<div class='body'>{as_markdown(text)}</div></div>{more}"
    )


def story(world: CiWorld) -> dict[str, str]:
    """The pages: a plan that waits for its approval, and what became of one that fails."""
    pages: dict[str, str] = {}
    for branch, image, currency in (
        ("one", "web:1.4.0", "EUR"),
        ("two", "web:1.5.0", "USD"),
        ("three", "web:broken", "USD"),
    ):
        prices = dump(body("ConfigMap", "prices", data={"currency": currency}))
        pull: Any = world.pull(image, branch=branch, **{"k8s/prices.yaml": prices})
        world.preview(pull)
        if branch == "two":
            pages["plan"] = page(world, world.comment(pull), checks_of(world, pull.head))
        world.review(pull)
        pull.merge("bob", "squash")
        world.deploy()
        pages["failed"] = page(world, world.comment(pull, "sloth-ci:deployment"))
    return pages


def worlds(folder: Path) -> list[CiWorld]:
    """The same repository on each forge."""
    api = descriptions.find(os.environ) or sys.exit("pictures: there is no description of GitHub's API: make tools")
    data = Path(os.environ["SLOTH_TEST_DATA"])
    github = FakeGitHub(folder / "github-forge", api)
    gitlab = FakeGitLab(folder / "gitlab-forge", data / "gitlab-openapi.json")
    github.__enter__()
    gitlab.__enter__()
    return [
        GitHubCi(folder / "github", github, GitRepo(folder / "github" / "source")),
        GitLabCi(folder / "gitlab", gitlab, GitRepo(folder / "gitlab" / "source")),
    ]


def main() -> None:
    """Four of them, light: what differs is the forge, not the theme."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures").resolve()
    with tempfile.TemporaryDirectory() as temporary:
        for world in worlds(Path(temporary)):
            for name, text in story(world).items():
                path = Path(temporary) / f"{world.forge}-{name}.html"
                path.write_text(text, encoding="utf-8")
                take(path, folder / f"{world.forge}-{name}.png", SIZES[name], dark=False)
                print(folder / f"{world.forge}-{name}.png")
            world.fake.stop()


if __name__ == "__main__":
    main()
