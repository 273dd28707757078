from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloth_ci.script.run import Script
from support.luahost import MemoryHost, load_text


@pytest.fixture
def host() -> MemoryHost:
    """A host that deploys nothing."""
    return MemoryHost()


@pytest.fixture
def run(host: MemoryHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Script]]:
    """Load Lua text as `sloth.lua` in the test's folder, which is the working directory; closed in the end."""
    monkeypatch.chdir(tmp_path)
    loaded: list[Script] = []

    def load(text: str, **more: object) -> Script:
        script = load_text(text, host, tmp_path, **more)  # type: ignore[arg-type]  # handed on
        loaded.append(script)
        return script

    yield load
    for script in loaded:
        script.close()
