"""All scenarios, by what they are about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scoreboard.scenario import Scenario
from scoreboard.scenarios import admission, custom, owners, removal, secrets, shared, spelling

GROUPS: Final[dict[str, Sequence[Scenario]]] = {
    "The same in other words": spelling.SCENARIOS,
    "Others in the same objects": (*owners.SCENARIOS, *shared.SCENARIOS),
    "No longer declared, and lists": removal.SCENARIOS,
    "Secrets": secrets.SCENARIOS,
    "Custom resources": custom.SCENARIOS,
    "Admission and immutable fields": admission.SCENARIOS,
}
ALL: Final = [scenario for scenarios in GROUPS.values() for scenario in scenarios]
