"""GitHub on a bad day: what is waited for, what is not, and what a person is told."""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from functools import partialmethod
from pathlib import Path

import pytest
import requests

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied, Invalid, Missing, Unclear
from sloth_ci.forge.github import GitHub, client
from sloth_ci.forge.github.errors import Asker, No, api_of, explained, said_in
from sloth_ci.forge.patience import PATIENCE
from sloth_ci.forge.silence import silence
from support.github.unhappy import Fault
from support.github_shop import Shop, plan_report, seen

READ = "/pulls/1$"


def told(error: pytest.ExceptionInfo[ForgeError]) -> str:
    return f"{error.value.message}\n{error.value.hint}"


@pytest.mark.parametrize("fault", ["500", "502", "503", "cut", "closed", "garbage", "429", "secondary-limit"])
def test_it_is_tried_again(shop: Shop, fault: Fault) -> None:
    pull = shop.opened()
    trouble = shop.fake.unhappy.add(fault, method="GET", path=READ, times=2, retry_after=7 if fault == "429" else None)
    assert seen(shop.forge(), pull).number == pull.number
    assert trouble.met == 2
    assert shop.naps == {"429": [7.0, 7.0], "secondary-limit": [60.0, 60.0]}.get(fault, [1.0, 2.0])


@pytest.mark.parametrize("fault", ["429", "secondary-limit"])
def test_a_write_that_was_too_much_at_once_is_tried_again(shop: Shop, fault: Fault) -> None:
    pull = shop.opened()
    known = seen(shop.forge(), pull)
    shop.fake.unhappy.add(fault, method="POST", path="/comments$", retry_after=5)
    shop.forge().comment(known, "m", "report")
    assert len(pull.comments) == 1
    assert shop.naps == [5.0]


def test_a_wait_that_is_too_long_is_an_error_that_says_until_when(shop: Shop) -> None:
    shop.opened()
    shop.fake.unhappy.add("secondary-limit", method="GET", path=READ, retry_after=3600)
    with pytest.raises(ForgeError) as caught:
        shop.forge().pull_request(1)
    assert "cannot read pull request #1: GitHub's limit of requests is reached until 01:0" in told(caught)
    assert "secondary rate limit" in told(caught)
    assert shop.naps == []


