"""Submodules: trees in other repositories, found through `.gitmodules` at the revision."""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sloth_ci.core.errors import RenderError
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo import git
from sloth_ci.repo.address import Address, parse_address
from sloth_ci.repo.tree import normal_path, show_path

if TYPE_CHECKING:
    from sloth_ci.repo.repository import Repository


def submodule_spec(repository: Repository, parent: RepositorySpec, revision: str, path: str) -> RepositorySpec:
    """Where the submodule at `path` comes from, at a revision.

    The parent's credentials go with it to the same server only. Raises RenderError where `.gitmodules` does not name it,
    and where it names a path of this machine although the parent comes over the network: a file in a pull request must
    not choose what is read here.
    """
    urls = _urls(repository, revision)
    url = urls.get(path)
    what = f"submodule {show_path(path)} at {revision[:10]}"
    if url is None:
        raise RenderError(f"{what} is not in .gitmodules", "run `git submodule add` for it, or remove it")
    base = repository.remote.address if repository.remote else None
    home = Path(base.path) if base and base.local else repository.root
    if url.startswith(("./", "../")) and base is not None and not base.local:
        url = _relative(base, url)
    address, _ = parse_address(url, cwd=home, environ=repository.environ)
    if address.local and base is not None and not base.local:
        raise RenderError(f"{what} is a path of this machine ({url})", "use a URL, or one relative to the repository's")
    same_server = base is not None and address.origin == base.origin
    return RepositorySpec(
        url=address.text if address.local else url,
        credentials=parent.credentials if same_server else None,
        submodules=True,
    )


def _urls(repository: Repository, revision: str) -> Mapping[str, str]:
    info = repository.objects.info([f"{revision}:.gitmodules"])[0]
    if info is None:
        return {}
    [(_, data)] = repository.read([info.id])
    with tempfile.NamedTemporaryFile(prefix="sloth-gitmodules-") as file:
        file.write(data)
        file.flush()
        out = git.run(
            ["config", "--file", file.name, "--no-includes", "--list", "-z"],
            git_dir=repository.git_dir,
            env=repository.env,
            what=f"cannot read .gitmodules at {revision[:10]}",
        )
    return parse_gitmodules(out.decode("utf-8", "surrogateescape"))


def parse_gitmodules(text: str) -> Mapping[str, str]:
    """Paths of submodules to their URLs, from `git config --list -z`."""
    paths, urls = {}, {}
    for item in text.split("\0"):
        key, _, value = item.partition("\n")
        if key.startswith("submodule."):
            name, _, what = key[len("submodule.") :].rpartition(".")
            if what == "path":
                paths[name] = value
            elif what == "url":
                urls[name] = value
    return {normal_path(path): urls[name] for name, path in paths.items() if name in urls}


def _relative(base: Address, url: str) -> str:
    """`../other.git` seen from the parent's URL, as `git submodule` reads it."""
    if "://" not in base.text:  # user@host:path
        host, _, path = base.text.partition(":")
        return f"{host}:{posixpath.normpath(posixpath.join(path, url))}"
    root, slash, path = base.text.partition("://")[2].partition("/")
    return f"{base.text.partition('://')[0]}://{root}{slash}{posixpath.normpath(posixpath.join(path, url))}"
