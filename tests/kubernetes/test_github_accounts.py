"""The accounts of docs/github.md, made with the very commands that stand there: one may deploy, the other may not."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path

from support.cluster import ControlPlane, ControlPlaneError
from support.project import ROOT
from support.waiting import until

PAGE = (ROOT / "docs/github.md").read_text()


def commands(namespace: str) -> str:
    """Those of the page, for another namespace."""
    found = re.search(r"<!-- accounts -->\s*```bash\n(.*?)\n *```\s*<!-- /accounts -->", PAGE, re.DOTALL)
    assert found
    return re.sub(r"\bshop\b", namespace, textwrap.dedent(found[1]))


def test_the_commands_make_one_account_that_deploys_and_one_that_only_rehearses(
    control_plane: ControlPlane, namespace: str, kubectl: Path, tmp_path: Path
) -> None:
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    path = f"{kubectl.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail"],
        input=commands(namespace),
        cwd=tmp_path,
        env={**os.environ, "KUBECONFIG": str(control_plane.admin), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    deploying, rehearsing = tmp_path / "sloth-ci.kubeconfig", tmp_path / "sloth-ci-preview.kubeconfig"
    assert {file.stat().st_mode & 0o777 for file in (deploying, rehearsing)} == {0o600}

    def said(config: Path, name: str, *how: str) -> str:
        try:
            return control_plane.kubectl("create", "configmap", name, *how, config=config)
        except ControlPlaneError as error:
            return str(error)

    until(lambda: said(rehearsing, "a", "--dry-run=server") == "configmap/a created (server dry run)\n", what="rights")
    assert "may only rehearse (dryRun=All)" in said(rehearsing, "a")
    until(lambda: said(deploying, "a") == "configmap/a created\n", what="the rights to deploy")
    assert '"default"' in said(deploying, "b", "--namespace=default")
