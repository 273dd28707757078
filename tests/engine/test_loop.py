"""The loop of auto-sync."""

from __future__ import annotations

import threading

from sloth_ci.core.events import Level
from sloth_ci.engine.controller import loop
from support.world import Listener, World


def test_the_loop_waits_for_what_a_workflow_depends_on(world: World) -> None:
    first = world.workflow(name="first", auto_sync=True, target_path="nowhere")
    second = world.workflow(name="second", auto_sync=True, depends_on=["first"])
    session = world.session()

    class Ear(Listener):
        def log(self, level: Level, message: str) -> None:
            super().log(level, message)
            if message.startswith("second"):
                session.stop.set()

    ear = session.observer = Ear()
    session.add_workflow(first)
    session.add_workflow(second)
    loop(session)
    assert "second is not synced, as first failed" in ear.text()
    assert not (world.root / "live").exists()


def test_a_lost_lock_ends_a_turn_of_the_loop_and_not_the_loop(world: World) -> None:
    turns: list[str] = []
    lost = threading.Event()
    session = world.session(lock_ttl=0.3)

    class Ear(Listener):
        def log(self, level: Level, message: str) -> None:
            super().log(level, message)
            if "could not be renewed" in message:
                lost.set()
            if message.startswith("shop: "):
                turns.append(message)
                if len(turns) == 2:
                    session.stop.set()

    def steal(_about: object) -> bool:
        """Take the lock away, the first time."""
        if not turns:
            origin = ("-C", str(world.origin))
            [ref] = [
                r
                for r in world.checkout.git(*origin, "for-each-ref", "--format=%(refname)").split()
                if r.endswith("/lock")
            ]
            world.checkout.git(*origin, "update-ref", "-d", ref)
            assert lost.wait(120)
        return True

    session.observer = Ear()
    policy = {"pre_sync_hooks": [steal]}
    session.add_workflow(world.workflow(auto_sync=True, sync_interval="10ms", sync_policy=policy))
    loop(session)
    assert "stopped" in turns[0]
    assert "synced" in turns[1]
