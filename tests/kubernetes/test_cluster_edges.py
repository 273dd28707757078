"""Whole syncs of objects that are large, and of objects that are gone between the plan and the apply."""

from __future__ import annotations

import json
import random

import pytest

from sloth_ci.core.errors import ApprovalError
from sloth_ci.engine.place import open_place
from support.canary import WatchedWorld, secret
from support.shop import config, failing, push

SIZE = 1024 * 1024 - 64
"""Bytes of data: all that a ConfigMap may hold, but for the key."""


def filled(letter: str) -> dict[str, str]:
    """As large as it gets, in long lines that differ and do not compress to nothing."""
    lines = (random.Random(f"{letter} {number}").randbytes(511).hex() for number in range(SIZE // 1023 + 1))
    return {"data": "\n".join(lines)[:SIZE]}


def test_a_config_map_of_one_megabyte(watched: WatchedWorld) -> None:
    """Made, changed, backed up, put back after a failure, and put back by a rollback without Git."""
    workflow = watched.to_cluster()
    push(watched, config("big", **filled("a")), secret())
    assert watched.sync(workflow).status == "succeeded"
    assert watched.preview(workflow).changes == ()
    assert watched.get("configmap/big")["data"] == filled("a")

    push(watched, config("big", **filled("b")))
    plan = watched.preview(workflow)
    assert [change.ref.name for change in plan.changes] == ["big"]
    assert watched.sync(workflow, approved=plan).status == "succeeded"
    assert watched.get("configmap/big")["data"] == filled("b")
    assert watched.preview(workflow).changes == ()

    push(watched, config("big", **filled("c")), failing())
    outcome = watched.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert watched.get("configmap/big")["data"] == filled("b")
    watched.pull()
    assert watched.preview(workflow).changes == ()

    place = open_place(watched.session(), workflow)
    first = place.ledger.load().history[1].backup
    place.destination.close()
    hidden = watched.origin.with_name("away.git")
    watched.origin.rename(hidden)
    back = watched.rollback(workflow, to=first or "")
    hidden.rename(watched.origin)
    assert back.status == "succeeded", back.message
    assert watched.get("configmap/big")["data"] == filled("a")
    assert watched.sync(workflow).status == "nothing"


def test_one_that_is_larger_than_a_cluster_takes_is_refused_by_the_plan(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, config("big", data="x" * (SIZE + 200)), secret())
    (conflict,) = watched.preview(workflow).conflicts
    assert (conflict.type, conflict.resource) == ("validation", f"ConfigMap/{watched.namespace}/big")
    assert "1048576" in conflict.description
    assert len(conflict.description) < 1000


@pytest.mark.parametrize("fails", [False, True], ids=["and it succeeds", "and it fails"])
def test_objects_that_are_deleted_between_plan_and_apply(watched: WatchedWorld, fails: bool) -> None:
    """One that is changed, one that is unchanged, and one that is pruned."""
    workflow = watched.to_cluster()
    push(watched, config("changed", n="1"), config("same", n="1"), config("pruned", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    bodies = [config("changed", n="2"), secret(version=2), *([failing()] if fails else [])]
    push(watched, *bodies, delete=("pruned",))
    plan = watched.preview(workflow)

    def checkpoint(name: str) -> None:
        if name == "backed up":
            watched.kubectl("delete", "configmap/changed", "configmap/same", "configmap/pruned", "secret/keys")

    outcome = watched.sync(workflow, approved=plan, session=watched.session(checkpoint=checkpoint))
    if not fails:
        assert outcome.status == "succeeded", outcome.message
        assert watched.get("configmap/changed")["data"] == {"n": "2"}
        assert watched.objects() == {"ConfigMap/changed", "Secret/keys"}
    else:
        assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
        watched.pull()
        # What the sync had not to do with is the next one's to bring back: the backup does not hold it.
        missing = {"ConfigMap/same", "ConfigMap/pruned"} & (before.keys() - watched.spec_of_all().keys())
        assert {key: value for key, value in before.items() if key not in missing} == watched.spec_of_all()
    # What was not to be changed is found missing by the next look, and made anew.
    again = watched.preview(workflow)
    assert {change.type for change in again.changes} == {"create"}
    assert watched.sync(workflow, approved=again).status == "succeeded"
    assert watched.preview(workflow).changes == ()


def test_an_object_that_is_deleted_after_the_approval(watched: WatchedWorld) -> None:
    """It would be made and not changed: that is another plan, and nobody has approved it."""
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    push(watched, config("a", n="2"))
    plan = watched.preview(workflow)
    watched.kubectl("delete", "configmap/a")
    with pytest.raises(ApprovalError, match="another plan"):
        watched.sync(workflow, approved=plan)
    assert watched.objects() == {"Secret/keys"}
    assert watched.sync(workflow, approved=watched.preview(workflow)).status == "succeeded"


def test_one_that_somebody_else_made_in_between_is_not_taken(watched: WatchedWorld) -> None:
    """After the plan, another tool makes what the plan wanted to make, with other content."""
    workflow = watched.to_cluster()
    push(watched, config("a", n="1"), secret())
    assert watched.sync(workflow).status == "succeeded"
    before = watched.spec_of_all()
    push(watched, config("a", n="2"), config("b", n="ours"))
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"n": "theirs"}}

    def checkpoint(name: str) -> None:
        if name == "backed up":
            watched.kubectl("apply", "--server-side", "--field-manager=other", "-f", "-", stdin=json.dumps(theirs))

    outcome = watched.sync(workflow, session=watched.session(checkpoint=checkpoint))
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert '"other"' in outcome.message
    assert watched.get("configmap/b")["data"] == {"n": "theirs"}
    after = watched.spec_of_all()
    del after["ConfigMap/b"]
    assert after == before
