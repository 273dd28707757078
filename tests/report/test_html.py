"""The HTML report: one file, nothing from elsewhere, and foreign text that stays text."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from sloth_ci.core.gate import Verdict
from sloth_ci.core.objects import Source
from sloth_ci.core.plan import Conflict, Impact
from sloth_ci.core.review import Overlap
from sloth_ci.report.comment import About, Failed, Shown
from sloth_ci.report.html import html_report
from support.outcomes import hostile_outcomes, outcomes
from support.panes import hostile_panes, shop, unhealthy
from support.plans import EVIL, EXEMPT, change, field, forty, huge, plan, policed

ASSETS = Path(__file__).parents[2] / "sloth_ci" / "report" / "assets"
RUN = "https://git.example/shop/shop/actions/runs/7"
ABOUT = About(
    head_sha="4f2c9b1e8d7a",
    base="main",
    overlaps=(Overlap(number=12, title="Another web", url=f"{RUN}/12", files=("base/web.yaml",)),),
    run_url=RUN,
    notes=("a note of the run",),
    failed=(Failed(name="dev", message="kustomize failed:\nno such file", hint="add the file"),),
)
HOSTILE = About(
    head_sha=EVIL[3],
    base=EVIL[3],
    run_url="javascript:alert(1)",
    notes=tuple(EVIL),
    failed=tuple(Failed(name=evil, message=evil, hint=evil) for evil in EVIL),
    overlaps=tuple(Overlap(number=1, title=evil, url=evil, files=(evil,)) for evil in EVIL),
)
WAITING = Verdict(("1 more approval",), ("bob approved",))
REPORTS = {
    "forty": html_report([Shown(plan=forty())], generated_at="2026-11-26T18:00:00+00:00"),
    "panes": html_report(
        [Shown(plan=shop(), verdict=WAITING, check_url=f"{RUN}/c"), Shown(plan=plan(environment="staging"))],
        about=ABOUT,
        outcomes=[*outcomes(), unhealthy()],
    ),
    "hostile": html_report(
        [Shown(plan=hostile_panes(), verdict=Verdict(tuple(EVIL)), check_url=f'{RUN}"><script>', notes=tuple(EVIL))]
        * 2,
        about=HOSTILE,
        outcomes=hostile_outcomes(),
        generated_at=EVIL[3],
    ),
    "nothing": html_report([], about=About(head_sha="a" * 40)),
    "policed": html_report([Shown(plan=policed())]),
}


HEAD = {
    "a", "body", "br", "button", "code", "dd", "div", "dl", "dt", "footer", "form", "h1", "head", "header", "html", "kbd", "li", "main", "meta",
    "noscript", "p", "script", "span", "style", "table", "tbody", "td", "th", "thead", "time", "title", "tr", "ul",
}  # fmt: skip
"""The elements of a page before its script runs."""


class _Page(HTMLParser):
    """The elements of a page, and what is in its scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.raw: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._inside = tag if tag in {"script", "style"} else ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw.append((self._inside, data))

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    @property
    def data(self) -> Any:
        """What the script reads."""
        return json.loads(next(text for tag, text in self.raw if tag == "script"))


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


@pytest.mark.parametrize("which", REPORTS)
def test_the_policy_allows_our_script_and_style_and_nothing_else(which: str) -> None:
    page = _Page(REPORTS[which])
    style, _, script = (text for _, text in page.raw)
    policy = next(e["content"] for tag, e in page.elements if e.get("http-equiv") == "Content-Security-Policy")
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    # It holds from where it stands on: nothing that runs may come before it.
    tags = [tag for tag, _ in page.elements]
    assert tags[:4] == ["html", "head", "meta", "meta"]


@pytest.mark.parametrize("which", REPORTS)
def test_foreign_text_makes_no_markup(which: str) -> None:
    page = _Page(REPORTS[which])
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("script", "style", "main", "h1")] == [2, 1, 1, 1]
    assert set(tags) <= HEAD
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in {"style", "src", "srcset", "action"} for name in attributes), (
            tag
        )
        if "href" in attributes:
            assert re.match(r"#list$|https://git\.example/", attributes["href"])
    assert not re.search("[<>&\u2028\u2029]", next(text for tag, text in page.raw if tag == "script"))
    REPORTS[which].encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]", REPORTS[which])


