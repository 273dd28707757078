"""One ledger for each repository: two whose files say the same of themselves do not take each other's objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import WorkflowSpec, read_table
from sloth_ci.core.yaml import dump
from sloth_ci.engine.preview import preview
from sloth_ci.engine.rollback import rollback
from sloth_ci.engine.session import Session
from sloth_ci.engine.status import status
from sloth_ci.engine.suspend import suspension_of
from sloth_ci.engine.sync import sync
from support.bodies import body
from support.githttp import GitServer, serve
from support.gitrepo import GitRepo
from support.world import Listener, Person


class Repositories:
    """Repositories on one server. Each has a workflow `app` that renders to the same branch of a repository of its own."""

    def __init__(self, folder: Path, server: GitServer, git_repo: Callable[..., GitRepo]) -> None:
        self.folder, self.server, self.git_repo = folder, server, git_repo
        git_repo("rendered").clone_bare(server.root / "acme" / "rendered.git")

    def make(self, name: str, config: str) -> GitRepo:
        """A repository with one ConfigMap, pushed to the server, and its checkout."""
        checkout = self.git_repo(name.replace("/", "-"))
        checkout.commit("first", {"k8s/config.yaml": dump(body("ConfigMap", config, data={"a": "1"}))})
        checkout.clone_bare(self.server.root / f"{name}.git")
        self.cloned(checkout, f"{self.server.url}/{name}.git")
        return checkout

    def cloned(self, checkout: GitRepo, url: str, remote: str = "origin") -> None:
        """Give a checkout a remote by another address."""
        checkout.git("remote", "remove", remote, check=False)
        checkout.git("remote", "add", remote, url)

    def workflow(self, **table: Any) -> WorkflowSpec:
        table = {
            "repository": {"url": "."},
            "name": "app",
            "target_path": "k8s",
            "branch": "main",
            "destination": {"branch": "live", "repository": f"{self.server.url}/acme/rendered.git"},
            "sync_policy": {"retry": {"delay": 0, "limit": 1}, "prune_limit": 1.0},
            **table,
        }
        return read_table(table, WorkflowSpec, "workflow")

    def run(self, checkout: GitRepo, do: Callable[[Session], Any]) -> Any:
        session = Session(
            root=checkout.path,
            environ=dict(os.environ),
            cache_dir=self.folder / "cache",
            observer=Listener(),
            gate=Person(),
            holder="tester",
        )
        try:
            return do(session)
        finally:
            session.close()

    def sync(self, checkout: GitRepo, **table: Any) -> None:
        assert self.run(checkout, lambda session: sync(session, self.workflow(**table))).status == "succeeded"

    def preview(self, checkout: GitRepo, **table: Any) -> Plan:
        plan: Plan = self.run(checkout, lambda session: preview(session, self.workflow(**table)))
        return plan

    def there(self) -> set[str]:
        """The names of the files that are rendered."""
        rendered = self.server.root / "acme" / "rendered.git"
        listed = self.git_repo("rendered").git("-C", str(rendered), "ls-tree", "-r", "--name-only", "live")
        return {Path(line).stem.removeprefix("configmap-") for line in listed.splitlines()}


@pytest.fixture
def repositories(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Iterator[Repositories]:
    root = tmp_path / "server"
    (root / "acme").mkdir(parents=True)
    with serve(root) as server:
        yield Repositories(tmp_path, server, git_repo)


USES: dict[str, Callable[[Session, WorkflowSpec], object]] = {
    "preview": preview,
    "sync": sync,
    "rollback": lambda session, workflow: rollback(session, workflow, to="previous", reason="because"),
    "status": status,
    "locked": suspension_of,
}


@pytest.mark.parametrize("use", USES)
def test_the_state_of_another_repository_is_refused(repositories: Repositories, use: str) -> None:
    shop, store = repositories.make("acme/shop", "shop"), repositories.make("acme/store", "store")
    workflow = repositories.workflow()
    repositories.sync(shop)
    with pytest.raises(ConflictError) as refused:
        repositories.run(store, lambda session: USES[use](session, workflow))
    assert "the state of workflow 'app' at branch live" in refused.value.message
    assert "belongs to the repository acme/shop, and this is acme/store" in refused.value.message
    assert "another `name`" in (refused.value.hint or "")
    assert repositories.there() == {"shop"}


def test_another_name_keeps_them_apart(repositories: Repositories) -> None:
    shop, store = repositories.make("acme/shop", "shop"), repositories.make("acme/store", "store")
    repositories.sync(shop)
    repositories.sync(store, name="store")
    assert repositories.there() == {"shop", "store"}
    assert not repositories.preview(shop).changes


def test_a_repository_that_was_renamed_takes_its_state_over(repositories: Repositories) -> None:
    shop = repositories.make("acme/shop", "shop")
    repositories.sync(shop)
    old = repositories.server.root / "acme" / "shop.git"
    old.rename(old.with_name("store.git"))
    repositories.cloned(shop, f"{repositories.server.url}/acme/store.git")
    with pytest.raises(ConflictError):
        repositories.preview(shop)
    adopting = {"conflicts": {"foreign_owner": "adopt"}}
    assert not repositories.preview(shop, **adopting).changes
    shop.commit("more", {"k8s/more.yaml": dump(body("ConfigMap", "more", data={"a": "1"}))})
    shop.git("push", "-q", "origin", "main")
    repositories.sync(shop, **adopting)
    assert not repositories.preview(shop).changes, "it is its own now"


def test_one_repository_under_many_addresses(repositories: Repositories, tmp_path: Path) -> None:
    """Another transport, upper case, a proxy with a folder, a path of this machine, a fork beside its upstream."""
    shop = repositories.make("acme/shop", "shop")
    repositories.sync(shop)
    url = repositories.server.url
    (tmp_path / "server" / "git").symlink_to(tmp_path / "server")
    (tmp_path / "server" / "ACME").symlink_to(tmp_path / "server" / "acme")
    for address in (f"{url}/ACME/shop.git", f"{url}/git/acme/shop", str(tmp_path / "server" / "acme" / "shop.git")):
        repositories.cloned(shop, address)
        assert not repositories.preview(shop).changes, address
    (tmp_path / "server" / "alice").symlink_to(tmp_path / "server" / "acme")
    repositories.cloned(shop, f"{url}/alice/shop.git")
    with pytest.raises(ConflictError, match="this is alice/shop"):
        repositories.preview(shop)
    repositories.cloned(shop, f"{url}/acme/shop.git", remote="upstream")
    assert not repositories.preview(shop).changes
