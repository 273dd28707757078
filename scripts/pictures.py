"""Take the pictures of the README: a comment on a pull request and the HTML report, light and dark.

    SLOTH_TEST_DATA=FOLDER python scripts/pictures.py [FOLDER OF THE PICTURES]

What is on them is a real plan: kube-prometheus, from one of its revisions to a later one. Needs a chromium (Debian:
apt-get install --no-install-recommends chromium fonts-noto-core fonts-noto-mono fonts-noto-color-emoji).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from html import escape
from pathlib import Path
from typing import Any, Final, cast

from markdown_it import MarkdownIt

from sloth_ci.core.events import Observer
from sloth_ci.core.gate import Verdict
from sloth_ci.core.plan import Plan
from sloth_ci.core.review import Overlap
from sloth_ci.engine.preview import preview
from sloth_ci.forge.local import LocalGate
from sloth_ci.report.comment import About, Shown, pull_request_comment
from sloth_ci.report.html import html_report
from sloth_ci.startup import Options, start

ROOT: Final = Path(__file__).resolve().parent.parent
BUNDLE: Final = "kube-prometheus.bundle"
BEFORE: Final = {"staging": "HEAD~1", "production": "HEAD~2"}
AFTER: Final = "HEAD~1"
LIMIT: Final = 250_000
"""Bytes of a picture."""
WORKFLOW: Final = """
for _, environment in ipairs({ "staging", "production" }) do
  gitops.workflow({ name = "monitoring", repo = ".", environment = environment, target_path = "manifests", auto_sync = false,
                    destination = { directory = "live/" .. environment } })
