"""The one way to GitLab's API: python-gitlab's requests, with patience, one at a time, and errors in our words.

python-gitlab's objects would ask for more than what is wanted, and its own retries know nothing of what a request does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from threading import RLock
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from sloth_ci import __version__
from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied
from sloth_ci.forge.gitlab.errors import (
    CA_VARIABLES,
    READ,
    Asker,
    Kind,
    No,
    Right,
    api_of,
    explained,
    no_token,
    said_in,
)
from sloth_ci.forge.patience import Patience, Refused, sleep
from sloth_ci.forge.silence import is_untrusted, silence

T = TypeVar("T")

_TIMEOUT = 20
"""Seconds for one answer."""
_PAGE = 100
_API = "/api/v4"


class _Answer(NamedTuple):
    body: Any
    headers: Mapping[str, str]


class _Elsewhere(Exception):
    """A redirect to another host, which would get the token."""


class Client:
    """Requests to one GitLab, most of them to one project. Threads may share it. Nothing of it shows a token."""

    def __init__(
        self,
        token: str,
        project: str,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], bool] = sleep,
        clock: Callable[[], float],
    ) -> None:
        """`token` has the scope `api`, or is empty: then CI_JOB_TOKEN of `environ` does what it may.

        `project` is its path or its number. `pause` waits so many seconds and says whether the run is to end instead;
        `notice` hears of the longer ones.
        """
        from gitlab.exceptions import GitlabError
        from requests import RequestException, Response, Session

        class Guarded(Session):
            """Follows no redirect to another host. What an error leaves out, the headers, is kept."""

            headers_seen: Mapping[str, str] = {}

            def get_redirect_target(self, resp: Response) -> str | None:
                target = super().get_redirect_target(resp)
                if target is not None and urlsplit(urljoin(resp.url, target))[:2] != urlsplit(resp.url)[:2]:
                    raise _Elsewhere(urlsplit(urljoin(resp.url, target)).hostname)  # no user, no password
                return target

            def send(self, *args: Any, **kwargs: Any) -> Response:
                self.headers_seen = {}
                response = super().send(*args, **kwargs)
                self.headers_seen = {name.lower(): value for name, value in response.headers.items()}
                return response

        self.project = project
        self.here = f"/projects/{quote(project, safe='')}"
        self.environ = environ
        self.notice = notice
        self.clock = clock
        self._patience = Patience(notice, pause, clock)
        self._lock = RLock()
        self._user: dict[str, Any] = {}
        self.requests = 0
        """How many were made so far."""
        api = (environ.get("CI_API_V4_URL") or "https://gitlab.com/api/v4").rstrip("/")
        self._base = api.removesuffix(_API)
        self._ca = next((environ[name] for name in CA_VARIABLES if environ.get(name)), "")
        tokens: dict[Kind, str] = {"SLOTH_TOKEN": token.strip(), "CI_JOB_TOKEN": environ.get("CI_JOB_TOKEN", "")}
        self._tokens = {kind: value for kind, value in tokens.items() if value}
        self._secrets = tuple(self._tokens.values())
        self._new_session = Guarded
        self._sessions: dict[Kind, Any] = {}
        self._refusals = (GitlabError, RequestException, _Elsewhere, OSError, ValueError)

    def __repr__(self) -> str:
        return f"Client({self.project})"

    @property
    def has_token(self) -> bool:
        """Whether there is more than the job's own token."""
        return "SLOTH_TOKEN" in self._tokens

    @property
    def has_job(self) -> bool:
        """Whether there is a job's token."""
        return "CI_JOB_TOKEN" in self._tokens

    @property
    def user(self) -> Mapping[str, Any]:
        """Whose SLOTH_TOKEN it is: `id`, `username`. A project access token is of a bot of its own."""
        if not self._user:
            self._user = self.get("see whose token SLOTH_TOKEN is", "/user", READ)
        return self._user

    @property
    def login(self) -> str:
        """The name of whose token it is."""
        return str(self.user["username"])

    def get(self, what: str, path: str, right: Right, /, **params: str) -> Any:
        """Read one thing."""
        return self._ask(what, right, lambda kind: self._request(kind, "get", path, params).body)

    def pages(self, what: str, path: str, right: Right, /, *, most: int = 0, **params: str) -> list[Any]:
        """Read all pages of a list, or the first `most`."""
        return self.some_pages(what, path, right, most=most, **params)[0]

    def some_pages(self, what: str, path: str, right: Right, /, *, most: int, **params: str) -> tuple[list[Any], bool]:
        """Read the first pages of a list, and say whether there are more."""

        def read(kind: Kind) -> tuple[list[Any], bool]:
            found: list[Any] = []
            page = 1
            while True:
                answer = self._request(kind, "get", path, {"per_page": str(_PAGE), **params, "page": str(page)})
                if not isinstance(answer.body, list):
                    raise ValueError
                found += answer.body
                if not _has_next(answer.headers):
                    return found, False
                if page == most:
                    return found, True
                page += 1

        return self._ask(what, right, read)

    def send(self, what: str, verb: str, path: str, right: Right, body: Any = None, *, repeat: bool = True) -> Any:
        """Write. `repeat` says whether doing it twice does no harm; else a lost answer raises Unclear."""
        return self._ask(what, right, lambda kind: self._request(kind, verb, path, {}, body).body, repeat=repeat)

    def as_job(self, what: str, path: str) -> Any:
        """Read what only the job's own token can tell."""
        right = Right("Reporter", of_job=True, as_job=True)
        if not self.has_job:
            raise Denied(f"cannot {what}: there is no CI_JOB_TOKEN", "run it in a job of GitLab CI")
        return self.get(what, path, right)

    def repeated(self, once: Callable[[], T]) -> T:
        """Do something that first looks what is there already, until GitLab says clearly that it was done."""
        return self._patience.repeated(once)

    def _kind(self, what: str, right: Right) -> Kind:
        order: list[Kind] = ["SLOTH_TOKEN"]
        if right.of_job:
            order.insert(0 if right.as_job else 1, "CI_JOB_TOKEN")
        kind = next((kind for kind in order if kind in self._tokens), None)
        if kind is None:
            raise no_token(what, right)
        return kind

    def _session(self, kind: Kind) -> Any:
        if kind not in self._sessions:
            from gitlab import Gitlab

            given = {"private_token" if kind == "SLOTH_TOKEN" else "job_token": self._tokens[kind]}
            self._sessions[kind] = Gitlab(
                self._base,
                ssl_verify=self._ca or True,
                timeout=_TIMEOUT,
                user_agent=f"sloth-ci/{__version__}",
                retry_transient_errors=False,  # what may be repeated depends on what it does: see `_ask`
                keep_base_url=True,
                session=self._new_session(),
                **given,  # type: ignore[arg-type]  # one of two keywords, both texts
            )
        return self._sessions[kind]

    def _request(self, kind: Kind, verb: str, path: str, params: Mapping[str, str], body: Any = None) -> _Answer:
        self.requests += 1
        response = self._session(kind).http_request(
            verb, path, query_data=dict(params), post_data=body, obey_rate_limit=False, max_retries=0
        )
        headers = {name.lower(): value for name, value in response.headers.items()}
        if response.status_code == 204 or not response.content:
            return _Answer(None, headers)
        found = json.loads(response.content)  # a page of a proxy is none, and raises ValueError
        if not isinstance(found, (dict, list)):
            raise ValueError
        return _Answer(found, headers)

    def _ask(self, what: str, right: Right, call: Callable[[Kind], T], *, repeat: bool = True) -> T:
        kind = self._kind(what, right)
        if self._ca and not os.path.exists(self._ca):
            name = next(name for name in CA_VARIABLES if self.environ.get(name))
            raise ForgeError(
                f"cannot {what}: there is no file {self._ca}, which {name} names", "it holds the CA as PEM"
            )

        def once() -> T:
            try:
                with self._lock:
                    return call(kind)
            except self._refusals as error:
                no = self._no(error, kind)
            raise Refused(
                pause=no.pause,
                unclear=no.unclear,
                in_short=no.in_short(*self._secrets),
                error=lambda: explained(no, what, right, self._asker(kind)),
            )

        return self._patience.ask(once, repeat=repeat)

    def _asker(self, kind: Kind) -> Asker:
        return Asker(kind, self._secrets, self.environ, self.clock())

    def _no(self, error: Exception, kind: Kind) -> No:
        """What an exception of python-gitlab and of what it is made of says."""
        if isinstance(error, _Elsewhere):
            return No(0, f"the answer leads to another host ({error})")
        status = getattr(error, "response_code", None)
        if isinstance(status, int):
            return No(status, _words(getattr(error, "response_body", None)), self._session(kind).session.headers_seen)
        if type(error).__name__ == "RedirectError":
            return No(0, "the answer leads to another address, and a write does not follow it")
        if isinstance(error, ValueError) and not isinstance(error, OSError):
            return No(None, "the answer is no JSON, or was cut short")
        api = api_of(self.environ)
        return No(None, silence(error, api), untrusted=is_untrusted(error))


def _words(body: bytes | None) -> str:
    try:
        return said_in(json.loads(body or b""))
    except ValueError:
        return ""  # a page for people


def _has_next(headers: Mapping[str, str]) -> bool:
    """By the header that GitLab sends with every list; a proxy in between may know only the standard one."""
    following = headers.get("x-next-page")
    return bool(following) if following is not None else 'rel="next"' in headers.get("link", "")
