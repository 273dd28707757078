"""Whole syncs of Secrets in every kind of trouble. What was said is searched for their values when a test ends."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError, SlothError
from sloth_ci.engine.drift import drift
from support.bodies import body
from support.canary import CANARY, WatchedWorld, secret
from support.shop import config, failing, push, web

BASE64 = base64.b64encode(CANARY.encode()).decode()


def broken(**fields: Any) -> dict[str, Any]:
    """A Secret that something is wrong with."""
    return body("Secret", "keys", None, **fields)


REFUSED: dict[str, dict[str, Any]] = {
    "no base64": {"data": {"token": f"{CANARY}, which is no base64"}},
    "a map in data": {"data": {"token": {"nested": CANARY}}},
    "a list in data": {"data": {"token": [BASE64]}},
    "a bad key": {"data": {"with/slash": BASE64}},
    "a map in stringData": {"stringData": {"token": {"nested": CANARY}}},
    "a number": {"stringData": {"token": 5}, "data": {"other": BASE64}},
    "a misspelled field": {"stringdata": {"token": CANARY}},
    "a forgotten field": {"token": CANARY},
    "no certificate": {"type": "kubernetes.io/tls", "data": {"tls.crt": BASE64}},
    "no JSON": {"type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": f"{{{CANARY}"}},
    "a bad label": {"metadata": {"labels": {"bad label": "x"}}, "data": {"token": BASE64}},
}


@pytest.mark.parametrize("fields", REFUSED.values(), ids=REFUSED)
def test_a_secret_that_the_cluster_does_not_take(watched: WatchedWorld, fields: dict[str, Any]) -> None:
    workflow = watched.to_cluster()
    push(watched, broken(**fields), config("a"))
    with pytest.raises(SlothError, match="keys"):
        watched.sync(workflow)
    try:
        plan = watched.preview(workflow)
    except SlothError:
        return  # it is found wrong before a cluster is asked
    assert [conflict.resource.rpartition("/")[2] for conflict in plan.conflicts] == ["keys"]


def test_one_that_must_not_be_changed(watched: WatchedWorld) -> None:
    workflow = watched.to_cluster()
    push(watched, {**secret(), "immutable": True})
    assert watched.sync(workflow).status == "succeeded"
    push(watched, {**secret(version=2), "immutable": True})
    (conflict,) = watched.preview(workflow).conflicts
    assert conflict.type == "immutable_field"
    with pytest.raises(ConflictError):
        watched.sync(workflow)


def test_one_that_kubectl_has_applied_with_all_that_it_noted(watched: WatchedWorld) -> None:
    """Client-side apply keeps a copy of the values in an annotation."""
    workflow = watched.to_cluster()
    theirs = {**secret(), "metadata": {"name": "keys", "namespace": watched.namespace}}
    watched.kubectl("apply", "-f", "-", stdin=json.dumps(theirs))
    assert BASE64[:-1] in json.dumps(watched.get("secret/keys")["metadata"]["annotations"])
    before = watched.spec_of_all()
    push(watched, secret(version=2), failing())
    watched.preview(workflow)
    outcome = watched.sync(workflow)
    assert (outcome.status, outcome.rolled_back) == ("failed", True), outcome.message
    assert watched.spec_of_all() == before
    push(watched, web("web:2"), delete=("check",))
    outcome = watched.sync(workflow, release_hold=True)
    assert outcome.status == "succeeded", outcome.message


@pytest.mark.parametrize("rule", ["fail", "force", "yield"])
def test_one_that_somebody_changed_by_hand(watched: WatchedWorld, rule: str) -> None:
    workflow = watched.to_cluster(conflicts={"field_ownership": rule})
    push(watched, secret(), config("a"))
    assert watched.sync(workflow).status == "succeeded"
    by_hand = base64.b64encode(f"{CANARY} by hand".encode()).decode()
    watched.kubectl("patch", "secret", "keys", "--field-manager=alice", "-p", json.dumps({"data": {"key": by_hand}}))
    plan = watched.preview(workflow)
    assert [found.path for found in plan.drift] == ["data.key"]
    with watched.opened() as session:
        watched.heard.plan(drift(session, workflow))
    if rule == "fail":
        assert "alice" in plan.conflicts[0].description
        with pytest.raises(ConflictError, match="alice"):
            watched.sync(workflow)
    else:
        watched.sync(workflow, approved=plan)
        assert (watched.get("secret/keys")["data"]["key"] == by_hand) == (rule == "yield")
