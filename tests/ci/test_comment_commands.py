"""Commands in comments: who may give them, what they are bound to, and their answers."""

from __future__ import annotations

from sloth_ci.core.yaml import dump
from support.bodies import body
from support.ciworld import CiWorld

MORE = dump(body("ConfigMap", "more", data={"a": "9"}))


def test_whoever_has_no_write_access_is_not_followed(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    job = world.say(pull, "eve", "/sloth deploy production")
    assert job.code == 0
    assert "eve may not push" in job.log
    assert world.reactions(pull, "/sloth deploy production") == ["confused"]
    assert not world.answer(pull)
    assert not world.rendered()


def test_a_comment_without_a_command_asks_the_forge_for_nothing(world: CiWorld) -> None:
    pull = world.pull()
    before = len(world.requests())
    assert world.say(pull, "bob", "I like /sloth deploy production").code == 0
    assert len(world.requests()) == before


def test_help_and_typing_errors_are_answered(world: CiWorld) -> None:
    pull = world.pull()
    assert world.say(pull, "bob", "/sloth help").code == 0
    assert "/sloth rollback ENV" in world.answer(pull)
    job = world.say(pull, "bob", "/sloth depoly production")
    assert job.code == 2
    assert "did you mean" in world.answer(pull)
    assert world.reactions(pull, "/sloth depoly production") == ["eyes", "-1"]


def test_an_approval_by_comment_counts_like_a_review(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    job = world.say(pull, "bob", "/sloth approve")
    assert job.code == 0, job.log
    assert world.checks(pull.head)["sloth-ci / production / approval"] == "success"
    assert world.reactions(pull, "/sloth approve") == ["eyes", "+1"]


def test_the_authors_own_approval_is_answered_with_what_is_missing(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    job = world.say(pull, "alice", "/sloth approve")
    assert job.code == 0, job.log
    assert "production waits for 1 more approval of 1" in world.answer(pull)
    assert "alice wrote it" in world.answer(pull)


def test_deploying_before_the_merge_locks_the_environment(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    job = world.say(pull, "bob", "/sloth deploy production")
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()
    assert "done" in world.answer(pull)

    world.repo.commit("alice", "other", {"k8s/more.yaml": MORE})
    other = world.open("alice", "other")
    world.preview(other)
    other.approve("bob")
    job = world.say(other, "bob", "/sloth deploy production")
    assert job.code == 11, job.log
    assert "before its merge" in world.answer(other)
    assert "web:2" in world.rendered()

    pull.merge("bob")
    job = world.deploy()
    assert job.code == 0, job.log
    world.preview(other, "synchronize")
    assert "is free" in world.say(other, "carol", "/sloth unlock production").log + world.answer(other)


def test_a_head_that_moved_after_the_comment_is_not_deployed(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    comment = pull.comment("bob", "/sloth deploy production")
    pull.push("alice", {"k8s/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: evil, namespace: shop}\n"})
    world.preview(pull, "synchronize")
    job = world.job(world.commented(comment))
    assert job.code == 5, job.log
    assert "was not there yet when this was written" in world.answer(pull)
    assert not world.rendered()


def test_an_edited_comment_is_no_command(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    comment = pull.comment("bob", "/sloth lock production")
    event = world.commented(comment)
    world.edit_comment(comment, "bob", "/sloth unlock production")
    job = world.job(event)
    assert job.code == 2, job.log
    assert "was edited" in world.answer(pull)


def test_a_lock_lets_only_its_pull_request_through_and_ends_with_it(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    assert world.say(pull, "bob", "/sloth lock production big day").code == 0
    world.repo.commit("alice", "other", {"k8s/more.yaml": MORE})
    other = world.open("alice", "other")
    world.preview(other)
    other.approve("bob")
    other.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 11, job.log
    assert "locked by bob" in job.log
    assert "big day" in job.log
    pull.close("alice")
    job = world.closed(pull)
    assert job.code == 0, job.log
    assert "free again" in job.log
    assert world.deploy().code == 0
    assert "name: more" in world.rendered()


def test_rolling_back_by_comment(world: CiWorld) -> None:
    pulls = []
    for image, branch in (("web:2", "one"), ("web:3", "two")):
        pulls.append(pull := world.pull(image, branch=branch))
        world.preview(pull)
        pull.approve("bob")
        pull.merge("bob", "squash")
        assert world.deploy().code == 0
    job = world.say(pulls[-1], "carol", "/sloth rollback production checkout fails since noon")
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()
    assert "checkout fails since noon" in world.git("log", "-1", "--format=%B", "main")
