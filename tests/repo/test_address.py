from __future__ import annotations

from pathlib import Path

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.repo.address import Address, parse_address
from sloth_ci.repo.errors import redact


def address(url: str, cwd: Path = Path("/w"), **environ: str) -> Address:
    return parse_address(url, cwd=cwd, environ=environ)[0]


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/Company/Infra",
        "https://github.com/company/infra.git",
        "https://GitHub.com:443/company/infra/",
        "https://token@github.com/company/infra",
        "git@github.com:company/infra.git",
        "github.com:company/infra",
        "ssh://git@github.com/company/infra.git",
        "ssh://git@ssh.github.com/company/infra.git",
        "company/infra",
    ],
)
def test_the_same_repository_in_all_its_spellings(url: str) -> None:
    assert address(url).same(address("https://github.com/company/infra"))


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/company/other",
        "https://gitlab.com/company/infra",
        "https://github.com:8443/company/infra",
        "./company/infra",
        "/company/infra",
    ],
)
def test_other_repositories(url: str) -> None:
    assert not address(url).same(address("https://github.com/company/infra"))


def test_case_counts_where_the_forge_says_so() -> None:
    assert not address("https://git.example/A/b").same(address("https://git.example/a/b"))
    assert address("https://GIT.example/A/b").same(address("git@git.EXAMPLE:A/b.git"))


def test_a_short_name_is_on_the_forge_of_the_run() -> None:
    assert address("a/b", GITHUB_SERVER_URL="https://ghe.example").text == "https://ghe.example/a/b"
    assert address("a/b", CI_SERVER_URL="https://gitlab.example").text == "https://gitlab.example/a/b"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (".", "/w"),
        ("../x", "/x"),
        ("repo", "/w/repo"),
        ("./a b/c", "/w/a b/c"),
        ("file:///a%20b/c.git", "/a b/c.git"),
        ("file://localhost/a", "/a"),
        ("/w/repo/.git", "/w/repo"),
        ("~/x", "/home/me/x"),
    ],
)
def test_paths(url: str, path: str) -> None:
    assert address(url, HOME="/home/me") == Address(path, "path", path=path)


def test_a_password_is_taken_out_of_the_url() -> None:
    place, credentials = parse_address("https://me:p%40ss@git.example:8443/a/b", cwd=Path("/"), environ={})
    assert place.text == "https://git.example:8443/a/b"
    assert "p@ss" not in repr(place) + repr(credentials)
    assert credentials is not None
    assert (credentials.username, credentials.password) == ("me", "p@ss")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "--upload-pack=touch x",
        "ext::sh -c 'touch x'",
        "fd::17",
        "ftp://host/x",
        "https://",
        "https://host:port/x",
        "https://host/x?token=1",
        "file://elsewhere/x",
        "ssh://-oProxyCommand=x/y",
        "-oProxyCommand=x:y",
        "a\nb",
        "ssh://me:secret@host/x",
    ],
)
def test_what_git_must_not_be_given(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        address(url)
    assert "secret" not in caught.value.message


def test_redaction() -> None:
    text = "fatal: unable to access 'https://x:tok@h/a/': https://tok2@h git ssh://git@h/a ssh://u:pw@h tok3"
    assert redact(text, ("tok3",)) == (
        "fatal: unable to access 'https://***@h/a/': https://***@h git ssh://git@h/a ssh://***@h ***"
    )