def test_the_limit_of_an_hour_is_waited_for_where_it_ends_soon(shop: Shop) -> None:
    shop.opened()
    shop.fake.unhappy.add("rate-limit", method="GET", path=READ)
    with pytest.raises(ForgeError, match="limit of requests is reached until"):
        shop.forge().pull_request(1)
    no = No(403, "API rate limit exceeded", {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1030"})
    assert no.pause(0, 1000.0) == 31.0


def test_patience_has_an_end(shop: Shop) -> None:
    shop.opened()
    trouble = shop.fake.unhappy.add("502", method="GET", path=READ, times=1000)
    with pytest.raises(Unclear, match=r"cannot read pull request #1: GitHub said: Server Error \(HTTP 502\)"):
        shop.forge().pull_request(1)
    assert trouble.met == 7
    assert sum(shop.naps) <= PATIENCE


def test_what_is_looked_up_first_has_an_end_too(shop: Shop) -> None:
    pull = shop.opened()
    known = seen(shop.forge(), pull)
    shop.fake.unhappy.add("lost", method="POST", path="/comments$", times=1000)
    shop.fake.unhappy.add("502", method="GET", path="/comments$", times=1000)
    with pytest.raises(Unclear):
        shop.forge().comment(known, "m", "report")
    assert sum(shop.naps) <= 2 * PATIENCE


def test_a_run_that_is_to_end_does_not_wait(shop: Shop) -> None:
    shop.opened()
    shop.fake.unhappy.add("secondary-limit", method="GET", path=READ)
    forge = shop.forge()
    forge._client._patience.pause = lambda seconds: True
    with pytest.raises(ForgeError, match="limit of requests"):
        forge.pull_request(1)


def test_a_slow_answer_is_cut_off(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.opened()
    monkeypatch.setattr(client, "_TIMEOUT", 1)
    forge = shop.forge()
    shop.fake.unhappy.add("slow", method="GET", path=READ, seconds=4.0)
    started = time.monotonic()
    assert forge.pull_request(1).number == 1
    assert time.monotonic() - started < 3.5
    assert shop.naps == [1.0]


@pytest.mark.parametrize("fault", ["409", "422"])
def test_what_will_not_get_better_is_not_tried_again(shop: Shop, fault: Fault) -> None:
    pull = shop.opened()
    known = seen(shop.forge(), pull)
    trouble = shop.fake.unhappy.add(fault, method="POST", path="/comments$", times=5)
    with pytest.raises(ForgeError, match=f"cannot comment on #1: GitHub said: .* \\(HTTP {fault}\\)"):
        shop.forge().comment(known, "m", "report")
    assert (trouble.met, shop.naps) == (1, [])


def test_nobody_listens(shop: Shop) -> None:
    forge = shop.forge(environ={"GITHUB_API_URL": "http://127.0.0.1:9/api/v3"})
    with pytest.raises(Unclear) as caught:
        forge.pull_request(1)
    silent = "GitHub does not answer (http://127.0.0.1:9/api/v3 refuses connections)"
    assert caught.value.message == f"cannot read pull request #1: {silent}"
    assert "http://127.0.0.1:9/api/v3 comes from GITHUB_API_URL, which GitHub Enterprise sets" in told(caught)
    assert "HTTPS_PROXY" in told(caught)
    assert "githubstatus.com" in told(caught)
    # A job that stands still for a minute says why; a second or two is nobody's business.
    assert shop.naps == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
    assert shop.notices == [f"{silent}; trying again in {seconds} s" for seconds in (4, 8, 16, 32)]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("502", "GitHub said: Server Error (HTTP 502)"),
        ("secondary-limit", "GitHub's limit of requests is reached"),
        ("closed", "GitHub does not answer ({api} closed the connection)"),
        ("garbage", "GitHub does not answer (the answer is no JSON, or was cut short)"),
    ],
)
def test_a_wait_says_what_it_is_for(shop: Shop, fault: Fault, words: str) -> None:
    pull = shop.opened()
    shop.fake.unhappy.add(fault, method="GET", path=READ, times=1 if fault == "secondary-limit" else 3)
    assert seen(shop.forge(), pull).number == 1
    assert shop.notices == [f"{words.format(api=shop.fake.api)}; trying again in {shop.naps[-1]:.0f} s"]


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "there is no host for https://x"),
        (TimeoutError("timed out"), "https://x took too long"),
        (ssl.SSLError(1, "wrong version number"), "https://x speaks no TLS that we know"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "https://x cannot be reached: Network is unreachable"),
        (requests.exceptions.ProxyError("t0ken@proxy"), "the proxy on the way to https://x does not let it through"),
        (ValueError("t0ken"), "https://x cannot be reached: ConnectionError"),
    ],
)
def test_no_answer_has_words_of_its_own(cause: Exception, words: str) -> None:
    assert silence(requests.ConnectionError(cause), "https://x") == words


def test_a_certificate_that_is_not_trusted_says_why() -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_message = "self-signed certificate"
    error = requests.exceptions.SSLError(cause)
    assert silence(error, "https://x") == "the certificate of https://x is not trusted here: self-signed certificate"


def test_the_user_of_an_address_is_not_shown() -> None:
    assert api_of({"GITHUB_API_URL": "https://me:t0ken@git.example.com/api/v3/"}) == "https://git.example.com/api/v3"


def test_a_missing_permission_names_the_line_to_add(shop: Shop) -> None:
    sha = shop.opened().head
    with pytest.raises(Denied) as caught:
        shop.forge({"checks": "read", "contents": "read"}).report_check(sha, plan_report())
    assert "Resource not accessible by integration (HTTP 403)" in told(caught)
    assert "add `checks: write` to `permissions:` of the job" in told(caught)


