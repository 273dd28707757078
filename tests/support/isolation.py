"""The same machine for every test: what of the caller's environment a test sees, and where it may connect to."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest

KEPT = frozenset({"PATH", "USER", "LOGNAME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"})
KEPT_PREFIXES = ("PYTHON", "PYTEST_", "COVERAGE_", "COV_CORE_")

GIT_CONFIG = """\
[user]
\tname = Test
\temail = test@example.com
[init]
\tdefaultBranch = main
\ttemplateDir =
[commit]
\tgpgSign = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[core]
\tfsync = none
"""

XDG = {"CONFIG": ".config", "CACHE": ".cache", "DATA": ".local/share", "STATE": ".local/state"}

# Nothing listens on the discard port: whatever a child process (git, helm, kustomize) asks of the network is refused.
NO_NETWORK = "http://127.0.0.1:9"


class NetworkBlocked(AssertionError):
    """A test connected to something that is not this machine. No `OSError`, so that no code takes it for a bad line."""


def isolate_environment(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Leave a test what it needs of the caller's environment, and give it a home of its own.

    What is not named above goes: KUBECONFIG, CI, GITHUB_*, GITLAB_*, GIT_*, SLOTH_*, proxies, agents, colours.
    """
    for name in os.environ:
        if name not in KEPT and not name.startswith(KEPT_PREFIXES):
            patch.delenv(name)
    patch.setenv("LC_ALL", "C.UTF-8")
    patch.setenv("TZ", "UTC")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        patch.setenv(name, NO_NETWORK)
    for name in ("NO_PROXY", "no_proxy"):
        patch.setenv(name, "localhost,127.0.0.1,::1")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    patch.setenv("GIT_TERMINAL_PROMPT", "0")
    move_home(patch, home)


def move_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Make `home` the home folder, with a Git identity and nothing else in it."""
    home.mkdir(parents=True)
    config = home / ".gitconfig"
    config.write_text(GIT_CONFIG, encoding="utf-8")
    patch.setenv("HOME", str(home))
    # Also by name: it wins over XDG_CONFIG_HOME/git/config, which a test may write.
    patch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for name, folder in XDG.items():
        patch.setenv(f"XDG_{name}_HOME", str(home / folder))


def block_network(patch: pytest.MonkeyPatch) -> None:
    """Let sockets connect to this machine only."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _check(self, address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _check(self, address)
        return connect_ex(self, address)

    patch.setattr(socket.socket, "connect", guarded_connect)
    patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host = address[0]
    if host == "localhost":
        return
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise NetworkBlocked(f"a test tried to connect to {host}:{address[1]}; tests speak to this machine only")
