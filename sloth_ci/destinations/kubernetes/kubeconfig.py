"""Kubeconfig files, found and merged the way kubectl does it: of several the first that says something wins.

The rules are client-go's `clientcmd`
(https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/).
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from sloth_ci.core import yaml
from sloth_ci.core.errors import UsageError
from sloth_ci.core.unreviewed import Unreviewed
from sloth_ci.core.workflow import DestinationSpec


class Entry(NamedTuple):
    """A cluster, user or context, with the folder that its paths are counted from."""

    body: Mapping[str, Any]
    folder: Path


@dataclass(frozen=True, repr=False)
class Kubeconfig:
    """Several files as one."""

    where: str
    """For a person: which files."""
    clusters: Mapping[str, Entry]
    users: Mapping[str, Entry]
    contexts: Mapping[str, Entry]
    current: str
    unreviewed: Unreviewed | None = None
    """The work tree whose programs and files are not to be believed."""


def load(
    spec: DestinationSpec, root: Path, environ: Mapping[str, str], unreviewed: Unreviewed | None = None
) -> Kubeconfig:
    """The kubeconfig that a destination means. Raises UsageError, also for one that is of an `unreviewed` change."""
    return replace(_found(spec, root, environ, unreviewed), unreviewed=unreviewed)


def _found(spec: DestinationSpec, root: Path, environ: Mapping[str, str], unreviewed: Unreviewed | None) -> Kubeconfig:
    if spec.kubeconfig_env:
        return _from_variable(spec.kubeconfig_env, root, environ, unreviewed)
    if spec.kubeconfig:
        path = root / os.path.expanduser(spec.kubeconfig)
        if not path.is_file():
            raise UsageError(f"destination.kubeconfig: there is no file {path}", "it is counted from the workflow file")
        return _merged(str(path), [_read_file(path, unreviewed)])
    paths = _paths(environ)
    found = [_read_file(path, unreviewed) for path in paths if path.is_file()]
    where = os.pathsep.join(map(str, paths))
    if not found:
        raise UsageError(
            f"there is no kubeconfig: looked for {where}",
            # GitHub hands over an empty text where a secret is not there, or not for this event.
            "is the secret behind the input kubeconfig set, and may this event read it?"
            if environ.get("GITHUB_ACTIONS") == "true"
            else "set KUBECONFIG, or destination = { kubeconfig = ..., kubeconfig_env = ... } in the workflow file",
        )
    return _merged(where, found)


def _paths(environ: Mapping[str, str]) -> list[Path]:
    listed = [Path(item) for item in environ.get("KUBECONFIG", "").split(os.pathsep) if item]
    return list(dict.fromkeys(listed)) or [Path(environ.get("HOME") or os.path.expanduser("~"), ".kube", "config")]


def is_there(environ: Mapping[str, str]) -> bool:
    """Whether any of the usual files exists."""
    return any(path.is_file() for path in _paths(environ))


def _from_variable(name: str, root: Path, environ: Mapping[str, str], unreviewed: Unreviewed | None) -> Kubeconfig:
    value = environ.get(name, "")
    if not value.strip():
        raise UsageError(
            f"destination.kubeconfig_env: the environment variable {name} is not set",
            "set it to the kubeconfig: its text, its text in base64, or the path of its file",
        )
    path = root / value.strip()
    try:
        is_path = "\n" not in value.strip() and path.is_file()
    except (OSError, ValueError):
        is_path = False  # too long for a path
    if is_path:
        return _merged(str(path), [_read_file(path, unreviewed)])
    where = f"the variable {name}"
    text = value.encode()
    with suppress(binascii.Error, ValueError):  # else it is the text itself, which never is base64: it has a colon
        text = b64decode("".join(value.split()), validate=True)
    return _merged(where, [_read(text, where, root)])


def _read_file(path: Path, unreviewed: Unreviewed | None) -> tuple[Mapping[str, Any], Path]:
    if unreviewed is not None and unreviewed.changed(str(path)):
        raise UsageError(
            f"the kubeconfig {path} is not as the base branch has it, and a kubeconfig says which programs are run",
            "a change of it counts once it is merged, and a branch that is behind needs a rebase; what a step of the job writes goes elsewhere",
        )
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"the kubeconfig {path} cannot be read: {error.strerror}") from None
    return _read(text, str(path), path.absolute().parent)


def _read(text: bytes, where: str, folder: Path) -> tuple[Mapping[str, Any], Path]:
    try:
        documents = yaml.parse(text)
    except yaml.YamlError as error:
        raise UsageError(f"the kubeconfig {where} cannot be read: {error.message}") from None
    value = documents[0].value if documents else {}
    if len(documents) > 1 or not isinstance(value, dict):
        raise UsageError(
            f"the kubeconfig {where} is not a kubeconfig", "it is one document with clusters, users, contexts"
        )
    return value, folder


def _merged(where: str, files: Sequence[tuple[Mapping[str, Any], Path]]) -> Kubeconfig:
    entries: dict[str, dict[str, Entry]] = {"cluster": {}, "user": {}, "context": {}}
    current = ""
    for value, folder in files:
        for kind, known in entries.items():
            for name, body in _named(value, kind, where):
                known.setdefault(name, Entry(body, folder))
        said = value.get("current-context")
        current = current or (said if isinstance(said, str) else "")
    return Kubeconfig(where, entries["cluster"], entries["user"], entries["context"], current)


def _named(value: Mapping[str, Any], kind: str, where: str) -> list[tuple[str, Mapping[str, Any]]]:
    items = value.get(f"{kind}s") or []
    if not isinstance(items, list):
        raise UsageError(f"the kubeconfig {where}: {kind}s is not a list")
    result: list[tuple[str, Mapping[str, Any]]] = []
    for item in items:
        body = (item.get(kind) or {}) if isinstance(item, dict) else None
        if not isinstance(body, dict) or not isinstance(item.get("name"), str):
            raise UsageError(f"the kubeconfig {where}: each of {kind}s has a name and a {kind}")
        result.append((item["name"], body))
    return result
