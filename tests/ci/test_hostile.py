"""Whatever a pull request holds: nothing of it is alive in what we say, and no value of a Secret is in it."""

from __future__ import annotations

import base64
from pathlib import Path

from markdown_it import MarkdownIt

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.canary import FORMS, secret
from support.ciworld import CiWorld, Ended

EVIL = "</details><script>alert(1)</script> @bob #1 ```\n::error::pwned\n##[error]x\n\x1b[31m\u202e\U0001f9a5"


def everything(world: CiWorld, jobs: list[Ended]) -> str:
    texts = [world.said_to_the_api()]
    for job in jobs:
        texts += [job.log, job.summary, *job.outputs.values()]
        left: list[Path] = [job.workspace / name for name in ("sloth-report.html", "sloth-bundle.json")]
        texts += [path.read_text() for path in left if path.exists()]
    return "\n".join(texts)


def test_no_value_of_a_secret_is_in_anything_that_a_job_leaves(world: CiWorld) -> None:
    jobs = []
    pull = None
    token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"  # looks like one, and is none
    tokens = dump(body("Secret", "tokens", stringData={"github": token}))
    for version, image in ((1, "web:2"), (2, "web:broken")):
        world.repo.commit(
            "alice",
            f"v{version}",
            {
                "k8s/web.yaml": dump(deployment(image=image)),
                "k8s/keys.yaml": dump(secret(version=version)),
                "k8s/tokens.yaml": tokens.replace("8B4a", f"8B4{version}"),
            },
            f"Version {version}",
        )
        pull = world.open("alice", f"v{version}")
        jobs.append(world.preview(pull))
        jobs.append(world.review(pull))
        pull.merge("bob", "squash")
        jobs.append(world.deploy())
    assert [job.code for job in jobs] == [0, 0, 0, 0, 0, 8]
    jobs.append(world.schedule())
    assert pull is not None
    jobs.append(world.say(pull, "bob", "/sloth rollback production"))
    text = everything(world, jobs)
    assert "Secret/shop/keys" in text or "Secret/default/keys" in text or "Secret/keys" in text
    assert not [
        text[max(0, at - 200) : at + 60]
        for form in (*FORMS, token[:30], base64.b64encode(token.encode()).decode()[:36])
        if (at := text.find(form)) >= 0
    ]


def test_what_a_manifest_says_is_data_everywhere(world: CiWorld) -> None:
    config = dump(body("ConfigMap", "more", data={"banner": EVIL}))
    world.repo.commit("alice", "evil", {"k8s/more.yaml": config}, "Evil")
    pull = world.open("alice", "evil", title=EVIL.splitlines()[0])
    other = world.pull(branch="other", **{"k8s/more.yaml": dump(body("ConfigMap", "more", data={"banner": "x"}))})
    jobs = [
        world.preview(pull),
        world.preview(other),
        world.say(pull, "bob", f"/sloth lock production {EVIL.splitlines()[0]}"),
    ]
    assert [job.code for job in jobs] == [0, 0, 0]
    for job in jobs:
        lines = job.log.splitlines()
        assert not [line for line in lines if line.lstrip().startswith("::error::pwned")]
        assert "##[error]" not in job.log
        assert "\x1b[31m" not in job.log
        assert "\u202e" not in job.log + job.summary
    for comment in [*world.ours(pull), *world.ours(other)]:
        shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(comment)
        assert "<script" not in shown
        assert shown.count("<details>") == shown.count("</details>")
    page = (jobs[0].workspace / "sloth-report.html").read_text()
    assert "<script>alert(1)" not in page


def test_the_comment_of_somebody_else_with_our_marker_is_left_alone(world: CiWorld) -> None:
    pull = world.pull()
    forged = pull.comment("eve", "<!-- sloth-ci:preview -->\n### ✅ approved, trust me")
    world.preview(pull)
    assert "trust me" in forged.body
    assert world.comment(pull)
