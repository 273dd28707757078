"""What a kustomization reaches: read before kustomize runs, so that nothing is fetched or started unasked."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sloth_ci.core.workflow import RenderSpec
from sloth_ci.core.yaml import Document, YamlError, parse
from sloth_ci.render.detect import KUSTOMIZATION_FILES
from sloth_ci.render.listing import Listing, Outside
from sloth_ci.render.result import Problem

_TREES = ("resources", "bases", "components")
_PLUGINS = ("generators", "transformers", "validators")
_FUNCTIONS = ("config.kubernetes.io/function", "config.k8s.io/function")
_CHART_GENERATOR = "HelmChartInflationGenerator"

_SCHEME = re.compile(r"(?:git::|ssh://|https?://|file://|oci://)", re.IGNORECASE)
_SCP = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*@[^/]*[:/]")
_GITHUB = re.compile(r"(?:[a-zA-Z][a-zA-Z0-9-]*@)?github\.com[/:]", re.IGNORECASE)

ALLOW_REMOTE = "vendor it into the repository, or allow it with render = { allow_remote_bases = true }"
ALLOW_PLUGINS = "allow it with render = { allow_exec_plugins = true } if you trust every author of the repository"


@dataclass
class Graph:
    """Everything that a kustomization pulls in."""

    roots: list[str] = field(default_factory=list)
    """Folders with a kustomization, the first one first. kustomize reads files from nowhere else."""
    resources: list[str] = field(default_factory=list)
    """Files of objects, in the order in which they are reached."""
    generated: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Kind and name of each generated ConfigMap and Secret, with the file and line that ask for it."""
    affixes: set[tuple[str, str]] = field(default_factory=set)
    """Name prefixes and suffixes that are put on objects on their way."""
    problems: list[Problem] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    """Texts in kustomizations that no message may repeat."""
    secret_files: list[str] = field(default_factory=list)
    """Files that become Secrets."""
    remote: bool = False
    plugins: bool = False
    charts: bool = False


def walk(listing: Listing, folder: str, spec: RenderSpec) -> Graph:
    """Follow a kustomization to all it reaches. What it must not reach is in `problems`."""
    walker = _Walker(listing, spec)
    walker.enter(folder)
    return walker.graph


def is_remote(entry: str) -> bool:
    """Whether kustomize would take an entry for a URL or a Git repository, whatever is in the folder."""
    return bool(_SCHEME.match(entry) or _SCP.match(entry) or _GITHUB.match(entry))


def kustomization_file(listing: Listing, folder: str) -> str | None:
    """The file that makes a folder a kustomization."""
    for name in KUSTOMIZATION_FILES:
        path = posixpath.join(folder, name)
        if path in listing.entries:
            return path
    return None


