"""What a push shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.pushing import LUA, Pusher, configmap

NOTHING = "sloth-ci: nothing deployed changes"
IMAGE = "image 1 → 2"
MERGING = "sloth-ci: merging this into main changes production"
PUSHING = "sloth-ci: pushing this to main changes production"
BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n"
TWICE = configmap("same", a="1")


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    return Pusher(tmp_path)


def test_a_new_branch_is_previewed_as_its_merge(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    push = pusher.push("-u", "origin", "feature")
    assert push.worked
    assert push.codes == [0]
    assert MERGING in push.said
    assert "Deployment/shop/web" in push.said
    assert IMAGE in push.said
    assert "k8s/web.yaml:1" in push.said
    assert len(push.ours.splitlines()) <= 8
    again = pusher.push("--force", "origin", "feature:another")
    assert MERGING in again.said


def test_a_push_to_the_branch_itself_is_told_as_such(pusher: Pusher) -> None:
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert PUSHING in push.said


def test_nothing_that_is_deployed_changes(pusher: Pusher) -> None:
    pusher.checkout.commit("words", {"README.md": "words\n"})
    push = pusher.push("origin", "main")
    assert push.worked
    assert len(push.ours.splitlines()) == 1
    assert push.ours.startswith(NOTHING)


def test_a_push_of_nothing_says_nothing(pusher: Pusher) -> None:
    assert not pusher.push("origin", "main").ours.replace("Everything up-to-date", "").strip()


def test_a_merge_is_made_with_what_was_fetched_of_main(pusher: Pusher) -> None:
    """What came to main meanwhile is not what the branch takes away."""
    pusher.checkout.branch("feature")
    pusher.change()
    pusher.upstream("more", {"k8s/more.yaml": configmap("more", a="1")})
    pusher.checkout.git("fetch", "-q")
    push = pusher.push("origin", "feature")
    assert IMAGE in push.said
    assert "more" not in push.ours
    assert "1 updated" in push.said


def test_deleted_branches_and_tags_are_no_preview(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    pusher.push("origin", "feature")
    pusher.checkout.git("tag", "-a", "v1", "-m", "v1")
    for arguments in (("origin", "v1"), ("origin", ":feature"), ("origin", "--delete", "v1")):
        push = pusher.push(*arguments)
        assert push.worked
        assert push.codes == [0]
        assert "sloth-ci" not in push.said


def test_a_forced_push_to_the_branch_is_what_it_replaces(pusher: Pusher) -> None:
    pusher.change("web:2")
    pusher.push("origin", "main")
    pusher.checkout.git("reset", "-q", "--hard", "HEAD~1")
    pusher.checkout.commit("instead", {"k8s/web.yaml": dump(deployment(image="web:3"))})
    push = pusher.push("--force", "origin", "main")
    assert push.worked, push.said
    assert "image 2 → 3" in push.said
    assert "conflict" not in push.said


def test_the_first_push_of_a_repository_is_all_new(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path)
    empty = tmp_path / "empty.git"
    pusher.git("init", "-q", "--bare", str(empty), cwd=tmp_path)
    pusher.checkout.git("remote", "add", "fresh", str(empty))
    push = pusher.push("fresh", "main")
    assert push.worked
    assert PUSHING in push.said
    assert "1 created" in push.said
    assert "production" in push.said


def test_a_url_that_is_no_remote_here(pusher: Pusher, tmp_path: Path) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    other = tmp_path / "mirror.git"
    pusher.git("clone", "-q", "--bare", str(pusher.origin), str(other), cwd=tmp_path)
    assert IMAGE in pusher.push(str(other), "feature").said
    assert IMAGE in pusher.push(str(pusher.origin), "feature").said


def test_a_renamed_remote(pusher: Pusher) -> None:
    pusher.checkout.git("remote", "rename", "origin", "upstream")
    pusher.checkout.branch("feature")
    pusher.change()
    assert MERGING in pusher.push("upstream", "feature").said


def test_a_fork_is_previewed_against_what_its_requests_go_to(pusher: Pusher, tmp_path: Path) -> None:
    """`gh` leaves the mark. The fork's own main is old."""
    fork = tmp_path / "fork.git"
    pusher.git("clone", "-q", "--bare", str(pusher.origin), str(fork), cwd=tmp_path)
    pusher.checkout.git("remote", "rename", "origin", "upstream")
    pusher.checkout.git("remote", "add", "origin", str(fork))
    pusher.checkout.git("fetch", "-q", "origin")
    pusher.checkout.git("config", "remote.upstream.gh-resolved", "base")
    pusher.upstream("more", {"k8s/more.yaml": configmap("more", a="1")})
    pusher.checkout.git("fetch", "-q", "upstream")
    pusher.checkout.git("reset", "-q", "--hard", "upstream/main")
    pusher.change()
    push = pusher.push("origin", "HEAD:main")
    assert MERGING in push.said
    assert "1 updated" in push.said
    assert "created" not in push.said


