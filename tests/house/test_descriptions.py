"""GitHub's descriptions of its API: the pinned ones, fetched once, and never half."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import descriptions
from support.project import ROOT

# Plays npm: notes that it was called, and puts down the archive of that package that the test has made.
NPM = """\
#!/bin/sh
echo "$2" >> "$NPM_LOG"
cp "$NPM_ARCHIVES/$(echo "$2" | tr '/@' '__').tgz" ./package.tgz
"""


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine with nothing but this npm on its PATH, and two packages that are pinned."""
    archives = tmp_path / "archives"
    archives.mkdir()
    (tmp_path / "bin").mkdir()
    npm = tmp_path / "bin" / "npm"
    npm.write_text(NPM)
    npm.chmod(0o755)
    pins = []
    for name in ("one", "two"):
        archive = archives / f"_acme_{name}_1.0.0.tgz"
        with tarfile.open(archive, "w:gz") as members:
            for path in (f"package/{name}.json", "package/other.js"):
                member = tarfile.TarInfo(path)
                member.size = len(name)
                members.addfile(member, io.BytesIO(name.encode()))
        integrity = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        pins.append(
            {
                "name": f"@acme/{name}",
                "version": "1.0.0",
                "integrity": f"sha512-{integrity}",
                "files": {f"{name}.json": f"{name}-here.json"},
            }
        )
    (tmp_path / "pins.json").write_text(json.dumps(pins))
    monkeypatch.setattr(descriptions, "PINS", tmp_path / "pins.json")
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "NPM_LOG": str(tmp_path / "log"),
        "NPM_ARCHIVES": str(archives),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_what_is_wanted_is_fetched_once(environ: dict[str, str]) -> None:
    assert descriptions.find(environ) is None
    descriptions.fetch(environ)
    descriptions.fetch(environ)
    place = descriptions.find(environ)
    assert place == descriptions.folder(environ)
    assert {file.name: file.read_text() for file in place.iterdir()} == {"one-here.json": "one", "two-here.json": "two"}
    assert Path(environ["NPM_LOG"]).read_text().split() == ["@acme/one@1.0.0", "@acme/two@1.0.0"]
    assert sorted(file.name for file in place.parent.iterdir()) == sorted([place.name, "lock"])


def test_another_archive_than_the_pinned_one_is_refused(environ: dict[str, str]) -> None:
    archive = Path(environ["NPM_ARCHIVES"], "_acme_two_1.0.0.tgz")
    archive.write_bytes(Path(environ["NPM_ARCHIVES"], "_acme_one_1.0.0.tgz").read_bytes())
    with pytest.raises(descriptions.FetchError, match=r"@acme/two@1\.0\.0 is not what pins\.json pins"):
        descriptions.fetch(environ)
    assert descriptions.find(environ) is None
    assert [file.name for file in descriptions.folder(environ).parent.iterdir()] == ["lock"]


def test_what_npm_says_is_said(environ: dict[str, str]) -> None:
    Path(environ["NPM_ARCHIVES"], "_acme_one_1.0.0.tgz").unlink()
    with pytest.raises(descriptions.FetchError, match=r"could not get @acme/one@1\.0\.0: .*No such file"):
        descriptions.fetch(environ)


def test_without_npm_the_way_out_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(descriptions.FetchError, match="SLOTH_TEST_DESCRIPTIONS"):
        descriptions.fetch({**environ, "PATH": str(tmp_path)})


def test_a_folder_of_ones_own_is_taken_as_it_is(environ: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    named = {**environ, "SLOTH_TEST_DESCRIPTIONS": str(own)}
    assert descriptions.find(named) is None
    for name in ("one-here.json", "two-here.json"):
        (own / name).touch()
    assert descriptions.find(named) == own


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "SLOTH_TEST_DESCRIPTIONS": str(tmp_path)}
    script = ROOT / "scripts" / "descriptions.py"
    done = subprocess.run([sys.executable, script], env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "descriptions of GitHub's API missing\n")


def test_every_pin_is_exact() -> None:
    for package in descriptions.packages():
        assert package.integrity.startswith("sha512-")
        assert package.version[0].isdigit()
