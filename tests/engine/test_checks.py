"""Hooks and health checks that misbehave: noise, nonsense, dripping, never ending."""

from __future__ import annotations

import http.server
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import Interrupted
from support.bodies import deployment
from support.world import World


def test_a_hook_may_leave_something_running(world: World) -> None:
    started = time.monotonic()
    assert world.sync(world.workflow(sync_policy={"pre_sync_hooks": ["sleep 20 & echo started"]})).status == "succeeded"
    assert time.monotonic() - started < 10


def test_of_a_noisy_check_the_end_is_told(world: World) -> None:
    world.sync(world.workflow())
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    command = "head -c 5000000 /dev/zero; echo the end; exit 3"
    policy = {"health_check": {"command": command, "timeout": "3s", "interval": "3s"}}
    message = world.sync(world.workflow(sync_policy=policy)).message
    assert "exit code 3" in message
    assert "the end" in message
    assert len(message) < 5000


def test_a_last_try_that_is_cut_short_hides_no_reason(world: World, tmp_path: Path) -> None:
    world.sync(world.workflow())
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    command = f"test -e {tmp_path}/tried && sleep 20; touch {tmp_path}/tried; echo the database is away; exit 3"
    policy = {"health_check": {"command": command, "timeout": "3s", "interval": "100ms"}}
    assert "exit code 3: the database is away" in world.sync(world.workflow(sync_policy=policy)).message


def test_a_server_that_talks_nonsense_is_not_healthy(world: World) -> None:
    class Nonsense(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"nonsense\r\n\r\n")

    with http.server.HTTPServer(("127.0.0.1", 0), Nonsense) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        check = {"http": f"http://127.0.0.1:{server.server_port}/", "timeout": "100ms", "interval": "50ms"}
        outcome = world.sync(world.workflow(sync_policy={"health_check": check}))
        server.shutdown()
    assert outcome.health == "degraded"


def test_a_server_that_drips_does_not_outlive_the_timeout(world: World) -> None:
    ended = threading.Event()

    class Drip(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while not ended.wait(0.2):
                self.wfile.write(b"X-A: b\r\n")

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Drip) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        check = {"http": f"http://127.0.0.1:{server.server_port}/", "timeout": "500ms", "interval": "500ms"}
        started = time.monotonic()
        outcome = world.sync(world.workflow(sync_policy={"health_check": check}))
        took = time.monotonic() - started
        ended.set()
        server.shutdown()
    assert outcome.health == "degraded"
    assert took < 10


@pytest.mark.parametrize(
    "policy",
    [{"post_sync_hooks": ["sleep 60"]}, {"health_check": {"command": "sleep 60", "timeout": "1s", "interval": "1s"}}],
)
def test_a_stop_during_a_command_is_no_verdict_on_the_commit(world: World, policy: dict[str, Any]) -> None:
    world.sync(world.workflow())
    world.push("version 2", {"k8s/web.yaml": deployment(image="web:2")})
    log = world.log()
    session = world.session()
    timer = threading.Timer(0.5, session.stop.set)
    timer.start()
    with pytest.raises(Interrupted):
        world.sync(world.workflow(sync_policy=policy), session=session)
    timer.join()
    assert world.log() == log
    assert world.sync(world.workflow()).status == "succeeded"
