"""When a push is stopped: at what a workflow says, and never at what was there before."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import body, deployment
from support.pushing import Pusher, configmap

NOTHING = "sloth-ci: nothing deployed changes"
IMAGE = "image 1 → 2"
BROKEN = "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n"
TWICE = configmap("same", a="1")


@pytest.fixture
def pusher(tmp_path: Path) -> Pusher:
    return Pusher(tmp_path)


def test_a_conflict_stops_the_push_and_the_ways_around_it_are_named(pusher: Pusher) -> None:
    pusher.checkout.branch("feature")
    pusher.checkout.commit("twice", {"k8s/a.yaml": TWICE, "k8s/b.yaml": TWICE})
    push = pusher.push("origin", "feature")
    assert not push.worked
    assert push.codes == [4]
    assert "duplicate_resource" in push.said
    assert "git push --no-verify" in push.said
    assert "SLOTH_SKIP=1 git push" in push.said
    assert pusher.push("origin", "feature", env={"SLOTH_SKIP": "1"}).worked
    assert pusher.push("--no-verify", "origin", "feature:b").worked


def test_a_conflict_that_was_there_before_stops_nobody(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path)
    pusher.checkout.commit("twice", {"k8s/a.yaml": TWICE, "k8s/b.yaml": TWICE})
    assert pusher.push("--no-verify", "origin", "main").worked
    pusher.checkout.branch("feature")
    pusher.change()
    push = pusher.push("origin", "feature")
    assert push.worked
    assert "production: 1 conflict that main has without this push" in push.said
    assert "duplicate_resource" not in push.said
    assert IMAGE in push.said
    pusher.checkout.commit("words", {"README.md": "words\n", "k8s/web.yaml": dump(deployment())})
    push = pusher.push("origin", "feature")
    assert push.worked
    assert NOTHING in push.said


def test_many_conflicts_leave_room_for_the_changes(pusher: Pusher) -> None:
    twice = {f"k8s/{place}-{n}.yaml": configmap(f"c-{n}", a="1") for n in range(30) for place in "ab"}
    pusher.checkout.commit("twice", {**twice, "k8s/web.yaml": dump(deployment(image="web:2", replicas=0))})
    push = pusher.push("origin", "main")
    assert not push.worked
    assert len(push.ours.splitlines()) <= 42
    assert "30 conflicts" in push.said
    assert IMAGE in push.said


def test_a_manifest_that_cannot_be_read_stops_the_push_that_brings_it(pusher: Pusher) -> None:
    """The pull request could not be planned either."""
    pusher.checkout.branch("feature")
    pusher.checkout.commit("broken", {"k8s/broken.yaml": BROKEN})
    push = pusher.push("origin", "feature")
    assert not push.worked
    assert push.codes == [4]
    assert "k8s/broken.yaml:" in push.said
    assert pusher.push("--no-verify", "origin", "feature:main").worked
    pusher.checkout.git("fetch", "-q")
    pusher.change()
    push = pusher.push("origin", "feature")
    assert push.worked, push.said
    assert "k8s/broken.yaml:" in push.said


def test_merge_conflicts_count_where_the_workflow_looks(pusher: Pusher) -> None:
    pusher.upstream("theirs", {"k8s/web.yaml": dump(deployment(image="web:7")), "README.md": "theirs\n"})
    pusher.checkout.git("fetch", "-q")
    pusher.checkout.branch("words")
    pusher.checkout.commit("words", {"README.md": "ours\n"})
    pusher.upstream("words", {"README.md": "others\n"})
    pusher.checkout.git("fetch", "-q")
    push = pusher.push("origin", "words")
    assert push.worked
    assert "1 file elsewhere that Git cannot merge (README.md)" in push.said
    pusher.checkout.branch("image", "main")
    pusher.change()
    push = pusher.push("origin", "image")
    assert not push.worked
    assert "git_merge" in push.said


@pytest.mark.parametrize(
    ("rules", "stopped"),
    [
        ("", False),
        ('push = { block = "none" },', False),
        ('push = { block = "changes" },', True),
        ('push = { block = "low" },', True),
        ('push = { block = "high" },', False),
        ('push = { ask = "changes" },', False),
    ],
)
def test_a_workflow_says_what_stops_a_push(tmp_path: Path, rules: str, stopped: bool) -> None:
    pusher = Pusher(tmp_path, rules=rules)
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked is not stopped
    assert push.codes == [4 if stopped else 0]
    assert ("git push --no-verify" in push.said) is stopped
    assert ("pushed without asking" in push.said) is ("ask" in rules)


def test_none_lets_a_conflict_through(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules='push = { block = "none" },')
    pusher.checkout.commit("twice", {"k8s/a.yaml": TWICE, "k8s/b.yaml": TWICE})
    push = pusher.push("origin", "main")
    assert push.worked
    assert "duplicate_resource" in push.said


def test_the_impact_of_a_delete_stops_where_it_is_asked_to(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules='push = { block = "critical" },')
    claim = body("PersistentVolumeClaim", "data", spec={"resources": {"requests": {"storage": "1Gi"}}})
    pusher.checkout.commit("claim", {"k8s/data.yaml": dump(claim)})
    assert pusher.push("origin", "main").worked
    pusher.checkout.commit("gone", delete=["k8s/data.yaml"])
    push = pusher.push("origin", "main")
    assert not push.worked
    assert "highest impact is critical" in push.said
    assert "irreversible" in push.said


def test_a_wrong_key_of_the_table_is_named_and_stops_nobody(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules='push = { blok = "none" },')
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert "did you mean 'block'" in push.said
    assert len(push.ours.splitlines()) == 1


CLUSTER = """\
local gitops = require("gitops")
gitops.workflow({
    name = "shop", repo = ".", environment = "production", target_path = "k8s",
    destination = { context = "production", namespace = "shop" },
})
"""


def misspelt(image: str) -> str:
    return dump(deployment(image=image)).replace("replicas:", "replica:")


def test_what_a_cluster_would_refuse_for_its_schema_stops_a_push_to_it(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua=CLUSTER)
    pusher.checkout.branch("feature")
    pusher.checkout.commit("a slip", {"k8s/web.yaml": misspelt("web:2")})
    push = pusher.push("origin", "feature")
    assert not push.worked
    assert "spec.replica: unknown field, did you mean 'replicas'? (Kubernetes v" in push.said
    pusher.change()
    assert pusher.push("origin", "feature").worked


def test_a_slip_that_was_there_before_stops_nobody(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, lua=CLUSTER)
    pusher.checkout.commit("a slip", {"k8s/web.yaml": misspelt("web:1")})
    assert pusher.push("--no-verify", "origin", "main").worked
    pusher.checkout.branch("feature")
    pusher.checkout.commit("another image", {"k8s/web.yaml": misspelt("web:2")})
    push = pusher.push("origin", "feature")
    assert push.worked
    assert "unknown field" not in push.said
    assert IMAGE in push.said


def test_custom_kinds_secrets_and_other_destinations_are_let_through(tmp_path: Path, pusher: Pusher) -> None:
    (tmp_path / "other").mkdir()
    cluster = Pusher(tmp_path / "other", lua=CLUSTER)
    cluster.checkout.branch("feature")
    files = {
        "k8s/custom.yaml": dump({**body("Widget", "w", api="example.com/v1"), "spec": {"size": 1}}),
        "k8s/keys.yaml": dump({**body("Secret", "keys"), "datum": {"a": "b"}}),
    }
    cluster.checkout.commit("more", files)
    assert cluster.push("origin", "feature").worked
    pusher.checkout.branch("feature")
    pusher.checkout.commit("a slip", {"k8s/web.yaml": misspelt("web:2")})
    assert pusher.push("origin", "feature").worked, "a directory takes whatever is written"
