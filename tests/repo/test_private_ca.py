"""A GitLab whose certificate is of a CA of its own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from sloth_ci.repo import git
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.repository import Repository
from support.githttp import serve
from support.gitrepo import GitRepo
from support.pki import Authority


def test_the_ca_that_the_runner_names_is_trusted_for_its_server(
    git_repo: Callable[..., GitRepo], opened: Callable[..., Repository], tmp_path: Path
) -> None:
    repo = git_repo()
    tip = repo.commit("one", {"a.yaml": "a: 1\n"})
    repo.clone_bare(tmp_path / "served" / "team" / "infra.git")
    authority = Authority(tmp_path, "company")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.server("gitlab"))
    with serve(tmp_path / "served", password="t0ken", tls=tls) as server:
        job = {"CI_SERVER_URL": server.url, "CI_JOB_TOKEN": "t0ken"}
        url = f"{server.url}/team/infra.git"
        with pytest.raises(GitError, match="certificate"):
            opened(url, environ=job).branch_tip("main")
        named = {**job, "CI_SERVER_TLS_CA_FILE": str(authority.files.certificate)}
        assert opened(url, environ=named).branch_tip("main") == tip


def test_for_other_servers_it_says_nothing(tmp_path: Path) -> None:
    env = git.environment(
        {"CI_SERVER_URL": "https://gitlab.example/", "CI_SERVER_TLS_CA_FILE": "/ca.pem", "PATH": "/usr/bin:/bin"}
    )

    def asked(url: str) -> str:
        args = ["config", "--get-urlmatch", "http.sslCAInfo", url]
        return git.run(args, cwd=tmp_path, env=env, check=False).decode().strip()

    assert asked("https://gitlab.example/group/shop.git") == "/ca.pem"
    assert asked("https://github.com/acme/shop.git") == ""
    assert asked("https://gitlab.example.evil/group/shop.git") == ""
