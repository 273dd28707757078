"""The engines of the tests: the pinned ones, built once, and never half."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import engines
from support.project import ROOT

# Plays Go: notes that it was called, and writes what `go build -o DIR/ ./kubectl ./kustomize` would.
GO = """\
#!/bin/sh
echo build >> "$GO_LOG"
while [ "$1" != -o ]; do shift; done
out=$2; shift 2
for main; do printf '#!/bin/sh\\n' > "$out$main"; chmod +x "$out$main"; done
"""
BROKEN_GO = '#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho half > "$2/kubectl"\nexit 1\n'


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine with nothing but this Go on its PATH."""
    (tmp_path / "bin").mkdir()
    _install_go(tmp_path, GO)
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "GO_LOG": str(tmp_path / "log"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "SLOTH_TEST_HELM": "sh",  # helm is installed, not built
    }


def _install_go(folder: Path, text: str) -> None:
    go = folder / "bin" / "go"
    go.write_text(text)
    go.chmod(0o755)


def test_kubectl_is_the_pinned_one(kubectl: Path) -> None:
    shown = subprocess.run([str(kubectl), "version", "--client"], check=True, capture_output=True, text=True).stdout
    assert f"Client Version: {engines.version('kubectl')}\n" in shown


def test_kustomize_is_the_pinned_one(kustomize: Path) -> None:
    shown = subprocess.run([str(kustomize), "version"], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == engines.version("kustomize")


def test_helm_is_the_pinned_one(helm: Path) -> None:
    shown = subprocess.run([str(helm), "version", "--short"], check=True, capture_output=True, text=True).stdout
    pins = (ROOT / "requirements/dev.txt").read_text(encoding="utf-8")
    pinned = next(line for line in pins.splitlines() if line.startswith("helm-binary=="))
    assert pinned.removeprefix("helm-binary==").startswith(shown.strip().removeprefix("v").partition("+")[0])


def test_two_processes_build_once(environ: dict[str, str], tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts/engines.py")]
    racers = [subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [racer.communicate()[0] for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "build\n"
    kubectl = engines.find("kubectl", environ)
    assert kubectl
    assert kubectl.is_relative_to(tmp_path / "cache/sloth-ci/tools")
    assert all(f"kubectl    {kubectl}\n" in output for output in outputs)
    assert sorted(path.name for path in kubectl.parent.iterdir()) == ["kubectl", "kustomize", "lock"]


def test_a_build_that_fails_leaves_nothing_behind(environ: dict[str, str], tmp_path: Path) -> None:
    _install_go(tmp_path, BROKEN_GO)
    with pytest.raises(engines.BuildError, match="could not build"):
        engines.build(environ)
    assert engines.find("kubectl", environ) is None

    _install_go(tmp_path, GO)
    engines.build(environ)
    assert engines.find("kubectl", environ)


def test_without_go_the_message_says_what_to_do(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bin" / "go").unlink()
    environ["PATH"] = str(tmp_path / "bin")
    with pytest.raises(engines.BuildError, match=r"go\.dev/dl.*SLOTH_TEST_KUBECTL and SLOTH_TEST_KUSTOMIZE"):
        engines.build(environ)


def test_another_engine_can_be_named(environ: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "my-kubectl"
    own.write_text("#!/bin/sh\n")
    environ["SLOTH_TEST_KUBECTL"] = str(own)
    assert engines.find("kubectl", environ) is None, "it cannot be run"
    own.chmod(0o755)
    assert engines.find("kubectl", environ) == own


def test_the_cache_is_outside_the_work_tree() -> None:
    assert not engines.folder(os.environ).is_relative_to(ROOT)
