"""The container image: how large it is, and how long until it has answered.

The rival is the image that ours starts from. Needs a Docker engine (`make image`); without one the rows are left out.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent / "scripts"))

from measure import compare, row, timed

import base_image
import docker
import make_image


def rows(folder: Path) -> list[dict[str, Any]]:
    """Size, start, and the start of a command that reads a repository."""
    try:
        with docker.engine(os.environ) as engine:
            return _measured(engine, folder)
    except docker.DockerError as error:
        print(error)
        return []


def _measured(engine: docker.Docker, folder: Path) -> list[dict[str, Any]]:
    image, base = make_image.build(engine, os.environ), base_image.name()
    stand_in = base_image.is_stand_in(engine)
    mine, theirs = (make_image.size(engine, one) / 1e6 for one in (image, base))

    def run(*command: str) -> float:
        return timed(engine.command("run", "--rm", "--network", "host", *command), cwd=folder, env=engine.environ)

    run(image, "--version")
    made = f"on a stand-in for {base} from Debian's packages" if stand_in else f"on {base}"
    note = f"uncompressed, {made}; {_download(engine, image) / 1e6:.0f} MB to download"
    return [
        row("image-size", "the image", [mine], base, [theirs], unit="MB", note=note),
        compare(
            "image-start",
            ("docker run IMAGE --version", lambda: run(image, "--version")),
            (f"docker run {base} true", lambda: run(base, "true")),
            note="from the command to its end: the engine's share is in both",
        ),
        compare(
            "image-help",
            ("docker run IMAGE --help", lambda: run(image, "--help")),
            ("docker run IMAGE kubectl --help", lambda: run(image, "kubectl", "--help")),
            note="the help, in a container",
        ),
    ]


def _download(engine: docker.Docker, image: str) -> int:
    """Bytes that a runner fetches: registries keep layers as gzip makes them."""
    with (
        subprocess.Popen(engine.command("save", image), env=engine.environ, stdout=subprocess.PIPE) as save,
        subprocess.Popen(["gzip", "--stdout"], stdin=save.stdout, stdout=subprocess.PIPE) as pack,
    ):
        assert pack.stdout
        size = 0
        while block := pack.stdout.read(1 << 20):
            size += len(block)
    if save.returncode or pack.returncode:
        raise docker.DockerError(f"docker save {image} failed")
    return size
