"""A freeze that the forge itself holds, beside those of the Lua file."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ConflictError
from support.bodies import deployment
from support.signer import Signer
from support.world import World


def test_nothing_is_synced_while_the_forge_holds_a_freeze_and_a_rollback_goes_ahead(world: World) -> None:
    forge = Signer(world.origin)
    workflow = world.workflow()
    world.sync(workflow, session=world.session(forge=forge))
    before = world.live()
    world.push("second", {"k8s/web.yaml": deployment(image="second")})
    assert world.sync(workflow, session=world.session(forge=forge)).status == "succeeded"
    world.push("third", {"k8s/web.yaml": deployment(image="third")})

    forge.freeze = "frozen until Mon 08:00 UTC by the project's freeze period"
    assert forge.freeze in world.preview(workflow, session=world.session(forge=forge)).warnings
    with pytest.raises(ConflictError, match="shop is frozen until Mon 08:00 UTC by the project's"):
        world.sync(workflow, session=world.session(forge=forge))
    assert world.rollback(workflow, forge=forge).status == "succeeded"
    assert world.live() == before

    forge.freeze = None
    assert forge.freeze not in world.preview(workflow, session=world.session(forge=forge)).warnings
