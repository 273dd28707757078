"""Logging in, against Git's own HTTP server with a password, and where the secrets are not."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Credentials
from sloth_ci.repo import git
from sloth_ci.repo.address import parse_address
from sloth_ci.repo.credentials import login_for
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.state import StateRef
from support.githttp import GitServer, serve
from support.gitrepo import GitRepo

Open = Callable[..., Repository]
SECRET = "ghp_S3cr%t/to:ken@1"


@pytest.fixture
def server(git_repo: Callable[..., GitRepo], tmp_path: Path) -> Iterator[GitServer]:
    """`/team/infra.git` behind a password."""
    repo = git_repo()
    repo.commit("one", {"a.yaml": "a: 1\n"})
    repo.clone_bare(tmp_path / "served" / "team" / "infra.git")
    with serve(tmp_path / "served", password=SECRET) as running:
        yield running


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[[], str]:
    """Every argument list of every Git process, and of what Git starts: a `git` that records goes first on the PATH."""
    log = tmp_path / "argv.log"
    folder = tmp_path / "wrapped"
    folder.mkdir()
    real = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True).stdout.strip()
    for name in ("git", "sh", "ssh"):
        target = f"{real}/git" if name == "git" else f"/bin/{name}"
        script = folder / name
        script.write_text(
            f'#!/bin/sh\nfor a in "$0" "$@"; do printf "%s\\n" "$a"; done >> {shlex.quote(str(log))}\nexec {target} "$@"\n'
        )
        script.chmod(0o755)
    return log.read_text


def work(repository: Repository) -> None:
    """List, fetch, read and push."""
    repository.fetch()
    tip = repository.branch_tip("main")
    assert [entry.path for entry in repository.tree(tip).entries()] == ["a.yaml"]
    ref = StateRef(repository, "a/b")
    ref.write({"x": b"1"}, message="x", expected=ref.read())


def all_text_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(type="token", token=SECRET),
        Credentials(type="basic", username="me", password=SECRET),
    ],
    ids=["token", "basic"],
)
def test_a_secret_is_in_no_argument_list_no_file_and_no_text(
    server: GitServer, opened: Open, tmp_path: Path, home: Path, recorded: Callable[[], str], credentials: Credentials
) -> None:
    (home / ".gitconfig").write_text("[user]\n\tname = T\n\temail = t@e\n[credential]\n\thelper = store\n")
    trace = tmp_path / "trace"
    environ = {
        "PATH": f"{tmp_path / 'wrapped'}:{os.environ['PATH']}",
        "GIT_TRACE": str(trace),
        "GIT_TRACE_SETUP": str(trace),
    }
    repository = opened(f"{server.url}/team/infra", credentials=credentials, environ=environ)
    work(repository)
    assert set(server.seen) == {credentials.username or "x-access-token"}
    assert "ls-remote" in recorded()
    assert "fetch" in trace.read_text()
    for text in (recorded(), trace.read_text(), repository.display, repr(repository), repr(repository.remote)):
        assert "S3cr" not in text
    assert b"S3cr" not in all_text_below(tmp_path / "cache") + all_text_below(home)


def test_a_password_in_the_url_is_used_and_shown_nowhere(server: GitServer, opened: Open, tmp_path: Path) -> None:
    host = server.url.removeprefix("http://")
    repository = opened(f"http://me:{quote(SECRET, safe='')}@{host}/team/infra.git")
    work(repository)
    assert set(server.seen) == {"me"}
    assert repository.display == f"http://{host}/team/infra.git"
    assert b"S3cr" not in all_text_below(tmp_path / "cache")


def test_a_token_in_the_origin_of_a_checkout(server: GitServer, opened: Open, tmp_path: Path) -> None:
    """As GitLab's runner leaves it."""
    host = server.url.removeprefix("http://")
    url = f"http://gitlab-ci-token:{quote(SECRET, safe='')}@{host}/team/infra.git"
    repo = GitRepo(tmp_path / "repo")
    repo.git("remote", "set-url", "origin", url)
    for spec in (".", f"{server.url}/team/infra"):
        repository = opened(spec, cwd=repo.path)
        assert repository.work_tree == repo.path
        work(repository)
    assert set(server.seen) == {"gitlab-ci-token"}


