"""What a job of a pipeline finds in its environment, as GitLab and its runner make it.

    event = fake.event("merge_request_event", project, pull=pull)
    environ = event.environ(folder, workspace=checkout)     # CI_* for the program under test

The variables are those of doc/ci/variables/predefined_variables.md. A pipeline of a merge request from a fork runs in the
fork, with the fork's token, unless a member started it in the target (`in_target`). What a project's own CI/CD variables
are (SLOTH_TOKEN) the test adds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from support.forges.bare import ZERO, Signature
from support.gitlab import hooks
from support.gitlab.accounts import Token
from support.gitlab.model import Job, Note, Pipeline
from support.gitlab.shapes_ci import slug

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.merge_request import MergeRequest
    from support.gitlab.project import Project

Kind = Literal["detached", "merged_result", "merge_train"]


@dataclass(frozen=True)
class Event:
    """A pipeline that was started, and its job."""

    fake: FakeGitLab
    name: str
    """CI_PIPELINE_SOURCE."""
    project: Project
    """Where it runs."""
    pipeline: Pipeline
    job: Job
    token: Token
    """CI_JOB_TOKEN."""
    pull: MergeRequest | None = None
    kind: Kind = "detached"
    payload: dict[str, Any] | None = None
    """What a trigger was called with: a webhook's body, and the parameters."""
    frozen: bool = False
    tag: str = ""

    @property
    def sha(self) -> str:
        """CI_COMMIT_SHA."""
        return self.pipeline.sha

    def environ(self, folder: Path, workspace: Path | None = None) -> dict[str, str]:
        """The environment of the job. The file of TRIGGER_PAYLOAD is in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        found = self._server() | self._project(workspace or folder) | self._commit() | self._job()
        if self.pull:
            found |= self._pull(self.pull)
        if self.payload is not None:
            path = folder / "TRIGGER_PAYLOAD"
            path.write_text(json.dumps(self.payload), encoding="utf-8")
            found["TRIGGER_PAYLOAD"] = str(path)
        if self.frozen:
            found["CI_DEPLOY_FREEZE"] = "true"
        return found

    def _server(self) -> dict[str, str]:
        parts = urlsplit(self.fake.url)
        return {
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_SERVER": "yes",
            "CI_SERVER_NAME": "GitLab",
            "CI_SERVER_VERSION": "19.0.0",
            "CI_SERVER_VERSION_MAJOR": "19",
            "CI_SERVER_URL": self.fake.url,
            "CI_SERVER_PROTOCOL": parts.scheme,
            "CI_SERVER_HOST": parts.hostname or "",
            "CI_SERVER_PORT": str(parts.port),
            "CI_SERVER_FQDN": parts.netloc,
            "CI_API_V4_URL": self.fake.api,
            "CI_API_GRAPHQL_URL": f"{self.fake.url}/api/graphql",
        }

    def _project(self, workspace: Path) -> dict[str, str]:
        project = self.project
        return {
            "CI_PROJECT_ID": str(project.id),
            "CI_PROJECT_NAME": project.name,
            "CI_PROJECT_NAMESPACE": project.namespace,
            "CI_PROJECT_ROOT_NAMESPACE": project.namespace.partition("/")[0],
            "CI_PROJECT_PATH": project.full_name,
            "CI_PROJECT_PATH_SLUG": slug(project.full_name),
            "CI_PROJECT_TITLE": project.name,
            "CI_PROJECT_URL": project.url,
            "CI_PROJECT_VISIBILITY": project.visibility,
            "CI_PROJECT_DIR": str(workspace),
            "CI_DEFAULT_BRANCH": project.default_branch,
            "CI_CONFIG_PATH": ".gitlab-ci.yml",
        }

    def _commit(self) -> dict[str, str]:
        pipeline, git = self.pipeline, self.project.git
        info = git.info(pipeline.sha)
        # A pipeline of a merge request is named after the branch that it comes from, and is no pipeline of that branch.
        name = self.pull.branch if self.pull else pipeline.ref
        found = {
            "CI_COMMIT_SHA": pipeline.sha,
            "CI_COMMIT_SHORT_SHA": pipeline.sha[:8],
            "CI_COMMIT_BEFORE_SHA": pipeline.before or ZERO,
            "CI_COMMIT_REF_NAME": name,
            "CI_COMMIT_REF_SLUG": slug(name),
            "CI_COMMIT_REF_PROTECTED": str(bool(not self.pull and self.project.protection(name))).lower(),
            "CI_COMMIT_MESSAGE": info.message,
            "CI_COMMIT_TITLE": info.message.split("\n")[0],
            "CI_COMMIT_DESCRIPTION": info.message.partition("\n")[2].strip(),
            "CI_COMMIT_AUTHOR": f"{info.author[0]} <{info.author[1]}>",
            "CI_COMMIT_TIMESTAMP": info.committer[2],
        }
        if self.tag:
            found["CI_COMMIT_TAG"] = self.tag
        elif not self.pull:
            found["CI_COMMIT_BRANCH"] = name
        return found

    def _job(self) -> dict[str, str]:
        project, pipeline, job = self.project, self.pipeline, self.job
        account = self.fake.account(pipeline.login)
        host = urlsplit(self.fake.url).netloc
        found = {
            "CI_PIPELINE_ID": str(pipeline.id),
            "CI_PIPELINE_IID": str(pipeline.iid),
            "CI_PIPELINE_SOURCE": self.name,
            "CI_PIPELINE_URL": f"{project.url}/-/pipelines/{pipeline.id}",
            "CI_PIPELINE_CREATED_AT": pipeline.created_at,
            "CI_JOB_ID": str(job.id),
            "CI_JOB_NAME": job.name,
            "CI_JOB_STAGE": job.stage,
            "CI_JOB_STATUS": "running",
            "CI_JOB_URL": f"{project.url}/-/jobs/{job.id}",
            "CI_JOB_STARTED_AT": job.started_at or "",
            "CI_JOB_TOKEN": self.token.value,
            "CI_REPOSITORY_URL": f"http://gitlab-ci-token:{self.token.value}@{host}/{project.full_name}.git",
            "CI_NODE_TOTAL": "1",
            "GITLAB_USER_ID": str(account.id),
            "GITLAB_USER_LOGIN": account.login,
            "GITLAB_USER_NAME": account.name,
            "GITLAB_USER_EMAIL": account.email,
        }
        if self.name == "trigger":
            found["CI_PIPELINE_TRIGGERED"] = "true"
        if job.environment:
            tier = project.environments[job.environment].tier
            found |= {"CI_ENVIRONMENT_NAME": job.environment, "CI_ENVIRONMENT_SLUG": slug(job.environment)[:24]}
            found |= {"CI_ENVIRONMENT_ACTION": "start", "CI_ENVIRONMENT_TIER": tier}
        return found

    def _pull(self, pull: MergeRequest) -> dict[str, str]:
        target, source = pull.project, pull.head_project
        found = {
            "CI_MERGE_REQUEST_ID": str(pull.id),
            "CI_MERGE_REQUEST_IID": str(pull.number),
            "CI_MERGE_REQUEST_TITLE": pull.title,
            "CI_MERGE_REQUEST_DESCRIPTION": (pull.body or "")[:2700],
            "CI_MERGE_REQUEST_REF_PATH": f"refs/merge-requests/{pull.number}/head",
            "CI_MERGE_REQUEST_PROJECT_ID": str(target.id),
            "CI_MERGE_REQUEST_PROJECT_PATH": target.full_name,
            "CI_MERGE_REQUEST_PROJECT_URL": target.url,
            "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": str(source.id),
            "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": source.full_name,
            "CI_MERGE_REQUEST_SOURCE_PROJECT_URL": source.url,
            "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": pull.branch,
            "CI_MERGE_REQUEST_SOURCE_BRANCH_PROTECTED": str(bool(source.protection(pull.branch))).lower(),
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": pull.base,
            "CI_MERGE_REQUEST_TARGET_BRANCH_PROTECTED": str(bool(target.protection(pull.base))).lower(),
            "CI_MERGE_REQUEST_DIFF_ID": str(pull.version.id),
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": pull.version.base,
            "CI_MERGE_REQUEST_EVENT_TYPE": self.kind,
            "CI_MERGE_REQUEST_SQUASH_ON_MERGE": "false",
            "CI_OPEN_MERGE_REQUESTS": f"{target.full_name}!{pull.number}",
        }
        if pull.labels:
            found["CI_MERGE_REQUEST_LABELS"] = ",".join(pull.labels)
        if self.kind != "detached":
            shas = {"SOURCE": pull.head, "TARGET": target.head(pull.base)}
            found |= {f"CI_MERGE_REQUEST_{side}_BRANCH_SHA": sha for side, sha in shas.items()}
        return found


def build(fake: FakeGitLab, source: str, project: Project, about: Mapping[str, object]) -> Event:
    """A pipeline of `project` from a source, and a job that runs.

    Takes `login` (who started it), `name` (of the job), `environment` (which the job has declared: that makes a
    deployment), `frozen` (whether a deploy freeze holds), and
    - merge_request_event: `pull`, `kind`, `in_target` (of a fork's: not in the fork, but in the target);
    - push: `branch` or `tag`, `before`, and `sha` of one that comes late; schedule, web, api: `branch`;
    - trigger: `branch`, and `note` or `pull` (with `action` and `changes`) for the webhook that called it.
    """
    left = dict(about)
    login, name = left.pop("login", None), left.pop("name", "sloth-ci")
    environment, frozen = left.pop("environment", ""), bool(left.pop("frozen", False))
    maker = {"merge_request_event": _of_pull, "trigger": _of_trigger}.get(source, _of_branch)
    made: dict[str, Any] = maker(fake, source, project, left, login)
    assert not left, f"a pipeline from {source} is not about {', '.join(left)}"
    where: Project = made.pop("project", project)
    job = where.job(made["pipeline"], str(name), environment=str(environment))
    return Event(fake, source, where, job=job, token=where.job_token(job), frozen=frozen, **made)


def _of_branch(fake: FakeGitLab, source: Any, project: Project, left: dict[str, Any], login: Any) -> dict[str, Any]:
    branch, tag = left.pop("branch", ""), left.pop("tag", "")
    before = left.pop("before", "")
    pushed = next((push for push in reversed(project.pushes) if push.ref == f"refs/heads/{branch or project.default_branch}"), None)  # fmt: skip
    if source == "push" and not tag and pushed:
        login, before = login or pushed.login, before or pushed.before
    fake.clock.tick()
    sha = left.pop("sha", "")
    pipeline = project.pipeline(
        source, sha=sha, branch=tag or branch, login=login or "alice", tag=bool(tag), before=before
    )
    return {"pipeline": pipeline, "tag": tag}


def _of_pull(fake: FakeGitLab, _source: str, project: Project, left: dict[str, Any], login: Any) -> dict[str, Any]:
    pull: MergeRequest = left.pop("pull")
    kind: Kind = left.pop("kind", "detached")
    in_target = left.pop("in_target", not pull.fork)
    assert project is pull.project, "the event is one of the merge request's project"
    pull.refresh()
    where = project if in_target else pull.head_project
    sha = pull.head
    if kind != "detached":
        base = project.head(pull.base)
        who = Signature(*fake.identity(pull.login), fake.clock.now())
        tree = project.git.merge_tree(base, pull.head)
        sha = project.git.commit_tree(tree, [base, pull.head], f"Merge {pull.head} into {base}", who)
        project.git.set_ref(f"refs/merge-requests/{pull.number}/merge", sha)
    pipeline = where.pipeline("merge_request_event", sha=sha, login=login or pull.login, pull=pull)
    return {"project": where, "pipeline": pipeline, "pull": pull, "kind": kind}


def _of_trigger(_fake: FakeGitLab, _source: str, project: Project, left: dict[str, Any], login: Any) -> dict[str, Any]:
    note: Note | None = left.pop("note", None)
    pull: MergeRequest | None = left.pop("pull", None)
    payload: dict[str, Any] = {}
    if note:
        payload = hooks.note(project, note, left.pop("action", "create"))
    elif pull:
        payload = hooks.merge_request(
            pull, left.pop("action", "update"), left.pop("sender", pull.login), left.pop("changes", {})
        )
    branch = left.pop("branch", "")
    # What the trigger was called with is there in any case: app/services/ci/pipeline_trigger_service.rb.
    called: dict[str, Any] = {"id": str(project.id), "ref": branch or project.default_branch, "variables": {}}
    # A trigger's pipeline is its owner's, whoever called the webhook.
    return {
        "pipeline": project.pipeline("trigger", branch=branch, login=login or "alice"),
        "payload": {**payload, **called},
    }
