"""How Git logs in: credentials become an environment for one operation, and nothing else.

No secret is ever in a URL, an argument list, a configuration file or an error: Git asks a credential helper whose text
names only variables, and a private key is a file of mode 0600 that lives as long as the operation.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo import git
from sloth_ci.repo.address import Address

# `printf` is built into every sh, so the password is in no argument list here either.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SLOTH_GIT_USERNAME" "$SLOTH_GIT_PASSWORD"; }; f'
)
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----(.*?)-----END \1-----", re.DOTALL)


@dataclass(frozen=True, repr=False)
class Login:
    """What one address needs to log in. Nothing at all for a path, or where the user's own Git setup does it."""

    address: Address
    username: str = ""
    password: str = ""
    key: str = ""
    known_hosts: str = ""
    replaces_headers: bool = False
    """Whether to drop a header that the checkout's configuration would send instead (`actions/checkout` leaves one)."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no output."""
        return (self.password,) if self.password else ()

    @contextmanager
    def environment(self, env: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """The environment `env` with the login in it, for as long as the block runs."""
        if self.password:
            yield self._with_password(env)
        elif self.key or self.known_hosts:
            with tempfile.TemporaryDirectory(prefix="sloth-ssh-") as folder:
                yield {**env, "GIT_SSH_COMMAND": self._ssh(Path(folder)), "GIT_SSH_VARIANT": "ssh"}
        else:
            yield dict(env)

    def _with_password(self, env: Mapping[str, str]) -> dict[str, str]:
        origin = self.address.origin
        # The empty helper first: a keychain would otherwise be asked, and told to keep what is ours.
        settings = [
            ("credential.helper", ""),
            (f"credential.{origin}.helper", ""),
            (f"credential.{origin}.helper", _HELPER),
        ]
        if self.replaces_headers:
            settings += [(f"http.{origin}/.extraheader", ""), (f"http.{self.address.text}.extraheader", "")]
        result = git.configured(env, settings)
        result |= {"GIT_ASKPASS": "", "SLOTH_GIT_USERNAME": self.username, "SLOTH_GIT_PASSWORD": self.password}
        return result

    def _ssh(self, folder: Path) -> str:
        command = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=20"]
        if self.key:
            command += ["-i", str(_private_file(folder / "key", self.key)), "-o", "IdentitiesOnly=yes"]
        if self.known_hosts:
            hosts = _private_file(folder / "known_hosts", self.known_hosts.strip() + "\n")
            command += ["-o", f"UserKnownHostsFile={hosts}", "-o", "StrictHostKeyChecking=yes"]
        else:
            command += ["-o", "StrictHostKeyChecking=accept-new"]
        return shlex.join(command)


def login_for(address: Address, credentials: Credentials | None, environ: Mapping[str, str], *, cwd: Path) -> Login:
    """The login for an address: the given credentials, else the token that this CI job has for that very host.

    Raises UsageError where the credentials cannot work: no token, an ssh key for https, a key with a passphrase.
    """
    if address.local or address.scheme == "git":
        return Login(address)
    if credentials is not None:
        login = _explicit(address, credentials, cwd)
        for server, _, token in _from_environment(environ):
            if token and token in (login.password, login.key) and server != address.origin:
                raise UsageError(
                    f"the token of this CI job is not given to {address.origin}: it is for {server or 'its own server'}",
                    "give the repository credentials of its own",
                )
        return login
    if address.scheme in ("http", "https"):
        for server, username, token in _from_environment(environ):
            if token and server == address.origin:
                return Login(address, username, token)
    return Login(address)


def _explicit(address: Address, credentials: Credentials, cwd: Path) -> Login:
    if credentials.type == "ssh":
        if address.scheme != "ssh":
            raise UsageError(
                f"credentials of type 'ssh' cannot be used with {address.text}",
                f"write the URL as ssh://git@{address.host}/{address.path}.git, or use a token",
            )
        if not credentials.ssh_key and not credentials.known_hosts:
            raise UsageError("credentials of type 'ssh' have no ssh_key", "set ssh_key to the private key or its path")
        key = _read_key(credentials.ssh_key, cwd) if credentials.ssh_key else ""
        return Login(address, key=key, known_hosts=_read_known_hosts(credentials.known_hosts, cwd))
    if address.scheme == "ssh":
        raise UsageError(
            f"credentials of type '{credentials.type}' cannot be used with {address.text}",
            f"write the URL as https://{address.host}/{address.path}.git, or use credentials of type 'ssh'",
        )
    if credentials.type == "token":
        secret, username = credentials.token, credentials.username or _token_user(address.host)
        if not secret:
            raise UsageError(
                "credentials of type 'token' have no token", "set token, for example from an environment variable"
            )
    else:
        secret, username = credentials.password, credentials.username or ""
        if not secret or not username:
            raise UsageError("credentials of type 'basic' need a username and a password")
    if any(c in secret + username for c in "\n\r\0"):
        raise UsageError("the token or password holds a line break", "remove it: it often comes from the end of a file")
    return Login(address, username, secret, replaces_headers=True)


def _token_user(host: str) -> str:
    """The user name that goes with a token. GitHub and most others take any; these two want theirs."""
    if "bitbucket" in host:
        return "x-token-auth"
    return "oauth2" if "gitlab" in host else "x-access-token"


def _from_environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """(origin, user, token) of what the CI job brings. A token goes to its own server only, never elsewhere."""
    github = environ.get("GITHUB_SERVER_URL") or "https://github.com"
    yield _origin(github), "x-access-token", environ.get("GITHUB_TOKEN", "")
    server = environ.get("CI_SERVER_URL") or (
        f"https://{environ['CI_SERVER_HOST']}" if environ.get("CI_SERVER_HOST") else ""
    )
    # A job's own token may push where the project allows it, and what it pushes starts no pipeline: one that was given goes first.
    yield _origin(server), "oauth2", environ.get("SLOTH_TOKEN", "")
    yield _origin(server), "gitlab-ci-token", environ.get("CI_JOB_TOKEN", "")


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not parts.hostname:
        return ""
    if port == {"http": 80, "https": 443}.get(parts.scheme):
        port = None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"


def _private_file(path: Path, text: str) -> Path:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    return path


def _read_key(value: str, cwd: Path) -> str:
    """The private key itself. A key from a CI variable has often lost its last line break, or has CRLF: ssh refuses both."""
    if "PRIVATE KEY-----" in value:
        text, name = value, "ssh_key"
    else:
        path = cwd / Path(value).expanduser()
        # What is no path may be a secret that was given for a key.
        shown = f" {path}" if value.startswith(("/", "~", ".")) else ""
        name = f"ssh_key{shown}"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UsageError(
                f"the ssh key file{shown} does not exist", "give the private key itself, or its path"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"the ssh key file{shown} cannot be read: {type(error).__name__}") from None
    text = text.replace("\r\n", "\n").replace("\\n", "\n").strip() + "\n"
    match = _PEM.search(text)
    if match is None:
        raise UsageError(
            f"{name} is not a private key", "it starts with '-----BEGIN ... PRIVATE KEY-----'; a .pub file is not it"
        )
    if _has_passphrase(match[1], match[2]):
        raise UsageError(
            f"{name} is protected by a passphrase, which nobody can type here",
            "use a deploy key without one: ssh-keygen -t ed25519 -N '' -f deploy_key",
        )
    return text


def _has_passphrase(kind: str, body: str) -> bool:
    if "ENCRYPTED" in kind or "Proc-Type: 4,ENCRYPTED" in body:
        return True
    if kind != "OPENSSH PRIVATE KEY":
        return False
    try:
        data = base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError):
        return False  # ssh will say what is wrong with it
    # "openssh-key-v1\0", then the cipher's name with its length in four bytes.
    head = data.removeprefix(b"openssh-key-v1\0")
    return head[4 : 4 + int.from_bytes(head[:4], "big")] != b"none"


def _read_known_hosts(value: str | None, cwd: Path) -> str:
    if not value:
        return ""
    if " " in value.strip() or "\n" in value.strip():
        return value
    path = cwd / Path(value).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"the known_hosts file {path} cannot be read: {error.strerror}") from None
