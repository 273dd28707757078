"""Where a repository is: URLs, `owner/name`, and paths of this machine, and when two of them are the same."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo.git import plain_argument

_OWNER_NAME = re.compile(r"(?!\.)[\w.-]+/[\w.-]+\Z", re.ASCII)
_SCP = re.compile(r"(?:(?P<user>[^@:/\s]+)@)?(?P<host>[^@:/\s]+|\[[0-9a-fA-F:]+\]):(?P<path>[^:].*)\Z")
_DEFAULT_PORTS = {"http": 80, "https": 443, "ssh": 22, "git": 9418}
# The names under which forges offer ssh on port 443.
_ALIASES = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com", "altssh.bitbucket.org": "bitbucket.org"}
Scheme = Literal["http", "https", "ssh", "git", "path"]


@dataclass(frozen=True)
class Address:
    """A place of a repository. `text` is what Git is given: it holds no password."""

    text: str
    scheme: Scheme
    host: str = ""
    port: int | None = None
    path: str = ""
    user: str | None = None

    @property
    def local(self) -> bool:
        """Whether it is a path of this machine."""
        return self.scheme == "path"

    @property
    def origin(self) -> str:
        """Scheme, host and port: what credentials belong to."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" if self.port else f"{self.scheme}://{host}"

    def same(self, other: Address) -> bool:
        """Whether both name one repository, whatever the transport."""
        if self.local or other.local:
            return self.local and other.local and self.path == other.path
        if (self.host, self.path) != (other.host, other.path):
            return False
        # Ports tell servers apart only within one transport: 2222 may be the ssh of the host whose https is 443.
        return self.scheme != other.scheme or self.port == other.port

    @property
    def name(self) -> str:
        """The path on its server in lower case, such as `acme/shop`: what stays the same over transports and mirrors.

        Empty for a path of this machine.
        """
        return "" if self.local else self.path.lower()

    @property
    def key(self) -> str:
        """What the clone cache calls it: one key for each place that Git would talk to."""
        return self.path if self.local else f"{self.host}:{self.port or ''}/{self.path}"


def parse_address(url: str, *, cwd: Path, environ: Mapping[str, str]) -> tuple[Address, Credentials | None]:
    """Read what a user wrote. A user and password inside the URL are taken out of it at once and returned.

    Relative paths are relative to `cwd`. Raises UsageError for what Git must not be given (options, `ext::` and other
    remote helpers, control characters).
    """
    url = plain_argument(url.strip(), "repository URL")
    helper = re.match(r"([A-Za-z0-9+.-]+)::", url)
    if helper:
        raise UsageError(f"the transport '{helper[1]}::' is not allowed", "use an https or ssh URL, or a path")
    if "://" in url:
        return _parse_url(url)
    if _OWNER_NAME.match(url):
        server = environ.get("GITHUB_SERVER_URL") or environ.get("CI_SERVER_URL") or "https://github.com"
        return _parse_url(f"{server.rstrip('/')}/{url}")
    scp = _SCP.match(url)
    if scp and not url.startswith(("./", "../", "~/")):
        return _remote(url, "ssh", scp["host"].strip("[]"), None, scp["path"], scp["user"]), None
    if url == "~" or url.startswith("~/"):
        url = environ.get("HOME", "~") + url[1:]
    return _local(os.path.join(cwd, url)), None


def _parse_url(url: str) -> tuple[Address, Credentials | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UsageError("the repository URL cannot be read: its host or port is wrong") from None
    scheme = parts.scheme.lower()
    if scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise UsageError(
                f"a file URL cannot name the host '{parts.hostname}'", "write file:///path, or mount it here"
            )
        return _local(unquote(parts.path)), None
    if scheme in ("git+ssh", "ssh+git"):
        scheme = "ssh"
    if scheme not in _DEFAULT_PORTS:
        raise UsageError(f"the transport '{scheme}' is not allowed", "use an https or ssh URL, or a path")
    if not parts.hostname:
        raise UsageError("the repository URL names no host")
    kind: Scheme = scheme  # type: ignore[assignment]  # one of the four keys above
    if port == _DEFAULT_PORTS[scheme]:
        port = None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = host if port is None else f"{host}:{port}"
    user = unquote(parts.username) if parts.username else None
    if kind in ("http", "https"):
        if parts.query or parts.fragment:
            raise UsageError("the repository URL has a query or a fragment", "give the plain URL, without ? and #")
        credentials = None
        if parts.password:
            credentials = Credentials(type="basic", username=user, password=unquote(parts.password))
        elif user:
            credentials = Credentials(type="token", token=user)
        return _remote(f"{kind}://{where}{parts.path}", kind, parts.hostname, port, parts.path, None), credentials
    if parts.password:
        raise UsageError(f"a password in an {kind} URL is not used by Git", "use an ssh key, or an https URL")
    login = f"{parts.username}@" if parts.username else ""
    return _remote(f"{kind}://{login}{where}{parts.path}", kind, parts.hostname, port, parts.path, user), None


def _remote(text: str, scheme: Scheme, host: str, port: int | None, path: str, user: str | None) -> Address:
    for value, what in ((host, "host"), (user or "", "user"), (path, "path")):
        if value.startswith("-"):
            raise UsageError(f"the {what} '{value}' of the repository URL starts with a dash")
    host = _ALIASES.get(host.lower(), host.lower())
    name = unquote(path).strip("/").removesuffix(".git").rstrip("/")
    if host == "github.com":
        name = name.lower()
    return Address(plain_argument(text, "repository URL"), scheme, host, port, name, user)


def _local(path: str) -> Address:
    real = os.path.realpath(path)
    # `x/.git` and `x` are one repository, and Git finds one from the other.
    if os.path.basename(real) == ".git":
        real = os.path.dirname(real)
    return Address(plain_argument(real, "repository path"), "path", path=real)
