"""State refs: compare-and-swap, one winner, and what is known while the remote is away."""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth_ci.core.errors import RepositoryError, StateMoved, UsageError
from sloth_ci.repo.commits import NewFile, make_commit
from sloth_ci.repo.errors import GitError
from sloth_ci.repo.repository import Repository
from sloth_ci.repo.state import State, StateRef
from support.gitrepo import GitRepo

Open = Callable[..., Repository]
NAME = "directory-live/app-1234"


@pytest.fixture
def origin(git_repo: Callable[..., GitRepo], tmp_path: Path) -> Path:
    """A bare remote; its checkout is at `repo`."""
    repo = git_repo()
    repo.commit("one", {"a": "1"})
    return repo.clone_bare(tmp_path / "origin.git")


@pytest.fixture(params=["clone", "checkout", "alone"])
def where(
    request: pytest.FixtureRequest, origin: Path, git_repo: Callable[..., GitRepo], opened: Open
) -> Callable[[], Repository]:
    """The three places that a state can be seen from."""
    repo = GitRepo(origin.parent / "repo")
    if request.param == "alone":
        repo.git("remote", "remove", "origin")
    return lambda: opened(origin) if request.param == "clone" else opened(cwd=repo.path)


def test_write_read_change_delete(where: Callable[[], Repository]) -> None:
    mine, other = StateRef(where(), NAME), StateRef(where(), NAME)
    assert mine.read() is None
    first = mine.write({"ledger.json": b"{}", "backups/1": b"\0\n1"}, message="first", expected=None)
    assert dict(first.files) == {"ledger.json": b"{}", "backups/1": b"\0\n1"}
    seen = other.read()
    assert seen is not None
    assert seen.commit == first.commit
    second = other.write({"ledger.json": b"[]", "backups/1": None, 'odd "\\\n é': b""}, message="second", expected=seen)
    assert dict(second.files) == {"ledger.json": b"[]", 'odd "\\\n é': b""}
    now = mine.read()
    assert now is not None
    assert now.commit == second.commit
    assert now.files["ledger.json"] == b"[]"
    assert "missing" not in now.files
    mine.delete(now)
    assert mine.read() is None
    assert other.read() is None


def test_the_second_writer_loses(where: Callable[[], Repository]) -> None:
    mine, other = StateRef(where(), NAME), StateRef(where(), NAME)
    first = mine.write({"a": b"1"}, message="1", expected=None)
    with pytest.raises(StateMoved, match="changed by another run"):
        other.write({"a": b"other"}, message="2", expected=None)
    second = other.write({"a": b"2"}, message="2", expected=other.read())
    with pytest.raises(StateMoved):
        mine.write({"a": b"mine"}, message="3", expected=first)
    with pytest.raises(StateMoved):
        mine.delete(first)
    assert mine.read() is not None
    other.delete(second)
    with pytest.raises(StateMoved, match="gone"):
        mine.write({"a": b"mine"}, message="3", expected=second)


def test_names_are_listed_by_prefix(where: Callable[[], Repository]) -> None:
    repo = where()
    for name in ("one/a", "one/lock", "two/a"):
        StateRef(repo, name).write({"x": b"1"}, message="x", expected=None)
    assert StateRef.list(repo, "one/") == ["one/a", "one/lock"]
    assert StateRef.list(repo) == ["one/a", "one/lock", "two/a"]
    assert StateRef.list(repo, "none/") == []


def test_a_shallow_checkout_reads_and_writes(origin: Path, opened: Open, tmp_path: Path) -> None:
    first = StateRef(opened(origin), NAME)
    state = first.write({"a": b"1"}, message="1", expected=None)
    state = first.write({"a": b"2"}, message="2", expected=state)
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{origin}", str(tmp_path / "ci")], check=True)
    second = StateRef(opened(cwd=tmp_path / "ci"), NAME)
    seen = second.read()
    assert seen is not None
    second.write({"a": b"3"}, message="3", expected=seen)
    now = first.read()
    assert now is not None
    assert now.files["a"] == b"3"
    log = subprocess.run(
        ["git", "-C", str(origin), "log", "--format=%s", first.ref], capture_output=True, text=True, check=True
    )
    assert log.stdout.split() == ["3", "2", "1"]


_PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=6).filter(
    lambda part: (
        part not in {".", ".."} and not unicodedata.normalize("NFKC", part).lower().startswith((".git", "git~"))
    )
)


@given(st.dictionaries(_PART, st.binary(max_size=20), max_size=5))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_name_and_any_bytes_survive(origin: Path, opened: Open, files: dict[str, bytes]) -> None:
    repository = opened(origin)
    commit = make_commit(repository, None, {f"d/{name}": NewFile(data) for name, data in files.items()}, "x")
    assert dict(State(repository, commit).files) == {f"d/{name}": data for name, data in files.items()}


