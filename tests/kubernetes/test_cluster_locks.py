"""Two syncs of one destination, each a process of its own: one runs, one is refused, and the dead hold nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.bodies import body, deployment
from support.canary import CANARY, WatchedWorld, secret
from support.waiting import until

LUA = """
gitops.workflow({
    name = "shop", repo = %s, branch = "main", target_path = "k8s",
    destination = { kubeconfig = %s, namespace = %s },
})
"""
LEASE = "/apis/coordination.k8s.io/v1/namespaces/%s/leases/sloth-lock"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(watched: WatchedWorld) -> Iterator[Start]:
    """Start `sloth-ci` in the checkout; whatever still runs at the end is killed. Nobody sees a traceback."""
    values = (str(watched.origin), str(watched.kubeconfig), watched.namespace)
    (watched.root / "sloth.lua").write_text(LUA % tuple(json.dumps(value) for value in values))
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> subprocess.Popen[str]:
        environ = {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        cache = {"SLOTH_CACHE_DIR": str(watched.folder / f"cache-{len(started)}")}
        process = subprocess.Popen(
            [sys.executable, "-m", "sloth_ci.cli", *arguments],
            cwd=watched.root,
            env={**os.environ, **environ, **cache},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], code: int) -> str:
    """What a process said, once it has ended with this code."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    assert CANARY not in output + errors
    return errors


def lease(world: WatchedWorld) -> dict[str, Any]:
    found: dict[str, Any] = world.plane.api("GET", LEASE % world.namespace)
    return found


def change_lease(world: WatchedWorld, change: object) -> None:
    world.plane.api("PATCH", LEASE % world.namespace, change, content_type="application/merge-patch+json")


def holding(world: WatchedWorld, start: Start) -> subprocess.Popen[str]:
    """A sync that has the lock, and waits for a pod that does not become ready."""
    web = deployment("web", image="web:1", replicas=1)
    del web["metadata"]["namespace"]
    web["spec"]["template"]["metadata"]["annotations"] = {"sloth-test/ready-after": "300s"}
    world.push("one", {"k8s/web.yaml": web, "k8s/keys.yaml": secret(), "k8s/a.yaml": body("ConfigMap", "a", None)})
    process = start("sync")
    until(lambda: "web" in world.kubectl("get", "pods", "-o", "name") or process.poll() is not None, timeout=60)
    assert process.poll() is None, process.communicate()
    return process


def unblock(world: WatchedWorld) -> None:
    """The next commit brings a pod that is ready at once."""
    web = deployment("web", image="web:2", replicas=1)
    del web["metadata"]["namespace"]
    world.push("two", {"k8s/web.yaml": web})


def test_one_runs_and_one_is_refused(watched: WatchedWorld, start: Start) -> None:
    first = holding(watched, start)
    holder = lease(watched)["spec"]["holderIdentity"]
    refused = ended(start("sync"), 11)
    assert f"locked by {holder}" in refused
    assert f"kubectl delete lease sloth-lock -n {watched.namespace}" in refused
    assert f"locked by {holder}" in ended(start("rollback"), 11)
    ended(start("preview"), 0)  # it takes no lock
    assert first.poll() is None, "the one that runs is not disturbed"
    first.terminate()
    ended(first, 130)
    assert "holderIdentity" not in lease(watched)["spec"], "an interrupted sync gives the lock back"
    unblock(watched)
    ended(start("sync"), 0)
    assert watched.objects() == {"Deployment/web", "Secret/keys", "ConfigMap/a"}


def test_a_holder_that_was_killed_here_is_succeeded_at_once(watched: WatchedWorld, start: Start) -> None:
    first = holding(watched, start)
    holder = lease(watched)["spec"]["holderIdentity"]
    first.kill()
    first.wait()
    unblock(watched)
    told = ended(start("sync"), 0)
    assert f"took the lock over from {holder}, which is gone" in told
    assert "was interrupted while applying" in told
    assert watched.objects() == {"Deployment/web", "Secret/keys", "ConfigMap/a"}
    assert lease(watched)["metadata"]["annotations"]["sloth-ci/last-holder"]


def test_a_holder_that_was_killed_elsewhere_is_succeeded_when_its_time_is_over(
    watched: WatchedWorld, start: Start
) -> None:
    first = holding(watched, start)
    first.kill()
    first.wait()
    found = lease(watched)
    told = json.loads(found["metadata"]["annotations"]["sloth-ci/holder"])
    there = json.dumps({**told, "host": "another-machine"})
    change_lease(watched, {"metadata": {"annotations": {"sloth-ci/holder": there}}})
    unblock(watched)
    assert f"locked by {told['holder']}" in ended(start("sync"), 11)
    # Its last sign of life is as long ago as it may be: nothing is waited for.
    change_lease(watched, {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z", "leaseDurationSeconds": 1}})
    assert f"took the lock over from {told['holder']}" in ended(start("sync"), 0)
    assert watched.objects() == {"Deployment/web", "Secret/keys", "ConfigMap/a"}
