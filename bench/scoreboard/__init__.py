"""How right the diff of a tool is: scenarios on a real cluster, and what each tool says of them against what happens.

    make scoreboard                            all scenarios, all tools; writes bench/scoreboard.json and docs/scoreboard.md
    make scoreboard ARGS="nulls crd-changed"   some of them, printed with what each tool said

A tool is asked for its diff, then it applies, and every object is read before and after. `tests/kubernetes` plays the
same scenarios for sloth-ci alone.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# The control plane and the finder of engines are those of the tests.
sys.path += [str(ROOT / folder) for folder in ("tests", "scripts", "bench") if str(ROOT / folder) not in sys.path]