def test_a_token_that_was_given_goes_before_the_jobs_own(server: GitServer, opened: Open, tmp_path: Path) -> None:
    host = server.url.removeprefix("http://")
    repo = GitRepo(tmp_path / "repo")
    repo.git("remote", "set-url", "origin", f"http://gitlab-ci-token:another@{host}/team/infra.git")
    work(opened(cwd=repo.path, environ={"SLOTH_TOKEN": SECRET, "CI_SERVER_URL": server.url}))
    assert set(server.seen) == {"oauth2"}


def test_in_the_pipeline_of_a_fork_the_project_counts_that_it_wants_to_be_merged_into(
    server: GitServer, opened: Open, tmp_path: Path
) -> None:
    host = server.url.removeprefix("http://")
    repo = GitRepo(tmp_path / "repo")
    repo.git("remote", "set-url", "origin", f"http://gitlab-ci-token:{quote(SECRET, safe='')}@{host}/eve/infra.git")
    environ = {
        "CI_JOB_TOKEN": SECRET,
        "CI_SERVER_URL": server.url,
        "CI_PROJECT_ID": "99",
        "CI_MERGE_REQUEST_PROJECT_ID": "7",
        "CI_MERGE_REQUEST_PROJECT_URL": f"{server.url}/team/infra",
    }
    repository = opened(cwd=repo.path, environ=environ)
    assert (repository.work_tree, repository.display) == (repo.path, f"{server.url}/team/infra.git")
    work(repository)
    assert set(server.seen) == {"gitlab-ci-token"}


def test_the_header_that_a_checkout_action_leaves_is_used(server: GitServer, opened: Open, tmp_path: Path) -> None:
    repo = GitRepo(tmp_path / "repo")
    repo.git("remote", "set-url", "origin", f"{server.url}/team/infra")
    header = base64.b64encode(f"x-access-token:{SECRET}".encode()).decode()
    repo.git("config", f"http.{server.url}/.extraheader", f"AUTHORIZATION: basic {header}")
    work(opened(cwd=repo.path))
    own = Credentials(type="basic", username="own", password=SECRET)
    work(opened(f"{server.url}/team/infra", cwd=repo.path, credentials=own))
    assert set(server.seen) == {"x-access-token", "own"}


@pytest.mark.parametrize(
    ("environ", "user"),
    [
        ({"GITHUB_TOKEN": SECRET, "GITHUB_SERVER_URL": "{url}"}, "x-access-token"),
        ({"CI_JOB_TOKEN": SECRET, "CI_SERVER_URL": "{url}"}, "gitlab-ci-token"),
        ({"SLOTH_TOKEN": SECRET, "CI_JOB_TOKEN": "another", "CI_SERVER_URL": "{url}"}, "oauth2"),
        ({"SLOTH_TOKEN": SECRET}, None),
        ({"GITHUB_TOKEN": SECRET}, None),
        ({"GITHUB_TOKEN": SECRET, "GITHUB_SERVER_URL": "https://127.0.0.1"}, None),
        ({"GITHUB_TOKEN": SECRET, "GITHUB_SERVER_URL": "http://127.0.0.1"}, None),
        ({"CI_JOB_TOKEN": SECRET, "CI_SERVER_HOST": "127.0.0.1"}, None),
    ],
)
def test_the_token_of_a_job_goes_to_its_own_server_only(
    server: GitServer, opened: Open, environ: dict[str, str], user: str | None
) -> None:
    environ = {key: value.format(url=server.url) for key, value in environ.items()}
    repository = opened(f"{server.url}/team/infra", environ=environ)
    if user is None:
        with pytest.raises(GitError, match="no credentials were given"):
            repository.default_branch()
        assert server.seen == []
    else:
        work(repository)
        assert set(server.seen) == {user}


def test_refused_credentials(server: GitServer, opened: Open) -> None:
    wrong = Credentials(type="token", token="wr0ng-token")
    with pytest.raises(GitError, match="Authentication failed") as caught:
        opened(f"{server.url}/team/infra", credentials=wrong).branch_tip("main")
    assert caught.value.reason == "credentials"
    assert not caught.value.unreachable
    assert "wr0ng" not in f"{caught.value.message} {caught.value.hint} {caught.value!r}"
    assert caught.value.hint is not None


