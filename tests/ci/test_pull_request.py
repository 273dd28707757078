"""A pull request, from its plan to its deployment."""

from __future__ import annotations

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.ciworld import CiWorld
from support.ciworld_github import GitHubCi

CONFIG = dump(body("ConfigMap", "more", data={"a": "1"}))

CHECK, APPROVAL = "sloth-ci / production", "sloth-ci / production / approval"


def test_from_the_plan_to_the_deployment(world: CiWorld) -> None:
    pull = world.pull()
    job = world.preview(pull)
    assert job.code == 0, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "action_required"}
    assert "waiting for approval" in world.comment(pull)
    assert (job.outputs["total"], job.outputs["created"], job.outputs["has-changes"]) == ("1", "1", "true")
    assert job.outputs["comment-url"].startswith(world.fake.url)
    assert (job.workspace / job.outputs["report-path"]).exists()

    job = world.review(pull)
    assert job.code == 0, job.log
    assert world.checks(pull.head) == {CHECK: "success", APPROVAL: "success"}
    assert "✅ approved" in world.comment(pull)

    sha = pull.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 0, job.log
    assert job.outputs["sync-status"] == "succeeded"
    assert "web:2" in world.rendered()
    assert world.deployments() == [("production", "success", sha)]
    assert "synced" in world.comment(pull, "sloth-ci:deployment")


