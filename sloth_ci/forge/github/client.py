"""The one way to GitHub's API: PyGithub's requester, with patience, one request at a time, and errors in our words.

PyGithub's objects fetch what they miss by themselves, whenever an attribute of theirs is read. What counts its requests
works on GitHub's own JSON instead.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from threading import RLock
from typing import Any, TypeVar

from sloth_ci import __version__
from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied
from sloth_ci.forge.github.errors import Asker, No, api_of, explained, said_in
from sloth_ci.forge.patience import Patience, Refused, sleep
from sloth_ci.forge.silence import silence

T = TypeVar("T")

_TIMEOUT = 20
"""Seconds for one answer."""
_NEXT = re.compile(r'<([^>]+)>;\s*rel="next"')


class Client:
    """Requests to one repository. Threads may share it. Nothing of it shows the token."""

    def __init__(
        self,
        token: str,
        repository: str,
        environ: Mapping[str, str],
        *,
        notice: Callable[[str], None] = lambda _: None,
        pause: Callable[[float], bool] = sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`pause` waits so many seconds and says whether the run is to end instead; `notice` hears of the longer ones."""
        from github import Auth, Github, GithubException
        from requests import RequestException

        self.repository = repository
        self.here = f"/repos/{repository}"
        self.environ = environ
        self._token = token
        self._patience = Patience(notice, pause, clock)
        self._clock = clock
        self._lock = RLock()
        self._login = ""
        self.requests = 0
        """How many were made so far."""
        api = environ.get("GITHUB_API_URL") or "https://api.github.com"
        self._requester = Github(
            auth=Auth.Token(token) if token else None,
            base_url=api.rstrip("/"),
            timeout=_TIMEOUT,
            user_agent=f"sloth-ci/{__version__}",
            per_page=100,
            retry=None,  # what may be repeated depends on what it does: see `_ask`
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
        ).requester
        self._graphql_url = environ.get("GITHUB_GRAPHQL_URL") or self._requester.graphql_url
        # RuntimeError and AssertionError: a redirect, or a next page, on another host.
        self._refusals = (GithubException, RequestException, RuntimeError, AssertionError, ValueError)

    def __repr__(self) -> str:
        return f"Client({self.repository})"

    @property
    def run_url(self) -> str:
        """The page of this run; empty outside of GitHub Actions."""
        run = self.environ.get("GITHUB_RUN_ID")
        server = self.environ.get("GITHUB_SERVER_URL") or "https://github.com"
        return f"{server}/{self.repository}/actions/runs/{run}" if run else ""

    def get(self, what: str, path: str, needs: str, **params: str) -> Any:
        """Read one thing."""
        return self._ask(what, needs, lambda: self._request("GET", path, params)[1])

    def pages(self, what: str, path: str, needs: str, *, item: str = "", **params: str) -> list[Any]:
        """Read all pages of a list, which is the answer itself or its `item`."""

        def read() -> list[Any]:
            found: list[Any] = []
            url, query = path, {"per_page": "100", **params}
            while url:
                headers, body = self._request("GET", url, query)
                found += body[item] if item else body
                following = _NEXT.search(headers.get("link", ""))
                url, query = (following[1], {}) if following else ("", {})
            return found

        return self._ask(what, needs, read)

    def send(self, what: str, verb: str, path: str, needs: str, body: Any = None, *, repeat: bool = True) -> Any:
        """Write. `repeat` says whether doing it twice does no harm; else a lost answer raises Unclear."""
        return self._ask(what, needs, lambda: self._request(verb, path, {}, body)[1], repeat=repeat)

    def graphql(self, what: str, query: str, variables: Mapping[str, Any], needs: str, *, repeat: bool = True) -> Any:
        """The data of a GraphQL query; any error in the answer is an error."""
        body = {"query": query, "variables": dict(variables)}

        def ask() -> Any:
            _, answer = self._request("POST", self._graphql_url, {}, body)
            if answer.get("errors"):
                raise _QueryError(answer["errors"])
            return answer["data"]

        data = self._ask(what, needs, ask, repeat=repeat)
        if "viewer" in data:
            self._login = data["viewer"]["login"]
        return data

    @property
    def login(self) -> str:
        """Who we are. `GET /user` does not answer an installation's token, which is what a job has; GraphQL does."""
        if not self._login:
            self.graphql("see whose token it is", "query { viewer { login } }", {}, "metadata: read")
        return self._login

    @cached_property
    def app(self) -> str:
        """The slug of the App that the token is of; empty for a person's token."""
        slug, mark, _ = self.login.partition("[bot]")
        return slug if mark else ""

    def repeated(self, once: Callable[[], T]) -> T:
        """Do something that first looks what is there already, until GitHub says clearly that it was done."""
        return self._patience.repeated(once)

    def _request(self, verb: str, url: str, params: Mapping[str, str], body: Any = None) -> tuple[dict[str, Any], Any]:
        self.requests += 1
        headers, answer = self._requester.requestJsonAndCheck(verb, url, parameters=dict(params), input=body)
        # So PyGithub hands on what is no JSON: the page of a proxy.
        if isinstance(answer, dict) and isinstance(answer.get("data"), str):
            raise ValueError
        return headers, answer

    def _ask(self, what: str, needs: str, call: Callable[[], T], *, repeat: bool = True) -> T:
        if not self._token:
            raise Denied(f"cannot {what}: there is no token", "give `github-token: ${{ github.token }}`")

        def once() -> T:
            try:
                with self._lock:
                    return call()
            except _QueryError as error:
                no = error.no
            except self._refusals as error:
                no = _no(error, api_of(self.environ))
            raise Refused(
                pause=no.pause,
                unclear=no.unclear,
                in_short=no.in_short(self._token),
                error=lambda: self._explained(no, what, needs),
            )

        return self._patience.ask(once, repeat=repeat)

    def _explained(self, no: No, what: str, needs: str) -> ForgeError:
        return explained(no, what, needs, Asker(self._token, self.environ, self._clock()))


class _QueryError(Exception):
    """Errors in the answer to a GraphQL query, which has the status 200."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__()
        types = frozenset(str(error["type"]) for error in errors if error.get("type"))
        self.no = No(200, said_in({"errors": errors}), {}, types)


def _no(error: Exception, api: str) -> No:
    """What an exception of PyGithub and of what it is made of says."""
    status = getattr(error, "status", None)
    if isinstance(status, int):
        headers = {str(name).lower(): str(value) for name, value in (getattr(error, "headers", None) or {}).items()}
        return No(status, said_in(getattr(error, "data", None)), headers)
    if isinstance(error, (RuntimeError, AssertionError)):
        return No(0, f"the answer leads to another host or path ({error}): check GITHUB_API_URL")
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return No(None, "the answer is no JSON, or was cut short")
    return No(None, silence(error, api))
