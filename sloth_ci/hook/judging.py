"""Objects against the rules that every server has and the schemas of their kinds, each finding on the line of its field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sloth_ci.core.objects import Manifest
from sloth_ci.core.validate import problems
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.core.yaml_reader import line_of
from sloth_ci.destinations.kubernetes.schemas import Known, bundled, known
from sloth_ci.engine.session import Session
from sloth_ci.hook.crds import definitions_for
from sloth_ci.hook.finding import Finding
from sloth_ci.render import load_bodies
from sloth_ci.repo import Repository

_FIELD = re.compile(r"(\w+(?:\.\w+)*)(?:\[([^\]]+)\])? (?:is|of|has|hold|cannot)\b")


class Judge:
    """Of one revision."""

    def __init__(self, repository: Repository, revision: str, session: Session) -> None:
        self._repository = repository
        self._revision = revision
        self._session = session
        self._texts: dict[str, bytes] = {}
        self.source = ""
        """Where the schemas are from, once an object broke one."""

    def findings(
        self, workflow: WorkflowSpec, new: Sequence[Manifest], rendered: Sequence[Manifest]
    ) -> Iterator[Finding]:
        """What is wrong with the objects that are `new`. `rendered` are all of the workflow: they may define custom kinds."""
        load_bodies(new)
        schemas = self._known(workflow, new, rendered)
        for manifest in new:
            rules = problems(manifest.body)
            for rule in rules:
                yield self._about(manifest, rule, _place_in(rule))
            said = {_place_in(rule) for rule in rules}
            for fault in schemas.schemas.faults(manifest.body):
                if fault.path and fault.path in said:
                    continue
                self.source = schemas.source
                yield self._about(manifest, str(fault), fault.path[:-1] if fault.missing else fault.path)

    def _known(self, workflow: WorkflowSpec, new: Sequence[Manifest], rendered: Sequence[Manifest]) -> Known:
        native = {version.rpartition("/")[0] for version in bundled().versions}
        custom = [one for one in new if one.ref.group not in native]
        session = self._session
        own = definitions_for(custom, rendered, self._repository, self._revision, session.cache_dir)
        return known(workflow.destination, session.root, session.environ, session.cache_dir, own, now=session.clock())

    def _about(self, manifest: Manifest, what: str, place: Sequence[str | int]) -> Finding:
        """On the line of the field. What is missing is to be written into the one around it."""
        path, line = manifest.source
        if path not in self._texts:
            [info] = self._repository.objects.info([f"{self._revision}:{path}"])
            there = info is not None and info.type == "blob"
            self._texts[path] = next(iter(self._repository.read([info.id])))[1] if info and there else b""
        found = line_of(self._texts[path], line, place)
        if found is None and place[:1] == ("data",):  # of a Secret, written as text
            found = line_of(self._texts[path], line, ("stringData", *place[1:]))
        return Finding(path, found or line, str(manifest.ref), what)


def _place_in(rule: str) -> tuple[str, ...]:
    """The field that a rule of `core.validate` starts with: `metadata.labels[app] is not ...`."""
    match = _FIELD.match(rule)
    return (*match[1].split("."), *([match[2]] if match[2] else [])) if match else ()
