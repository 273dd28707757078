"""What is loaded when, and what the core never touches. The walls between packages are import-linter's (`make lint`)."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from support.project import ROOT

HEAVY = (
    "asyncio",
    "concurrent.futures",
    "email",
    "git",
    "github",
    "gitlab",
    "http.client",
    "kubernetes",
    "lupa",
    "multiprocessing",
    "rich",
    "ssl",
    "urllib.request",
    "yaml",
)


@pytest.mark.parametrize("statement", ["import sloth_ci.cli", "import sloth_ci.cli; sloth_ci.cli.main(['--help'])"])
def test_the_command_line_starts_without_the_heavy_modules(statement: str) -> None:
    code = f"import atexit, sys\natexit.register(lambda: print('loaded:', *sys.modules))\n{statement}"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    loaded = shown.splitlines()[-1].removeprefix("loaded: ").split()
    assert "sloth_ci.cli" in loaded
    assert sorted(set(HEAVY) & set(loaded)) == []


@pytest.mark.parametrize("file", sorted((ROOT / "sloth_ci/core").glob("*.py")), ids=lambda file: file.stem)
def test_the_core_reads_no_clock_and_opens_nothing(file: Path) -> None:
    """import-linter sees modules; a clock and a file can be had without importing one."""
    calls = [
        f"{file.name}:{node.lineno} {ast.unparse(node.func)}"
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (
            (
                isinstance(node.func, ast.Name)
                and node.func.id in {"open", "input", "print", "exec", "eval", "__import__"}
            )
            or (isinstance(node.func, ast.Attribute) and node.func.attr in {"now", "utcnow", "today"})
        )
    ]
    assert calls == []
