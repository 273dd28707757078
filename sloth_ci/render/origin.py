"""Which template an object of `helm template` comes from."""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right

from sloth_ci.core.objects import Source
from sloth_ci.render.detect import CHART_FILE
from sloth_ci.render.index import ObjectRecord
from sloth_ci.render.listing import Listing

_MARK = re.compile(rb"^---\n# Source: (.+)$", re.MULTILINE)
_KIND = re.compile(r"^kind:\s*[\"']?([A-Za-z0-9]+)", re.MULTILINE)
_NEAR = 2000
"""So many characters below its kind an object has said its name."""
_NAME = re.compile(r"^  name:\s*[\"']?([^\"'\s#]+)", re.MULTILINE)


class Origins:
    """Reads the comments that helm writes above each document."""

    def __init__(self, listing: Listing, folder: str, chart: str, output: bytes) -> None:
        self._listing = listing
        self._folder = folder
        self._chart = chart
        self._lines: list[int] = []
        self._files: list[str] = []
        self._texts: dict[str, str] = {}
        line, counted = 1, 0
        for mark in _MARK.finditer(output):
            line += output.count(b"\n", counted, mark.start())
            counted = mark.start()
            self._lines.append(line)
            self._files.append(self.path(listing, folder, mark[1].decode("utf-8", "replace")))

    def file(self, line: int) -> str:
        """The file of the repository that a line of the output was made from."""
        position = bisect_right(self._lines, line) - 1
        return self._files[position] if position >= 0 else posixpath.join(self._folder, CHART_FILE)

    def of(self, item: ObjectRecord) -> Source:
        """Where an object is written: the document of the template that has its kind, and its name if several do."""
        path = self.file(item.line)
        if path not in self._texts:
            known = self._listing.is_file(path) and path.endswith((".yaml", ".yml", ".tpl", ".txt", ".json"))
            self._texts[path] = self._listing.read(path).decode("utf-8", "replace") if known else ""
        text = self._texts[path]
        places = [match.start() for match in _KIND.finditer(text) if match[1] == item.ref.kind]
        if len(places) > 1:
            named = [
                place
                for place in places
                if (name := _NAME.search(text, place, place + _NEAR)) and name[1] == item.ref.name
            ]
            places = named or places
        return Source(path, text.count("\n", 0, _document_start(text, places[0])) + 1 if places else 1)

    @staticmethod
    def path(listing: Listing, folder: str, named: str) -> str:
        """The file that helm calls `chart/charts/sub/templates/x.yaml`, or the packed chart that it is in."""
        inner = named.partition("/")[2]
        path = posixpath.join(folder, inner)
        if listing.is_file(path):
            return path
        match = re.match(r"charts/([^/]+)/", inner)
        if match:
            archive = re.compile(rf"{re.escape(posixpath.join(folder, 'charts', match[1]))}-v?\d[^/]*\.tgz\Z")
            for entry in listing.below(posixpath.join(folder, "charts")):
                if archive.match(entry.path):
                    return entry.path
        return posixpath.join(folder, CHART_FILE)


def _document_start(text: str, place: int) -> int:
    """The `apiVersion:` line above a `kind:` line, if it is in the same document."""
    start = text.rfind("\n---", 0, place) + 1
    version = text.rfind("\napiVersion:", start, place)
    if version >= 0:
        return version + 1
    return start if text.startswith("apiVersion:", start) else place
