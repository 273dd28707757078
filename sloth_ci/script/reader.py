"""Reading Lua files."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sloth_ci.core.errors import UsageError
from sloth_ci.script.host import Reader

MAX_SOURCE: Final = 4 * 1024 * 1024
"""Bytes; a longer file is no workflow."""


def beside(folder: Path) -> Reader:
    """Reads files of a folder and nothing outside of it, not even through a link."""
    root = folder.resolve()

    def read(path: str) -> bytes | None:
        try:
            file = (root / path).resolve()
            if not file.is_relative_to(root) or not file.is_file():
                return None
            if file.stat().st_size > MAX_SOURCE:
                raise UsageError(f"'{folder / path}' is larger than {MAX_SOURCE // 2**20} MiB")
            return file.read_bytes()
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read '{folder / path}': {error}") from None

    return read


def clean_source(source: bytes) -> bytes:
    """Without a byte order mark; a first line for the shell becomes a comment, so that lines keep their numbers."""
    source = source.removeprefix(b"\xef\xbb\xbf")
    return b"--" + source if source.startswith(b"#") else source