class _Walker:
    def __init__(self, listing: Listing, spec: RenderSpec) -> None:
        self.graph = Graph()
        self._listing = listing
        self._spec = spec
        self._entered: set[tuple[str, bool]] = set()

    def enter(self, folder: str, *, plugins: bool = False) -> None:
        """Read the kustomization of a folder. With `plugins`, its resources are configurations of plugins."""
        if (folder, plugins) in self._entered:
            return
        self._entered.add((folder, plugins))
        path = kustomization_file(self._listing, folder)
        if path is None:
            self.graph.problems.append(Problem(folder or ".", 1, f"holds none of {', '.join(KUSTOMIZATION_FILES)}"))
            return
        if folder not in self.graph.roots:
            self.graph.roots.append(folder)
        file = self._load(path)
        if file is None:
            return
        for key in _TREES:
            for entry in file.strings(key):
                self._tree(file, entry, plugins=plugins)
        for key in _PLUGINS:
            for entry in file.strings(key):
                self._plugin(file, entry)
        for entry in file.other_paths():
            self._refuse_remote(file, entry)
        for path in file.patch_paths():
            self._patch_file(file, path)
        for text in file.patch_texts():
            self._inline(file, text)
        self._charts(file)
        self._note_names(file)

    def _load(self, path: str) -> _File | None:
        try:
            real = self._listing.resolve(path)
            data = self._listing.read(real)
            documents = parse(data)
        except (Outside, KeyError):
            self.graph.problems.append(Problem(path, 1, "is a symbolic link that leads to no file of the repository"))
            return None
        except YamlError as error:
            self.graph.problems += [Problem(path, line, reason) for line, reason in error.problems]
            return None
        if len(documents) != 1 or not isinstance(documents[0].value, Mapping):
            self.graph.problems.append(Problem(path, 1, "is not a kustomization: it has to hold one object"))
            return None
        return _File(path, data.decode("utf-8", "replace"), documents[0].value)

    def _tree(self, file: _File, entry: str, *, plugins: bool) -> None:
        """One of `resources`: a folder, or a file of objects."""
        target = self._target(file, entry)
        if target is None:
            return
        if self._listing.is_file(target):
            if plugins:
                self._check_plugins(file, entry, self._documents(target))
            elif target not in self.graph.resources:
                self.graph.resources.append(target)
        else:
            self.enter(target, plugins=plugins)

    def _plugin(self, file: _File, entry: str) -> None:
        """One of `transformers`: a folder, a file, or the configuration itself."""
        if _is_text(entry):
            self._check_plugins(file, entry.splitlines()[0], self._inline(file, entry))
        else:
            self._tree(file, entry, plugins=True)

    def _patch_file(self, file: _File, entry: str) -> None:
        """kustomize says less of a patch that it cannot read, and takes longer for it."""
        target = None if is_remote(entry) else self._target(file, entry)
        if target is not None and self._listing.is_file(target):
            self._documents(target)

    def _inline(self, file: _File, text: str) -> list[Document]:
        try:
            return parse(text.encode())
        except YamlError as error:
            line = file.line_of(text.splitlines()[0].strip())
            self.graph.problems += [
                Problem(file.path, line, f"holds YAML that cannot be read: {p.reason}") for p in error.problems
            ]
            return []

    def _target(self, file: _File, entry: str) -> str | None:
        """The file or folder that an entry names; None, and perhaps a problem, where it is not in the repository."""
        if is_remote(entry):
            self._refuse_remote(file, entry)
            return None
        try:
            target = self._listing.join(file.folder, entry)
        except Outside:
            self._problem(file, entry, f"{_quoted(entry)} leads out of the repository")
            return None
        if self._listing.is_file(target) or self._listing.is_folder(target):
            return target
        self._problem(file, entry, f"{_quoted(entry)} does not exist")
        return None

    def _refuse_remote(self, file: _File, entry: str) -> None:
        if not is_remote(entry):
            return
        self.graph.remote = True
        if not self._spec.allow_remote_bases:
            self._problem(file, entry, f"{_quoted(entry)} is remote; {ALLOW_REMOTE}")

    def _documents(self, path: str) -> list[Document]:
        try:
            return parse(self._listing.read(path))
        except YamlError as error:
            self.graph.problems += [Problem(path, line, reason) for line, reason in error.problems]
            return []

    def _check_plugins(self, file: _File, entry: str, documents: list[Document]) -> None:
        for document in documents:
            value = document.value
            if not isinstance(value, Mapping):
                continue
            kind = str(value.get("kind"))
            if value.get("apiVersion") == "builtin" and not _function(value):
                if kind == _CHART_GENERATOR:
                    self._chart(
                        file, entry, value, posixpath.join(file.folder, str(value.get("chartHome") or "charts"))
                    )
                continue
            self.graph.plugins = True
            if not self._spec.allow_exec_plugins:
                self._problem(file, entry, f"{_quoted(entry)} runs a plugin ({kind}); {ALLOW_PLUGINS}")

    def _charts(self, file: _File) -> None:
        home = str(_table(file.value.get("helmGlobals")).get("chartHome") or "charts")
        for key in ("helmCharts", "helmChartInflationGenerator"):
            for chart in _tables(file.value.get(key)):
                name = str(chart.get("name") or chart.get("chartName") or "")
                self._chart(file, name, chart, str(chart.get("chartHome") or home))

    def _chart(self, file: _File, entry: str, chart: Mapping[str, Any], home: str) -> None:
        """A chart that kustomize inflates: one in the repository is rendered like any other, else it is fetched."""
        self.graph.charts = True
        name = str(chart.get("name") or chart.get("chartName") or "")
        # Newer kustomize keeps what it fetched apart by version.
        places = [posixpath.join(home, name), posixpath.join(home, f"{name}-{chart.get('version')}", name)]
        if name and any(self._is_folder(file, place) for place in places):
            return
        self.graph.remote = True
        if not self._spec.allow_remote_bases:
            self._problem(
                file, entry, f"the chart {_quoted(name)} is not in {home}/ and would be fetched; {ALLOW_REMOTE}"
            )

    def _is_folder(self, file: _File, entry: str) -> bool:
        try:
            return self._listing.is_folder(self._listing.join(file.folder, entry))
        except Outside:
            return False

    def _note_names(self, file: _File) -> None:
        prefix, suffix = file.value.get("namePrefix"), file.value.get("nameSuffix")
        if isinstance(prefix, str) or isinstance(suffix, str):
            self.graph.affixes.add((prefix or "", suffix or ""))
        for key, kind in (("configMapGenerator", "ConfigMap"), ("secretGenerator", "Secret")):
            for generator in _tables(file.value.get(key)):
                name = str(generator.get("name") or "")
                self.graph.generated.append((kind, name, file.path, file.line_of(name)))
                if kind == "Secret":
                    for text in _strings(generator.get("literals")):
                        self.graph.secrets.update({text, text.partition("=")[2]} - {""})
                    self.graph.secret_files += [
                        posixpath.normpath(posixpath.join(file.folder, entry)) for entry in _generator_files(generator)
                    ]

    def _problem(self, file: _File, entry: str, reason: str) -> None:
        self.graph.problems.append(Problem(file.path, file.line_of(entry), reason))


