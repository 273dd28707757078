"""Health checks and hooks: what a workflow asks to be run around a sync."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from threading import Thread
from typing import Any

from sloth_ci.core.errors import ApplyError, Interrupted, UnhealthyError, UsageError
from sloth_ci.core.workflow import HealthCheck
from sloth_ci.engine.process import clean_environment, run_command
from sloth_ci.engine.session import Session

_CLIP = 2000
_ATTEMPT_SECONDS = 30.0
_LEAST_SECONDS = 2.0
"""For a try, also for the last one: a command that takes half a second cannot answer in less."""
_LOOK_SECONDS = 0.5
HOOK_SECONDS = 600.0
"""How long a hook's command may take."""

_GOES_ON = "the next sync goes on from here"

Attempt = Callable[[float], str | None]
"""Tries once, within so many seconds. Returns None where it holds, else why it does not. Raises TimeoutError for no answer."""


def run_hooks(session: Session, hooks: Sequence[Any], name: str, about: Mapping[str, str]) -> None:
    """Run `pre_sync_hooks` or `post_sync_hooks` in order. Raises ApplyError at the first that fails."""
    for index, hook in enumerate(hooks, start=1):
        what = f"{name}[{index}]"
        session.observer.phase(f"run {what}")
        if callable(hook):
            verdict, reason = _returned(hook(dict(about)))
            if verdict is False:
                said = f": {reason}" if reason else ""
                raise ApplyError(f"{what} returned false{said}", "the sync stopped there; see what it logged")
        elif isinstance(hook, str | list):
            try:
                failure = _command(session, hook, {**clean_environment(session.environ), **about}, HOOK_SECONDS)
            except TimeoutError:
                failure = f"no answer after {HOOK_SECONDS:g} s"
            if failure:
                raise ApplyError(f"{what} failed: {failure}", "the sync stopped there")
        else:
            raise UsageError(f"sync_policy.{name}: expected commands or functions", 'for example { "./notify.sh" }')


def wait_healthy(session: Session, check: HealthCheck, about: Mapping[str, str]) -> bool:
    """Try all checks until each one holds. Returns False where there is nothing to check.

    Raises UnhealthyError when the timeout is over, with the last reason of every check that did not hold.
    """
    attempts = _attempts(session, check, about)
    if not check.enabled or not attempts:
        return False
    session.observer.phase("check health", len(attempts))
    deadline = time.monotonic() + check.timeout
    waiting = dict(attempts)
    reasons: dict[str, str] = {}
    while True:
        for name, attempt in list(waiting.items()):
            seconds = max(_LEAST_SECONDS, min(_ATTEMPT_SECONDS, deadline - time.monotonic()))
            try:
                reason = attempt(seconds)
            except TimeoutError:
                # A last try that was cut short says less than the one before it.
                cut = seconds < _ATTEMPT_SECONDS and name in reasons
                reason = reasons[name] if cut else f"no answer after {seconds:.3g} s"
            if reason is None:
                del waiting[name]
                session.observer.advance(name)
            else:
                reasons[name] = reason
        if not waiting:
            return True
        left = deadline - time.monotonic()
        if left <= 0:
            told = "; ".join(f"{name}: {reasons[name]}" for name in waiting)
            raise UnhealthyError(f"not healthy after {check.timeout:g} s: {told}", "see the check's own output")
        if session.stop.wait(min(check.interval, left)):
            raise Interrupted("stopped while waiting for health", _GOES_ON)


def _attempts(session: Session, check: HealthCheck, about: Mapping[str, str]) -> dict[str, Attempt]:
    found: dict[str, Attempt] = {}
    if check.command is not None:
        command, environment = check.command, {**clean_environment(session.environ), **about}
        found["command"] = lambda seconds: _command(session, command, environment, seconds)
    if check.http is not None:
        url = check.http
        if not url.startswith(("http://", "https://")):
            raise UsageError(f"health_check.http: not an http or https URL: {url}")
        found["http"] = lambda seconds: _within(seconds, lambda: _http(url, seconds))
    if check.lua is not None:
        function = check.lua
        if not callable(function):
            raise UsageError("health_check.lua: expected a function")
        found["lua"] = lambda _seconds: _lua(function, about)
    return found


def _command(session: Session, command: str | list[str], environment: Mapping[str, str], seconds: float) -> str | None:
    """None where the command ends with 0, else what it ended with and the end of what it printed. Raises TimeoutError."""

    def check() -> None:
        if session.stop.is_set():  # no verdict on what is being synced
            raise Interrupted("stopped while running a command of the workflow", _GOES_ON)

    try:
        ended = run_command(
            command, directory=session.root, environ=environment, timeout=seconds, check=check, keep_end=True
        )
    except (OSError, ValueError) as error:
        program = "sh" if isinstance(command, str) else command[0]
        return f"cannot run {program!r}: {getattr(error, 'strerror', error)}"
    if ended.timed_out:
        raise TimeoutError
    if ended.code == 0:
        return None
    text = "\n".join(part.strip() for part in (ended.stdout, ended.stderr) if part.strip())[-_CLIP:]
    return f"exit code {ended.code}" + (f": {text}" if text else "")


def _within(seconds: float, attempt: Callable[[], str | None]) -> str | None:
    """A server that sends a byte now and then outlives every timeout of its socket. Raises TimeoutError."""
    answers: list[str | None] = []

    def ask() -> None:
        with suppress(TimeoutError):
            answers.append(attempt())

    asking = Thread(target=ask, name="health", daemon=True)
    asking.start()
    asking.join(seconds + _LOOK_SECONDS)
    if not answers:
        raise TimeoutError
    return answers[0]


def _http(url: str, seconds: float) -> str | None:
    import http.client
    import urllib.error  # 10 ms, with TLS and all
    import urllib.request

    request = urllib.request.Request(url, headers={"User-Agent": "sloth-ci"})  # noqa: S310 (`_attempts` checked the scheme)
    try:
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code}"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, TimeoutError):
            raise reason from None
        return f"no answer: {reason}"


def _lua(function: Callable[[dict[str, str]], Any], about: Mapping[str, str]) -> str | None:
    verdict, reason = _returned(function(dict(about)))
    return None if verdict is True else str(reason or "it returned false")


def _returned(result: object) -> tuple[object, object]:
    """The verdict of a function and, where it returned a second value, its reason."""
    if isinstance(result, tuple):
        return result[0], result[1]
    return result, None
