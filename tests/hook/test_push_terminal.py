"""A push at a terminal: stdin is Git's, so that a person is asked through /dev/tty."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
from pathlib import Path

import pytest

from support.pushing import Pusher, configmap

QUESTION = "Push all the same? (y/N) "
TWICE = configmap("same", a="1")


class Terminal:
    """`git push` with a terminal of its own."""

    def __init__(self, pusher: Pusher, *arguments: str, lines: int = 30, columns: int = 100, **env: str) -> None:
        self.said = ""
        pid, self._terminal = pty.fork()
        if pid == 0:
            os.chdir(pusher.checkout.path)
            # Git's own progress is not what is looked at.
            os.execvpe(  # noqa: S606 (its arguments are the test's own)
                "git",
                ["git", "push", "--no-progress", *arguments],
                {**pusher.environ, "TERM": "xterm", "GIT_TERMINAL_PROMPT": "1", **env},
            )
        self._pid = pid
        fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def until(self, words: str) -> None:
        """Read until something is there."""
        while words not in self.said and self._read():
            pass
        assert words in self.said, self.said

    def type(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        while self._read():
            pass
        _, status = os.waitpid(self._pid, 0)
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(status)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._terminal], [], [], 30)
        assert ready, self.said
        try:
            piece = os.read(self._terminal, 4096)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.said += piece.decode("utf-8", "replace")
        return bool(piece)


@pytest.fixture
def blocked(tmp_path: Path) -> Pusher:
    """A push with a conflict is on its way."""
    pusher = Pusher(tmp_path)
    pusher.checkout.branch("feature")
    pusher.checkout.commit("twice", {"k8s/a.yaml": TWICE, "k8s/b.yaml": TWICE})
    return pusher


@pytest.mark.parametrize(
    ("typed", "pushed"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("\x04", False)]
)
def test_a_person_is_asked_before_a_block(blocked: Pusher, typed: str, pushed: bool) -> None:
    terminal = Terminal(blocked, "origin", "feature")
    terminal.until(QUESTION)
    assert "production: 1 conflict" in terminal.said
    terminal.type(typed)
    assert (terminal.end() == 0) is pushed
    assert ("git push --no-verify" in terminal.said) is not pushed
    assert bool(blocked.git("branch", "--list", "feature", cwd=blocked.origin)) is pushed


def test_ctrl_c_at_the_question_stops_the_push(blocked: Pusher) -> None:
    terminal = Terminal(blocked, "origin", "feature")
    terminal.until(QUESTION)
    terminal.type("\x03")
    assert terminal.end() != 0
    assert not blocked.git("branch", "--list", "feature", cwd=blocked.origin)


def test_who_wants_no_questions_gets_none(blocked: Pusher) -> None:
    terminal = Terminal(blocked, "origin", "feature", GIT_TERMINAL_PROMPT="0")
    assert terminal.end() != 0
    assert QUESTION not in terminal.said


def test_a_level_of_ask_asks(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path, rules='push = { ask = "low" },')
    pusher.change()
    terminal = Terminal(pusher, "origin", "main")
    terminal.until(QUESTION)
    terminal.type("n\n")
    assert terminal.end() != 0
    terminal = Terminal(pusher, "origin", "main")
    terminal.until(QUESTION)
    terminal.type("y\n")
    assert terminal.end() == 0


@pytest.mark.parametrize("lines", [12, 24])
def test_it_is_at_most_a_screen(tmp_path: Path, lines: int) -> None:
    pusher = Pusher(tmp_path)
    pusher.checkout.commit("many", {f"k8s/{n}.yaml": configmap(f"c-{n}", a="1") for n in range(60)})
    terminal = Terminal(pusher, "origin", "main", lines=lines)
    assert terminal.end() == 0
    ours = [line for line in terminal.said.splitlines() if not line.startswith(("To ", "   "))]
    assert len(ours) < lines
    assert "more changes: " in terminal.said
    assert ".git/sloth-ci/push.html" in terminal.said


def test_colour_at_a_terminal_unless_nobody_wants_it(tmp_path: Path) -> None:
    pusher = Pusher(tmp_path)
    pusher.change()
    terminal = Terminal(pusher, "-n", "origin", "main")
    terminal.end()
    assert "\x1b[" in terminal.said
    terminal = Terminal(pusher, "-n", "origin", "main", NO_COLOR="1")
    terminal.end()
    assert "\x1b[" not in terminal.said
