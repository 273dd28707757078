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
    parts = f"{head}{slash}{last}".split("/")
    if len(parts) == 1 or not ("." in parts[0] or ":" in parts[0] or parts[0] == "localhost"):
        parts = ["docker.io", *parts]
    if parts[0] in ("docker.io", "index.docker.io"):
        parts = ["docker.io", *(["library"] if len(parts) == 2 else []), *parts[1:]]
    return Image("/".join(parts), tag, digest)


def comes_from(image: Image, places: list[str]) -> bool:
    """Whether an image is in one of the registries, or folders of one. A `*` stands for any part of one part of the name."""
    parts = image.name.split("/")
    return any(
        len(wanted) <= len(parts) and all(map(fnmatchcase, parts, wanted))
        for wanted in (place.rstrip("/").split("/") for place in places)
    )