end
"""
FORGE: Final = "https://git.example/ops/monitoring"
STYLE: Final = """
:root { color-scheme: light dark; --line: light-dark(#d1d9e0, #3d444d); --quiet: light-dark(#59636e, #9198a1);
  --code: light-dark(#eff1f3, #262c36); }
body { margin: 0; padding: 28px; background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #f0f6fc);
  font: 14px/1.5 system-ui, "Noto Sans", "Liberation Sans", sans-serif; }
.comment { border: 1px solid var(--line); border-radius: 6px; max-width: 860px; margin: 0 auto; }
.by { padding: 8px 16px; border-bottom: 1px solid var(--line); background: light-dark(#f6f8fa, #151b23); color: var(--quiet); }
.by b { color: light-dark(#1f2328, #f0f6fc); }
.body { padding: 16px; overflow-wrap: break-word; }
h3 { font-size: 17.5px; margin: 0 0 14px; line-height: 1.25; } h4 { font-size: 14px; margin: 22px 0 14px; }
p, ul, table, pre, details, blockquote { margin: 0 0 14px; }
ul { padding-left: 28px; } li { margin: 3px 0; } ul ul { margin: 0; }
table { border-collapse: collapse; display: block; overflow-x: auto; } th, td { border: 1px solid var(--line); padding: 6px 12px; }
code { background: var(--code); padding: 2px 5px; border-radius: 6px; font: 85% ui-monospace, "DejaVu Sans Mono", monospace; }
pre { background: light-dark(#f6f8fa, #151b23); padding: 14px; border-radius: 6px; overflow: auto; }
pre code { background: none; padding: 0; }
.new { background: light-dark(#dafbe1, #033a16); display: block; } .old { background: light-dark(#ffebe9, #67060c66); display: block; }
.at { color: light-dark(#6639ba, #d2a8ff); display: block; font-weight: 600; }
blockquote { border-left: 4px solid var(--line); padding: 0 14px; color: var(--quiet); }
a { color: light-dark(#0969da, #4493f8); } sub { color: var(--quiet); vertical-align: baseline; } summary { cursor: pointer; }
"""


class Quiet:
    """An observer that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *told: None


def real_plans(folder: Path) -> list[Plan]:
    """A workflow with two environments; each is as another older revision left it."""
    bundle = Path(os.environ["SLOTH_TEST_DATA"]) / BUNDLE
    work = folder / "monitoring"
    _quietly("git", "clone", "-q", "--bare", str(bundle), str(folder / "origin.git"))
    _quietly("git", "clone", "-q", str(folder / "origin.git"), str(work))
    os.chdir(work)
    (work / "sloth.lua").write_text(WORKFLOW)
    environ = {**os.environ, "SLOTH_CACHE_DIR": str(folder / "cache")}
    for environment, revision in BEFORE.items():
        _quietly(
            str(Path(sys.executable).with_name("sloth-ci")),
            "sync",
            "-e",
            environment,
            "--head",
            revision,
            environ=environ,
        )
    gate = LocalGate(stdin=sys.stdin, stderr=sys.stderr, approved=None, show=lambda plan: None, paused=nullcontext)
    run = start(Options(declare_only=True), environ=environ, observer=cast("Observer", Quiet()), gate=gate)
    try:
        return [preview(run.session, one, head=AFTER) for one in run.choose(None, None)]
    finally:
        run.close()


def _quietly(*command: str, environ: Mapping[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"pictures: {command[0]} ended with {done.returncode}: {done.stderr}")


def as_markdown(text: str) -> str:
    """HTML of Markdown as forges make it, the first part that folds away unfolded."""
    markdown = MarkdownIt("commonmark", {"html": True, "highlight": _highlight}).enable(["table", "strikethrough"])
    return str(markdown.render(text)).replace("<details>", "<details open>", 1)


def as_comment(text: str) -> str:
    """A page with the Markdown as a forge shows it, more or less."""
    body = as_markdown(text)
    return (
        f"<!doctype html><meta charset='utf-8'><style>{STYLE}</style><div class='comment'><div class='by'><b>github-actions</b> bot "
        f"commented · edited</div><div class='body'>{body}</div></div>"
    )


def _highlight(text: str, language: str, _: str) -> str:
    if language != "diff":
        return ""
    kinds = {"+": "new", "-": "old", "@": "at"}
    lines = [(kinds.get(line[:1], ""), escape(line)) for line in text.rstrip("\n").split("\n")]
    return "".join(f"<span class='{kind}'>{line}</span>" if kind else f"{line}\n" for kind, line in lines)


def take(page: Path, picture: Path, size: tuple[int, int], *, dark: bool, anchor: str = "") -> None:
    """One picture, in a browser that has never been anywhere and goes nowhere."""
    chromium = (
        shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("pictures: there is no chromium")
    )
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--hide-scrollbars", f"--user-data-dir={profile}",
                 f"--blink-settings=preferredColorScheme={0 if dark else 1}", f"--window-size={size[0]},{size[1]}",
                 "--virtual-time-budget=3000", f"--screenshot={picture}"]  # fmt: skip
        _quietly(chromium, *flags, f"{page.as_uri()}{anchor}")
    if picture.stat().st_size > LIMIT:
        sys.exit(f"pictures: {picture} has {picture.stat().st_size:,} bytes, more than {LIMIT:,}")


def main() -> None:
    """All four of them."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "pictures").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        plans = real_plans(Path(temporary))
        head = plans[0].revision
        waiting = Verdict((f"1 more approval of 2 on {head[:10]}",), ("alice approved",))
        shown = [
            Shown(
                plan=plan,
                verdict=waiting if plan.environment == "production" else None,
                check_url=f"{FORGE}/runs/{index}",
            )
            for index, plan in enumerate(plans, 1)
        ]
        other = Overlap(
            number=41,
            title="Grafana behind the new ingress",
            url=f"{FORGE}/pull/41",
            files=("manifests/grafana-deployment.yaml",),
        )
        about = About(
            head_sha=head, base="main", overlaps=(other,), run_url=f"{FORGE}/runs/7", report_url=f"{FORGE}/report"
        )
        pages = {
            "comment": (as_comment(pull_request_comment(shown, about=about)), (920, 1000), ""),
            "report": (html_report(shown, about=about), (1280, 1000), "#changes/ClusterRole/prometheus-operator"),
        }
        for name, (text, size, anchor) in pages.items():
            page = Path(temporary) / f"{name}.html"
            page.write_text(text, encoding="utf-8")
            for theme in ("light", "dark"):
                take(page, folder / f"{name}-{theme}.png", size, dark=theme == "dark", anchor=anchor)
                print(folder / f"{name}-{theme}.png")


if __name__ == "__main__":
    main()
