"""Every Lua block of the specification against real repositories and the real engine: only the URLs are ours."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sloth_ci.core.yaml import dump
from sloth_ci.engine.api import Api
from sloth_ci.engine.session import Session
from sloth_ci.script.outcome import TaskOutcome
from sloth_ci.script.run import Script, load
from support.bodies import body, deployment
from support.gitrepo import GitRepo
from support.world import Listener, Person

SPEC = Path(__file__).parent / "spec"
EXAMPLES = Path(__file__).parents[2] / "examples"
URL = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
DECLARED = """
local given = gitops.register_repository({url = "https://github.com/company/given"})
repo_id = given
workflow_id = gitops.create_workflow({name = "given", repository = given, rollback_on_failure = true})
"""


class Company:
    """The repositories that the specification speaks of, and one run of sloth-ci on them."""

    def __init__(self, folder: Path, git_repo: Callable[..., GitRepo]) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.listener = Listener()
        self.person = Person()
        self._git_repo = git_repo
        self._sources: dict[str, GitRepo] = {}
        self._scripts: list[Script] = []
        self._sessions: list[Session] = []

    def origin(self, name: str, files: dict[str, str] | None = None) -> Path:
        """A bare repository with some manifests on every branch that a block names."""
        bare = self.folder / "origins" / f"{name}.git"
        if name not in self._sources:
            source = self._sources[name] = self._git_repo(f"source-{name}")
            source.commit(
                "manifests",
                {
                    "web.yaml": dump(deployment(image="web:1")),
                    "manifests/production/site.yaml": dump(body("ConfigMap", "site", data={"a": "1"})),
                    "k8s/production/shop.yaml": dump(body("ConfigMap", "shop", data={"a": "1"})),
                    **(files or {}),
                },
            )
            for branch in ("develop", "staging"):
                source.git("branch", branch)
            bare.parent.mkdir(exist_ok=True)
            source.clone_bare(bare)
        return bare

    def push(self, name: str, path: str, text: str | None) -> None:
        """Change a file on main, or delete it."""
        source = self._sources[name]
        source.commit(f"change {path}", {path: text} if text is not None else {}, () if text is not None else (path,))
        source.git("push", "-q", str(self.origin(name)), "HEAD:main")

    def run(
        self, text: str, *, values: dict[str, object] | None = None, params: dict[str, str] | None = None
    ) -> tuple[Script, Session]:
        """A new process that loads the text, with the URLs of the origins."""
        self.work.mkdir(exist_ok=True)
        file = self.work / "sloth.lua"
        file.write_text(URL.sub(lambda found: str(self.origin(found[2])), text))
        session = Session(
            root=self.work,
            environ=dict(os.environ),
            cache_dir=self.folder / "cache",
            observer=self.listener,
            gate=self.person,
            holder="tester",
        )
        script = load(file, Api(session, trusted=True), values=values, params=params)
        self._scripts.append(script)
        self._sessions.append(session)
        return script, session

    def close(self) -> None:
        for script in self._scripts:
            script.close()
        for session in self._sessions:
            session.close()

    def live(self) -> str:
        """What is deployed to the default destination."""
        return "\n".join(path.read_text() for path in sorted((self.work / ".sloth" / "live").rglob("*.yaml")))

    def subjects(self, name: str) -> list[str]:
        """Of the commits on main, newest first."""
        git = self._sources[name].git
        return git("-C", str(self.origin(name)), "log", "--format=%s", "main").splitlines()

    def lines(self, level: str) -> list[str]:
        return [text for at, text in self.listener.lines if at == level]


@pytest.fixture
def company(tmp_path: Path, git_repo: Callable[..., GitRepo]) -> Iterator[Company]:
    company = Company(tmp_path, git_repo)
    yield company
    company.close()


def block(name: str) -> str:
    [file] = SPEC.glob(f"[0-9][0-9]_{name}*.lua")
    return file.read_text()


@pytest.mark.parametrize("file", sorted(SPEC.glob("*.lua")), ids=lambda file: file.stem)
def test_every_block_runs(company: Company, file: Path) -> None:
    company.run(f"environment = 'production' {DECLARED}gitops.sync_workflow(workflow_id)")
    company.push("given", "new.yaml", dump(body("ConfigMap", "new", data={"a": "1"})))
    company.run(f"environment = 'production' {DECLARED}{file.read_text()}")


@pytest.fixture
def deploy(company: Company) -> Callable[..., TaskOutcome]:
    """Run the only task of a block for the workflow `given`, in a new process."""

    def go(name: str, given: str = "", **params: str) -> TaskOutcome:
        declared = DECLARED.replace("rollback_on_failure = true", f"rollback_on_failure = true, {given}")
        script, _ = company.run(declared + block(name))
        [task] = script.tasks
        return script.run_task(task, params).tasks[task]

    return go


def test_preview_then_deploy_then_nothing(deploy: Callable[..., TaskOutcome], company: Company) -> None:
    assert deploy("preview_changes").output == {"success": True, "message": ""}
    assert "  Created: 3" in company.lines("info")
    assert deploy("preview_changes").message == "No changes to deploy"


def test_conflicts_stop_a_deployment(deploy: Callable[..., TaskOutcome], company: Company) -> None:
    deploy("preview_changes")
    company.push("given", "again.yaml", dump(deployment(image="web:2")))
    outcome = deploy("preview_changes")
    assert (outcome.status, outcome.message) == ("failed", "Conflicts must be resolved before deployment")


def test_deploy_by_hand_and_take_it_back(deploy: Callable[..., TaskOutcome], company: Company) -> None:
    assert deploy("manual_synchronization").message == "Production deployed successfully"
    company.push("given", "web.yaml", dump(deployment(image="web:2")))
    assert deploy("automatic_rollback").message == "Deployment successful"
    outcome = deploy("manual_rollback", reason="we said so")
    assert (outcome.status, outcome.message) == ("succeeded", "Manual rollback completed")
    assert " Reason: we said so" in company.lines("info")
    assert company.subjects("given")[0].startswith("Revert ")
    assert company.subjects("given")[1:] == ["change web.yaml", "manifests"]


def test_high_impact_waits_for_a_yes(deploy: Callable[..., TaskOutcome], company: Company) -> None:
    deploy("preview_changes")
    role = body("ClusterRoleBinding", "admin", None, "rbac.authorization.k8s.io/v1")
    company.push("given", "role.yaml", dump(role))
    company.person.approves = False
    assert deploy("preview_changes").message == "Deployment cancelled by user"
    assert "Proceed with 1 high-impact changes? (y/N)" in company.lines("info")
    assert "ClusterRoleBinding" not in company.live()
    company.person.approves = True
    assert deploy("preview_changes").status == "succeeded"
    assert "ClusterRoleBinding" in company.live()


def test_a_volume_is_not_deleted_without_a_review(deploy: Callable[..., TaskOutcome], company: Company) -> None:
    deploy("preview_changes")
    company.push("given", "disk.yaml", dump(body("PersistentVolume", "disk", None, spec={})))
    assert deploy("manual_synchronization").message == "Production deployed successfully"
    company.push("given", "disk.yaml", None)
    assert deploy("manual_synchronization").message == "Breaking changes detected - manual review required"
    assert "PersistentVolume" in company.live()


def test_a_failed_deployment_is_back_before_the_script_asks(
    deploy: Callable[..., TaskOutcome], company: Company
) -> None:
    check = 'sync_policy = {health_check = {command = "! grep -rq broken .sloth", timeout = "50ms", interval = "10ms"}}'
    assert deploy("automatic_rollback", check).message == "Deployment successful"
    before = company.live()
    company.push("given", "web.yaml", dump(deployment(image="broken")))
    assert deploy("automatic_rollback", check).message == "Deployment failed but rollback successful"
    assert company.live() == before
    assert [subject.split()[0] for subject in company.subjects("given")] == ["Revert", "change", "manifests"]


def test_kubernetes(company: Company) -> None:
    script, session = company.run(block("native_kubernetes"))
    outcome = script.run_task("kubernetes_gitops")
    outcome.check()
    assert [workflow.target_path for workflow in session.workflows.values()] == ["manifests/production"]


def test_environments(company: Company) -> None:
    _, session = company.run(block("advanced"))
    assert [(w.name, w.repository.branch, w.auto_sync) for w in session.workflows.values()] == [
        ("development Environment", "develop", True),
        ("staging Environment", "staging", True),
        ("production Environment", "main", False),
    ]


def test_repositories_in_sequence(company: Company) -> None:
    each = "for _, w in ipairs(gitops.list_workflows()) do print(gitops.get_workflow_status(w.id).status) end"
    company.run(block("multi_repository") + each)
    assert company.lines("info")[-3:] == ["synced", "synced", "synced"]


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.lua").read_text()


def folders(*names: str) -> dict[str, str]:
    """A manifest in each folder."""
    return {f"{name}/{name}.yaml": dump(body("ConfigMap", name, data={"a": "1"})) for name in names}


def test_the_multi_environment_example(company: Company) -> None:
    [base] = {company.origin(name).parent for name in ("k8s-dev", "k8s-staging", "k8s-prod")}
    script, _ = company.run(example("multi_environment"), values={"repositories": str(base)})
    [outcome] = script.run_definitions()
    outcome.check()
    assert [task.output["changes"] for task in outcome.tasks.values()] == [3, 3, 3]


def test_the_kubernetes_example(company: Company) -> None:
    values: dict[str, object] = {"repository": str(company.origin("shop"))}
    script, _ = company.run(example("kubernetes"), values=values)
    assert script.run_task("deploy").tasks["deploy"].message == "synced 1 objects"
    script, _ = company.run(example("kubernetes"), values=values)
    assert script.run_task("deploy").tasks["deploy"].status == "skipped"


def test_the_blue_green_example(company: Company) -> None:
    origin = company.origin("shop", folders("blue", "green", "traffic-blue", "traffic-green"))
    script, _ = company.run(
        example("blue_green"),
        values={"repository": str(origin), "check": "test -d live/green"},
        params={"live": "blue"},
    )
    script.run_task("release").check()
    assert sorted(path.name for path in (company.work / "live").iterdir()) == ["green", "traffic"]


def test_the_canary_example(company: Company) -> None:
    origin = company.origin("shop", folders("canary-10", "canary-50", "stable"))
    script, _ = company.run(example("canary"), values={"repository": str(origin)}, params={"wait": "0s"})
    script.run_task("release").check()
    assert sorted(path.name for path in (company.work / "live").iterdir()) == ["canary-10", "canary-50", "stable"]


def test_the_disaster_recovery_example(company: Company) -> None:
    values: dict[str, object] = {"repository": str(company.origin("k8s-prod"))}
    script, _ = company.run(example("disaster_recovery"), values=values)
    [outcome] = script.run_definitions()
    assert outcome.tasks["drill"].output["differs"] is True
    script.run_task("rebuild").check()
    assert [path.name for path in (company.work / "live").iterdir()] == ["standby"]
