"""`sloth-ci hook run pre-push`: say what a push would change, on one screen, and stop it where its workflow says so.

No network without `--live`. A fault of ours is one line, and the push goes on.
"""

from __future__ import annotations

import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sloth_ci.core.errors import Interrupted, SlothError, UsageError
from sloth_ci.hook.refs import Pushed, from_git, from_head, from_manager, remote_of
from sloth_ci.repo import Offline, git
from sloth_ci.repo.checkout import Checkout, checkout_of, named_remotes, read_config

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def pre_push(remote: str, url: str, *, live: bool, budget: float, environ: Mapping[str, str]) -> int:
    """Preview a push to `remote` (a name, or `url` itself) and return the exit code: 0 to go on, 4 to stop, 130 when stopped.

    `budget`: seconds that `live`, which asks the destinations, may take. The refs come on stdin, as Git writes them.
    """
    if environ.get("SLOTH_SKIP", "0") not in {"", "0"}:
        return 0
    try:
        with _stoppable():
            return _pre_push(remote, url, live=live, budget=budget, environ=environ)
    except (KeyboardInterrupt, Interrupted):
        sys.stderr.write("sloth-ci: stopped\n")
        return Interrupted.exit_code
    except Exception as error:  # noqa: BLE001 (whatever it is, a push does not wait for us to be mended)
        _tell_fault(error, remote, url, environ)
        return 0


def _pre_push(remote: str, url: str, *, live: bool, budget: float, environ: Mapping[str, str]) -> int:
    started = time.monotonic()
    pushed = _pushed(url, environ)
    if not pushed.branches:
        return 0
    here = checkout_of(environ, Path.cwd())
    if here is None:
        raise UsageError("this is no Git repository")
    offline, pushed_here = _offline(here, remote, url, pushed, environ)
    # All that is heavy comes after what ends most runs.
    from sloth_ci.hook.preview import Previews, open_here
    from sloth_ci.hook.show import show
    from sloth_ci.hook.standing import decide
    from sloth_ci.report.progress import TerminalObserver

    asked = None
    if live:
        from sloth_ci.hook.live import Live

        asked = Live(offline, pushed_here, here.root, environ, pushed.branches, budget)
    try:
        with TerminalObserver(file=sys.stderr, environ=environ) as observer:
            previews = Previews(
                open_here(offline, here.root, environ), offline, here.root, environ, observer, pushed_here
            )
            try:
                found = previews.of(pushed.branches)
            finally:
                previews.close()
        answers = asked.answers(found) if asked is not None else None
    finally:
        if asked is not None:
            asked.close()
    found = [answers.of(one) for one in found] if answers is not None else found
    show(
        found,
        previews.said,
        sys.stderr,
        git_dir=here.git_dir,
        answers=answers,
        took=time.monotonic() - started,
        environ=environ,
    )
    return decide(found, sys.stderr, environ)


def _pushed(url: str, environ: Mapping[str, str]) -> Pushed:
    """Git names a URL, and runs the hook for a push of nothing, too: then its stdin is empty, and nobody asked for HEAD."""
    managed = from_manager(environ)
    if managed is not None:
        return managed
    lines = b"" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.buffer.read()
    return from_git(lines) if url or lines.strip() else from_head()


def _offline(here: Checkout, remote: str, url: str, pushed: Pushed, environ: Mapping[str, str]) -> tuple[Offline, bool]:
    """How the remote is looked at, and whether it is the one that is pushed to."""
    config = read_config(here.git_dir, git.environment(environ))
    remotes = named_remotes(config, here.root, environ)
    to = environ.get("PRE_COMMIT_REMOTE_NAME") or remote
    there = remote_of(to, url, here.git_dir, config, remotes, environ)
    # `gh` marks the repository that the requests of a fork go to.
    marked = [name for name in remotes if config.get(f"remote.{name}.gh-resolved") == ["base"]]
    base = marked[0] if marked else there or ("origin" if "origin" in remotes else None)
    branches = [one.branch for one in pushed.branches if one.branch is not None]
    ours = base is not None and base == there
    return Offline(
        remote=base if base is not None else (url or None),
        known=pushed.known if ours or base is None else {},
        default=branches[0] if branches else None,
        checkout=here,
        config=config,
    ), ours or base is None


@contextmanager
def _stoppable() -> Iterator[None]:
    """A signal ends the run as Ctrl-C does: what was begun in temporary folders is taken away."""

    def stop(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _tell_fault(error: Exception, remote: str, url: str, environ: Mapping[str, str]) -> None:
    """One line. What the user wrote (a Lua file that cannot be read) is told as such; all else is ours."""
    from sloth_ci.report.layout import safe

    if environ.get("SLOTH_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
        return
    if isinstance(error, SlothError):
        told = " ".join(error.message.split())
        told += f" ({error.hint})" if error.hint else ""
    else:
        told = f"a fault in sloth-ci: {type(error).__name__}"
    again = " ".join(("sloth-ci hook run pre-push", *filter(None, (remote, url if "@" not in url else ""))))
    sys.stderr.write(safe(f"sloth-ci: no preview: {told}; SLOTH_DEBUG=1 {again} shows more") + "\n")
