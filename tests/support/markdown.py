"""Markdown as a forge reads it: what is markup in it, and whether all that begins in it ends."""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markdown_it.token import Token

GFM = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
OURS = {"<details>", "</details>", "<summary>", "</summary>", "<b>", "</b>", "<sub>", "</sub>", "<code>", "</code>"}


def tokens(text: str) -> list[Token]:
    """All tokens, those inside of others too."""
    return [inner for token in GFM.parse(text) for inner in (token, *(token.children or []))]


def check_whole(text: str) -> None:
    """What may never happen, whatever is left out: a tag, a fence or a table that does not end."""
    tags = []
    for token in tokens(text):
        if token.type in {"html_block", "html_inline"}:
            tags += re.findall(r"<[^>]*>", token.content)
    assert set(tags) <= OURS
    for name in ("details", "summary", "b", "sub", "code"):
        assert tags.count(f"<{name}>") == tags.count(f"</{name}>"), name
    assert "\ufffd" not in text
    text.encode()
    lines = text.split("\n")
    for token in GFM.parse(text):
        if token.type == "fence" and token.map:
            assert lines[token.map[1] - 1].strip() == token.markup, "a fence that does not end"
        if token.type == "html_block":
            assert not re.search("</details>.", token.content), "what is outside would be inside"


def mentions(text: str) -> list[str]:
    """People and teams whom a forge would call."""
    outside = "".join(token.content for token in tokens(text) if token.type == "text")
    return re.findall(r"@\w+", outside)
