"""Who owns what a plan changes, by the rules of a CODEOWNERS file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from codeowners import CodeOwners

from sloth_ci.core.errors import UsageError
from sloth_ci.core.patterns import Glob
from sloth_ci.core.plan import Plan

Dialect = Literal["github", "gitlab"]
"""Whose rules a file follows."""
Role = Literal["developer", "maintainer", "owner"]
"""Of a direct member of the project, at GitLab. None includes a higher one."""

PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
"""Where GitHub looks, in this order; the first one counts."""
PLACES_OF: Mapping[Dialect, tuple[str, ...]] = {
    "github": PLACES,
    "gitlab": ("CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"),
}
"""Where each forge looks, in this order; the first one counts."""
_COMMENT = re.compile(r"(?<!\\)\s#.*$", re.MULTILINE)


class Owned(NamedTuple):
    """One rule that names files of a plan."""

    rule: str
    """The pattern, as the file has it; at GitLab with its section before it: `[Database] model/db/`."""
    people: tuple[str, ...]
    """Logins, without the `@`."""
    teams: tuple[str, ...]
    """`organisation/team`; at GitLab the path of a group, `group/subgroup`."""
    emails: tuple[str, ...]
    names: tuple[str, ...] = ()
    """At GitLab: a login, or the path of a group at the top. Only the forge knows which."""
    roles: tuple[Role, ...] = ()
    """At GitLab: whoever has this role in the project."""
    approvals: int = 1
    """How many of its owners have to approve."""


def changed_files(plan: Plan) -> list[str]:
    """The manifests that a plan changes: where each changed object is written, and where each conflict is."""
    sources = [*(change.source for change in plan.changes), *(change.source for change in plan.intent or ())]
    return sorted({source.path for source in sources if source is not None})


def rules_for(text: str, files: Iterable[str], dialect: Dialect = "github") -> list[Owned]:
    """The rules of a CODEOWNERS file that decide about these files; a rule without owners asks for nobody.

    Raises UsageError where the file cannot be read.
    """
    return _github(text, files) if dialect == "github" else _gitlab(text, files)


def _github(text: str, files: Iterable[str]) -> list[Owned]:
    try:
        parsed = CodeOwners(_COMMENT.sub("", text))
    except (ValueError, re.error) as error:
        raise UsageError(f"CODEOWNERS cannot be read: {error}", "correct the pattern") from None
    found: dict[str, Owned] = {}
    for file in files:
        owners, _, rule, _ = parsed.matching_line(file)
        if rule is not None and owners:
            by_kind = {kind: tuple(name for k, name in owners if k == kind) for kind in ("USERNAME", "TEAM", "EMAIL")}
            people, teams, emails = by_kind["USERNAME"], by_kind["TEAM"], by_kind["EMAIL"]
            found[rule] = Owned(rule, tuple(name[1:] for name in people), tuple(name[1:] for name in teams), emails)
    return list(found.values())


# --- GitLab: doc/user/project/codeowners/reference.md and advanced.md ---

_HEADER = re.compile(
    r"(?P<optional>\^?)\[(?P<name>[^\]]*)\](?:\[(?P<approvals>[^\]]*)\])?(?P<owners>\s+[@\w_.\-/\s+]*)?(?P<rest>.*)"
)
_SPACE = re.compile(r"(?<!\\)\s+")
_PART = r"[A-Za-z0-9_.](?:[A-Za-z0-9_.-]*[A-Za-z0-9_-])?"
_NAME = re.compile(rf"(?<![\w@])@({_PART}(?:/{_PART})*)")
_ROLE = re.compile(r"(?<!\S)@@(developer|maintainer|owner)s?(?!\S)", re.IGNORECASE)
_EMAIL = re.compile(r"(?<!\S)[^@\s]{1,100}@[^@\s]{1,255}(?<!\W)")
_ROLES: tuple[Role, ...] = ("developer", "maintainer", "owner")


class _Header(NamedTuple):
    """The line that begins a section."""

    owners: str = ""
    """Of what names none itself."""
    optional: bool = False
    approvals: int = 1


class _Entry(NamedTuple):
    """One pattern of a section."""

    line: int
    pattern: str
    glob: Glob
    owners: str
    exclusion: bool
    header: _Header


class _Section(NamedTuple):
    name: str | None
    """None: what stands before the first header."""
    entries: dict[str, _Entry]
    """By the pattern: a later one takes the place of an earlier one that is the same."""

    @property
    def optional(self) -> bool:
        return all(entry.header.optional for entry in self.entries.values())

    def entry_of(self, file: str) -> _Entry | None:
        """The last one that names a file, unless any one excludes it."""
        found = [entry for entry in self.entries.values() if entry.glob.matches(f"/{file}")]
        return found[-1] if found and not any(entry.exclusion for entry in found) else None


def _gitlab(text: str, files: Iterable[str]) -> list[Owned]:
    """Of each section that is not optional, the entries that decide.

    GitLab ignores what it cannot read, and lets through what has no owner left. Here that opens no gate: a line that cannot
    be read is an error, and so is one that decides and names owners none of whom can be read.
    """
    sections = _sections(text)
    found: dict[str, Owned] = {}
    for file in files:
        for section in sections:
            entry = section.entry_of(file)
            if entry is None or section.optional or not entry.owners.strip():
                continue
            rule = entry.pattern if section.name is None else f"[{section.name}] {entry.pattern}"
            found[rule] = _owned(rule, entry)
    return list(found.values())


def _sections(text: str) -> list[_Section]:
    """All of a file. Sections of one name are one, in whatever case it is written."""
    sections = {"": _Section(None, {})}
    current, header = sections[""], _Header()
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if match := _HEADER.fullmatch(line):
            header = _header(match, number)
            current = sections.setdefault(f"[{match['name'].casefold()}", _Section(match["name"], {}))
        else:
            key, entry = _entry(line, number, header)
            current.entries[key] = entry
    return list(sections.values())


def _header(match: re.Match[str], number: int) -> _Header:
    owners, rest, asked = (match["owners"] or "").strip(), match["rest"].strip(), match["approvals"] or ""
    if rest and not owners and not rest.startswith("#"):
        raise _unreadable(number, "what stands behind a section is no owner, and it has to end its line")
    # What is no number counts as 1, and so does 0.
    count = max(int(asked), 1) if asked.isdecimal() and asked.isascii() and len(asked) < 10 else 1
    return _Header(owners, bool(match["optional"]), count)


def _entry(line: str, number: int, header: _Header) -> tuple[str, _Entry]:
    pattern, *owners = _SPACE.split(line, maxsplit=1)
    exclusion = pattern.startswith("!")
    pattern = pattern.removeprefix("!") if exclusion else pattern
    key = _normal(pattern)
    try:
        glob = Glob(key)
    except ValueError as error:
        raise _unreadable(number, str(error)) from None
    named = owners[0] if owners else header.owners
    return key, _Entry(number, pattern, glob, named, exclusion, header)


def _normal(pattern: str) -> str:
    r"""From the root of the repository: `docs/` is in any folder, and is all that is in it. `\#` and `\ ` are characters."""
    if pattern == "*":
        return "/**/*"
    pattern = re.sub(r"\\\s+", " ", "#" + pattern[2:] if pattern.startswith("\\#") else pattern)
    rooted = pattern if pattern.startswith("/") else f"/**/{pattern}"
    return f"{rooted}**/*" if rooted.endswith("/") else rooted


def _owned(rule: str, entry: _Entry) -> Owned:
    names = dict.fromkeys(_NAME.findall(entry.owners))
    roles = {role.lower() for role in _ROLE.findall(entry.owners)}
    owned = Owned(
        rule,
        people=(),
        teams=tuple(name for name in names if "/" in name),
        emails=tuple(dict.fromkeys(_EMAIL.findall(entry.owners))),
        names=tuple(name for name in names if "/" not in name),
        roles=tuple(role for role in _ROLES if role in roles),
        approvals=entry.header.approvals,
    )
    if not (owned.teams or owned.emails or owned.names or owned.roles):
        raise _unreadable(entry.line, f"{entry.pattern} has owners none of which can be read")
    return owned


def _unreadable(number: int, why: str) -> UsageError:
    return UsageError(f"CODEOWNERS cannot be read: line {number}: {why}", "correct the line")
