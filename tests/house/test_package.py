"""What is built and installed is what the repository says."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import sloth_ci
from sloth_ci.assets import hooks_dir, lua_dir
from support.project import ROOT, tracked_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def test_the_version_is_one() -> None:
    assert metadata.version("sloth-gitops") == sloth_ci.__version__


def test_the_wheel_holds_the_package_lua_and_hooks_and_nothing_else(wheel: Path) -> None:
    assert wheel.name == f"sloth_gitops-{sloth_ci.__version__}-py3-none-any.whl"
    expected = set()
    for file in tracked_files():
        top, _, rest = file.relative_to(ROOT).as_posix().partition("/")
        if rest and top in {"sloth_ci", "lua", "hooks"}:
            expected.add(f"sloth_ci/{rest}" if top == "sloth_ci" else f"sloth_ci/_{top}/{rest}")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == expected
    assert any(name.startswith("sloth_ci/_lua/") for name in packed)
    assert any(name.startswith("sloth_ci/_hooks/") for name in packed)


def test_lua_and_hooks_are_found_in_a_checkout() -> None:
    assert (lua_dir(), hooks_dir()) == (ROOT / "lua", ROOT / "hooks")
    assert lua_dir().is_dir()
    assert hooks_dir().is_dir()


def test_lua_and_hooks_are_found_when_installed(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = "import sys; sys.path.insert(0, sys.argv[1]); from sloth_ci import assets; print(assets.lua_dir()); print(assets.hooks_dir())"
    shown = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert shown == [str(tmp_path / "sloth_ci/_lua"), str(tmp_path / "sloth_ci/_hooks")]
    assert all(any(Path(folder).iterdir()) for folder in shown)


def test_the_command_answers_with_the_version() -> None:
    command = Path(sys.executable).parent / "sloth-ci"
    shown = subprocess.run([str(command), "--version"], check=True, capture_output=True, text=True).stdout
    assert shown == f"sloth-ci, version {sloth_ci.__version__}\n"


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
