"""Build the product's image from this work tree, with what that needs first.

    python scripts/make_image.py                build it, say its name and size
    python scripts/make_image.py --install      and install a Docker engine where none is (root on Debian; so does CI)

Docker's layer cache makes a second build a matter of seconds.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import base_image
from base_image import ROOT
from docker import Docker, DockerError, engine, folder, install, locked

NAME: Final = "sloth-ci"
_KEPT: Final = "24h"
"""How long the images of earlier builds stay: somebody may be using one."""
_PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


def build(docker: Docker, environ: Mapping[str, str]) -> str:
    """Build the image of this work tree and return its name, which no other work tree uses. Raises DockerError."""
    base_image.ensure(docker, environ)
    place = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
    image = f"{NAME}:work-{place}"
    with locked(folder(environ) / f"build-{place}.lock"):
        docker("build", "--quiet", "--network", "host", *proxies(environ), "--tag", image, str(ROOT))
        docker("image", "prune", "--force", "--filter", f"label=org.opencontainers.image.title={NAME}",
               "--filter", f"until={_KEPT}")  # fmt: skip
    return image


def proxies(environ: Mapping[str, str]) -> list[str]:
    """Arguments of `docker build`: the proxies of the machine are those of the build."""
    return [part for name in _PROXIES if name in environ for part in ("--build-arg", f"{name}={environ[name]}")]


def size(docker: Docker, image: str) -> int:
    """Bytes of an image, uncompressed."""
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def main(arguments: Sequence[str]) -> int:
    """Build it. The exit code is 1 if that cannot be done."""
    try:
        if "--install" in arguments or os.environ.get("CI") == "true":
            install(os.environ)
        with engine(os.environ) as docker:
            image = build(docker, os.environ)
            where = " (in the private engine: `python scripts/docker.py run --rm --network host IMAGE ...`)"
            print(f"{image}  {size(docker, image) / 1e6:.0f} MB{where if docker.private else ''}")
    except DockerError as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
