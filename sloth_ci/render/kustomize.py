"""Kustomizations, built by kustomize or kubectl from an export of just what they reach."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from sloth_ci.core.errors import RenderError
from sloth_ci.core.objects import Ref, Source
from sloth_ci.core.workflow import RenderSpec
from sloth_ci.core.yaml import Document, YamlError, parse
from sloth_ci.render.cache import Cache, name_of
from sloth_ci.render.detect import below_any, outermost
from sloth_ci.render.export import export
from sloth_ci.render.external import Output, fingerprint, render_with
from sloth_ci.render.index import index_documents
from sloth_ci.render.kustomization import kustomization_file, walk
from sloth_ci.render.listing import Listing
from sloth_ci.render.result import Problem, Rendered, RenderFailed, RenderKind
from sloth_ci.render.source import SourceTree
from sloth_ci.render.tools import Finished, Stopped, find, run, workspace
from sloth_ci.render.words import cleaned, secret_texts

_HASH = re.compile(r"-[a-z0-9]{10}$")
_MOST_AFFIXES = 6


def render_kustomize(
    tree: SourceTree,
    spec: RenderSpec,
    namespace: str | None,
    cache: Cache,
    environ: Mapping[str, str],
    timeout: float,
) -> Rendered:
    """Build the kustomization in the folder of the tree. Raises RenderFailed."""
    return render_with(_Kustomization(tree, spec, namespace, environ, timeout), cache)


def kustomize_reads(
    tree: SourceTree, spec: RenderSpec, namespace: str | None, environ: Mapping[str, str]
) -> tuple[str, ...] | None:
    """What a build would read; None where the same files need not give the same result. Raises RenderError."""
    job = _Kustomization(tree, spec, namespace, environ, 0)
    return job.inputs if job.steady else None


class _Kustomization:
    kind: RenderKind = "kustomize"

    def __init__(
        self, tree: SourceTree, spec: RenderSpec, namespace: str | None, environ: Mapping[str, str], timeout: float
    ) -> None:
        self.folder = tree.path
        self.namespace = namespace
        self._spec = spec
        self._environ = environ
        self._timeout = timeout
        self._listing = Listing(tree)
        self._graph = walk(self._listing, tree.path, spec)
        if self._graph.problems:
            raise RenderFailed(self._graph.problems)
        # kubectl builds kustomizations too, but starts no plugins.
        self._tool = find(environ, "kustomize") if self._graph.plugins else find(environ, "kustomize", "kubectl")
        self._helm = find(environ, "helm") if self._graph.charts else None
        self._file = kustomization_file(self._listing, tree.path) or tree.path
        self._entries = self._listing.closure([*self._graph.roots, *self._graph.resources])
        self.inputs = _outermost(self._graph.roots, self._entries)
        self.steady = not (self._graph.remote or self._graph.plugins)
        programs = [tool.identity for tool in (self._tool, self._helm) if tool]
        self.record_name = name_of(self.kind, tree.path, fingerprint(self._entries.values()), programs, namespace)

    def run(self) -> Output:
        documents = self._documents  # tells of every file that is no YAML, where kustomize stops at the first
        with workspace() as home:
            export(self._listing.tree, self._entries, home / "tree")
            try:
                finished = run(
                    self._tool,
                    self._arguments(),
                    home,
                    self._environ,
                    network=self._graph.remote,
                    timeout=self._timeout,
                )
            except Stopped as error:
                raise RenderFailed([Problem(self._file, 1, f"{self._tool.name} {error}")]) from None
            if finished.code != 0:
                raise self._failure(finished, home, documents)
        try:
            return Output(*index_documents(parse(finished.output), self.namespace))
        except YamlError as error:
            reasons = (f"line {line} of what kustomize makes of it: {reason}" for line, reason in error.problems)
            raise RenderFailed(Problem(self._file, 1, reason) for reason in reasons) from None

    def trace(self, output: Output) -> Mapping[int, Source]:
        written: dict[tuple[str, str, str], Source] = {}
        for path, found in self._documents.items():
            for item in index_documents(found, None)[0].objects:
                written.setdefault((item.ref.group, item.ref.kind, item.ref.name), Source(path, item.line))
        for kind, name, path, line in self._graph.generated:
            written.setdefault(("", kind, name), Source(path, line))
        return {item.position: self._source(item.ref, written) for item in output.record.objects}

    def locate(self, _line: int) -> tuple[str, int]:
        return self._file, 1

    def warnings(self, _output: Output) -> Sequence[str]:
        return ()

    @cached_property
    def _documents(self) -> dict[str, list[Document]]:
        """What the files of objects hold. Raises RenderFailed with all that cannot be read."""
        blobs = {path: self._listing.entries[path].blob for path in self._graph.resources}
        content = dict(self._listing.tree.read(set(blobs.values())))
        documents: dict[str, list[Document]] = {}
        problems: list[Problem] = []
        for path, blob in blobs.items():
            try:
                documents[path] = parse(content[blob])
            except YamlError as error:
                problems += [Problem(path, line, reason) for line, reason in error.problems]
        if problems:
            raise RenderFailed(problems)
        return documents

    def _arguments(self) -> list[str]:
        arguments = ["build"] if self._tool.name == "kustomize" else ["kustomize"]
        if self._graph.plugins:
            arguments += ["--enable-alpha-plugins", "--enable-exec"]
        if self._helm:
            arguments += ["--enable-helm", f"--helm-command={self._helm.path}"]
        return [*arguments, f"./{self.folder}"]

    def _failure(self, finished: Finished, home: Path, documents: Mapping[str, Sequence[Document]]) -> RenderError:
        secrets = set(self._graph.secrets)
        for found in documents.values():
            for document in found:
                if isinstance(document.value, Mapping):
                    secrets |= secret_texts(document.value)
        for path in self._graph.secret_files:
            if self._listing.is_file(path):
                lines = self._listing.read(path).decode("utf-8", "replace").splitlines()
                secrets |= {text for line in lines for text in (line.strip(), line.partition("=")[2].strip())}
        reason = cleaned(finished.errors, {home / "tree": "", home: ""}, secrets)
        return RenderFailed([Problem(self._file, 1, f"{self._tool.name} failed: {reason}")])

    def _source(self, ref: Ref, written: Mapping[tuple[str, str, str], Source]) -> Source:
        """Find an object under the name it had before kustomize changed it; else name the kustomization."""
        names = [ref.name]
        if ref.kind in ("ConfigMap", "Secret"):
            names.append(_HASH.sub("", ref.name))
        for _ in range(_MOST_AFFIXES):
            for name in names:
                source = written.get((ref.group, ref.kind, name))
                if source is not None:
                    return source
            names = [bare for name in names for bare in self._bare(name)]
        return Source(self._file, 1)

    def _bare(self, name: str) -> set[str]:
        """The name without one of the prefixes or suffixes."""
        bare = set()
        for prefix, suffix in self._graph.affixes:
            if prefix and name.startswith(prefix):
                bare.add(name[len(prefix) :])
            if suffix and name.endswith(suffix):
                bare.add(name[: -len(suffix)])
        return bare - {""}


def _outermost(folders: Sequence[str], entries: Mapping[str, object]) -> tuple[str, ...]:
    """Folders that are in no other, and the files that are in none of them."""
    top = outermost(folders)
    return (*top, *sorted(path for path in entries if not below_any(path, set(top))))