@pytest.mark.parametrize("writer", ["alice", "dependabot[bot]"])
def test_the_token_of_a_fork_can_only_read_and_the_error_says_so(shop: Shop, tmp_path: Path, writer: str) -> None:
    fork = shop.repo.fork("mallory")
    fork.commit("mallory", "evil", {"src/main.py": "2\n"})
    pull = shop.repo.open_pull("mallory", "evil", head_repository=fork)
    payload = {
        "pull_request": {
            "head": {"repo": {"full_name": "mallory/shop" if writer == "alice" else "acme/shop"}},
            "base": {"repo": {"full_name": "acme/shop"}},
        }
    }
    (tmp_path / "event.json").write_text(json.dumps(payload))
    environ = {
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
        "GITHUB_ACTOR": writer,
    }
    forge = shop.forge(token=shop.fake.github_token(shop.repo, fork=True), environ=environ)
    known = forge.pull_request(pull.number)
    with pytest.raises(Denied) as caught:
        forge.comment(known, "m", "report")
    why = "Dependabot started this run" if writer != "alice" else "this run is for a pull request from a fork"
    assert f"{why}, so its token can only read, whatever `permissions:` says" in told(caught)
    assert "workflow_run" in told(caught)


def test_a_token_that_is_wrong(shop: Shop) -> None:
    forge = GitHub("ghs_wrong", "acme/shop", {"GITHUB_API_URL": shop.fake.api}, pause=shop.nap)
    with pytest.raises(Denied) as caught:
        forge.pull_request(1)
    assert "github-token: ${{ github.token }}" in told(caught)
    assert "ghs_wrong" not in told(caught)


def test_without_a_token_nothing_is_asked(shop: Shop) -> None:
    forge = GitHub("", "acme/shop", {"GITHUB_API_URL": shop.fake.api})
    with pytest.raises(Denied, match="cannot read pull request #1: there is no token"):
        forge.pull_request(1)
    assert shop.asked() == []


def test_no_token_in_any_text(shop: Shop) -> None:
    token = shop.fake.github_token(shop.repo).value
    forge = GitHub(token, "acme/shop", {"GITHUB_API_URL": shop.fake.api}, pause=shop.nap)
    assert token not in repr(forge)
    assert token not in repr(forge._client)
    error = explained(No(403, f"bad {token}"), "do it", "checks: write", Asker(token, {}, 0.0))
    assert error.message == "cannot do it: GitHub said: bad *** (HTTP 403)"


def _no(status: int | None, said: str = "no", headers: Mapping[str, str] | None = None) -> No:
    return No(status, said, headers or {})


@pytest.mark.parametrize(
    ("no", "kind", "words"),
    [
        (_no(404, "Not Found"), Missing, "it is not there, or the token may not see it"),
        (_no(410, "Gone"), Missing, "it is not there"),
        (_no(422, "Validation Failed"), Invalid, "GitHub said: Validation Failed (HTTP 422)"),
        (_no(409, "Conflict"), ForgeError, "GitHub said: Conflict (HTTP 409)"),
        (_no(403, "Repository was archived so is read-only."), Denied, "the repository is archived"),
        (_no(403, "Resource protected by organization SAML enforcement."), Denied, "single sign-on"),
        (_no(0, "the answer leads to another host"), ForgeError, "cannot do it: the answer leads to another host"),
        (_no(200, "Something went wrong while executing your query"), Unclear, "githubstatus.com"),
        (
            _no(403, "no", {"x-accepted-github-permissions": "issues=write; pull_requests=write"}),
            Denied,
            "add `pull-requests: write` to",
        ),
        (
            _no(403, "no", {"x-accepted-github-permissions": "contents=write,workflows=write"}),
            Denied,
            "add `contents: write, workflows: write` to",
        ),
        (
            _no(403, "no", {"x-accepted-github-permissions": "metadata=read,actions=read"}),
            Denied,
            "add `actions: read` to",
        ),
        (_no(403, "no", {"x-accepted-github-permissions": "allows_permissionless_access=true"}), Denied, "add "),
        (_no(403, "no", {"x-accepted-github-permissions": "members=read"}), Denied, "GITHUB_TOKEN can never do that"),
    ],
)
def test_each_refusal_has_its_way_out(no: No, kind: type[ForgeError], words: str) -> None:
    error = explained(no, "do it", "pull-requests: write", Asker("t0ken", {}, 0.0))
    assert type(error) is kind
    assert words in f"{error.message}\n{error.hint}"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, ""),
        ("text", ""),
        ([], ""),
        (
            {
                "message": "Validation Failed.",
                "errors": [{"resource": "Label", "code": "already_exists", "field": "name"}],
            },
            "Validation Failed; Label name already_exists",
        ),
        ({"message": "No", "errors": ["one", {"message": "two."}]}, "No; one; two"),
        ({"message": "No", "errors": "not a list"}, "No"),
    ],
)
def test_the_words_of_a_refusal_are_one_line(body: object, words: str) -> None:
    assert said_in(body) == words