@dataclass
class _File:
    """A kustomization file."""

    path: str
    text: str
    value: Mapping[str, Any]

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path)

    def line_of(self, entry: str) -> int:
        """The first line that names an entry: good enough to point at, as entries are paths and names."""
        lines = self.text.splitlines()
        named = re.compile(rf"(?<![\w./-]){re.escape(entry)}(?![\w./-])") if entry else None
        for number, line in enumerate(lines, 1):
            if named and named.search(line) and not line.lstrip().startswith("#"):
                return number
        return 1

    def strings(self, key: str) -> Iterator[str]:
        return _strings(self.value.get(key))

    def patch_paths(self) -> Iterator[str]:
        yield from (text for text in self.strings("patchesStrategicMerge") if not _is_text(text))
        for key in ("patches", "patchesJson6902"):
            yield from (str(item["path"]) for item in _tables(self.value.get(key)) if item.get("path"))

    def patch_texts(self) -> Iterator[str]:
        yield from (text for text in self.strings("patchesStrategicMerge") if _is_text(text))
        for key in ("patches", "patchesJson6902"):
            yield from (str(item["patch"]) for item in _tables(self.value.get(key)) if item.get("patch"))

    def other_paths(self) -> Iterator[str]:
        """Files that kustomize loads as text; it fetches those that are URLs."""
        yield from self.strings("crds")
        yield from self.strings("configurations")
        yield from self.patch_paths()
        yield from (str(item["path"]) for item in _tables(self.value.get("replacements")) if "path" in item)
        yield str(_table(self.value.get("openapi")).get("path") or "")
        for key in ("configMapGenerator", "secretGenerator"):
            for generator in _tables(self.value.get(key)):
                yield from _generator_files(generator)
        for chart in _tables(self.value.get("helmCharts")):
            yield str(chart.get("valuesFile") or "")
            yield from _strings(chart.get("additionalValuesFiles"))


def _generator_files(generator: Mapping[str, Any]) -> Iterator[str]:
    yield from (text.partition("=")[2] or text for text in _strings(generator.get("files")))
    yield from _strings(generator.get("envs"))
    yield str(generator.get("env") or "")


def _function(value: Mapping[str, Any]) -> bool:
    annotations = _table(_table(value.get("metadata")).get("annotations"))
    return any(name in annotations for name in _FUNCTIONS)


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _tables(value: object) -> Iterator[Mapping[str, Any]]:
    return (item for item in value if isinstance(item, Mapping)) if isinstance(value, list) else iter(())


def _strings(value: object) -> Iterator[str]:
    return (item for item in value if isinstance(item, str)) if isinstance(value, list) else iter(())


def _is_text(entry: str) -> bool:
    """Whether an entry is YAML itself and no path."""
    return "\n" in entry or entry.lstrip().startswith("{")


def _quoted(entry: str) -> str:
    """An entry as a message shows it: on one line, and without the password of a URL."""
    text = re.sub(r"//[^/@\s]*@", "//***@", entry)
    text = "".join(char if char.isprintable() else " " for char in text)
    return f"'{text[:200]}'"
