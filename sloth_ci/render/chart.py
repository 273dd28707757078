"""What a Helm chart says of itself, and what its templates do that a plan cannot rely on."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sloth_ci.core.yaml import YamlError, parse
from sloth_ci.render.detect import CHART_FILE
from sloth_ci.render.listing import Listing, Outside
from sloth_ci.render.result import Problem

_COMMENT = re.compile(r"-?\s*/\*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|\'(?:[^\'\\\n]|\\.)*\'')
_WORD = r"(?<![\w.$]){}(?!\w)"
_LOOKUP = re.compile(_WORD.format("lookup"))
_RANDOM = re.compile(
    _WORD.format(
        "(?:ago|bcrypt|encryptAES|genCA|genCAWithKey|genPrivateKey|genSelfSignedCert|genSelfSignedCertWithKey|"
        "genSignedCert|genSignedCertWithKey|htpasswd|now|randAlpha|randAlphaNum|randAscii|randBytes|randInt|"
        "randNumeric|shuffle|uuidv4)"
    )
)
"""Functions of Helm's templates that give something else each time."""


class Dependency(NamedTuple):
    """A chart that another one needs, and that is not in its `charts/`."""

    name: str
    line: int
    local: bool
    """It is a folder of the repository, named by `file://`."""


class Chart(NamedTuple):
    """The `Chart.yaml` of a folder."""

    name: str
    missing: tuple[Dependency, ...]
    problems: tuple[Problem, ...]
    local: tuple[str, ...]
    """Folders of the repository that missing dependencies are made from."""


class Use(NamedTuple):
    """A place in a template."""

    path: str
    line: int
    function: str


def read_chart(listing: Listing, folder: str) -> Chart:
    """Read `Chart.yaml` and see whether all that it depends on is there."""
    path = posixpath.join(folder, CHART_FILE)
    try:
        data = listing.read(listing.resolve(path))
        values = [document.value for document in parse(data)]
    except (Outside, KeyError):
        return Chart("", (), (Problem(path, 1, "there is no such file, so this is no Helm chart"),), ())
    except YamlError as error:
        return Chart("", (), tuple(Problem(path, *problem) for problem in error.problems), ())
    about = values[0] if values else None
    if not isinstance(about, Mapping) or not isinstance(about.get("name"), str):
        return Chart("", (), (Problem(path, 1, "does not say the name of the chart"),), ())
    text = data.decode("utf-8", "replace")
    missing, local = [], []
    for name, repository in _dependencies(listing, folder, about):
        if _vendored(listing, folder, name):
            continue
        place = _local(listing, folder, repository)
        missing.append(Dependency(name, _line_of(text, name), place is not None))
        if place is not None:
            local.append(place)
    return Chart(about["name"], tuple(missing), (), tuple(local))


def scan(listing: Listing, folder: str) -> tuple[list[Use], list[Use]]:
    """Where templates ask a cluster, and where they use what differs from run to run."""
    lookups: list[Use] = []
    random: list[Use] = []
    for path, text in _templates(listing, folder):
        for line, code in _actions(text):
            bare = _STRING.sub(lambda string: re.sub(r"[^\n]", " ", string[0]), code)
            for pattern, uses in ((_LOOKUP, lookups), (_RANDOM, random)):
                uses += [Use(path, line + bare.count("\n", 0, use.start()), use[0]) for use in pattern.finditer(bare)]
    return lookups, random


def has_archives(listing: Listing, folder: str) -> bool:
    """Whether the chart holds packed charts, which are not scanned."""
    return any(entry.path.endswith(".tgz") for entry in listing.below(posixpath.join(folder, "charts")))


def _actions(text: str) -> Iterator[tuple[int, str]]:
    """What stands between braces, with the line it starts on; no comments."""
    line, counted = 1, 0
    start = text.find("{{")
    while start >= 0:
        end = text.find("}}", start)
        if end < 0:
            return
        line += text.count("\n", counted, start)
        counted = start
        code = text[start + 2 : end]
        if not _COMMENT.match(code):
            yield line, code
        start = text.find("{{", end)


def _dependencies(listing: Listing, folder: str, about: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and repository of each; Helm 2 charts keep them in a file of their own."""
    found = about.get("dependencies")
    if found is None:
        try:
            documents = parse(listing.read(listing.resolve(posixpath.join(folder, "requirements.yaml"))))
        except (Outside, KeyError, YamlError):
            return
        found = (
            documents[0].value.get("dependencies") if documents and isinstance(documents[0].value, Mapping) else None
        )
    for item in found if isinstance(found, list) else ():
        if isinstance(item, Mapping) and isinstance(item.get("name"), str):
            yield item["name"], str(item.get("repository") or "")


def _vendored(listing: Listing, folder: str, name: str) -> bool:
    """Whether `charts/` holds a dependency, as a folder under any name or packed."""
    charts = posixpath.join(folder, "charts")
    archive = re.compile(rf"{re.escape(f'{charts}/{name}')}-v?\d[^/]*\.tgz\Z")
    for entry in listing.below(charts):
        if archive.match(entry.path) or entry.path.startswith(f"{charts}/{name}/") or entry.path == f"{charts}/{name}":
            return True
        if posixpath.basename(entry.path) == CHART_FILE and entry.path.count("/") == charts.count("/") + 2:
            try:
                values = [document.value for document in parse(listing.read(entry.path))]
            except YamlError:
                continue
            if values and isinstance(values[0], Mapping) and values[0].get("name") == name:
                return True
    return False


def _local(listing: Listing, folder: str, repository: str) -> str | None:
    if not repository.startswith("file://"):
        return None
    try:
        place = listing.join(folder, repository.removeprefix("file://"))
    except Outside:
        return None
    return place if listing.is_file(posixpath.join(place, CHART_FILE)) else None


def _templates(listing: Listing, folder: str) -> Iterator[tuple[str, str]]:
    paths = {
        entry.path: entry.blob
        for entry in listing.below(folder)
        if "/templates/" in f"/{entry.path[len(folder) :].lstrip('/')}" and listing.is_file(entry.path)
    }
    content = dict(listing.tree.read(set(paths.values()))) if paths else {}
    for path, blob in paths.items():
        yield path, content[blob].decode("utf-8", "replace")


def _line_of(text: str, name: str) -> int:
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(rf"\bname:\s*[\"']?{re.escape(name)}[\"']?\s*(?:#|$)", line):
            return number
    return 1
