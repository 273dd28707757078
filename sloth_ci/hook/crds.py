"""The CustomResourceDefinitions of a repository, found for the kinds that somebody asks about, and for no others.

One of them may take as long to read as all other manifests together, so what it defines is remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from sloth_ci.core.objects import Manifest
from sloth_ci.core.openapi import definitions_of_crd
from sloth_ci.core.schema import Definitions, kind_key
from sloth_ci.core.yaml import YamlError, flatten, parse
from sloth_ci.render import load_bodies
from sloth_ci.render.cache import Cache, name_of
from sloth_ci.repo import Repository, git

_KIND: Final = "CustomResourceDefinition"
_LARGEST: Final = 4 * 2**20
"""Bytes of a file that is looked into for a definition."""


def definitions_for(
    wanted: Iterable[Manifest], rendered: Sequence[Manifest], repository: Repository, revision: str, cache_dir: Path
) -> list[Definitions]:
    """What is defined of the kinds of some objects: by what is rendered with them, else anywhere in the revision."""
    cache = Cache(cache_dir)
    kinds = {kind_key(manifest.api_version, manifest.ref.kind): manifest.ref for manifest in wanted}
    if not kinds:
        return []
    found: list[Definitions] = []
    for ref in {(ref.group, ref.kind): ref for ref in kinds.values()}.values():
        found += _from_manifests(ref.group, ref.kind, rendered, cache)
    missing = {key: ref for key, ref in kinds.items() if not any(key in one.kinds for one in found)}
    if missing:
        elsewhere = list(_from_files({ref.group for ref in missing.values()}, repository, revision, cache))
        found += [one for one in elsewhere if not missing.keys().isdisjoint(one.kinds)]
    return _unambiguous(found)


def _from_manifests(group: str, kind: str, rendered: Sequence[Manifest], cache: Cache) -> Iterator[Definitions]:
    ours = [one for one in rendered if one.ref.kind == _KIND and one.ref.name.endswith(f".{group}")]
    # They are called by the plural; most plurals start like their word.
    likely = [one for one in ours if one.ref.name.startswith(kind.lower()[:-1])]
    for manifest in likely or ours:
        name = name_of("crd", "", manifest.digest)
        known = cache.load(name, Definitions)
        if known is None:
            load_bodies([manifest])
            known = definitions_of_crd(manifest.body)
            cache.store(name, known)
        yield known


def _from_files(groups: set[str], repository: Repository, revision: str, cache: Cache) -> Iterator[Definitions]:
    """What the files of a revision define for some groups, whatever they are deployed by."""
    args = ["grep", "-l", "-z", "-I", "-E", "-e", f"^kind: *[\"']?{_KIND}", revision]
    done = git.call(args, git_dir=repository.git_dir, env=repository.env)
    if done.code not in (0, 1):
        raise git.failure(args, done, env=repository.env)
    names = [name for name in done.out.decode("utf-8", "surrogateescape").split("\0") if name]
    blobs = [info for info in repository.objects.info(names) if info is not None and info.size <= _LARGEST]
    for info in blobs:
        name = name_of("crds", "", info.id)
        known = cache.load(name, list[Definitions])
        if known is None:
            [(_, data)] = repository.read([info.id])
            if not any(group.encode() in data for group in groups):
                continue
            known = _definitions_in(data)
            cache.store(name, known)
        yield from known


def _definitions_in(data: bytes) -> list[Definitions]:
    try:
        objects = [item.value for document in parse(data) for item in flatten(document)]
    except YamlError:
        return []  # a template, or broken: that is said where it is rendered
    return [definitions_of_crd(one) for one in objects if one.get("kind") == _KIND]


def _unambiguous(found: Sequence[Definitions]) -> list[Definitions]:
    """Without the kinds that are defined in two ways: nobody knows which of them the cluster has."""
    seen: dict[str, Definitions] = {}
    unclear = set()
    for one in found:
        for key in one.kinds:
            if key in seen and seen[key].nodes != one.nodes:
                unclear.add(key)
            seen.setdefault(key, one)
    return [one for one in found if unclear.isdisjoint(one.kinds)]