def test_a_repository_that_does_not_exist(server: GitServer, opened: Open) -> None:
    token = Credentials(type="token", token=SECRET)
    with pytest.raises(GitError, match="not found") as caught:
        opened(f"{server.url}/team/other", credentials=token).branch_tip("main")
    assert caught.value.reason == "not_found"


def test_a_server_that_does_not_answer(opened: Open) -> None:
    with pytest.raises(GitError) as caught:
        opened("http://127.0.0.1:9/team/infra").branch_tip("main")
    assert caught.value.unreachable


def test_a_redirect_does_not_carry_the_password_along(server: GitServer, opened: Open, tmp_path: Path) -> None:
    """`insteadOf` sends Git to another server: what belongs to the first one is not given to it."""
    config = tmp_path / "config"
    config.write_text(f'[url "{server.url}/"]\n\tinsteadOf = https://git.example/\n')
    token = Credentials(type="token", token=SECRET)
    with pytest.raises(GitError):
        opened(
            "https://git.example/team/infra", credentials=token, environ={"GIT_CONFIG_GLOBAL": str(config)}
        ).default_branch()
    assert server.seen == []


# --- what cannot work --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "credentials", "message"),
    [
        ("https://h/a", Credentials(type="token"), "no token"),
        ("https://h/a", Credentials(type="basic", password="x"), "need a username and a password"),
        ("https://h/a", Credentials(type="token", token="x\n"), "line break"),
        ("https://h/a", Credentials(type="ssh", ssh_key="x"), "cannot be used with https://h/a"),
        ("git@h:a", Credentials(type="token", token="x"), "cannot be used with git@h:a"),
        ("git@h:a", Credentials(type="ssh"), "no ssh_key"),
        ("git@h:a", Credentials(type="ssh", ssh_key="missing/file"), "does not exist"),
    ],
)
def test_credentials_that_cannot_work(opened: Open, url: str, credentials: Credentials, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        opened(url, credentials=credentials)
    assert caught.value.hint or "need a username" in caught.value.message


def test_credentials_are_ignored_for_a_path(git_repo: Callable[..., GitRepo], opened: Open) -> None:
    repo = git_repo()
    repo.commit("one", {"a": "1"})
    assert opened(repo.path, credentials=Credentials(type="token", token="x")).branch_tip("main") == repo.head


# --- ssh -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fake_ssh(tmp_path: Path) -> Path:
    """An `ssh` that notes its arguments and the key file, then runs the command here."""
    script = tmp_path / "ssh-bin" / "ssh"
    script.parent.mkdir()
    script.write_text(
        f"""#!{sys.executable}
import os, subprocess, sys
args = sys.argv[1:]
with open({str(tmp_path / "ssh.log")!r}, "a") as log:
    print(args, file=log)
    for flag, value in zip(args, args[1:]):
        if flag == "-i":
            print(oct(os.stat(value).st_mode & 0o777), oct(os.stat(os.path.dirname(value)).st_mode & 0o777), file=log)
            print(open(value).read(), file=log)
sys.exit(subprocess.call(["sh", "-c", args[-1]]))
"""
    )
    script.chmod(0o755)
    return script.parent


def make_key(path: Path, passphrase: str = "", kind: str = "ed25519", form: str = "RFC4716") -> str:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", passphrase, "-f", str(path)], check=True, capture_output=True
    )
    return path.read_text()


@pytest.mark.parametrize("given", ["text", "path", "mangled"])
def test_an_ssh_key_is_a_private_file_for_as_long_as_it_is_needed(
    git_repo: Callable[..., GitRepo], opened: Open, tmp_path: Path, fake_ssh: Path, given: str
) -> None:
    repo = git_repo()
    repo.commit("one", {"a.yaml": "1"})
    bare = repo.clone_bare(tmp_path / "remote.git")
    text = make_key(tmp_path / "key")
    (tmp_path / "key").chmod(0o644)
    value = {"text": text, "path": str(tmp_path / "key"), "mangled": text.rstrip().replace("\n", "\r\n")}[given]
    credentials = Credentials(type="ssh", ssh_key=value)
    environ = {"PATH": f"{fake_ssh}:{os.environ['PATH']}"}
    work(opened(f"ssh://git@host.example{bare}", credentials=credentials, environ=environ))
    log = (tmp_path / "ssh.log").read_text()
    assert "0o600 0o700" in log
    assert text in log
    assert "StrictHostKeyChecking=accept-new" in log
    assert "IdentitiesOnly=yes" in log
    assert "PRIVATE KEY" not in "".join(line for line in log.splitlines() if line.startswith("["))
    assert not list(Path(os.environ["TMPDIR"]).glob("sloth-ssh-*"))


