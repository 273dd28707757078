"""Commits as data, read in one `git log` for any number of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sloth_ci.core.errors import UsageError

# NUL between the fields and after each commit (-z): no field can hold one.
LOG_FORMAT = "--format=%H%x00%P%x00%T%x00%s%x00%an%x00%ae%x00%ct%x00%(trailers:only,unfold)"
_FIELDS = 8


@dataclass(frozen=True)
class Commit:
    """One commit. `time` is when it was committed, in seconds since 1970."""

    sha: str
    parents: tuple[str, ...]
    tree: str
    subject: str
    author: str
    email: str
    time: int
    trailers: tuple[tuple[str, str], ...] = ()

    @property
    def short(self) -> str:
        """The first ten digits, for a person."""
        return self.sha[:10]

    def trailer(self, key: str) -> list[str]:
        """All values of a trailer, whatever the case of its key."""
        return [value for name, value in self.trailers if name.lower() == key.lower()]


def parse_log(out: bytes) -> Iterator[Commit]:
    """Read the output of `git log -z` with LOG_FORMAT."""
    fields = out.decode("utf-8", "replace").split("\0")
    for start in range(0, len(fields) - _FIELDS + 1, _FIELDS):
        sha, parents, tree, subject, author, email, time, trailers = fields[start : start + _FIELDS]
        pairs = (line.partition(":") for line in trailers.splitlines() if ":" in line)
        yield Commit(
            sha=sha,
            parents=tuple(parents.split()),
            tree=tree,
            subject=subject,
            author=author,
            email=email,
            time=int(time),
            trailers=tuple((key.strip(), value.strip()) for key, _, value in pairs),
        )


@dataclass(frozen=True)
class Identity:
    """Who a commit is by."""

    name: str = "sloth-ci"
    email: str = "sloth-ci@users.noreply.github.com"

    def __post_init__(self) -> None:
        # Git takes these characters out without a word; a line break would end the header.
        for value in (self.name, self.email):
            if any(c in value for c in "<>\n\0") or not value.strip():
                raise UsageError(
                    f"'{value!r}' cannot be part of a commit's author", "set user.name and user.email in Git"
                )


def identity_of(environ: Mapping[str, str], config: Mapping[str, list[str]]) -> Identity:
    """The user's own name where Git knows one, else a neutral one."""
    name = environ.get("GIT_AUTHOR_NAME") or config.get("user.name", [""])[-1]
    email = environ.get("GIT_AUTHOR_EMAIL") or config.get("user.email", [""])[-1]
    return Identity(name, email) if name and email else Identity()
