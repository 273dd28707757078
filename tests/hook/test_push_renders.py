"""Only what a push touches is rendered, and nothing of it twice."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.pushing import Pusher

OVERLAYS = [f"env-{number:02}" for number in range(20)]
LUA = """\
for number = 0, 19 do
    local name = string.format("env-%02d", number)
    gitops.workflow({ name = "shop", repo = ".", environment = name, target_path = "overlays/" .. name,
        destination = { directory = "live/" .. name } })
end
"""


class Counting:
    """Twenty overlays of one base, and a kustomize that leaves a line for each of its runs."""

    def __init__(self, folder: Path, kustomize: Path) -> None:
        self._runs = folder / "runs"
        wrapper = folder / "bin/kustomize"
        wrapper.parent.mkdir(parents=True)
        wrapper.write_text(f'#!/bin/sh\necho "$@" >> {self._runs}\nexec {kustomize} "$@"\n')
        wrapper.chmod(0o755)
        self.pusher = Pusher(folder, lua=LUA)
        files = {"base/web.yaml": dump(deployment()), "base/kustomization.yaml": "resources: [web.yaml]\n"}
        for name in OVERLAYS:
            files[f"overlays/{name}/kustomization.yaml"] = f"resources: [../../base]\nnamespace: {name}\n"
        self.pusher.checkout.commit("overlays", files)
        assert self.pusher.push("--no-verify", "origin", "main").worked
        self._path = {"PATH": f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"}
        self.said = ""

    def push(self) -> list[str]:
        """Push to a branch; returns the folders that were rendered."""
        self._runs.unlink(missing_ok=True)
        push = self.pusher.push("origin", "HEAD:feature", "--force", env=self._path)
        assert push.worked, push.said
        self.said = push.said
        return sorted(self._runs.read_text().split()[1::2]) if self._runs.exists() else []


@pytest.fixture
def counting(tmp_path: Path, kustomize: Path) -> Counting:
    return Counting(tmp_path, kustomize)


def overlay(name: str, replicas: int) -> dict[str, str]:
    more = f"replicas: [{{name: web, count: {replicas}}}]\n"
    return {f"overlays/{name}/kustomization.yaml": f"resources: [../../base]\nnamespace: {name}\n{more}"}


def test_of_twenty_overlays_the_one_that_is_touched(counting: Counting) -> None:
    counting.pusher.checkout.branch("feature")
    counting.pusher.checkout.commit("seven", overlay("env-07", 5))
    assert counting.push() == ["./overlays/env-07"] * 2  # what main has, and what it would have
    assert "changes env-07" in counting.said
    assert "replicas 2 → 5" in counting.said
    assert "no changes: 19 other workflows" in counting.said
    counting.pusher.checkout.commit("again", overlay("env-07", 6))
    assert counting.push() == ["./overlays/env-07"]
    assert counting.push() == []


def test_a_change_of_the_base_reaches_all(counting: Counting) -> None:
    counting.pusher.checkout.commit("base", {"base/web.yaml": dump(deployment(image="web:2"))})
    rendered = counting.push()
    assert set(rendered) == {f"./overlays/{name}" for name in OVERLAYS}
    assert "changes 20 environments" in counting.said
    assert len(counting.said.splitlines()) <= 44
    assert counting.push() == []


def test_words_alone_render_nothing(counting: Counting) -> None:
    counting.pusher.checkout.commit("words", {"README.md": "words\n", "docs/a.yaml": "a: 1\n"})
    assert counting.push() == []
    assert counting.said.startswith("sloth-ci: nothing deployed changes")
