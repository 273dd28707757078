"""Compile every Lua file of the project without running it, and report each that is no Lua 5.4."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from lupa import lua54

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDERS: Final = ("lua", "demo", "docs", "examples")

# Text only: bytecode is never source. The name behind the @ is the one that Lua puts into its messages.
COMPILE: Final = """
function(text, name)
    local chunk, problem = load(text, "@" .. name, "t", {})
    return problem
end
"""


def main(arguments: list[str]) -> int:
    """Check the files named, or all. Exit code 1 if a file does not compile, 2 if there is none."""
    files = [Path(name) for name in arguments]
    files = files or sorted(file for name in FOLDERS for file in (ROOT / name).rglob("*.lua"))
    if not files:
        print("check_lua: no Lua file found", file=sys.stderr)
        return 2
    check = lua54.LuaRuntime(encoding=None, register_eval=False, register_builtins=False).eval(COMPILE)
    problems = []
    for file in files:
        name = file.resolve().relative_to(ROOT) if file.resolve().is_relative_to(ROOT) else file
        problem = check(file.read_bytes(), str(name).encode())
        if problem is not None:
            problems.append(problem.decode(errors="replace"))
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(files)} Lua files, {len(problems)} with errors")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
