"""Text that somebody else wrote, made safe for where it is shown.

Names, paths, reasons and commit messages come from a repository that anybody may open a pull request on. They are data:
they must not colour a terminal, start a command of the runner, close our Markdown or call a colleague.
"""

from __future__ import annotations

import re
import unicodedata

# Invisible or reordering: C0 and C1 controls, DEL, bidi marks, embeddings and isolates, zero-width space and joiners that
# no script needs at the start of a word, line separators, tags, interlinear marks, lone surrogates. The zero-width joiner
# stays: emoji and several scripts are written with it.
_HIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
# actions/runner, ActionCommand.cs: `::name ...::` counts at the start of a line, `##[name]` anywhere in it.
_COMMAND = re.compile(r"^(\s*):(:[^\n]*?::)", re.MULTILINE)
# What Markdown, GitHub and GitLab give a meaning to inside a line; at its start also the marks of lists, headings and
# descriptions, and of commands (`/merge` to GitLab, `/sloth` to us). GitLab's own are in doc/user/markdown.md: `{+text+}`,
# `==text==`, `:name:`, `group/project>`, and `ABC-12` for the tracker that a project is connected to, which hears of it.
_SPECIAL = re.compile(
    r"(?-i:\b[A-Z][A-Z0-9_]+-(?=\d))|GH-(?=\d)|://|www\.|^[-+=/:]|^\d+(?=[.)])|[\\`*_\[\]<>|&#~!$%@^]"
    r"|\{(?=[-+])|([=+])(?=\1\S)|:(?=[\w+-]+:)",
    re.IGNORECASE,
)
# What follows a character that means something only then. A backslash does not help with these at GitLab, which takes it
# away before it looks, but for the characters of references (lib/banzai/filter/escaped_char_filter.rb).
_MEANT = {
    "[": re.compile(r"[-+\[_]|[ x~]\]|toc\]|[a-z_]+:", re.IGNORECASE),
    "{": re.compile(r"[-+]"),
    "*": re.compile(r"iteration:"),
    "=": re.compile(r"=\S"),
    "+": re.compile(r"\+\S"),
    ":": re.compile(r"[\w+-]+:"),
    "%": re.compile(r"[\w\"\[{-]"),
    **dict.fromkeys("@#!~$&^", re.compile(r"[\w\"\[-]")),
}
_PROJECT = re.compile(r"/[\w.-]*[\w.-]\Z")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
_GAP = "&#8203;"
"""An invisible space: it breaks mentions and references, as dependency bots break them."""
_BACKTICKS = re.compile(r"`+")
_ADDRESS = re.compile(r"https?://[!-~]{1,1000}")
# What would end a link's destination or a cell, or be taken for the start of something else.
_IN_ADDRESS = re.compile(r"[()<>\\`|\[\]\"'{}^$]")


def visible(text: str, *, keep: str = "") -> str:
    r"""Characters that cannot be seen, or that move or reorder others, as escapes such as `\u202e`.

    `keep` names those that stay, such as "\n\t".
    """

    def escape(match: re.Match[str]) -> str:
        char = match[0]
        if char in keep:
            return char
        code = ord(char)
        if char in _SHORT:
            return _SHORT[char]
        return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"

    return _HIDDEN.sub(escape, text)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters, and how many are left out: `abc… (1,234 more characters)`."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… ({len(text) - limit:,} more characters)"


def one_line(text: str, limit: int = 300) -> str:
    """A text on a single line, safe for a terminal."""
    return visible(shorten(text, limit))


def without_commands(text: str) -> str:
    """Text that a runner prints as it is: what looks like a workflow command is no longer one.

    A line that starts with `::name::` becomes `: :name::`, and `##[` becomes `## [`.
    """
    return _COMMAND.sub(r"\1: \2", text).replace("##[", "## [")


def markdown(text: str, limit: int = 500) -> str:
    """Prose inside Markdown: no markup, HTML, mention, reference, link or line break comes through."""
    return _SPECIAL.sub(_inert_markdown, one_line(text, limit))


def _inert_markdown(match: re.Match[str]) -> str:
    found = match[0]
    if found == "://":
        return f":{_GAP}//"
    if found[0] in "wW" and found[-1] == ".":
        return f"{found[:-1]}{_GAP}."
    if len(found) > 1 or found.isdigit():
        return found + _GAP
    safe = _ENTITIES.get(found) or (found if found in "%@{" else "\\" + found)
    if found == ">":
        return _GAP + safe if _PROJECT.search(match.string, 0, match.start()) else safe
    meant = _MEANT.get(found)
    return safe + _GAP if meant is not None and meant.match(match.string, match.end()) else safe


def link(label: str, url: str) -> str:
    """A Markdown link; the label alone where there is no address that a browser opens. `label` is Markdown already."""
    target = address(url)
    return f"[{label}]({target.replace('&', '&amp;')})" if target else label


def address(url: str) -> str:
    """An address that a browser opens, with nothing in it that ends one; empty where it is none."""
    if not _ADDRESS.fullmatch(url):
        return ""
    return _IN_ADDRESS.sub(lambda match: f"%{ord(match[0]):02X}", url)


def code_cell(text: str, limit: int = 300) -> str:
    """An inline code span in a table. As HTML: in a backtick span, an escaped bar is read in different ways."""
    return f"<code>{markdown(text, limit)}</code>"


def code(text: str, limit: int = 300) -> str:
    """An inline code span that its content cannot leave, and in which a runner finds no command."""
    safe = without_commands(one_line(text, limit))
    if not safe.strip():
        return "` `"
    fence = "`" * (1 + max(map(len, _BACKTICKS.findall(safe)), default=0))
    pad = " " if safe[0] in "` " or safe[-1] in "` " else ""
    return f"{fence}{pad}{safe}{pad}{fence}"


def fenced(text: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks inside it."""
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def width_of(text: str) -> int:
    """Columns that a visible text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def cut(text: str, columns: int, ellipsis: str = "…") -> str:
    """The text, shortened from its end to so many columns."""
    if width_of(text) <= columns:
        return text
    ellipsis = ellipsis[: max(columns, 0)]
    room, kept = columns - width_of(ellipsis), []
    for char in text:
        room -= _width(char)
        if room < 0:
            break
        kept.append(char)
    return "".join(kept).rstrip() + ellipsis if columns > 0 else ""


def cut_start(text: str, columns: int, ellipsis: str = "…") -> str:
    """The text, shortened from its start: the end of a path says more than its beginning."""
    if width_of(text) <= columns:
        return text
    ellipsis = ellipsis[: max(columns, 0)]
    room, kept = columns - width_of(ellipsis), []
    for char in reversed(text):
        room -= _width(char)
        if room < 0:
            break
        kept.append(char)
    return ellipsis + "".join(reversed(kept)) if columns > 0 else ""
