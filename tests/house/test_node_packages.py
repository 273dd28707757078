"""Programs for Node: what is pinned is installed once, and never half; and gitlab-ci-local says what it lacks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import gitlab_ci_local
import node_packages
from node_packages import NodeError

# Plays npm: notes what it was asked for, and makes the program of a package.
NPM = """\
#!/bin/sh
echo "$*" >> "$NPM_LOG"
test -z "$NPM_FAILS" || { echo "no such package" >&2; exit 1; }
test -f package-lock.json || exit 2
mkdir -p node_modules/one/dist && echo 1 > node_modules/one/dist/index.js
"""
SCRIPT = "one/dist/index.js"
LOCKS = sorted(node_packages.HERE.glob("*/package-lock.json"))


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A machine with nothing but this npm and a node on its PATH, and one program that is pinned."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("npm", NPM), ("node", "#!/bin/sh\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    pinned = tmp_path / "scripts" / "one"
    pinned.mkdir(parents=True)
    for file in ("package.json", "package-lock.json"):
        (pinned / file).write_text("{}\n")
    monkeypatch.setattr(node_packages, "HERE", tmp_path / "scripts")
    return {
        "PATH": f"{programs}:/usr/bin:/bin",
        "NPM_LOG": str(tmp_path / "log"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }


def test_a_program_is_installed_once_and_no_script_of_it_is_run(environ: dict[str, str]) -> None:
    assert node_packages.find("one", SCRIPT, environ) is None
    program = node_packages.install("one", SCRIPT, environ)
    assert program.read_text() == "1\n"
    assert node_packages.install("one", SCRIPT, environ) == program
    assert node_packages.find("one", SCRIPT, environ) == program
    (call,) = Path(environ["NPM_LOG"]).read_text().splitlines()
    assert call.startswith("ci --ignore-scripts ")


def test_another_pin_is_another_place(environ: dict[str, str], tmp_path: Path) -> None:
    first = node_packages.install("one", SCRIPT, environ)
    (tmp_path / "scripts/one/package-lock.json").write_text('{"lockfileVersion": 3}\n')
    assert node_packages.find("one", SCRIPT, environ) is None
    assert node_packages.install("one", SCRIPT, environ) != first


def test_what_npm_cannot_get_is_told_and_nothing_is_left(environ: dict[str, str]) -> None:
    with pytest.raises(NodeError, match="npm cannot install one: no such package"):
        node_packages.install("one", SCRIPT, {**environ, "NPM_FAILS": "1"})
    assert node_packages.find("one", SCRIPT, environ) is None
    assert [path.name for path in Path(environ["XDG_CACHE_HOME"]).rglob("*") if path.is_file()] == ["lock"]


def test_a_package_without_the_program_is_told(environ: dict[str, str]) -> None:
    with pytest.raises(NodeError, match=r"one has no one/other\.js"):
        node_packages.install("one", "one/other.js", environ)


def test_without_node_it_is_said(environ: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="one needs Node"):
        node_packages.install("one", SCRIPT, {**environ, "PATH": str(tmp_path)})


def test_gitlab_ci_local_names_what_it_lacks(tmp_path: Path) -> None:
    environ = {"PATH": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert gitlab_ci_local.find(environ) is None
    assert gitlab_ci_local.lacks(environ) == "no gitlab-ci-local (it needs Node and npm) and no rsync"
    (tmp_path / "rsync").touch(0o755)
    assert gitlab_ci_local.lacks(environ) == "no gitlab-ci-local (it needs Node and npm)"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.parent.name)
def test_a_lock_has_an_integrity_for_each_package_and_no_address(lock: Path) -> None:
    pinned = json.loads(lock.read_text(encoding="utf-8"))
    wanted = json.loads(lock.with_name("package.json").read_text(encoding="utf-8"))["dependencies"]
    assert pinned["packages"].pop("")["dependencies"] == wanted
    assert pinned["packages"]
    for package in pinned["packages"].values():
        assert re.fullmatch(r"sha512-[A-Za-z0-9+/]{86}==", package["integrity"])
        assert "resolved" not in package
        assert not package.get("hasInstallScript")
