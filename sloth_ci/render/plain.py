"""Plain manifests: every YAML and JSON file below a folder. What has not changed is not read again."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sloth_ci.core.objects import Body
from sloth_ci.core.yaml import MAX_FILE_BYTES
from sloth_ci.render.assemble import Part, RenderRecord, assemble, rendered
from sloth_ci.render.cache import Cache, name_of, scope_of
from sloth_ci.render.detect import CHART_FILE, KUSTOMIZATION_FILES, MANIFEST_SUFFIXES, below_any, hidden, outermost
from sloth_ci.render.index import FileRecord, index, moved, too_large
from sloth_ci.render.listing import Listing, Outside
from sloth_ci.render.result import Key, Problem, Rendered, printable
from sloth_ci.render.source import SUBMODULE, SYMLINK, SourceEntry, SourceTree

_SIBLINGS = 6
"""So many records of other revisions are looked through for blobs that this one shares."""
_HOLD_BYTES = 32 * 2**20
"""Bodies of so much YAML stay in memory; those of the rest are read again if somebody asks."""
_NAMED = 5

FileRecords = dict[str, FileRecord]


@dataclass
class _Survey:
    """What there is to read, and what is left out and why."""

    files: list[tuple[str, str]] = field(default_factory=list)
    """Path and blob."""
    skipped: int = 0
    warnings: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    inputs: list[str] = field(default_factory=list)
    """What links outside the folder lead to."""


def remembered(tree: SourceTree, forced: bool, namespace: str | None, cache: Cache) -> Rendered | None:
    """The render of this very tree, if it was made before: one file is read, and nothing of the tree.

    `forced`: the folder is read as plain manifests whatever is in it.
    """
    record = cache.load(_name(tree, forced, namespace), RenderRecord)
    return None if record is None else rendered(record, _Blobs(tree, namespace))


def render_plain(
    tree: SourceTree, entries: Sequence[SourceEntry], forced: bool, namespace: str | None, cache: Cache
) -> Rendered:
    """Read the manifests below the folder of the tree. Raises RenderFailed with every problem there is."""
    survey = _survey(tree, entries)
    records, ready = _records(tree, survey.files, namespace, cache)
    parts, skipped, unclear = _sort_out(tree, survey.files, records)
    record = assemble(
        "plain",
        parts,
        namespace=namespace,
        skipped=survey.skipped + skipped,
        inputs=[tree.path, *sorted(survey.inputs)],
        warnings=[*survey.warnings, *unclear],
        problems=survey.problems,
    )
    if not survey.inputs:  # else the id of the tree does not say all that went in
        cache.store(_name(tree, forced, namespace), record)
    return rendered(record, _Blobs(tree, namespace), _keyed(record, ready, namespace))


def _name(tree: SourceTree, forced: bool, namespace: str | None) -> str:
    return name_of("plain", [tree.path, namespace], tree.tree_id, forced)


def _survey(tree: SourceTree, entries: Sequence[SourceEntry]) -> _Survey:
    survey = _Survey()
    here = [entry for entry in entries if not hidden(entry.path, tree.path)]
    charts = _folders_with(here, (CHART_FILE,), tree.path)
    links: list[SourceEntry] = []
    for entry in here:
        if entry.mode == SUBMODULE:
            survey.skipped += 1
            survey.warnings.append(f"{printable(entry.path)} is a submodule: what is in it is not read")
        elif below_any(entry.path, charts) or not _may_be_manifest(entry):
            survey.skipped += 1
        elif entry.mode == SYMLINK:
            links.append(entry)
        else:
            survey.files.append((entry.path, entry.blob))
    if links:
        _follow(Listing(tree), links, tree.path, survey)
    survey.warnings += _charts_warning(charts)
    survey.warnings += _kustomizations_warning(_folders_with(here, KUSTOMIZATION_FILES, tree.path), charts)
    return survey


def _may_be_manifest(entry: SourceEntry) -> bool:
    name = posixpath.basename(entry.path)
    if entry.mode == SYMLINK and "." not in name:
        return True  # perhaps a folder
    return name.endswith(MANIFEST_SUFFIXES) and name not in KUSTOMIZATION_FILES


def _follow(listing: Listing, links: Sequence[SourceEntry], folder: str, survey: _Survey) -> None:
    """Read what links lead to, unless it is read anyway."""
    for link in links:
        manifest = link.path.endswith(MANIFEST_SUFFIXES)
        try:
            target = listing.resolve(link.path)
        except Outside:
            if manifest:
                reason = "is a symbolic link that leads out of the repository"
                survey.problems.append(Problem(link.path, 1, reason))
            else:
                survey.skipped += 1
                text = "is a symbolic link that leads out of the repository, and is not followed"
                survey.warnings.append(f"{printable(link.path)} {text}")
            continue
        if below_any(target, [folder]):
            survey.skipped += 1
        elif manifest and listing.is_file(target):
            survey.files.append((link.path, listing.entries[target].blob))
            survey.inputs.append(target)
        elif not listing.is_folder(target):
            survey.skipped += 1
            if manifest:
                survey.problems.append(Problem(link.path, 1, "is a symbolic link that leads nowhere"))
        elif below_any(f"{folder}/", [target]):
            survey.problems.append(Problem(link.path, 1, "is a symbolic link to a folder that holds it"))
        else:
            below = [e for e in listing.below(target) if e.path.endswith(MANIFEST_SUFFIXES) and listing.is_file(e.path)]
            survey.files += [(entry.path, entry.blob) for entry in below if not hidden(entry.path, target)]
            survey.inputs.append(target)


def _records(
    tree: SourceTree, files: Sequence[tuple[str, str]], namespace: str | None, cache: Cache
) -> tuple[FileRecords, dict[tuple[str, int], Body]]:
    """A record for each blob: from the cache where a blob was seen before, else by parsing it."""
    wanted = {blob for _, blob in files}
    scope = [tree.path, namespace]
    known: FileRecords = {}
    for earlier in cache.recent(scope_of("files", scope), FileRecords, _SIBLINGS):
        known.update({blob: earlier[blob] for blob in wanted.intersection(earlier)})
        if len(known) == len(wanted):
            break
    unknown = wanted.difference(known)
    ready: dict[tuple[str, int], Body] = {}
    held = 0
    small = set()
    for blob, size in tree.sizes(unknown).items() if unknown else ():
        if size > MAX_FILE_BYTES:
            known[blob] = too_large(size)
        else:
            small.add(blob)
    for blob, data in tree.read(small) if small else ():
        known[blob], bodies = index(data, namespace)
        held += len(data)
        if held <= _HOLD_BYTES:
            ready.update({(blob, position): body for position, body in enumerate(bodies)})
    if unknown:
        cache.store(name_of("files", scope, tree.tree_id), known)
    return known, ready


def _sort_out(
    tree: SourceTree, files: Iterable[tuple[str, str]], records: FileRecords
) -> tuple[list[Part], int, list[str]]:
    """The files that count, how many are no manifests, and a warning for each that cannot be told.

    A whole repository holds YAML that is meant for other programs, templates too; a target path holds manifests, and a
    file there that cannot be read is one that would silently be deleted from the destination.
    """
    parts, skipped, warnings = [], 0, []
    for path, blob in sorted(files):
        record = records[blob]
        if record.unclear and not tree.path:
            skipped += 1
            line, reason = record.problems[0]
            warnings.append(f"{Problem(path, line, reason)}; skipped, as nothing in it looks like an object")
        elif record.objects or record.problems:
            parts.append(Part(path, blob, record))
        else:
            skipped += 1
    return parts, skipped, warnings


def _keyed(record: RenderRecord, ready: Mapping[tuple[str, int], Body], namespace: str | None) -> dict[Key, Body]:
    """The bodies at hand, under the keys of the manifests."""
    keys = (row.key for row in (*record.rows, *(row for _, row in record.duplicates)))
    return {key: _placed(ready[key.blob, key.position], key, namespace) for key in keys if key[:2] in ready}


def _placed(body: Body, key: Key, namespace: str | None) -> Body:
    return moved(body, namespace) if key.moved else body


class _Blobs:
    """Reads bodies from the files they were written in."""

    def __init__(self, tree: SourceTree, namespace: str | None) -> None:
        self._tree = tree
        self._namespace = namespace

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Body]:
        wanted: dict[str, list[Key]] = {}
        for key in keys:
            wanted.setdefault(key.blob, []).append(key)
        found: dict[Key, Body] = {}
        for blob, data in self._tree.read(wanted):
            _, bodies = index(data, None)
            found.update({key: _placed(bodies[key.position], key, self._namespace) for key in wanted[blob]})
        return found


def _folders_with(entries: Iterable[SourceEntry], names: Sequence[str], top: str) -> set[str]:
    """Folders below the top one that hold such a file."""
    return {posixpath.dirname(entry.path) for entry in entries if posixpath.basename(entry.path) in names} - {top}


def _charts_warning(charts: set[str]) -> list[str]:
    if not charts:
        return []
    what = f"not read, as a Helm chart is no plain manifest: {_named(outermost(charts))}"
    return [f"{what}; to deploy one, make it the target_path"]


def _kustomizations_warning(folders: set[str], charts: set[str]) -> list[str]:
    top = outermost(folder for folder in folders if not below_any(f"{folder}/", charts))
    if not top:
        return []
    what = f"not built, their files are read one by one as they are: the kustomizations in {_named(top)}"
    return [f"{what}; to build one, make it the target_path"]


def _named(folders: Sequence[str]) -> str:
    shown = ", ".join(printable(folder) or "the root of the repository" for folder in folders[:_NAMED])
    more = len(folders) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown
