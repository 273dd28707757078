"""etcd and kube-apiserver from the archives that Kubernetes' controller-tools publishes for tests.

Saves a few minutes of building where the open internet is there. Elsewhere one short attempt fails and nothing is lost.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
import tarfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

NAMES: Final = ("etcd", "kube-apiserver")
# The list of archives with the sha512 of each; SLOTH_TEST_ENVTEST_INDEX names another one, or nothing at all if empty.
INDEX: Final = "https://raw.githubusercontent.com/kubernetes-sigs/controller-tools/main/envtest-releases.yaml"
VARIABLE: Final = "SLOTH_TEST_ENVTEST_INDEX"
_ATTEMPT: Final = 5.0
"""Seconds until the index has to answer."""
_STALL: Final = 30.0
"""Seconds without a byte of the archive."""
_ENTRY: Final = re.compile(
    r"^ {4}envtest-v(\S+)-([a-z]+)-([a-z0-9]+)\.tar\.gz:\n {6}hash: ([0-9a-f]{128})\n {6}selfLink: (\S+)$", re.MULTILINE
)


class UnavailableError(Exception):
    """There is no archive for this machine, or it cannot be had; the message says why."""


def fetch(kubernetes: str, names: Sequence[str], environ: Mapping[str, str], target: Path) -> str:
    """Put `names` of the newest archive of Kubernetes' minor release (v1.37.2: the newest 1.37) into a folder.

    Returns the version of the archive. Raises UnavailableError; then the folder may hold a part of it.
    """
    index = environ.get(VARIABLE, INDEX)
    if not index:
        raise UnavailableError(f"{VARIABLE} says not to download {' and '.join(names)}")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    wanted = (kubernetes.removeprefix("v").rsplit(".", 1)[0], sys.platform, machine)
    try:
        found = [
            (int(version.rsplit(".", 1)[1]), version, digest, link)
            for version, system, built_for, digest, link in _ENTRY.findall(_read(index, _ATTEMPT).decode())
            if re.fullmatch(r"\d+\.\d+\.\d+", version) and (version.rsplit(".", 1)[0], system, built_for) == wanted
        ]
        if not found:
            raise UnavailableError(f"there is no envtest archive of Kubernetes {wanted[0]} for {wanted[1]}/{wanted[2]}")
        _, version, digest, link = max(found)
        archive = target / "envtest.tar.gz"
        archive.write_bytes(_read(link, _STALL))
        with archive.open("rb") as content:
            if hashlib.file_digest(content, "sha512").hexdigest() != digest:
                raise UnavailableError(f"{link} is not what the index says it is")
        with tarfile.open(archive) as members:
            for member in members:
                name = Path(member.name).name
                source = members.extractfile(member) if member.isfile() and name in names else None
                if source:
                    (target / name).write_bytes(source.read())
                    (target / name).chmod(0o755)
        archive.unlink()
    except (OSError, tarfile.TarError, UnicodeDecodeError, ValueError) as error:
        raise UnavailableError(f"{' and '.join(names)} cannot be downloaded ({error})") from error
    lacking = [name for name in names if not (target / name).is_file()]
    if lacking:
        raise UnavailableError(f"{link} has no {' and no '.join(lacking)}")
    return f"v{version}"


def _read(url: str, timeout: float) -> bytes:
    with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310 - https, or what the developer named
        content: bytes = answer.read()
        return content