def test_a_fork_of_what_the_workflow_names(tmp_path: Path) -> None:
    """A push to the fork's main changes nothing that is deployed: its merge does."""
    upstream = tmp_path / "origin.git"
    pusher = Pusher(tmp_path, lua=(LUA % "").replace('repo = "."', f'repo = "{upstream}"'))
    pusher.checkout.git("remote", "rename", "origin", "upstream")
    pusher.git("clone", "-q", "--bare", str(upstream), str(tmp_path / "fork.git"), cwd=tmp_path)
    pusher.checkout.git("remote", "add", "origin", str(tmp_path / "fork.git"))
    pusher.checkout.git("fetch", "-q", "origin")
    pusher.upstream("more", {"k8s/more.yaml": configmap("more", a="1")})
    pusher.checkout.git("fetch", "-q", "upstream")
    pusher.checkout.git("reset", "-q", "--hard", "upstream/main")
    pusher.change()
    push = pusher.push("origin", "main")
    assert MERGING in push.said
    assert "1 updated" in push.said
    assert "created" not in push.said


def test_one_commit_on_many_branches_is_told_once(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    push = pusher.push("origin", *(f"feature:copy-{number}" for number in range(30)))
    assert push.worked
    assert push.said.count(IMAGE) == 1


def test_thirty_branches_share_one_screen(pusher: Pusher) -> None:
    names = []
    for number in range(30):
        pusher.checkout.branch(f"feature-{number}", "main")
        pusher.change(f"web:{number + 2}")
        names.append(f"feature-{number}")
    push = pusher.push("origin", *names)
    assert push.worked
    assert len(push.ours.splitlines()) <= 40
    assert "more workflows" in push.said or push.said.count("1 updated") == 30


def test_head_against_the_default_branch_where_a_person_asks(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.change()
    run = pusher.run()
    assert run.worked
    assert MERGING in run.said
    pusher.checkout.git("checkout", "-q", "--detach")
    assert MERGING in pusher.run().said


def test_what_a_hook_manager_tells(pusher: Pusher) -> None:
    """pre-commit and prek set these, and leave stdin empty."""
    pusher.checkout.branch("feature")
    commit = pusher.change()
    told = {
        "PRE_COMMIT": "1",
        "PRE_COMMIT_FROM_REF": pusher.checkout.sha("main"),
        "PRE_COMMIT_TO_REF": commit,
        "PRE_COMMIT_REMOTE_NAME": "origin",
        "PRE_COMMIT_REMOTE_URL": str(pusher.origin),
        "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/feature",
        "PRE_COMMIT_LOCAL_BRANCH": "refs/heads/feature",
    }
    assert MERGING in pusher.run(env=told).said
    assert PUSHING in pusher.run(env={**told, "PRE_COMMIT_REMOTE_BRANCH": "refs/heads/main"}).said
    # With a root commit in the push, they name no range.
    without = {name: value for name, value in told.items() if not name.endswith(("FROM_REF", "TO_REF"))}
    assert MERGING in pusher.run(env=without).said
    assert not pusher.run(env={**told, "PRE_COMMIT_REMOTE_BRANCH": "refs/tags/v1"}).said


def test_gerrit_takes_a_change_for_a_branch(pusher: Pusher) -> None:
    pusher.change()
    assert MERGING in pusher.push("origin", "HEAD:refs/for/main%topic=x").said


# --- where the Lua comes from


def test_the_lua_is_that_of_the_base_and_a_change_of_it_is_said(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    lua = (LUA % "").replace('"production"', '"staging"')
    pusher.checkout.commit("lua", {"sloth.lua": lua, "k8s/web.yaml": dump(deployment(image="web:2"))})
    push = pusher.push("origin", "feature")
    assert MERGING in push.said
    assert "staging" not in push.said
    assert "this push changes sloth.lua" in push.said


def test_the_work_tree_counts_for_nothing(pusher: Pusher) -> None:
    pusher.checkout.commit("words", {"README.md": "words\n"})
    pusher.checkout.write({"k8s/web.yaml": BROKEN, "k8s/more.yaml": configmap("more"), "sloth.lua": "error('x')"})
    push = pusher.push("origin", "main")
    assert push.worked
    assert push.ours.startswith(NOTHING)


def test_a_broken_lua_file_is_one_line(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua="this is no lua\n")
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert push.codes == [0]
    assert len(push.ours.splitlines()) == 1
    assert "sloth.lua:1" in push.said
    assert "SLOTH_DEBUG=1 sloth-ci hook run pre-push" in push.said


def test_without_a_workflow_file_everything_is_shown_and_nothing_stopped(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua="")
    pusher.checkout.branch("feature")
    pusher.checkout.commit("twice", {"k8s/a.yaml": TWICE, "k8s/b.yaml": TWICE})
    push = pusher.push("origin", "feature")
    assert push.worked
    assert "duplicate_resource" in push.said


def test_without_a_workflow_file_and_manifests_it_is_silent(tmp_path: Path, git_repo: object) -> None:
    pusher = Pusher(tmp_path, lua="")
    pusher.checkout.commit("gone", {"README.md": "words\n"}, delete=["k8s/web.yaml"])
    pusher.push("--no-verify", "origin", "main")
    pusher.checkout.commit("words", {"README.md": "other words\n"})
    push = pusher.push("origin", "main")
    assert push.worked
    assert "sloth-ci" not in push.said


def test_a_workflow_of_another_repository_is_left_out(tmp_path: Path) -> None:
    other = 'gitops.workflow({ name = "other", repo = "https://git.example.com/acme/other.git", branch = "main" })\n'
    pusher = Pusher(tmp_path, lua=LUA % "" + other)
    pusher.change()
    push = pusher.push("origin", "main")
    assert IMAGE in push.said
    assert "other is left out" in push.said


def test_several_branches_are_deployed_from_and_the_nearest_counts(tmp_path: Path) -> None:
    staging = (LUA % "").replace('"production"', '"staging"').replace("name =", 'branch = "develop", name =')
    pusher = Pusher(tmp_path, lua=(LUA % "").replace("name =", 'branch = "main", name =') + staging)
    pusher.checkout.branch("develop")
    pusher.checkout.commit("more", {"k8s/more.yaml": configmap("more", a="1")})
    pushed = pusher.push("origin", "develop")
    assert "changes staging" in pushed.said or "merging this into" in pushed.said
    pusher.checkout.branch("feature")
    pusher.change()
    push = pusher.push("origin", "feature")
    assert "merging this into develop changes staging" in push.said
    assert "1 updated" in push.said
    assert "production" not in push.said


def test_a_branch_strategy_is_asked_for_the_branch_that_is_pushed_to(tmp_path: Path) -> None:
    lua = (
        LUA.replace('environment = "production", ', "")
        % 'branch_strategy = { main = "production", ["release/*"] = "staging" },'
    )
    pusher = Pusher(tmp_path, lua=lua)
    pusher.checkout.branch("release/1")
    pusher.change()
    assert "changes staging" in pusher.push("origin", "release/1").said
    pusher.checkout.branch("feature")
    assert "merging this into main changes production" in pusher.push("origin", "feature").said


# --- what is written


def test_what_has_no_room_is_in_a_file(pusher: Pusher) -> None:
    pusher.checkout.commit("many", {f"k8s/{n}.yaml": configmap(f"c-{n}", a="1") for n in range(100)})
    push = pusher.push("origin", "main")
    assert len(push.ours.splitlines()) <= 40
    assert "more changes" in push.said
    assert ".git/sloth-ci/push.html" in push.said
    assert "c-99" in (pusher.checkout.path / ".git/sloth-ci/push.html").read_text()
    assert "c-99" in (pusher.checkout.path / ".git/sloth-ci/push.txt").read_text()


def test_no_secret_is_shown(pusher: Pusher) -> None:
    for value in ("b25lLXNlY3JldA==", "dHdvLXNlY3JldA=="):
        pusher.checkout.commit("secret", {"k8s/secret.yaml": dump(body("Secret", "key", data={"token": value}))})
        push = pusher.push("origin", "main")
        assert "Secret/shop/key" in push.said
        written = "".join(file.read_text() for file in (pusher.checkout.path / ".git/sloth-ci").iterdir())
        for text in (value, "one-secret", "two-secret"):
            assert text not in push.said
            assert text not in written


def test_colour_is_for_terminals(pusher: Pusher) -> None:
    pusher.change()
    assert "\x1b" not in pusher.push("origin", "main").said


def test_offline_says_that_the_cluster_was_not_asked(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua=(LUA % "").replace('directory = "live"', 'context = "prod", namespace = "shop"'))
    pusher.change()
    push = pusher.push("origin", "main")
    assert "offline: cluster prod was not asked" in push.said
    assert "--live" in push.said
