"""What a person types for a commit, turned into its id: branches, tags, ids short and long, `HEAD~2`, `origin/main`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from sloth_ci.core.errors import UsageError
from sloth_ci.repo.fetching import Fetcher
from sloth_ci.repo.git import plain_argument

_FULL = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?\Z", re.IGNORECASE)
_SHORT = re.compile(r"[0-9a-f]{4,64}\Z", re.IGNORECASE)
_SUFFIX = re.compile(r"([~^].*)\Z", re.DOTALL)


def resolve(fetcher: Fetcher, rev: str, *, display: str, cached: bool) -> str:
    """The id of the commit that `rev` names.

    In a checkout its own branches come first, as with Git; in a cached clone (`cached`) a name means what the remote
    has. A branch goes before a tag of the same name in both, so that a laptop and a CI job mean the same. What is
    missing is fetched, and a shallow history deepened. Raises UsageError for an unknown name, with the nearest known.
    """
    rev = plain_argument(rev, "revision")
    if ":" in rev:
        raise UsageError(f"'{rev}' names a file, not a commit")
    match = _SUFFIX.search(rev)
    suffix = match[1] if match else ""
    name = rev.removesuffix(suffix) if suffix else rev
    name = "HEAD" if name in ("", "@") else name
    found = None if cached else _here(fetcher, name)
    found = found or _there(fetcher, name, cached=cached)
    if found is None:
        raise UsageError(f"{display} has no branch, tag or commit '{name}'", _near(fetcher, name))
    return _walk(fetcher, found, suffix, rev, display)


def closest(name: str, known: Sequence[str], what: str) -> str:
    """A hint that names the nearest known names, or some of them."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    if close:
        return "did you mean " + " or ".join(f"'{word}'" for word in close) + "?"
    if not known:
        return f"there are no {what} at all"
    shown = ", ".join(sorted(known)[:10])
    return f"known {what}: {shown}" + (" ..." if len(known) > 10 else "")


def _here(fetcher: Fetcher, name: str) -> str | None:
    """What a checkout itself calls `name`."""
    if _FULL.match(name):
        candidates = [name]
    else:
        candidates = [name] if name == "HEAD" or name.startswith("refs/") or "@{" in name else []
        candidates += [f"refs/heads/{name}", f"refs/tags/{name}", f"refs/remotes/{name}"]
    return _first(fetcher, candidates) or _short(fetcher, name)


def _there(fetcher: Fetcher, name: str, *, cached: bool) -> str | None:
    """What the remote calls `name`, fetched."""
    if _FULL.match(name):
        return _first(fetcher, [name]) or (name.lower() if fetcher.commit(name.lower()) else None)
    if name == "HEAD":
        branch = fetcher.refs().head_branch
        return fetcher.branch(branch) if branch else None
    if name.startswith("refs/"):
        return fetcher.ref(name)
    branch = name.removeprefix("origin/")
    found = fetcher.branch(name) or fetcher.branch(branch) or fetcher.ref(f"refs/tags/{name}")
    if found or not _SHORT.match(name):
        return found
    if cached:
        found = _short(fetcher, name)
    if found is None and fetcher.remote is not None and (cached or fetcher.shallow):
        fetcher.everything()
        found = _short(fetcher, name)
    return found


def _first(fetcher: Fetcher, names: Sequence[str]) -> str | None:
    found = fetcher.healing(lambda: fetcher.reader.info([f"{name}^{{commit}}" for name in names]))
    return next((info.id for info in found if info is not None), None)


def _short(fetcher: Fetcher, name: str) -> str | None:
    if not _SHORT.match(name):
        return None
    found = _first(fetcher, [name])
    if found is None:
        fetcher.reader.info([name])  # raises where it could mean several
    return found


def _walk(fetcher: Fetcher, start: str, suffix: str, rev: str, display: str) -> str:
    def test() -> str | None:
        return _first(fetcher, [f"{start}{suffix}"])

    found = fetcher.deepen_until(test, [start]) if suffix else test()
    if found is None:
        what = f"'{rev}': the history of {display} does not go back that far" if suffix else f"'{rev}' is not a commit"
        raise UsageError(what, None if not suffix else "`git log` shows how far it goes")
    return found


def _near(fetcher: Fetcher, name: str) -> str:
    refs = fetcher.refs()
    return closest(name, [*refs.branches, *refs.tags], "branches and tags")
