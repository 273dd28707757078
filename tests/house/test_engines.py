"""The engines of the tests: the pinned ones, built once, and never half."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import engines
import envtest
from support.project import ROOT

# Plays Go: notes that it was called, and writes what `go build -o DIR/ ./kubectl ./kustomize ...` would.
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
        envtest.VARIABLE: "",  # no download
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
    assert all(f"\nkubectl {kubectl}\n" in re.sub(" +", " ", "\n" + output) for output in outputs)
    assert sorted(path.name for path in kubectl.parent.iterdir()) == sorted([*engines.BUILT, "lock"])


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
    with pytest.raises(engines.BuildError, match=r"go\.dev/dl.*SLOTH_TEST_KUBECTL, .*SLOTH_TEST_KWOK$"):
        engines.build(environ)

    environ |= {engines.variable(name): "/elsewhere" for name in engines.CONTROL_PLANE}
    with pytest.raises(engines.BuildError, match=r"go\.dev/dl.*SLOTH_TEST_KUBECTL and SLOTH_TEST_KUSTOMIZE$"):
        engines.build(environ)


def test_another_engine_can_be_named(environ: dict[str, str], tmp_path: Path) -> None:
    own = tmp_path / "my-kubectl"
    own.write_text("#!/bin/sh\n")
    environ["SLOTH_TEST_KUBECTL"] = str(own)
    assert engines.find("kubectl", environ) is None, "it cannot be run"
    own.chmod(0o755)
    assert engines.find("kubectl", environ) == own


def test_the_assets_of_kubebuilder_are_a_control_plane_but_no_judge(environ: dict[str, str], tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / "assets" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "assets" / name).write_text("#!/bin/sh\n")
        (tmp_path / "assets" / name).chmod(0o755)
    environ["KUBEBUILDER_ASSETS"] = str(tmp_path / "assets")
    engines.build(environ)

    assert engines.find("etcd", environ) == tmp_path / "assets/etcd"
    assert engines.find("kube-apiserver", environ) == tmp_path / "assets/kube-apiserver"
    assert engines.find("kwok", environ) == engines.folder(environ) / "kwok"
    assert engines.find("kubectl", environ) == engines.folder(environ) / "kubectl", "its version decides what is right"


@pytest.mark.parametrize("name", engines.CONTROL_PLANE)
def test_the_control_plane_can_be_run(name: str, engine: Callable[[str], Path]) -> None:
    """Whatever its version: `KUBEBUILDER_ASSETS` may name another one."""
    assert subprocess.run([str(engine(name)), "--version"], check=True, capture_output=True).stdout


def _publish(folder: Path, **digests: str) -> str:
    """An index and archives as controller-tools publishes them, and the address of the index."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    minor = engines.version("kube-apiserver").removeprefix("v").rsplit(".", 1)[0]
    index = "releases:\n"
    for version in (f"{minor}.0", f"{minor}.10", f"{minor}.9", f"{minor}.11-rc.0", "1.9.0"):
        name = f"envtest-v{version}-{sys.platform}-{machine}.tar.gz"
        with tarfile.open(folder / name, "w:gz") as archive:
            for binary in ("etcd", "kube-apiserver", "kubectl"):
                content = f"#!/bin/sh\necho {version}\n".encode()
                member = tarfile.TarInfo(f"controller-tools/envtest/{binary}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        digest = digests.get("all", hashlib.sha512((folder / name).read_bytes()).hexdigest())
        link = (folder / name).as_uri()
        index += f"  v{version}:\n    {name}:\n      hash: {digest}\n      selfLink: {link}\n"
    (folder / "index.yaml").write_text(index)
    return (folder / "index.yaml").as_uri()


def test_a_published_archive_saves_the_build_of_what_is_in_it(environ: dict[str, str], tmp_path: Path) -> None:
    environ[envtest.VARIABLE] = _publish(tmp_path)
    engines.build(environ)
    said = subprocess.run([str(engines.find("etcd", environ))], check=True, capture_output=True, text=True).stdout
    newest = engines.version("kube-apiserver").removeprefix("v").rsplit(".", 1)[0] + ".10"
    assert said.strip() == newest, "the newest release of the minor version, by number"
    kubectl = engines.find("kubectl", environ)
    assert kubectl
    assert kubectl.read_text() == "#!/bin/sh\n", "built"
    assert sorted(path.name for path in kubectl.parent.iterdir()) == sorted([*engines.BUILT, "lock"])


@pytest.mark.parametrize("index", ["wrong digest", "unreachable", "no index"])
def test_what_cannot_be_downloaded_is_built(environ: dict[str, str], tmp_path: Path, index: str) -> None:
    (tmp_path / "empty").write_text("releases: {}\n")
    environ[envtest.VARIABLE] = {
        "wrong digest": _publish(tmp_path, all="0" * 128),
        "unreachable": "http://127.0.0.1:9/index.yaml",
        "no index": (tmp_path / "empty").as_uri(),
    }[index]
    engines.build(environ)
    etcd = engines.find("etcd", environ)
    assert etcd
    assert etcd.read_text() == "#!/bin/sh\n", "built"


def test_the_cache_is_outside_the_work_tree() -> None:
    assert not engines.folder(os.environ).is_relative_to(ROOT)