def test_the_history_is_readable_by_git(origin: Path, opened: Open) -> None:
    ref = StateRef(opened(origin), NAME)
    state = ref.write({"a": b"1"}, message="sync 1", expected=None)
    ref.write({"a": b"2"}, message="sync 2", expected=state)
    log = subprocess.run(
        ["git", "-C", str(origin), "log", "--format=%s by %an", ref.ref], capture_output=True, text=True, check=True
    )
    assert log.stdout.splitlines() == ["sync 2 by Test", "sync 1 by Test"]


def test_nothing_of_the_users_moves(origin: Path, opened: Open) -> None:
    repo = GitRepo(origin.parent / "repo")
    before = (
        repo.git("status", "--porcelain", "--branch"),
        repo.git("for-each-ref", "refs/heads", "refs/remotes", "refs/tags"),
    )
    ref = StateRef(opened(cwd=repo.path), NAME)
    ref.write({"a": b"1"}, message="1", expected=ref.read())
    after = (
        repo.git("status", "--porcelain", "--branch"),
        repo.git("for-each-ref", "refs/heads", "refs/remotes", "refs/tags"),
    )
    assert after == before
    assert not repo.git("for-each-ref", "refs/sloth/new")


def test_the_last_state_is_known_while_the_remote_is_away(origin: Path, opened: Open) -> None:
    ref = StateRef(opened(origin), NAME)
    state = ref.write({"a": b"1"}, message="1", expected=None)
    origin.rename(origin.with_suffix(".away"))
    with pytest.raises(GitError) as caught:
        ref.read()
    assert caught.value.unreachable
    with pytest.raises(GitError) as caught:
        ref.write({"a": b"2"}, message="2", expected=state)
    assert caught.value.unreachable
    later = StateRef(opened(origin), NAME).read(fetch=False)
    assert later is not None
    assert later.files["a"] == b"1"


def test_a_remote_that_refuses_is_no_race(origin: Path, opened: Open) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'only on Mondays' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(RepositoryError, match="only on Mondays"):
        StateRef(opened(origin), NAME).write({"a": b"1"}, message="1", expected=None)


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", "../a", "a..b", "a.lock", "-a", "a b", "a\nb", "a/.b", "a."])
def test_bad_names(origin: Path, opened: Open, name: str) -> None:
    with pytest.raises(UsageError):
        StateRef(opened(origin), name)


_RACER = """
import os, sys
from pathlib import Path
from sloth_ci.core.errors import StateMoved
from sloth_ci.core.workflow import RepositorySpec
from sloth_ci.repo.opening import open_repository
from sloth_ci.repo.state import StateRef
me, url, cwd, cache = sys.argv[1:]
repo = open_repository(RepositorySpec(url=url), cwd=Path(cwd), environ=os.environ, cache_dir=Path(cache))
ref = StateRef(repo, "lock/one")
state = ref.read()
print("ready", flush=True)
for _ in range(int(sys.stdin.readline())):
    try:
        state = ref.write({"holder": me.encode()}, message=me, expected=state)
        print("won", flush=True)
    except StateMoved:
        print("lost", flush=True)
"""


@pytest.mark.parametrize("shared", ["one cache", "two caches", "no remote"])
def test_of_two_processes_exactly_one_wins(origin: Path, tmp_path: Path, python: str, shared: str) -> None:
    repo = GitRepo(tmp_path / "repo")
    url, cwd = str(origin), tmp_path
    if shared == "no remote":
        repo.git("remote", "remove", "origin")
        url, cwd = ".", repo.path
    for round_number in range(3):
        processes = []
        for n in range(2):
            cache = tmp_path / ("cache" if shared != "two caches" else f"cache-{n}")
            processes.append(
                subprocess.Popen(
                    [python, "-c", _RACER, f"{round_number}-{n}", url, str(cwd), str(cache)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("1\n")
            process.stdin.flush()
        results = sorted(process.communicate()[0].strip() for process in processes)
        assert results == ["lost", "won"]


# --- a branch by the same rules ------------------------------------------------------------------------------------


def test_a_branch_of_rendered_files(where: Callable[[], Repository], origin: Path) -> None:
    repo = where()
    ref = StateRef(repo, "refs/heads/rendered/prod")
    assert ref.read() is None
    state = ref.write({"a.yaml": b"a: 1\n"}, message="one", expected=None)
    assert repo.branch_tip("rendered/prod") == state.commit
    state = ref.write({"a.yaml": None, "b.yaml": b"b: 1\n"}, message="two", expected=state)
    assert dict(state.files) == {"b.yaml": b"b: 1\n"}
    with pytest.raises(StateMoved):
        StateRef(where(), "refs/heads/rendered/prod").write({}, message="x", expected=None)
    seen = ref.read()
    assert seen is not None
    assert seen.commit == state.commit


def test_a_branch_that_the_user_has_too_is_not_moved_here(origin: Path, opened: Open) -> None:
    repo = GitRepo(origin.parent / "repo")
    repo.git("branch", "rendered")
    before = repo.sha("rendered")
    ref = StateRef(opened(cwd=repo.path), "refs/heads/rendered")
    ref.write({"a": b"2"}, message="1", expected=ref.read())
    assert repo.sha("rendered") == before
