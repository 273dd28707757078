"""Take the picture of the README's terminal: `git commit` and `git push` with the hooks, in a repository made for it.

    python scripts/pictures_hook.py [FOLDER OF THE PICTURE]

Git and the hooks are real. Needs a chromium, as scripts/pictures.py says.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from pictures import ROOT, take
from sloth_ci.core.yaml import dump
from support.bodies import body, deployment

COLUMNS: Final = 104
SIZE: Final = (1000, 400)
LUA: Final = """gitops.workflow({
    name = "shop", repo = ".", branch = "main", environment = "production", target_path = "k8s",
    destination = { context = "production", namespace = "shop" },
})
"""
STYLE: Final = """
body { margin: 0; padding: 22px; background: #1b1f24; }
pre { margin: 0; color: #d7dce2; font: 14.5px/1.45 "DejaVu Sans Mono", "Noto Sans Mono", monospace; }
"""


def shown(command: list[str], folder: Path, env: dict[str, str]) -> str:
    """What a command prints at a terminal."""
    read, write = pty.openpty()
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=write, stdout=write, stderr=write)
    os.close(write)
    said = b""
    while True:
        try:
            part = os.read(read, 65536)
        except OSError:  # the last one that wrote to it has gone
            break
        if not part:
            break
        said += part
    process.wait()
    os.close(read)
    return said.decode().replace("\r\n", "\n")


def session(folder: Path) -> str:
    """A commit that is refused, one that is not, and the push."""
    work = folder / "shop"
    env = {
        **os.environ, "HOME": str(folder), "COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
    }  # fmt: skip
    (folder / "gitconfig").write_text(
        "[user]\n name = alice\n email = alice@example.com\n[init]\n defaultBranch = main\n[color]\n ui = never\n"
    )

    def git(*args: str) -> str:
        return shown(["git", *args], work, env)

    def write(image: str, replicas: int, currency: str) -> None:
        (work / "k8s").mkdir(exist_ok=True)
        (work / "k8s/web.yaml").write_text(dump(deployment(image=image, replicas=replicas)))
        (work / "k8s/prices.yaml").write_text(dump(body("ConfigMap", "prices", data={"currency": currency})))

    work.mkdir()
    git("init", "-q")
    (work / "sloth.lua").write_text(LUA)
    write("web:1.4.0", 2, "EUR")
    git("add", ".")
    git("commit", "-qm", "first")
    shown(["git", "init", "-q", "--bare", str(folder / "origin.git")], folder, env)
    git("remote", "add", "origin", str(folder / "origin.git"))
    git("push", "-q", "origin", "main")
    git("checkout", "-qb", "feature")
    shown(["sloth-ci", "hook", "install", "--pre-push", "--pre-commit"], work, env)
    write("web:1.5.0", 3, "USD")
    web = work / "k8s/web.yaml"
    web.write_text(web.read_text().replace("replicas: 3", "replica: 3"))
    told = ['$ git commit -am "1.5.0"\n', git("commit", "-qam", "1.5.0")]
    write("web:1.5.0", 3, "USD")
    told += [
        '$ git commit -am "1.5.0"\n',
        git("commit", "-qam", "1.5.0"),
        "$ git push origin feature\n",
        git("push", "--no-progress", "origin", "feature"),
    ]
    return "".join(told).replace(str(folder / "origin.git"), "git.example.com:shop/shop.git")


def main() -> None:
    """One picture."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures").resolve()
    with tempfile.TemporaryDirectory() as temporary:
        console = Console(
            record=True, width=COLUMNS + 4, force_terminal=True, color_system="truecolor", file=io.StringIO()
        )
        console.print(Text.from_ansi(session(Path(temporary))), soft_wrap=True)
        page = Path(temporary) / "terminal.html"
        shown_as = console.export_html(code_format="{code}", inline_styles=True, theme=MONOKAI)
        page.write_text(f"<meta charset='utf-8'><style>{STYLE}</style><pre>{shown_as}</pre>")
        take(page, folder / "push.png", SIZE, dark=True)
        print(folder / "push.png")


if __name__ == "__main__":
    main()