def test_words_of_others_are_plain_and_short() -> None:
    error = explained(No(422, "a\n::error::b\x1b[31m\u202e" + "x" * 1000), "do it", "", Asker("", {}, 0.0))
    assert error.message.isprintable()
    assert len(error.message) < 500


def test_an_answer_of_another_host_is_refused(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.opened()
    forge = shop.forge()
    request: Callable[..., object] = forge._client._requester.requestJsonAndCheck

    def elsewhere(verb: str, url: str, **more: object) -> object:
        return request(verb, "http://169.254.0.1/api/v3/next" if "/reviews" in url else url, **more)

    monkeypatch.setattr(forge._client._requester, "requestJsonAndCheck", elsewhere)
    with pytest.raises(ForgeError, match="leads to another host or path"):
        forge.reviews(seen(forge, shop.repo.pulls[1]))


@pytest.mark.parametrize(
    ("api", "graphql", "following"),
    [
        ("", "https://api.github.com/graphql", "https://api.github.com/repositories/1/pulls?page=2"),
        (
            "https://api.octo.ghe.com",
            "https://api.octo.ghe.com/graphql",
            "https://api.octo.ghe.com/repositories/1/pulls?page=2",
        ),
        (
            "https://git.example.com/api/v3",
            "https://git.example.com/api/graphql",
            "https://git.example.com/api/v3/repositories/1/pulls?page=2",
        ),
    ],
)
def test_every_kind_of_github_is_reached_at_its_own_addresses(
    monkeypatch: pytest.MonkeyPatch, api: str, graphql: str, following: str
) -> None:
    """The fake is like an Enterprise Server; github.com has its API at a host of its own, without a folder."""
    asked: list[str] = []

    def answer(self: requests.Session, method: str, url: str, **more: object) -> requests.Response:
        asked.append(f"{method} {url}".replace(":443/", "/"))
        response = requests.Response()
        response.status_code = 200
        first = url.endswith("/pulls/7/reviews?per_page=100")
        response.headers["Link"] = f'<{following}>; rel="next"' if first else ""
        response._content = b'{"data": {"viewer": {"login": "octo"}}}' if url.endswith("graphql") else b"[]"
        return response

    for method in ("get", "post"):
        monkeypatch.setattr(requests.Session, method, partialmethod(_as, answer, method.upper()))
    forge = GitHub("t", "acme/shop", {"GITHUB_API_URL": api})
    assert forge.login == "octo"
    root = api or "https://api.github.com"
    assert forge._client.pages("try", "/repos/acme/shop/pulls/7/reviews", "x") == []
    assert asked == [f"POST {graphql}", f"GET {root}/repos/acme/shop/pulls/7/reviews?per_page=100", f"GET {following}"]


def _as(
    self: requests.Session, answer: Callable[..., requests.Response], method: str, url: str, **more: object
) -> requests.Response:
    return answer(self, method, url, **more)
