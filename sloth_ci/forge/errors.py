"""What a forge says no with, in the kinds that the rest of the product tells apart.

ForgeError
├── Missing     it is not there, or this token may not see it
├── Denied      this token may not do it
├── Invalid     understood, and not possible
└── Unclear     the answer was lost: the forge may have done it or not
"""

from __future__ import annotations

from sloth_ci.core.errors import ForgeError

_SAID_LIMIT = 400


class Missing(ForgeError):
    """It is not there, or the token may not see it: forges do not tell these apart."""


class Denied(ForgeError):
    """The token may not do it."""


class Invalid(ForgeError):
    """The forge understood, and it is not possible."""


class Unclear(ForgeError):
    """The answer was lost on its way: the forge may have done it or not."""


def plain(text: str, *secrets: str) -> str:
    """The words of others as one short line that prints, without what is secret (empty ones are none)."""
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _SAID_LIMIT else f"{line[:_SAID_LIMIT]} ..."
