"""kubectl as the judge of YAML: what it reads from a text, asked without a server."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# A patch on this machine alone that changes nothing: kubectl reads objects of any kind and prints them as they are.
_UNCHANGED = ("patch", "--local", "--type=merge", "--patch={}", "--output=json")
_INT64 = range(-(2**63), 2**63)


class Judge:
    """Asks kubectl, a call of some 50 ms."""

    def __init__(self, kubectl: Path) -> None:
        self._kubectl = kubectl

    def read(self, text: bytes) -> list[Any] | None:
        """The objects that kubectl reads from one file, or None where it refuses the file."""
        return self._ask([text])

    def read_all(self, texts: Sequence[bytes]) -> list[Any]:
        """The objects of many files, in order. Raises AssertionError where kubectl refuses one of them."""
        objects = self._ask(texts)
        assert objects is not None, "kubectl refuses a file of these"
        return objects

    def _ask(self, texts: Sequence[bytes]) -> list[Any] | None:
        with tempfile.TemporaryDirectory() as home:
            folder = Path(home, "texts")
            folder.mkdir()
            for number, text in enumerate(texts):
                (folder / f"{number:06}.yaml").write_bytes(text)
            env = {"KUBECONFIG": os.devnull, "HOME": home, "PATH": os.defpath}
            command = [str(self._kubectl), *_UNCHANGED, "--recursive", f"--filename={folder}"]
            result = subprocess.run(command, capture_output=True, check=False, env=env)
        # kubectl calls it an error, too, that a file holds no object at all.
        if result.returncode and b"no objects passed to" not in result.stderr:
            return None
        return _objects(result.stdout.decode())


def _objects(output: str) -> list[Any]:
    decoder = json.JSONDecoder(parse_int=_number)
    objects, position = [], 0
    while position < len(output):
        value, end = decoder.raw_decode(output, position)
        objects.append(value)
        position = end + 1  # the newline behind each
    return objects


def _number(text: str) -> int | float:
    """Beyond 64 bits Kubernetes has floats, however their digits are printed."""
    number = int(text)
    return number if number in _INT64 else float(number)