def test_known_hosts_are_the_only_ones_believed(
    git_repo: Callable[..., GitRepo], opened: Open, tmp_path: Path, fake_ssh: Path
) -> None:
    repo = git_repo()
    repo.commit("one", {"a.yaml": "1"})
    bare = repo.clone_bare(tmp_path / "remote.git")
    credentials = Credentials(
        type="ssh", ssh_key=make_key(tmp_path / "key"), known_hosts="host.example ssh-ed25519 AAAA"
    )
    environ = {"PATH": f"{fake_ssh}:{os.environ['PATH']}"}
    work(opened(f"ssh://git@host.example{bare}", credentials=credentials, environ=environ))
    log = (tmp_path / "ssh.log").read_text()
    assert "StrictHostKeyChecking=yes" in log
    assert "UserKnownHostsFile=" in log


@pytest.mark.parametrize(("kind", "form"), [("ed25519", "RFC4716"), ("rsa", "PEM"), ("rsa", "PKCS8")])
def test_a_passphrase_is_a_clear_error(tmp_path: Path, opened: Open, kind: str, form: str) -> None:
    locked = make_key(tmp_path / "locked", "secret", kind, form)
    with pytest.raises(UsageError, match="protected by a passphrase"):
        opened("git@h:a", credentials=Credentials(type="ssh", ssh_key=locked))
    plain = make_key(tmp_path / "plain", "", kind, form)
    opened("git@h:a", credentials=Credentials(type="ssh", ssh_key=plain))
    with pytest.raises(UsageError, match="is not a private key"):
        opened("git@h:a", credentials=Credentials(type="ssh", ssh_key=str(tmp_path / "plain.pub")))


# --- the environment of every Git process --------------------------------------------------------------------------


def test_the_environment_keeps_what_was_set_on_purpose() -> None:
    env = git.environment(
        {
            "GIT_DIR": "/x",
            "GIT_INDEX_FILE": "/x",
            "GIT_SSL_CAINFO": "/ca",
            "GIT_SSH_COMMAND": "ssh -v",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.proxy",
            "GIT_CONFIG_VALUE_0": "p",
            "GIT_ALLOW_PROTOCOL": "https:ext",
            "HTTPS_PROXY": "p",
            "LANGUAGE": "de",
        }
    )
    assert "GIT_DIR" not in env
    assert "GIT_INDEX_FILE" not in env
    assert "LANGUAGE" not in env
    assert (env["GIT_SSL_CAINFO"], env["GIT_SSH_COMMAND"], env["HTTPS_PROXY"]) == ("/ca", "ssh -v", "p")
    assert env["GIT_ALLOW_PROTOCOL"] == "https"
    assert env["GIT_CONFIG_KEY_0"] == "http.proxy"
    assert env[f"GIT_CONFIG_KEY_{int(env['GIT_CONFIG_COUNT']) - 1}"] == "http.lowSpeedTime"


def test_a_token_of_an_enterprise_server_is_not_for_github_com() -> None:
    address, _ = parse_address("https://github.com/a/b", cwd=Path("/"), environ={})
    job = {"GITHUB_TOKEN": SECRET, "GITHUB_SERVER_URL": "https://github.example"}
    assert login_for(address, None, job, cwd=Path("/")).secrets == ()
    assert login_for(address, None, {"GITHUB_TOKEN": SECRET}, cwd=Path("/")).secrets == (SECRET,)


def test_a_login_shows_nothing_of_itself() -> None:
    address, _ = parse_address("https://h/a", cwd=Path("/"), environ={})
    login = login_for(address, Credentials(type="token", token=SECRET), {}, cwd=Path("/"))
    assert "S3cr" not in repr(login)


def test_a_command_that_hangs_is_stopped(tmp_path: Path) -> None:
    script = tmp_path / "git"
    script.write_text("#!/bin/sh\nexec tail -f /dev/null\n")
    script.chmod(0o755)
    with pytest.raises(GitError, match="no answer after") as caught:
        git.run(["fetch"], env={"PATH": f"{tmp_path}:{os.environ['PATH']}"}, timeout=0.2)
    assert caught.value.unreachable