def test_the_assets_need_nothing_from_elsewhere() -> None:
    for name in ("report.css", "report.js", "filter.js", "report.html"):
        text = (ASSETS / name).read_text(encoding="utf-8")
        assert not re.search(r"https?:|//\w+\.\w|@import|url\(|@font-face", text), name
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|Function\(|fetch\(|XMLHttpRequest|import\(|WebSocket", text
        ), name  # fmt: skip


def test_the_row_of_tabs_scrolls_to_the_side_alone() -> None:
    style = next(text for tag, text in _Page(REPORTS["forty"]).raw if tag == "style")
    rule = re.search(r"#panes \{(.*?)\}", style)
    assert rule is not None
    # Each tab hangs one pixel over the line below the row, which without this is something to scroll to.
    assert "overflow: auto hidden" in rule[1]


def test_what_the_head_says_without_the_script() -> None:
    text = re.sub(r"<[^>]*>", " ", REPORTS["panes"].partition("<main>")[0].partition("</style>")[2])
    for part in ("5 changes to production", "1 irreversible", "overwrites 3 fields of others", "waiting for approval", "staging",
                 "1 workflow without a plan", "a note of the run", "cluster production (namespace shop)", shop().digest):  # fmt: skip
        assert part in text


def test_the_data_has_what_a_reviewer_asks_for() -> None:
    found = _Page(REPORTS["panes"]).data
    first = found["plans"][0]
    assert [one["resource"] for one in first["changes"]][:2] == ["Namespace/legacy", "Deployment/shop/web"]
    web = first["changes"][1]
    assert web["source"] == {"path": "base/web.yaml", "line": 14}
    assert web["fields"][1] == {"path": "spec.replicas", "before": "7", "after": "3"}
    assert "current_state" not in web
    assert first["changes"][0]["undo"] == "irreversible"
    masked = [one for one in first["drift"] if one["resource"] == "Secret/shop/api"]
    assert masked[0]["fields"][0]["masked"] is True
    assert [one["same"] for one in first["commit"]["changes"]].count(True) == 3
    assert found["overlaps"][0]["name"] == "#12"


def test_what_would_make_the_file_too_large_is_left_out_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    state = {"apiVersion": "v1", "kind": "ConfigMap", "data": {f"k{i}": "x" * 250 for i in range(100)}}
    many = [change("create", "ConfigMap", f"m{i}", state=state) for i in range(40)]
    monkeypatch.setattr("sloth_ci.report.html_data._DIFFS", 300_000)
    text = html_report([Shown(plan=plan(*many))])
    assert 300_000 < len(text.encode()) < 400_000
    diffs = [one["diff"] for one in _Page(text).data["plans"][0]["changes"]]
    assert diffs[0] is not None
    assert diffs[-1] is None


def test_huge_objects_are_bounded() -> None:
    assert len(html_report([Shown(plan=huge())]).encode()) < 3_000_000


def test_colours_can_be_told_apart() -> None:
    """WCAG AA: 4.5 to 1 for every colour of text on every ground that it stands on, in both themes."""
    css = (ASSETS / "report.css").read_text(encoding="utf-8")
    colours = {
        name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", css)
    }
    texts = ["text", "quiet", "link", "critical", "high", "medium", "low", "good"]
    pairs = [(text, ground) for text in texts for ground in ("page", "card", "raised")]
    pairs += [("text", ground) for ground in ("added", "removed", "added-mark", "removed-mark")]
    pairs += [("quiet", ground) for ground in ("added", "removed")]
    for theme in (0, 1):
        for text, ground in pairs:
            ratio = _contrast(colours[text][theme], colours[ground][theme])
            assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f} ({'dark' if theme else 'light'})"


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


# --- the script ---

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None and os.environ.get("CI") != "true",
    reason="the script of the report runs in node, which is not installed",
)


