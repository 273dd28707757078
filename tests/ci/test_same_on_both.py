"""The same change on both forges: the same plan, the same verdict, and but for the forge's own words the same report."""

from __future__ import annotations

import re

from sloth_ci.core.yaml import dump
from support.bodies import body
from support.ciworld import CiWorld, Ended
from support.ciworld_github import GitHubCi
from support.ciworld_gitlab import GitLabCi

CONFIG = dump(body("ConfigMap", "more", data={"a": "1"}))


def neutral(world: CiWorld, text: str) -> str:
    """A text without what is the forge's: addresses, commits, its word for a request, and the changes that a note carries."""
    text = re.sub(r"<!-- sloth-ci:changes .*? -->\s*\Z", "", text)
    text = re.sub(r"\[HTML report\]\([^)]*\)|\[run\]\([^)]*\)", "", text)
    text = re.sub(re.escape(world.fake.url) + r"[^\s)\]]*", "URL", text)
    text = re.sub(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b|\b[0-9a-f]{10}\b", "SHA", text)
    text = re.sub(rf"(?<!\w){re.escape(world.sigil)}(?=\d)", "No ", text)
    text = re.sub(r"\b\d+(\.\d+)? m?s\b", "TIME", text.replace("merge request", "pull request"))
    return re.sub(r"[ ·]+(?=</sub>)", "", text).strip()


def story(world: CiWorld) -> tuple[list[Ended], list[str]]:
    """A plan, a push, an approval, a merge, a deployment; then one that fails and is put back. What was said, in order."""
    jobs, said = [], []
    other = world.pull("web:9", branch="other")
    pull = world.pull("web:2")
    assert other.number != pull.number
    for login, step in (("bob", "opened"), ("carol", "synchronize")):
        jobs.append(world.preview(pull, step))
        said.append(world.comment(pull))
        jobs.append(world.review(pull, login))
        said.append(world.comment(pull))
        if step == "opened":
            pull.push("alice", {"k8s/more.yaml": CONFIG})
    pull.merge("bob", "squash")
    jobs.append(world.deploy())
    said.append(world.comment(pull, "sloth-ci:deployment"))
    broken = world.pull("web:broken", branch="broken")
    jobs += [world.preview(broken), world.review(broken)]
    broken.merge("bob", "squash")
    jobs.append(world.deploy())
    said += [world.comment(broken), world.comment(broken, "sloth-ci:deployment")]
    return jobs, said


def test_the_same_change_goes_the_same_way(github: GitHubCi, gitlab: GitLabCi) -> None:
    (there, said_there), (here, said_here) = story(github), story(gitlab)
    assert [job.code for job in there] == [0, 0, 0, 0, 0, 0, 0, 8]
    assert [job.code for job in here] == [job.code for job in there]
    for name in (
        "digest",
        "total",
        "created",
        "updated",
        "deleted",
        "conflicts",
        "max-impact",
        "has-changes",
        "sync-status",
    ):
        assert [job.outputs.get(name) for job in here] == [job.outputs.get(name) for job in there], name
    for one, other in zip(said_here, said_there, strict=True):
        assert neutral(gitlab, one) == neutral(github, other)
    assert gitlab.rendered() == github.rendered()
    assert list(gitlab.checks(gitlab.pulls()[1].head).items()) == list(github.checks(github.pulls()[1].head).items())
    assert [state for _, state, _ in gitlab.deployments()] == [state for _, state, _ in github.deployments()]
    assert [subject[:7] for subject in gitlab.subjects()[:1]] == [subject[:7] for subject in github.subjects()[:1]]
