"""GitLab on a bad day: what is waited for, what is not, and what a person is told."""

from __future__ import annotations

import http.server
import socket
import time
from pathlib import Path

import pytest
import requests

from sloth_ci.core.errors import ForgeError
from sloth_ci.forge.errors import Denied, Invalid, Missing, Unclear
from sloth_ci.forge.gitlab import GitLab, client
from sloth_ci.forge.gitlab.errors import (
    ADMINISTER,
    READ_BY_JOB,
    REPORT,
    WRITE,
    Asker,
    Kind,
    No,
    api_of,
    explained,
    said_in,
)
from sloth_ci.forge.patience import PATIENCE
from support.gitlab.unhappy import Fault
from support.gitlab_shop import Lab, plan_report, seen
from support.pki import Authority
from support.tlsserver import TlsServer

READ = "/merge_requests/1$"
GIVE = "make a project access token with the scope `api` and the role Developer, and give it as the masked CI/CD variable SLOTH_TOKEN"


def told(error: pytest.ExceptionInfo[ForgeError]) -> str:
    return f"{error.value.message}\n{error.value.hint}"


@pytest.mark.parametrize("fault", ["500", "502", "503", "cut", "closed", "garbage", "429"])
def test_it_is_tried_again(lab: Lab, fault: Fault) -> None:
    pull = lab.opened()
    trouble = lab.fake.unhappy.add(fault, method="GET", path=READ, times=2, retry_after=7 if fault == "429" else None)
    assert seen(lab.forge(), pull).number == pull.number
    assert trouble.met == 2
    assert lab.naps == ([7.0, 7.0] if fault == "429" else [1.0, 2.0])


def test_a_write_that_was_too_much_at_once_is_tried_again(lab: Lab) -> None:
    pull = lab.opened()
    known = seen(lab.forge(), pull)
    lab.fake.unhappy.add("429", method="POST", path="/notes$", retry_after=5)
    lab.forge().comment(known, "m", "report")
    assert len([note for note in pull.comments if not note.system]) == 1
    assert lab.naps == [5.0]


def test_a_status_that_somebody_else_writes_right_now_is_written_after_it(lab: Lab) -> None:
    pull = lab.opened()
    lab.fake.unhappy.add("locked", method="POST", path="/statuses/", times=2)
    assert lab.forge().report_check(pull.head, plan_report()).digest == "one.two"
    assert lab.naps == [1.0, 2.0]


def test_a_wait_that_is_too_long_is_an_error_that_says_until_when(lab: Lab) -> None:
    lab.opened()
    lab.fake.unhappy.add("429", method="GET", path=READ, retry_after=3600)
    with pytest.raises(
        ForgeError, match="cannot read merge request !1: GitLab's limit of requests is reached until 01:0"
    ):
        lab.forge().pull_request(1)
    assert lab.naps == []


def test_without_retry_after_the_reset_is_waited_for() -> None:
    assert No(429, "", {"ratelimit-reset": "1030"}).pause(0, 1000.0) == 31.0
    assert No(429, "").pause(0, 1000.0) == 60.0


def test_patience_has_an_end(lab: Lab) -> None:
    lab.opened()
    trouble = lab.fake.unhappy.add("502", method="GET", path=READ, times=1000)
    with pytest.raises(Unclear, match=r"cannot read merge request !1: GitLab said: nothing more \(HTTP 502\)"):
        lab.forge().pull_request(1)
    assert trouble.met == 7
    assert sum(lab.naps) <= PATIENCE


def test_a_run_that_is_to_end_does_not_wait(lab: Lab) -> None:
    lab.opened()
    lab.fake.unhappy.add("429", method="GET", path=READ)
    forge = lab.forge()
    forge._client._patience.pause = lambda seconds: True
    with pytest.raises(ForgeError, match="limit of requests"):
        forge.pull_request(1)


