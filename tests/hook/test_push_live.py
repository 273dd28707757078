"""`--live`: the destination is asked, too, and never waited for longer than the budget lasts."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.cluster import ControlPlane
from support.pushing import LUA, Pusher, configmap, is_running, until

KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: prod
contexts: [{name: prod, context: {cluster: prod, user: me, namespace: shop}}]
clusters: [{name: prod, cluster: {server: "http://127.0.0.1:%d"}}]
users: [{name: me, user: %s}]
"""
CLUSTER = (LUA % "").replace('directory = "live"', 'context = "prod", kubeconfig = "%s", namespace = "shop"')


@pytest.fixture
def silent() -> Iterator[int]:
    """A port where somebody takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


def test_what_the_destination_holds_is_told(tmp_path: Path) -> None:
    """Offline, it is what main has. The directory holds something else."""
    pusher = Pusher(tmp_path)
    pusher.sloth("sync")
    live = next((pusher.checkout.path / "live").rglob("*web.yaml"))
    live.write_text(live.read_text().replace("web:1", "web:9"))
    pusher.checkout.branch("feature")
    pusher.change("web:2")
    assert "image 1 → 2" in pusher.push("-n", "origin", "feature").said
    pusher.install("--live", "--budget", "30")
    push = pusher.push("origin", "feature")
    assert push.worked
    assert "image 9 → 2" in push.said
    assert "not checked" not in push.said


def test_a_cluster_that_does_not_answer_is_cut_off(tmp_path: Path, silent: int) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG % (silent, "{token: hush-hush}"))
    pusher = Pusher(tmp_path, lua=CLUSTER % config)
    pusher.install("--live", "--budget", "3")
    pusher.change()
    start = time.monotonic()
    push = pusher.push("origin", "main")
    assert time.monotonic() - start < 10
    assert push.worked
    assert "image 1 → 2" in push.said
    assert "not checked against cluster prod: no answer in 3 s" in push.said
    assert "hush-hush" not in push.said


def test_a_login_that_waits_for_somebody_is_cut_off_with_all_it_started(tmp_path: Path, silent: int) -> None:
    login = tmp_path / "login"
    login.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    login.chmod(0o755)
    plugin = f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {login}, interactiveMode: Never}}}}"
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG % (silent, plugin))
    pusher = Pusher(tmp_path, lua=CLUSTER % config)
    pusher.install("--live", "--budget", "10")
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert "no answer in 10 s" in push.said
    until(lambda: not is_running(int((tmp_path / "pid").read_text())))


def test_a_cluster_that_cannot_be_reached_is_said_at_once(tmp_path: Path) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG % (9, "{}"))
    pusher = Pusher(tmp_path, lua=CLUSTER % config)
    pusher.install("--live", "--budget", "60")
    pusher.change()
    push = pusher.push("origin", "main")
    assert push.worked
    assert "image 1 → 2" in push.said
    assert "not checked against cluster prod: " in push.said
    assert "no answer in 60 s" not in push.said


def test_a_real_cluster(tmp_path: Path, control_plane: ControlPlane, namespace: str) -> None:
    lua = LUA % ""
    place = f'context = "test", kubeconfig = "{control_plane.admin}", namespace = "{namespace}"'
    first = {
        "sloth.lua": lua.replace('directory = "live"', place),
        "k8s/web.yaml": dump({**deployment(), "metadata": {"name": "web"}}),
    }
    pusher = Pusher(tmp_path, lua=first["sloth.lua"])
    pusher.checkout.commit(
        "first", {**first, "k8s/more.yaml": configmap("more").replace("namespace: shop", f"namespace: {namespace}")}
    )
    pusher.push("--no-verify", "origin", "main")
    pusher.checkout.commit("web", {"k8s/web.yaml": dump({**deployment(image="web:2"), "metadata": {"name": "web"}})})
    pusher.install("--live", "--budget", "30")
    push = pusher.push("origin", "main")
    assert push.worked, push.said
    assert "2 created" in push.said  # nobody has synced the first one
    assert "not checked" not in push.said
    # What it said of its kinds is known from now on, without it.
    pusher.install()
    slip = dump({**deployment(image="web:3"), "metadata": {"name": "web"}}).replace("replicas:", "replica:")
    pusher.checkout.commit("a slip", {"k8s/web.yaml": slip})
    push = pusher.push("origin", "main")
    assert not push.worked
    assert "did you mean 'replicas'? (Kubernetes v" in push.said
    assert "had it)" in push.said
