"""The image that the Dockerfile starts from, where no registry is reached: a stand-in, under the same name.

It is made of Debian's packages: the Debian of the official image, its Python where the official one has it, and what this
machine needs to reach its package registries (certificates, proxies, pip's settings). So the Dockerfile stays as it is.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from docker import Docker, DockerError, folder, locked

ROOT: Final = Path(__file__).resolve().parent.parent
DEBIAN: Final = "trixie"
LABEL: Final = "sloth-ci.stand-in"
_PULL: Final = 120
"""Seconds for a pull: where a firewall swallows it, nothing answers."""
_CERTIFICATES: Final = Path("/usr/local/share/ca-certificates")
# As in Debian's own slim images: an installed package leaves no manuals behind.
_SLIM: Final = """\
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/lintian/*
"""
_SETTLE: Final = """\
set -eu
update-ca-certificates
for name in python python3; do ln -s /usr/bin/python3 /usr/local/bin/$name; done
ln -s /usr/bin/pip3 /usr/local/bin/pip
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/* /var/log/* /usr/share/man/* /usr/share/info/* /usr/share/locale/*
find /usr/share/doc -type f ! -name copyright -delete
"""


def name() -> str:
    """The image that the Dockerfile starts from."""
    found = re.search(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    if not found:
        raise DockerError("the Dockerfile has no FROM")
    return found[1]


def ensure(docker: Docker, environ: Mapping[str, str]) -> None:
    """Have the base image: the official one if it is there or can be pulled, else the stand-in. Raises DockerError."""
    with locked(folder(environ) / "base.lock"):
        made_by = _made_by(docker)
        if made_by is None and _pulled(docker):
            return
        if made_by not in ("", _recipe(environ)):
            _make(docker, environ)


def is_stand_in(docker: Docker) -> bool:
    """Whether the base image that is there was made here."""
    return bool(_made_by(docker))


def _made_by(docker: Docker) -> str | None:
    """The recipe of the stand-in that is there; empty for the official image, None for no image at all."""
    label = docker.attempt("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name())
    return None if label.returncode else label.stdout.strip()


def _pulled(docker: Docker) -> bool:
    try:
        done = subprocess.run(
            docker.command("pull", "--quiet", name()),
            env=docker.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        print(f"{name()} cannot be pulled: no answer", flush=True)
        return False
    if done.returncode:
        print(f"{name()} cannot be pulled: {done.stderr.strip().splitlines()[-1]}", flush=True)
    return done.returncode == 0


def _recipe(environ: Mapping[str, str]) -> str:
    """What the stand-in is made of: another recipe, another certificate or another setting of pip, and it is made anew."""
    state = hashlib.sha256(Path(__file__).read_bytes())
    for file in _certificates():
        state.update(file.read_bytes())
    state.update(_pip_settings(environ).encode() + _apt_settings(environ).encode())
    return state.hexdigest()[:16]


def _certificates() -> list[Path]:
    return sorted(_CERTIFICATES.glob("*.crt"))


def _pip_settings(environ: Mapping[str, str]) -> str:
    """What says where packages come from, for a pip.conf."""
    lines = ["[global]", "cert = /etc/ssl/certs/ca-certificates.crt", "disable-pip-version-check = true"]
    listed = _output(["pip", "config", "list"], environ)
    known = dict(re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE))
    lines += [f"{key} = {known[key]}" for key in ("index-url", "extra-index-url", "trusted-host") if key in known]
    return "\n".join(lines) + "\n"


def _apt_settings(environ: Mapping[str, str]) -> str:
    names = ("http::Proxy", "https::Proxy", "Check-Valid-Until", "Check-Date")
    return _output(["apt-config", "dump", *(f"Acquire::{name}" for name in names)], environ)


def _output(command: list[str], environ: Mapping[str, str]) -> str:
    if not shutil.which(command[0], path=environ.get("PATH")):
        return ""
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False).stdout


def _make(docker: Docker, environ: Mapping[str, str]) -> None:
    if os.geteuid() != 0 or not shutil.which("debootstrap", path=environ.get("PATH")):
        raise DockerError(f"{name()} is not there, cannot be pulled, and a stand-in can only be made as root on Debian")
    print(f"making a stand-in for {name()} from Debian {DEBIAN} (a minute, once)", flush=True)
    with tempfile.TemporaryDirectory(prefix="base-", dir=folder(environ)) as scratch:
        root = Path(scratch, "root")
        _run(
            ["debootstrap", "--variant=minbase", "--include=ca-certificates,python3,python3-pip", DEBIAN, str(root)],
            environ,
        )
        for file in _certificates():
            shutil.copy(file, root / _CERTIFICATES.relative_to("/"))
        (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(_SLIM)
        (root / "etc/apt/apt.conf.d/90machine").write_text(_apt_settings(environ))
        (root / "etc/pip.conf").write_text(_pip_settings(environ))
        inside = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        _run(["chroot", str(root), "sh", "-c", _SETTLE], inside)
        _check_python(root, inside)
        changes = (f"ENV PATH={inside['PATH']}", f"LABEL {LABEL}={_recipe(environ)}", 'CMD ["python3"]')
        pack = shlex.join(["tar", "--directory", str(root), "--create", "."])
        load = shlex.join(
            docker.command("import", *(part for change in changes for part in ("--change", change)), "-", name())
        )
        _run(["bash", "-o", "pipefail", "-c", f"{pack} | {load}"], docker.environ)


def _check_python(root: Path, environ: Mapping[str, str]) -> None:
    version = _output(["chroot", str(root), "/usr/local/bin/python", "--version"], environ).strip()
    wanted = re.search(r"python:(\d+\.\d+)", name())
    if not wanted or not version.startswith(f"Python {wanted[1]}."):
        raise DockerError(f"Debian {DEBIAN} has {version}, and the Dockerfile wants {name()}")


def _run(command: list[str], environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DockerError(f"{command[0]} ended with {done.returncode}: {done.stdout[-2000:].strip()}")
