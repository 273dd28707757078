"""Write the documents that are made from the code.

    python scripts/docs.py             write them
    python scripts/docs.py --check     exit with 1 if one is not current

docs/cli.md comes from the command line's own help.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from sloth_ci.cli import cli

ROOT: Final = Path(__file__).resolve().parent.parent
WIDTH: Final = 100


def cli_reference() -> str:
    """The help of every command, in the order of the command line itself."""
    parts = ["# Command line", "<!-- Made by `make docs` from the help of each command; change it there. -->"]
    settings = {**cli.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    top = click.Context(cli, info_name="sloth-ci", **settings)
    for context in _commands(top):
        parts += [f"## `{context.command_path}`", f"```text\n{context.get_help().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _commands(context: click.Context) -> Iterator[click.Context]:
    yield context
    group = context.command
    if isinstance(group, click.Group):
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if command and not command.hidden:
                yield from _commands(click.Context(command, parent=context, info_name=name))


DOCUMENTS: Final = {"docs/cli.md": cli_reference}


def main(arguments: list[str]) -> int:
    """Write, or with `--check` compare."""
    stale = 0
    for name, make in DOCUMENTS.items():
        path, text = ROOT / name, make()
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--check" in arguments:
            print(f"{name} is not current: run `make docs`", file=sys.stderr)
            stale = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"wrote {name}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
