"""Make the published form of the action and of GitLab's template: these, but for the image, which is a built one.

    python scripts/publish_action.py docker://ghcr.io/sloth-runner/gitops@sha256:... action.yml .gitlab-ci-template.yml ...

A release writes them into the commit that `v1` names (docs/adr/0011); the tests run theirs in the same form.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

# The comment is about the line below it, and no longer true.
_IMAGE = re.compile(r"(?:^  #.*\n)*^  image: Dockerfile$", re.MULTILINE)
_INPUT = re.compile(r"(?:^      #.*\n)*^      default: ghcr\.io/sloth-runner/gitops:v1$", re.MULTILINE)


def published(action: str, image: str) -> str:
    """The text of action.yml with another image. Raises ValueError where that is no one to run, or it names none."""
    _name(image)
    text, found = _IMAGE.subn(f"  image: {image}", action)
    if found != 1:
        raise ValueError("action.yml has no line 'image: Dockerfile' of its own")
    return text


def published_template(template: str, image: str) -> str:
    """The text of GitLab's template with another image. Raises ValueError like `published`."""
    text, found = _INPUT.subn(f"      default: {_name(image)}", template)
    if found != 1:
        raise ValueError("the template has no line with the image of v1")
    return text


def _name(image: str) -> str:
    if not re.fullmatch(r"docker://\S+", image):
        raise ValueError(f"'{image}' is no image: docker://NAME@DIGEST")
    return image.removeprefix("docker://")


def main(arguments: Sequence[str]) -> int:
    """Rewrite files. The exit code is 2 if one cannot be."""
    try:
        image, *names = arguments
        for file in map(Path, names):
            publish = published if file.name == "action.yml" else published_template
            file.write_text(publish(file.read_text(encoding="utf-8"), image), encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"publish_action: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