def _node(*arguments: str) -> Any:
    assert NODE is not None
    done = subprocess.run([NODE, *arguments], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _on_page(tmp_path: Path, report: str, script: str, address: str = "") -> Any:
    file = tmp_path / "report.html"
    file.write_text(report, encoding="utf-8")
    return _node(str(Path(__file__).parents[1] / "support" / "page.cjs"), str(file), script, address)


@needs_node
@pytest.mark.parametrize(
    ("call", "result"),
    [
        ('f.partsOf("Deployment/shop/web")', {"kind": "Deployment", "namespace": "shop", "name": "web"}),
        ('f.partsOf("Namespace/shop")', {"kind": "Namespace", "namespace": "", "name": "shop"}),
        ('f.partsOf("x")', {"kind": "x", "namespace": "", "name": ""}),
        ('f.contrast("shop/web:1.25.0", "shop/web:1.26.0")', [["shop/web:1.2", "5", ".0"], ["shop/web:1.2", "6", ".0"]]),
        ('f.contrast("aa", "aaa")', [["aa", "", ""], ["aa", "a", ""]]),
        ('f.contrast("🦥1", "🦦1")', [["", "🦥", "1"], ["", "🦦", "1"]]),
        ('f.linesOf("@@ a.b @@\\n- 1\\n+ 2\\n  3")', [["where", "a.b"], ["removed", "- 1"], ["added", "+ 2"], ["kept", "  3"]]),
        ('f.tally([{n: "b"}, {n: "a"}, {n: "b"}], "n")', [["a", 1], ["b", 2]]),
        ('f.tally([{impact: "low"}, {impact: "high"}], "impact", f.IMPACTS)', [["high", 1], ["low", 1]]),
        ('f.tally([{}, {namespace: "x"}], "namespace")', [["(none)", 1], ["x", 1]]),
        ('f.plural(1204, "change") + f.plural(1, "x")', "1,204 changes1 x"),
        ('f.matches({resource: "ConfigMap/a/B"}, {...f.emptyState(), query: "configmap b"})', True),
        ('f.matches({resource: "ConfigMap/a/B"}, {...f.emptyState(), query: "configmap z"})', False),
        ('f.matches({resource: "x", fields: [{path: "p", before: null, after: "v"}]}, {...f.emptyState(), query: "V"})', True),
        ('f.matches({resource: "x", impact: "low"}, {...f.emptyState(), impacts: new Set(["high"])})', False),
        ('f.matches({resource: "x"}, {...f.emptyState(), namespace: "(none)"})', True),
    ],
)  # fmt: skip
def test_the_pure_parts_of_the_script(call: str, result: object) -> None:
    assert _node("-e", f'const f = require("{ASSETS}/filter.js"); console.log(JSON.stringify({call}))') == result


@needs_node
@pytest.mark.parametrize("which", REPORTS)
def test_every_pane_can_be_opened(which: str, tmp_path: Path) -> None:
    script = """
    const seen = {};
    for (const tab of page.find("panes").children) {
      tab.click();
      page.window.fire("beforeprint");
      for (const row of page.rows()) {
        row.open = true;
        for (const button of row.tags("button")) button.click();
      }
      seen[tab.id] = page.find("list").textContent.length;
    }
    return seen;
    """
    seen = _on_page(tmp_path, REPORTS[which], script)
    ids = {
        "forty": ["conflicts", "changes"],
        "panes": ["outcome", "changes", "commit", "drift", "hooks"],
        "policed": ["conflicts", "findings", "changes"],
        "hostile": ["outcome", "conflicts", "findings", "changes", "commit", "drift", "hooks"],
        "nothing": [],
    }[which]
    assert list(seen) == [f"tab-{name}" for name in ids]
    assert all(size > 20 for size in seen.values())


@needs_node
def test_rows_are_drawn_when_they_are_scrolled_to(tmp_path: Path) -> None:
    many = [
        change("update", "ConfigMap", f"m{i}", field("data.x", i, i + 1), impact=Impact(i % 4)) for i in range(5000)
    ]
    script = """
    const counts = [page.rows().length];
    page.scroll();
    counts.push(page.rows().length);
    const search = page.find("search");
    search.value = "configmap/shop/m4999";
    search.fire("input");
    counts.push(page.rows().length);
    return [counts, page.find("count").textContent];
    """
    assert _on_page(tmp_path, html_report([Shown(plan=plan(*many))]), script) == [[120, 240, 1], "1 of 5,000"]


@needs_node
def test_the_dangerous_come_first_and_can_be_chosen(tmp_path: Path) -> None:
    script = """
    page.tab("changes");
    const first = page.rows()[0].textContent;
    const chip = page.find("filters").has("chip").find((one) => one.textContent.startsWith("high"));
    chip.click();
    const names = page.rows().map((row) => row.has("resource")[0].textContent);
    chip.click();
    return [first, names, page.rows().length];
    """
    first, names, count = _on_page(tmp_path, REPORTS["forty"], script)
    assert first.startswith("−PersistentVolumeClaim/shop/orders-data")
    assert "irreversible" in first
    assert sorted(names) == sorted(str(one.ref) for one in forty().changes if one.impact == Impact.HIGH)
    assert count == 40


@needs_node
def test_a_closed_row_says_why_it_is_dangerous(tmp_path: Path) -> None:
    script = """
    page.tab("changes");
    return page.rows().map((row) => [row.attributes.class, row.has("why").map((one) => one.textContent).join()]);
    """
    rows = _on_page(tmp_path, REPORTS["forty"], script)
    reasons = {"; ".join(one.reasons) for one in forty().changes if one.impact >= Impact.HIGH}
    dangerous = [why for kind, why in rows if kind.endswith((" high", " critical"))]
    assert len(dangerous) == sum(one.impact >= Impact.HIGH for one in forty().changes)
    assert set(dangerous) == reasons
    assert not any(why for kind, why in rows if kind.endswith((" low", " medium")))


@needs_node
def test_a_change_tells_its_reasons_fields_and_dependents(tmp_path: Path) -> None:
    script = """
    page.tab("changes");
    const rows = page.rows().slice(0, 2);
    for (const row of rows) row.open = true;
    return rows.map((row) => row.has("inside")[0].textContent);
    """
    namespace, web = _on_page(tmp_path, REPORTS["panes"], script)
    assert "all in it is deleted with it" in namespace
    assert "41 objects live in it" in namespace
    assert "spec.replicas73" in web
    assert "base/web.yaml:14" in web


@needs_node
def test_secrets_are_said_to_be_secret(tmp_path: Path) -> None:
    secret = plan(*(one for one in forty().changes if one.ref.name == "payment-provider"))
    script = "const row = page.rows()[0]; row.open = true; return row.has('label').map((one) => one.textContent);"
    assert _on_page(tmp_path, html_report([Shown(plan=secret)]), script) == ["secret"] * 4


@needs_node
@pytest.mark.parametrize(
    ("address", "pane", "opened"),
    [
        ("#changes/ConfigMap/shop/m300", "tab-changes", "ConfigMap/shop/m300"),
        ("#changes/ConfigMap/shop/none", "tab-changes", None),
        ("#commit", "tab-commit", None),
        ("#%E0%A4%A", "tab-changes", None),
        ("#<script>", "tab-changes", None),
    ],
)
def test_an_address_leads_to_a_change(address: str, pane: str, opened: str | None, tmp_path: Path) -> None:
    many = [change("update", "ConfigMap", f"m{i:03}", field("data.x", i, i + 1)) for i in range(400)]
    script = """
    const tab = page.find("panes").children.find((one) => one.attributes["aria-selected"] === "true");
    return [tab.id, page.scrolled && page.scrolled.open && page.scrolled.has("resource")[0].textContent];
    """
    assert _on_page(tmp_path, html_report([Shown(plan=plan(*many, intent=()))]), script, address) == [pane, opened]


@needs_node
def test_keys(tmp_path: Path) -> None:
    script = """
    page.tab("changes");
    const press = (key) => page.document.fire("keydown", { key, target: page.focused ?? page.body });
    const names = [];
    for (const key of ["j", "j", "k"]) { press(key); names.push(page.focused.has("resource")[0].textContent); }
    press("/");
    return [names, page.focused.id];
    """
    names, focused = _on_page(tmp_path, REPORTS["forty"], script)
    assert names[0] == names[2] == "PersistentVolumeClaim/shop/orders-data"
    assert names[1] == "Secret/shop/legacy-gateway"
    assert focused == "search"


@needs_node
def test_a_conflict_is_open_and_shows_its_ways_out(tmp_path: Path) -> None:
    one = Conflict("validation", "ConfigMap/shop/x", "is wrong", ("mend it",), source=Source("x.yaml", 3))
    text = _on_page(
        tmp_path, html_report([Shown(plan=replace(forty(), conflicts=(one,)))]), "return page.rows()[0].textContent;"
    )
    assert text == "×ConfigMap/shop/xis wrong validationx.yaml:3Ways outmend it"


@needs_node
def test_findings_of_a_policy_are_searched_as_conflicts_are(tmp_path: Path) -> None:
    script = """
    const first = page.find("panes").children.find((one) => one.attributes["aria-selected"] === "true").id;
    page.tab("findings");
    const all = page.rows().length;
    const search = page.find("search");
    search.value = "no label W0.YAML:1";
    search.fire("input");
    const [row] = page.rows();
    const closed = !row.open;
    row.open = true;
    return [first, all, page.find("count").textContent, closed, row.textContent];
    """
    report = html_report([Shown(plan=replace(policed(), conflicts=()))])
    assert _on_page(tmp_path, report, script) == [
        "tab-changes", 3, "1 of 3", True,
        f"▲Deployment/shop/w0team: no label says whose it is base/w0.yaml:1Ways outmend what team names{EXEMPT}",
    ]  # fmt: skip
    badges = report[report.index('<ul class="badges">') :]
    assert badges.startswith('<ul class="badges"><li class="badge warn">3 policy findings</li>')
