"""What must never be committed."""

from __future__ import annotations

import ast
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path

from support.project import ROOT, tracked_files

# A package index belongs to the machine that installs, not to the project.
INDEX = re.compile(
    r"--(?:extra-)?(?:index-url|find[-]links|trusted[-]host)\b|https?://[^\s/]*(?:pypi|pythonhosted|npmjs|goproxy)"
)
# Where every runner checks out.
ANYWHERE = {"/", "/tmp/", "/builds/", "/github/", "/workspace/", "/root/", "/home/runner/"}  # noqa: S108
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=]{16}")


def _texts() -> Iterator[tuple[Path, str]]:
    for file in tracked_files():
        try:
            yield file, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def _hits(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{file.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
        for file, text in _texts()
        for hit in pattern.finditer(text)
    ]


def test_no_file_names_a_package_index() -> None:
    assert _hits(INDEX) == []


def test_no_file_names_a_path_of_this_machine() -> None:
    account = pwd.getpwuid(os.getuid()).pw_dir.rstrip("/")
    for path in {f"{ROOT}/", f"{ROOT.parent}/", f"{account}/"} - ANYWHERE:
        assert _hits(re.compile(rf"(?<![\w.$}}-]){re.escape(path)}")) == []


def test_no_file_holds_a_private_key() -> None:
    assert _hits(PRIVATE_KEY) == []


def test_every_requirement_is_pinned_with_hashes() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        logical = file.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
        entries = [line for line in logical if line.strip() and not line.lstrip().startswith("#")]
        assert entries
        assert [line for line in entries if not re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line)] == []


def test_the_runtime_is_the_same_in_both_pins() -> None:
    runtime, dev = (_pins(ROOT / "requirements" / name) for name in ("runtime.txt", "dev.txt"))
    assert runtime.items() <= dev.items()


def test_no_test_sleeps_to_be_right() -> None:
    """In a loop it is waiting, and a lambda plays something slow; anywhere else a sleep is a guess."""
    guesses = [
        f"{file.relative_to(ROOT)}:{line}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for line in sorted(_sleeps(ast.parse(file.read_text(encoding="utf-8"))))
    ]
    assert guesses == []


def _sleeps(tree: ast.AST) -> set[int]:
    def within(part: ast.AST) -> set[int]:
        calls = (node for node in ast.walk(part) if isinstance(node, ast.Call))
        return {node.lineno for node in calls if ast.unparse(node.func) in {"time.sleep", "sleep"}}

    return within(tree).difference(
        *(within(node) for node in ast.walk(tree) if isinstance(node, ast.While | ast.Lambda))
    )


def _pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\S+)==(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE))
