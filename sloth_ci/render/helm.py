"""Helm charts, through `helm template`: no cluster, no repository, nothing of this machine's Helm."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sloth_ci.core.errors import RenderError, UsageError
from sloth_ci.core.objects import Source, canonical
from sloth_ci.core.workflow import RenderSpec
from sloth_ci.core.yaml import YamlError, parse
from sloth_ci.render.cache import Cache, name_of
from sloth_ci.render.chart import Chart, Use, has_archives, read_chart, scan
from sloth_ci.render.detect import CHART_FILE, below_any
from sloth_ci.render.export import export
from sloth_ci.render.external import Output, fingerprint, render_with
from sloth_ci.render.index import index_documents
from sloth_ci.render.listing import Listing, Outside
from sloth_ci.render.origin import Origins
from sloth_ci.render.result import HOOKS_ARE_OBJECTS, Problem, Rendered, RenderFailed, RenderKind, printable
from sloth_ci.render.source import SourceTree
from sloth_ci.render.tools import Finished, Stopped, find, run, workspace
from sloth_ci.render.words import cleaned, secrets_in

_RELEASE = re.compile(r"[a-z0-9]([a-z0-9.-]{0,51}[a-z0-9])?\Z")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
_IN_TEMPLATE = re.compile(r"(?:template: |error at \(|error on )([^\s:()]+)(?::(\d+))?")
_NAMED = 5


def render_helm(
    tree: SourceTree,
    spec: RenderSpec,
    environment: str | None,
    namespace: str | None,
    cache: Cache,
    environ: Mapping[str, str],
    timeout: float,
) -> Rendered:
    """Render the chart in the folder of the tree. Raises RenderFailed."""
    return render_with(_Release(tree, spec, environment, namespace, environ, timeout), cache)


def helm_reads(
    tree: SourceTree, spec: RenderSpec, environment: str | None, namespace: str | None, environ: Mapping[str, str]
) -> tuple[str, ...] | None:
    """What a render would read; None where the same files need not give the same result. Raises RenderError."""
    job = _Release(tree, spec, environment, namespace, environ, 0)
    return job.inputs if job.steady else None


class _Release:
    kind: RenderKind = "helm"

    def __init__(
        self,
        tree: SourceTree,
        spec: RenderSpec,
        environment: str | None,
        namespace: str | None,
        environ: Mapping[str, str],
        timeout: float,
    ) -> None:
        self.folder = tree.path
        self.namespace = spec.helm.namespace or namespace
        self._spec = spec
        self._environ = environ
        self._timeout = timeout
        self._listing = Listing(tree)
        self._chart = read_chart(self._listing, tree.path)
        if self._chart.problems:
            raise RenderFailed(self._chart.problems)
        self._fetch = self._check_dependencies(self._chart)
        self._release = _checked("release", spec.helm.release or _slug(self._chart.name), _RELEASE)
        if self.namespace:
            _checked("namespace", self.namespace, _NAMESPACE)
        self._values = _values_files(self._listing, tree.path, spec, environment)
        self._tool = find(environ, "helm")
        self._entries = self._listing.closure([tree.path, *self._values, *self._chart.local])
        self._origins = Origins(self._listing, tree.path, self._chart.name, b"")
        self._lookups, self._random = scan(self._listing, tree.path)
        outside = sorted(path for path in self._entries if not below_any(path, [tree.path, *self._chart.local]))
        self.inputs = (tree.path, *self._chart.local, *outside)
        self.steady = not (self._random or self._fetch or has_archives(self._listing, tree.path))
        self.record_name = name_of(
            self.kind,
            tree.path,
            fingerprint(self._entries.values()),
            self._values,
            canonical(spec.helm),
            spec.allow_lookup,
            self._tool.identity,
            self.namespace,
        )

    def run(self) -> Output:
        with workspace() as home:
            export(self._listing.tree, self._entries, home / "tree")
            try:
                if self._chart.missing:
                    self._must(["dependency", "build", f"./{self.folder}"], home)
                text = self._must(self._arguments(home), home).output
            except Stopped as error:
                raise RenderFailed([Problem(self._chart_file, 1, f"helm {error}")]) from None
        self._origins = Origins(self._listing, self.folder, self._chart.name, text)
        try:
            return Output(*index_documents(parse(text), self.namespace))
        except YamlError as error:
            problems = [
                Problem(*self.locate(line), f"renders to what cannot be read: {why}") for line, why in error.problems
            ]
            raise RenderFailed(problems) from None

    def trace(self, output: Output) -> Mapping[int, Source]:
        return {item.position: self._origins.of(item) for item in output.record.objects}

    def locate(self, line: int) -> tuple[str, int]:
        return self._origins.file(line), 1

    def warnings(self, output: Output) -> Sequence[str]:
        found = []
        if self._lookups and not self._spec.allow_lookup:
            found.append(f"lookup finds nothing here, as no cluster is asked: {_places(self._lookups)}")
        if self._random:
            found.append(
                f"differs each time it is rendered, so that no plan is like the one before: {_places(self._random)}"
            )
        hooks = [
            str(item.ref)
            for item, body in zip(output.record.objects, output.bodies, strict=True)
            if "helm.sh/hook" in (body["metadata"].get("annotations") or {})
        ]
        if hooks:
            found.append(f"{HOOKS_ARE_OBJECTS}: {_listed(hooks)}")
        return found

    @property
    def _chart_file(self) -> str:
        return posixpath.join(self.folder, CHART_FILE)

    def _check_dependencies(self, chart: Chart) -> bool:
        """Whether charts have to be fetched. Raises RenderFailed where that is not allowed."""
        remote = [item for item in chart.missing if not item.local]
        if remote and not self._spec.allow_remote_bases:
            where = self.folder or "."
            raise RenderFailed(
                (
                    Problem(self._chart_file, item.line, f"the dependency '{printable(item.name)}' is not in charts/")
                    for item in remote
                ),
                f"run `helm dependency build {where}` and commit charts/, "
                "or let it be fetched with render = { allow_remote_bases = true }",
            )
        return bool(remote)

    def _arguments(self, home: Path) -> list[str]:
        helm = self._spec.helm
        arguments = ["template", self._release, f"./{self.folder}", "--skip-tests"]
        arguments.append(f"--namespace={self.namespace or 'default'}")
        if helm.include_crds:
            arguments.append("--include-crds")
        if helm.kube_version:
            arguments.append(f"--kube-version={helm.kube_version}")
        arguments += [f"--api-versions={version}" for version in helm.api_versions]
        # Under names of our own: helm takes a comma in a path for the start of the next one.
        for number, path in enumerate(self._values):
            own = home / f"values-{number}.yaml"
            own.write_bytes(self._listing.read(path))
            arguments.append(f"--values={own}")
        if helm.values:
            own = home / "values-inline.yaml"
            with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(canonical(helm.values))
            arguments.append(f"--values={own}")
        return arguments

    def _must(self, arguments: Sequence[str], home: Path) -> Finished:
        finished = run(self._tool, arguments, home, self._environ, network=self._fetch, timeout=self._timeout)
        if finished.code == 0:
            return finished
        raise RenderFailed([self._failure(finished.errors, home)])

    def _failure(self, errors: str, home: Path) -> Problem:
        names = {home / f"values-{number}.yaml": path for number, path in enumerate(self._values)}
        names |= {home / "values-inline.yaml": "the values of the workflow", home / "tree": "", home: ""}
        reason = cleaned(errors, names, self._secrets())
        found = _IN_TEMPLATE.search(reason)
        if found is None:
            return Problem(self._chart_file, 1, f"helm failed: {reason}")
        path = Origins.path(self._listing, self.folder, found[1])
        return Problem(path, int(found[2] or 1), f"helm failed: {reason}")

    def _secrets(self) -> set[str]:
        secrets = secrets_in(self._spec.helm.values)
        for path in (*self._values, posixpath.join(self.folder, "values.yaml")):
            if not self._listing.is_file(path):
                continue
            try:
                for document in parse(self._listing.read(path)):
                    secrets |= secrets_in(document.value)
            except YamlError:
                continue  # helm's own message says what is wrong with it
        return secrets


def _values_files(listing: Listing, folder: str, spec: RenderSpec, environment: str | None) -> list[str]:
    """Values files in the order in which they override each other.

    A path is looked for in the chart first, then from the root of the repository. Raises RenderError naming all that
    are nowhere.
    """
    helm = spec.helm
    found: list[str] = []
    missing: list[str] = []
    automatic = f"values-{environment}.yaml"
    named = [*helm.values_files]
    if environment and "/" not in environment and listing.is_file(posixpath.join(folder, automatic)):
        named.append(automatic)
    named += helm.environment_values.get(environment or "", [])
    for path in dict.fromkeys(named):
        place = _find(listing, folder, path)
        if place is None:
            missing.append(path)
        else:
            found.append(place)
    if missing:
        names = ", ".join(f"'{printable(path)}'" for path in missing)
        raise RenderError(
            f"helm values not found: {names}",
            f"a path starts at {folder or 'the root of the repository'} or at the root of the repository",
        )
    return found


def _find(listing: Listing, folder: str, path: str) -> str | None:
    for base in [""] if path.startswith("/") else [folder, ""]:
        try:
            place = listing.join(base, path.lstrip("/"))
        except Outside:
            continue
        if listing.is_file(place):
            return place
    return None


def _checked(what: str, value: str, pattern: re.Pattern[str]) -> str:
    if not pattern.match(value):
        raise UsageError(
            f"'{printable(value)}' cannot be the {what} of a Helm release",
            "lower-case letters, digits and '-', at most 53 characters for a release and 63 for a namespace",
        )
    return value


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9.-]+", "-", name.lower()).strip("-.")[:53] or "release"


def _places(uses: Sequence[Use]) -> str:
    return _listed([f"{printable(use.path)}:{use.line} ({use.function})" for use in uses])


def _listed(items: Iterable[str]) -> str:
    items = list(dict.fromkeys(items))
    more = len(items) - _NAMED
    return ", ".join(items[:_NAMED]) + (f" and {more} more" if more > 0 else "")