def test_what_is_not_approved_is_not_deployed(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.merge("bob")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "1 more approval of 1" in job.log
    assert job.outputs["sync-status"] == "refused"
    assert not world.rendered()
    assert not world.deployments()
    assert "1 more approval" in world.comment(pull, "sloth-ci:deployment")
    assert "/sloth preview and /sloth approve in its comments still count" in job.log
    world.say(pull, "bob", "/sloth approve")
    job = world.deploy()
    assert job.code == 0, job.log
    assert "web:2" in world.rendered()


def test_a_preview_asks_the_forge_for_little(world: CiWorld) -> None:
    """GITHUB_TOKEN has 1,000 requests an hour for the whole repository."""
    pull = world.pull()
    for action, login in (("opened", "bob"), ("synchronize", "carol")):
        before = len(world.requests())
        job = world.preview(pull, action)
        made = world.requests()[before:]
        assert len(made) <= world.most_requests, made
        assert f"{len(made)} requests to the forge" in job.log
        world.review(pull, login)


def test_reporting_the_same_plan_again_keeps_its_approvals_and_its_comment(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    world.review(pull)
    job = world.preview(pull, "reopened")
    assert job.code == 0, job.log
    assert world.checks(pull.head)[APPROVAL] == "success"
    assert len(pull.comments) == 1


def test_a_push_to_the_pull_request_takes_the_approvals_with_it(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    world.review(pull)
    pull.push("alice", {"k8s/more.yaml": CONFIG})
    world.preview(pull, "synchronize")
    assert world.checks(pull.head)[APPROVAL] == "action_required"
    assert "bob approved another commit" in world.comment(pull)
    assert "ConfigMap/shop/more" in world.comment(pull)


def test_whoever_pushed_to_it_cannot_approve_it(world: CiWorld) -> None:
    pull = world.pull()
    pull.push("bob", {"k8s/more.yaml": CONFIG})
    world.preview(pull)
    world.review(pull, "bob")
    assert world.checks(pull.head)[APPROVAL] == "action_required"
    assert "bob pushed to it" in world.comment(pull)
    world.review(pull, "carol")
    assert world.checks(pull.head)[APPROVAL] == "success"


def test_a_plan_that_became_another_one_is_refused_with_the_difference(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    pull.approve("bob")
    world.repo.commit("carol", "main", {"k8s/sneaked.yaml": CONFIG}, "pushed past everybody")
    pull.merge("bob")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "approved 1 change, now 2: new is create ConfigMap/shop/more" in job.log
    assert not world.rendered()


def test_before_the_first_deployment_two_merges_are_one_plan_that_nobody_approved(world: CiWorld) -> None:
    """Later each commit goes by itself; here there is no state to count from."""
    one = world.pull("web:2", branch="one")
    two = world.repo.commit("alice", "two", {"k8s/more.yaml": CONFIG}, "More")
    other = world.open("alice", "two", title="More")
    assert other.head == two
    for pull in (one, other):
        world.preview(pull)
        pull.approve("bob")
    one.merge("bob", "squash")
    other.merge("bob", "squash")
    job = world.deploy()
    assert job.code == 5, job.log
    assert "different is create Deployment/shop/web" in job.log


def test_code_of_a_pull_request_is_data(world: CiWorld) -> None:
    lua = world.git("show", "main:sloth.lua")
    pull = world.pull(**{"sloth.lua": lua.replace("approval_required = true", "approval_required = false")})
    job = world.preview(pull)
    assert job.code == 0, job.log
    assert world.checks(pull.head)[APPROVAL] == "action_required"
    assert "changes sloth.lua" in world.comment(pull)


def test_a_merge_group_is_checked(world: CiWorld) -> None:
    pull = world.pull()
    world.preview(pull)
    event = world.merge_group(pull)
    job = world.job(event)
    assert job.code == 0, job.log
    assert world.checks(event.sha) == {CHECK: "success", APPROVAL: "success"}


def test_what_cannot_be_rendered_fails_the_check_and_is_in_the_comment(world: CiWorld) -> None:
    pull = world.pull(**{"k8s/bad.yaml": "a: [1\n"})
    job = world.preview(pull)
    assert job.code == 3, job.log
    assert world.checks(pull.head) == {CHECK: "failure"}
    assert "k8s/bad.yaml" in world.comment(pull)


def test_a_merge_conflict_is_a_conflict_of_the_plan(world: CiWorld) -> None:
    pull = world.pull("web:2")
    event = world.opened(pull)
    world.repo.commit(
        "carol", "main", {"k8s/web.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n"}, "x"
    )
    job = world.job(event)
    assert job.code == 4, job.log
    assert "git_merge" in world.comment(pull)


def test_other_pull_requests_on_the_same_manifests_are_named(world: CiWorld) -> None:
    first = world.pull("web:2", branch="one")
    second = world.pull("web:3", branch="two")
    world.preview(second)
    assert f"{world.sigil}{first.number}" in world.comment(second)
    assert "k8s/web.yaml" in world.comment(second)


def test_the_comment_is_only_written_where_it_is_wanted(world: CiWorld) -> None:
    pull = world.pull("web:1", **{"README.md": "hello"})
    world.preview(pull, comment="false")
    assert not pull.comments


def test_fail_on_says_what_is_a_failure(world: CiWorld) -> None:
    pull = world.pull()
    job = world.preview(pull, fail_on="changes")
    assert job.code == 20, job.log
    assert world.checks(pull.head)[CHECK] == "failure"


def test_an_unknown_input_is_told_to_the_runner(world: CiWorld) -> None:
    job = world.preview(world.pull(), fail_on="everything")
    assert job.code == 2
    assert "fail-on: unknown word 'everything'" in job.log
    if world.forge == "github":
        assert "::error title=sloth-ci::fail-on: unknown word 'everything'" in job.log


def test_a_token_without_rights_names_the_line_to_add(github: GitHubCi) -> None:
    pull = github.pull()
    event = github.opened(pull)
    job = github.job(event, {"contents": "read", "metadata": "read", "pull_requests": "write"})
    assert job.code == 9, job.log
    assert "checks: write" in job.log


def test_the_request_that_brings_the_first_lua_file_is_told_so_and_planned_with_nothing_else(world: CiWorld) -> None:
    """The built-in workflow would plan every manifest of the repository, and mean none of it."""
    lua = world.git("show", "main:sloth.lua")
    world.repo.commit("alice", "main", {"sloth.lua": None, "k8s/twice.yaml": dump(deployment(image="web:9"))})
    world.repo.commit("alice", "first", {"sloth.lua": lua}, "With sloth-ci")
    pull = world.open("alice", "first")
    job = world.preview(pull)
    assert job.code == 0, job.log
    assert "sloth.lua is new in this" in world.comment(pull)
    assert "duplicate" not in world.comment(pull)
    assert not world.checks(pull.head)
