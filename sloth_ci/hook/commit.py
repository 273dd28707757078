"""The pre-commit hook: what is staged is checked, and only what of it is new or different."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from sloth_ci.core.errors import ConflictError, SlothError
from sloth_ci.core.words import first_line, plural
from sloth_ci.hook.staged import Unready, staged
from sloth_ci.report.layout import safe

SHOWN = 20
"""Findings that are shown; a screen has 24 lines."""
_AGAIN = "SLOTH_DEBUG=1 sloth-ci hook run pre-commit"
_PAST = "to commit all the same: git commit --no-verify, or SLOTH_SKIP=1 git commit"


def pre_commit(*, environ: Mapping[str, str]) -> int:
    """Check what is staged, and say on stderr what is wrong with it: nothing where all is well.

    Returns the exit code: 4 where the commit should not be made, 130 after Ctrl-C, else 0. What is wrong with sloth-ci, with
    this machine, or was wrong before stands in nobody's way.
    """
    if environ.get("SLOTH_SKIP"):
        return 0
    try:
        return _checked(environ)
    except KeyboardInterrupt:
        return 130
    except Unready as error:
        _say([f"sloth-ci: nothing was checked: {error.message}"])
    except SlothError as error:
        _say([f"sloth-ci: nothing was checked: {first_line(error.message)} (more: {_AGAIN})"])
        _trace(environ)
    except Exception as error:  # noqa: BLE001 - a fault of ours is no reason against a commit
        _say([f"sloth-ci: a fault of sloth-ci, so nothing was checked: {type(error).__name__} (more: {_AGAIN})"])
        _trace(environ)
    return 0


def _checked(environ: Mapping[str, str]) -> int:
    found = staged(environ, Path.cwd())
    if found.commit == found.bases[0]:
        return 0
    # Imported here: most of a hook's time goes into it.
    from sloth_ci.hook.checking import check

    checked = check(found, environ)
    lines = [f"sloth-ci: {note}" for note in checked.notes]
    if not checked.findings:
        _say(lines)
        return 0
    shown = [str(finding) for finding in checked.findings[:SHOWN]]
    more = len(checked.findings) - len(shown)
    if more > 0:
        shown.append(f"... and {more} more")
    files = len({finding.path for finding in checked.findings})
    summary = f"sloth-ci: {plural(len(checked.findings), 'problem')} in {plural(files, 'file')}"
    if checked.source:
        summary += f" ({checked.source})"
    _say([*shown, *lines, summary, f"sloth-ci: {_PAST}"])
    return ConflictError.exit_code


def _say(lines: Iterable[str]) -> None:
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    for line in lines:
        sys.stderr.write(safe(line, unicode=unicode) + "\n")
    sys.stderr.flush()


def _trace(environ: Mapping[str, str]) -> None:
    if environ.get("SLOTH_DEBUG"):
        import traceback

        traceback.print_exc()
