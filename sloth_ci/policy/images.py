"""Names of container images, as container runtimes read them.

Source: the reference grammar of the distribution project: `registry/path:tag@digest`. A first part without a dot, a colon
and that is not `localhost` is no registry; then it is Docker Hub's.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import NamedTuple


class Image(NamedTuple):
    """What a container's `image` says."""

    name: str
    """With its registry: `docker.io/library/nginx`."""
    tag: str
    digest: str

    @property
    def moves(self) -> bool:
        """Whether the same name may be another image tomorrow: `latest`, or nothing."""
        return not self.digest and self.tag in ("", "latest")


def read_image(text: str) -> Image:
    """The parts of a name; those that are not there are empty."""
    rest, _, digest = text.partition("@")
    head, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    name = f"{head}{slash}{last}"
    first, slash, _ = name.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    return Image(name, tag, digest)


def comes_from(image: Image, places: list[str]) -> bool:
    """Whether an image is in one of the registries or folders of one, or its name has one of the patterns."""
    return any(
        image.name == place.rstrip("/")
        or image.name.startswith(f"{place.rstrip('/')}/")
        or fnmatchcase(image.name, place)
        for place in places
    )
