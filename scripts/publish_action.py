"""Make the published form of the action: this one, but for its image, which is a built one.

    python scripts/publish_action.py docker://ghcr.io/sloth-runner/gitops@sha256:... action.yml

A release writes it into the commit that `v1` names (docs/adr/0011); the tests run theirs in the same form.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

# The comment is about the line below it, and no longer true.
_IMAGE = re.compile(r"(?:^  #.*\n)*^  image: Dockerfile$", re.MULTILINE)


def published(action: str, image: str) -> str:
    """The text of action.yml with another image. Raises ValueError where that is no one to run, or it names none."""
    if not re.fullmatch(r"docker://\S+", image):
        raise ValueError(f"'{image}' is no image: docker://NAME@DIGEST")
    text, found = _IMAGE.subn(f"  image: {image}", action)
    if found != 1:
        raise ValueError("action.yml has no line 'image: Dockerfile' of its own")
    return text


def main(arguments: Sequence[str]) -> int:
    """Rewrite a file. The exit code is 2 if it cannot be."""
    try:
        image, name = arguments
        file = Path(name)
        file.write_text(published(file.read_text(encoding="utf-8"), image), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"publish_action: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
