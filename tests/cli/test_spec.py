"""Every Lua block of the specification against real repositories and the real engine, nothing edited but the URLs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sloth_ci.core.yaml import dump
from sloth_ci.engine.api import Api
from sloth_ci.engine.session import Session
from sloth_ci.script.outcome import TaskOutcome
from sloth_ci.script.run import Script, load
from support.bodies import body, deployment
from support.gitrepo import GitRepo
from support.world import Listener, Person

SPEC = Path(__file__).parent.parent / "script" / "spec"
URL = re.compile(r"https://github\.com/(?:company|org)/([a-z0-9-]+)")

GIVEN = """
repo_id = gitops.register_repository({url = "https://github.com/company/given", branch = "main"})
workflow_id = gitops.create_workflow({name = "given", repository = repo_id, rollback_on_failure = true, %s})
environment = "production"
"""


class Company:
    """All repositories of the specification's company, on disk, with the branches and folders that it names."""

    def __init__(self, folder: Path, git_repo: Callable[..., GitRepo]) -> None:
        self.folder = folder
        self._git_repo = git_repo
        self.repositories: dict[str, GitRepo] = {}
        self.listener = Listener()
        self.person = Person()
        self.environ = {**os.environ}
        self.scripts: list[Script] = []

    def url(self, name: str) -> str:
        """The path of the bare origin of a repository, which is made when it is first asked for."""
        origin = self.folder / "origins" / f"{name}.git"
        if name not in self.repositories:
            repository = self._git_repo(f"work-{name}")
            manifest = dump(deployment(name=name, image=f"{name}:1"))
            folders = ("k8s/production", "manifests/production")
            files = {
                f"{folder}/{name}-{folder.partition('/')[0]}.yaml": manifest.replace(name, f"{name}-{folder[:3]}")
                for folder in folders
            }
            repository.commit("first", files)
            for branch in ("develop", "staging"):
                repository.git("branch", branch)
            repository.clone_bare(origin)
            self.repositories[name] = repository
        return str(origin)

    def push(self, name: str, files: dict[str, dict[str, Any]], delete: tuple[str, ...] = ()) -> str:
        repository = self.repositories[name]
        repository.git("fetch", "-q", "origin")
        repository.git("reset", "-q", "--hard", "origin/main")
        sha = repository.commit("change", {path: dump(content) for path, content in files.items()}, delete)
        repository.git("push", "-q", "origin", "HEAD:main")
        return sha

    def run(self, text: str) -> Script:
        """A run of its own: a new session, as a new process would have it."""
        root = self.folder / "here"
        root.mkdir(exist_ok=True)
        (root / "sloth.lua").write_text(URL.sub(lambda match: self.url(match[1]), text))
        session = Session(
            root=root,
            environ=self.environ,
            cache_dir=self.folder / "cache",
            observer=self.listener,
            gate=self.person,
            holder="spec",
        )
        script = load(root / "sloth.lua", Api(session, trusted=True))
        self.scripts.append(script)
        return script

    def task(self, name: str, given: str = "", **params: str) -> TaskOutcome:
        script = self.run(GIVEN % given + block(name))
        [task] = script.tasks
        return script.run_task(task, params).tasks[task]

    def live(self) -> str:
        root = self.folder / "here" / ".sloth" / "live"
        return "\n".join(path.read_text() for path in sorted(root.rglob("*.yaml")))


def block(name: str) -> str:
    [file] = SPEC.glob(f"[0-9][0-9]_{name}*.lua")
    return file.read_text()


@pytest.fixture
def company(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Iterator[Company]:
    """The company, and its scripts closed in the end."""
    made = Company(tmp_path, git_repo)
    yield made
    for script in made.scripts:
        script.close()


@pytest.mark.parametrize("file", sorted(SPEC.glob("*.lua")), ids=lambda file: file.stem)
def test_every_block_runs(company: Company, file: Path) -> None:
    text = file.read_text()
    synced = "gitops.sync_workflow(workflow_id)\n" if "last_sync_result" in text else ""
    company.run(GIVEN % "" + synced + text)


def test_preview_and_deploy(company: Company) -> None:
    assert company.task("preview_changes").status == "succeeded"
    assert "image: given" in company.live()
    assert company.task("preview_changes").message == "No changes to deploy"
    company.push("given", {"k8s/role.yaml": body("ClusterRoleBinding", "admin", None, "rbac.authorization.k8s.io/v1")})
    company.person.approves = False
    assert company.task("preview_changes").message == "Deployment cancelled by user"
    assert "Proceed with 1 high-impact changes? (y/N)" in company.listener.text()
    company.person.approves = True
    assert company.task("preview_changes").status == "succeeded"
    assert "ClusterRoleBinding" in company.live()
    company.push("given", {"k8s/again.yaml": body("ClusterRoleBinding", "admin", None, "rbac.authorization.k8s.io/v1")})
    assert company.task("preview_changes").message == "Conflicts must be resolved before deployment"
    assert "ClusterRoleBinding/admin: declared in k8s/again.yaml:1" in company.listener.text()


def test_production_deploy(company: Company) -> None:
    outcome = company.task("manual_synchronization")
    assert outcome.message == "Production deployed successfully", company.listener.text()
    volume = body("PersistentVolume", "disk", None, spec={})
    company.push("given", {"k8s/pv.yaml": volume})
    assert company.task("manual_synchronization").message == "Production deployed successfully"
    company.push("given", {}, ("k8s/pv.yaml",))
    assert company.task("manual_synchronization").message == "Breaking changes detected - manual review required"
    assert "PersistentVolume" in company.live()


def test_resilient_deploy(company: Company) -> None:
    check = 'sync_policy = {health_check = {command = "! grep -rq broken .sloth", timeout = "50ms", interval = "10ms"}}'
    assert company.task("automatic_rollback", check).message == "Deployment successful"
    before = company.live()
    company.push("given", {"k8s/production/bad.yaml": deployment(name="broken")})
    assert company.task("automatic_rollback", check).message == "Deployment failed but rollback successful"
    assert company.live() == before
    log = company.repositories["given"].git("-C", company.url("given"), "log", "--format=%s", "main").splitlines()
    assert [subject.split()[0] for subject in log] == ["Revert", "change", "first"]


def test_manual_rollback(company: Company) -> None:
    company.task("preview_changes")
    before = company.live()
    company.push("given", {"k8s/production/new.yaml": deployment(name="new")})
    company.task("preview_changes")
    assert company.live() != before
    assert company.task("manual_rollback", reason="slow").message == "Manual rollback completed"
    assert company.live() == before
    assert " Reason: slow" in company.listener.text()
    assert " Current status: synced" in company.listener.text()


def test_kubernetes(company: Company) -> None:
    outcome = company.task("native_kubernetes")
    assert outcome.status == "succeeded"
    assert "name: k8s-manifests-man" in company.live()
    assert "name: k8s-manifests-k8s" not in company.live(), "only target_path is deployed"


def test_auto_sync_in_a_ci_job_is_one_pass(company: Company) -> None:
    company.environ["CI"] = "true"
    company.run(block("automatic_synchronization"))
    assert "image: dev-config" in company.live()


def test_several_repositories_in_sequence(company: Company) -> None:
    company.run(block("multi_repository"))
    assert [name in company.live() for name in ("frontend-config", "backend-config", "database-config")] == [True] * 3
