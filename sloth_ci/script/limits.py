"""What a script may use up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits of one piece of a script: the file as a whole, one call of a task's function, or one callback."""

    instructions: int = 500_000_000
    """Virtual machine instructions; a C function's work is charged as if it ran some."""
    seconds: float = 30.0
    """Time in Lua itself. While the host works for the script the clock stands."""
    memory: int = 256 * 1024 * 1024
    """Bytes, of the whole runtime."""
    silence: float = 60.0
    """Seconds without a sign of life, inside one C function, after which the process is ended."""