def test_a_slow_answer_is_cut_off(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.opened()
    monkeypatch.setattr(client, "_TIMEOUT", 1)
    forge = lab.forge()
    lab.fake.unhappy.add("slow", method="GET", path=READ, seconds=4.0)
    started = time.monotonic()
    assert forge.pull_request(1).number == 1
    assert time.monotonic() - started < 3.5
    assert lab.naps == [1.0]


@pytest.mark.parametrize("fault", ["400", "409"])
def test_what_will_not_get_better_is_not_tried_again(lab: Lab, fault: Fault) -> None:
    known = seen(lab.forge(), lab.opened())
    trouble = lab.fake.unhappy.add(fault, method="POST", path="/notes$", times=5)
    with pytest.raises(Invalid, match=f"cannot write a note on !1: GitLab said: .* \\(HTTP {fault}\\)"):
        lab.forge().comment(known, "m", "report")
    assert (trouble.met, lab.naps) == (1, [])


def test_nobody_listens(lab: Lab) -> None:
    forge = lab.forge(environ={"CI_API_V4_URL": "http://127.0.0.1:9/gitlab/api/v4"})
    with pytest.raises(Unclear) as caught:
        forge.pull_request(1)
    silent = "GitLab does not answer (http://127.0.0.1:9/gitlab/api/v4 refuses connections)"
    assert caught.value.message == f"cannot read merge request !1: {silent}"
    assert "comes from CI_API_V4_URL" in told(caught)
    assert "HTTPS_PROXY" in told(caught)
    assert lab.notices == [f"{silent}; trying again in {seconds} s" for seconds in (4, 8, 16, 32)]


def test_a_host_that_is_not_there(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(*args: object, **more: object) -> object:
        raise requests.ConnectionError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", nowhere)
    with pytest.raises(Unclear, match=f"there is no host for {lab.fake.api}"):
        lab.forge().pull_request(1)


def test_the_user_of_an_address_is_not_shown() -> None:
    assert (
        api_of({"CI_API_V4_URL": "https://me:t0ken@git.example.com/gitlab/api/v4/"})
        == "https://git.example.com/gitlab/api/v4"
    )
    assert api_of({}) == "https://gitlab.com/api/v4"


# --- tokens


def test_without_a_token_of_its_own_the_job_reads_and_says_nothing(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge(None, job=lab.project.job(lab.project.pipeline("merge_request_event", pull=pull)))
    known = seen(forge, pull)
    assert known.head_sha == pull.head
    assert not forge.speaks
    before = forge.requests
    for what, ask in (
        ("write a note on !1", lambda: forge.comment(known, "m", "report")),
        ("read the statuses of", lambda: forge.report_check(pull.head, plan_report())),
        ("read the approvals of !1", lambda: forge.reviews(known)),
        ("commit to main", lambda: forge.commit("main", pull.head, "x", {"a": b""})),
        ("ask for the merge of feature into main", lambda: forge.request("feature", "main", "x", "y")),
    ):
        with pytest.raises(Denied) as caught:
            ask()
        if what == "write a note on !1":
            continue
        assert f"cannot {what}" in caught.value.message
        assert "CI_JOB_TOKEN may not, and there is no other token" in caught.value.message
        assert "SLOTH_TOKEN" in told(caught)
        assert "scope `api`" in told(caught)
    assert forge.requests - before <= 2


def test_without_any_token_nothing_is_asked(lab: Lab) -> None:
    with pytest.raises(Denied, match="cannot read merge request !1: CI_JOB_TOKEN may not, and there is no other token"):
        lab.forge(None).pull_request(1)
    assert lab.asked() == []


def test_a_token_that_is_wrong(lab: Lab) -> None:
    forge = GitLab("glpat-wrong", "acme/shop", {"CI_API_V4_URL": lab.fake.api}, pause=lab.nap, clock=time.time)
    with pytest.raises(Denied) as caught:
        forge.pull_request(1)
    assert "SLOTH_TOKEN is wrong, has expired or was revoked" in told(caught)
    assert "glpat-wrong" not in told(caught)


def test_a_token_without_the_scope(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge(token=lab.fake.project_token(lab.project, "developer", "read_api"))
    with pytest.raises(Denied) as caught:
        forge.comment(seen(forge, pull), "m", "report")
    assert "SLOTH_TOKEN has not the scope `api`" in told(caught)


def test_a_token_of_a_role_that_is_too_low(lab: Lab) -> None:
    lab.opened()
    with pytest.raises(Denied) as caught:
        lab.forge("reporter").report_check(lab.project.head("feature"), plan_report())
    assert "SLOTH_TOKEN needs the role Developer in the project" in told(caught)
    refused = explained(No(403, "403 Forbidden"), "do it", WRITE, Asker("SLOTH_TOKEN", (), {}, 0.0))
    assert GIVE in (refused.hint or "")


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("token", ["SLOTH_TOKEN", "CI_JOB_TOKEN"])
def test_the_token_to_be_made_may_do_all_that_a_job_does(status: int, token: Kind) -> None:
    refused = explained(No(status, "no"), "read it", READ_BY_JOB, Asker(token, (), {}, 0.0))
    assert GIVE in (refused.hint or "")


def test_what_a_role_takes_besides_is_said_once() -> None:
    refused = explained(No(403, "403 Forbidden"), "write the status", REPORT, Asker("SLOTH_TOKEN", (), {}, 0.0))
    assert (refused.hint or "").count("on a protected branch") == 1


def test_a_token_that_ends_with_a_line_is_that_token(lab: Lab) -> None:
    forge = GitLab(f"{lab.bot().value}\n", "acme/shop", {"CI_API_V4_URL": lab.fake.api}, clock=time.time)
    assert forge.login == lab.us


def test_no_token_in_any_text(lab: Lab) -> None:
    job = lab.project.job()
    forge = lab.forge(job=job)
    secrets = [lab.bot().value, forge._environ["CI_JOB_TOKEN"]]
    parts = [
        forge,
        forge._client,
        forge._notes,
        forge._statuses,
        forge._people,
        forge._deployments,
        forge._client._patience,
    ]
    for secret in secrets:
        assert not any(secret in repr(part) for part in parts)
        error = explained(No(403, f"bad {secret}"), "do it", WRITE, Asker("SLOTH_TOKEN", tuple(secrets), {}, 0.0))
        assert error.message == "cannot do it: GitLab said: bad *** (HTTP 403)"


@pytest.mark.parametrize(
    ("no", "kind", "words"),
    [
        (No(404, "404 Not found"), Missing, "it is not there, or SLOTH_TOKEN may not see it"),
        (No(410, "Gone"), Missing, "it is not there"),
        (No(422, "no"), Invalid, "GitLab said: no (HTTP 422)"),
        (No(400, "no"), Invalid, "GitLab said: no (HTTP 400)"),
        (No(409, "Another open merge request"), Invalid, "Another open merge request"),
        (No(409, "Another update to this commit status is in progress"), ForgeError, "in progress"),
        (No(405, "no"), ForgeError, "(HTTP 405)"),
        (No(403, "insufficient_scope"), Denied, "has not the scope `api`"),
        (No(403, "The project is archived"), Denied, "the project is archived"),
        (No(403, "403 Forbidden"), Denied, "needs the role Developer"),
        (No(0, "the answer leads to another host"), ForgeError, "check CI_API_V4_URL"),
        (No(500, "500 Internal Server Error"), Unclear, "status page"),
    ],
)
def test_each_refusal_has_its_way_out(no: No, kind: type[ForgeError], words: str) -> None:
    error = explained(no, "do it", WRITE, Asker("SLOTH_TOKEN", ("t0ken",), {}, 0.0))
    assert type(error) is kind
    assert words in f"{error.message}\n{error.hint}"


@pytest.mark.parametrize(
    ("status", "token", "words"),
    [
        (401, "CI_JOB_TOKEN", "CI_JOB_TOKEN ends with its job"),
        (403, "CI_JOB_TOKEN", "job token permissions"),
        (404, "CI_JOB_TOKEN", "CI_JOB_TOKEN may not see it"),
        (403, "SLOTH_TOKEN", "the role Maintainer"),
    ],
)
def test_the_token_is_named_that_was_refused(status: int, token: Kind, words: str) -> None:
    right = ADMINISTER if token == "SLOTH_TOKEN" else READ_BY_JOB
    assert words in (explained(No(status, "no"), "do it", right, Asker(token, (), {}, 0.0)).hint or "")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, ""),
        ("text", ""),
        ([], ""),
        (
            {"message": {"name": ["has already been taken", "is short"], "base": "no"}},
            "name has already been taken, is short; base no",
        ),
        ({"message": ["one.", "two"]}, "one; two"),
        ({"error": "insufficient_scope", "error_description": "needs more."}, "insufficient_scope; needs more"),
        ({"message": "404 Not found", "error": "404 Not found"}, "404 Not found"),
    ],
)
def test_the_words_of_a_refusal_are_one_line(body: object, words: str) -> None:
    assert said_in(body) == words


def test_words_of_others_are_plain_and_short() -> None:
    said = "a\n::error::b\x1b[31m\u202e" + "x" * 1000
    error = explained(No(422, said), "do it", WRITE, Asker("SLOTH_TOKEN", (), {}, 0.0))
    assert error.message.isprintable()
    assert len(error.message) < 500


# --- the way there


@pytest.mark.parametrize(
    ("api", "asked"),
    [
        ("", "https://gitlab.com/api/v4/user"),
        ("https://git.example.com/api/v4", "https://git.example.com/api/v4/user"),
        ("https://git.example.com/gitlab/api/v4/", "https://git.example.com/gitlab/api/v4/user"),
        ("http://10.0.0.7:8080/a/b/api/v4", "http://10.0.0.7:8080/a/b/api/v4/user"),
    ],
)
def test_every_gitlab_is_reached_at_its_own_address(monkeypatch: pytest.MonkeyPatch, api: str, asked: str) -> None:
    sent: list[requests.PreparedRequest] = []

    def answer(self: object, request: requests.PreparedRequest, **more: object) -> requests.Response:
        sent.append(request)
        return _response(request, 200, b'{"id": 1, "username": "octo"}')

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", answer)
    forge = GitLab("glpat-t0ken", "acme/shop", {"CI_API_V4_URL": api})
    assert forge.login == "octo"
    [request] = sent
    assert (request.url, request.headers["PRIVATE-TOKEN"]) == (asked, "glpat-t0ken")
    assert "JOB-TOKEN" not in request.headers


def _response(request: requests.PreparedRequest, status: int, body: bytes, **headers: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.headers.update(headers)
    response._content = body
    response.request = request
    response.url = request.url or ""
    return response


@pytest.mark.parametrize("target", ["https://me:pw@evil.example.com/api/v4/user", "http://git.example.com/api/v4/user"])
def test_the_token_follows_no_redirect_to_another_host(monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    sent: list[str] = []

    def answer(self: object, request: requests.PreparedRequest, **more: object) -> requests.Response:
        sent.append(str(request.url))
        return _response(request, 302, b"", location=target)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", answer)
    forge = GitLab("glpat-t0ken", "acme/shop", {"CI_API_V4_URL": "https://git.example.com/api/v4"})
    with pytest.raises(ForgeError, match="the answer leads to another host") as caught:
        assert forge.login
    assert "check CI_API_V4_URL" in told(caught)
    assert "pw" not in told(caught)
    assert sent == ["https://git.example.com/api/v4/user"]


def test_a_project_that_was_renamed_is_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(self: object, request: requests.PreparedRequest, **more: object) -> requests.Response:
        if "old" in str(request.url):
            return _response(request, 301, b"", location="/api/v4/projects/7/freeze_periods")
        return _response(request, 200, b"[]")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", answer)
    assert GitLab("glpat-t0ken", "acme/old", {"CI_API_V4_URL": "https://git.example.com/api/v4"}).frozen() is None


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CI_SERVER_TLS_CA_FILE"])
def test_a_ca_file_that_is_not_there(lab: Lab, name: str, tmp_path: Path) -> None:
    forge = lab.forge(environ={name: str(tmp_path / "no.pem")})
    with pytest.raises(ForgeError, match=f"there is no file {tmp_path}/no.pem, which {name} names"):
        forge.pull_request(1)


class _User(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"id": 1, "username": "octo"}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """The tests have no use for it."""


@pytest.mark.parametrize("name", ["", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CI_SERVER_TLS_CA_FILE"])
def test_a_private_ca_is_trusted_where_its_file_is_named(tmp_path: Path, name: str) -> None:
    authority = Authority(tmp_path, "ours")
    other = Authority(tmp_path, "other")
    server = TlsServer(authority, "gitlab", _User)
    naps: list[float] = []

    def nap(seconds: float) -> bool:
        naps.append(seconds)
        return False

    def forge(ca: Path) -> GitLab:
        return GitLab(
            "glpat-t0ken",
            "acme/shop",
            {"CI_API_V4_URL": f"{server.url}/api/v4", **({name: str(ca)} if name else {})},
            pause=nap,
        )

    try:
        if name:
            assert forge(authority.files.certificate).login == "octo"
        with pytest.raises(Unclear, match=f"the certificate of {server.url}/api/v4 is not trusted here") as caught:
            assert forge(other.files.certificate).login
    finally:
        server.stop()
    expected = (
        f"come from {other.files.certificate} ({name})" if name else "file-type CI/CD variable named SSL_CERT_FILE"
    )
    assert expected in told(caught)
    assert naps == []
