"""What a policy denies stops a push; what it warns of is told."""

from __future__ import annotations

from pathlib import Path

from sloth_ci.core.yaml import dump
from support.bodies import deployment
from support.pushing import Pusher

RULES = """policy = {
    deny = { image_tags = true, rules = { few = function(change)
        if ((change.desired_state or {}).spec or {}).replicas == 9 then return false, "nine are too many" end
    end } },
    warn = { probes = true, resources = true },
},"""


def test_what_is_denied_stops_the_push(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules=RULES)
    pusher.checkout.commit("nine", {"k8s/web.yaml": dump(deployment(image="web:latest", replicas=9))})
    push = pusher.push("origin", "main")
    assert (push.worked, push.codes) == (False, [4])
    assert "the image web:latest names no version" in push.said
    assert "nine are too many" in push.said
    assert "git push --no-verify" in push.said


def test_what_is_warned_of_is_told_and_goes_on(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules=RULES)
    pusher.change(image="web:2")
    push = pusher.push("origin", "main")
    assert (push.worked, push.codes) == (True, [0])
    assert "container web has no requests.cpu, requests.memory, limits.memory" in push.said
