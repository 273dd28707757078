"""Pipelines, jobs, commit statuses, environments and deployments as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.gitlab import shapes, shapes_git
from support.gitlab.model import (
    Deployment,
    DeploymentApproval,
    Environment,
    Freeze,
    Job,
    Pipeline,
    ProtectedEnvironment,
    Rule,
    Status,
)

if TYPE_CHECKING:
    from support.gitlab.project import Project

_ORDER = ("running", "pending", "failed", "canceled", "created", "success", "skipped")


def status(project: Project, found: Status) -> dict[str, Any]:
    """A commit status."""
    return {
        "id": found.id,
        "sha": found.pipeline.sha,
        "ref": found.pipeline.ref,
        "status": found.state,
        "name": found.name,
        "target_url": found.target_url,
        "description": found.description,
        "created_at": shapes.time(found.created_at),
        "started_at": shapes.time(found.started_at),
        "finished_at": shapes.time(found.finished_at),
        "allow_failure": False,
        "coverage": found.coverage,
        "pipeline_id": found.pipeline.id,
        "author": shapes.user(project.fake, found.login),
    }


def pipeline(project: Project, found: Pipeline) -> dict[str, Any]:
    """A pipeline, in short."""
    states = [one.state for one in project.statuses if one.pipeline is found and not one.retried]
    return {
        "id": found.id,
        "iid": found.iid,
        "project_id": project.id,
        "sha": found.sha,
        "ref": found.ref,
        "status": next((state for state in _ORDER if state in states), "created"),
        "source": found.source,
        "created_at": shapes.time(found.created_at),
        "updated_at": shapes.time(found.created_at),
        "web_url": f"{project.url}/-/pipelines/{found.id}",
    }


def pipeline_detail(project: Project, found: Pipeline) -> dict[str, Any]:
    """A pipeline, whole."""
    return {
        **pipeline(project, found),
        "before_sha": found.before or "0" * 40,
        "tag": found.tag,
        "yaml_errors": None,
        "user": shapes.user(project.fake, found.login),
        "started_at": shapes.time(found.created_at),
        "finished_at": None,
        "committed_at": None,
        "duration": None,
        "queued_duration": None,
        "coverage": None,
        "archived": False,
        "name": None,
    }


def job(project: Project, found: Job) -> dict[str, Any]:
    """A job."""
    return {
        "id": found.id,
        "status": found.state,
        "stage": found.stage,
        "name": found.name,
        "ref": found.pipeline.ref,
        "tag": found.pipeline.tag,
        "coverage": None,
        "allow_failure": False,
        "created_at": shapes.time(found.created_at),
        "started_at": shapes.time(found.started_at),
        "finished_at": shapes.time(found.finished_at),
        "erased_at": None,
        "duration": None,
        "queued_duration": None,
        "user": shapes.user(project.fake, found.login),
        "commit": shapes_git.commit(project, found.pipeline.sha),
        "pipeline": pipeline(project, found.pipeline),
        "web_url": f"{project.url}/-/jobs/{found.id}",
        "artifacts": [],
        "runner": None,
        "artifacts_expire_at": None,
        "archived": False,
        "tag_list": [],
    }


def environment(found: Environment) -> dict[str, Any]:
    """An environment, without its last deployment."""
    return {
        "id": found.id,
        "name": found.name,
        "slug": slug(found.name),
        "external_url": found.external_url,
        "created_at": shapes.time(found.created_at),
        "updated_at": shapes.time(found.created_at),
        "tier": found.tier,
        "state": found.state,
        "auto_stop_at": None,
        "description": None,
    }


def environment_detail(project: Project, found: Environment) -> dict[str, Any]:
    """An environment, and its last deployment that succeeded."""
    done = [made for made in project.deployments_of(found.name) if made.state == "success"]
    last = deployment(project, done[-1]) if done else None
    return environment(found) | {"last_deployment": last}


def slug(name: str) -> str:
    """CI_ENVIRONMENT_SLUG, CI_COMMIT_REF_SLUG: what is neither letter nor digit becomes a dash."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name.lower())[:63].strip("-")


def deployment(project: Project, found: Deployment) -> dict[str, Any]:
    """A deployment."""
    place = project.environments[found.environment]
    basic = {"id": place.id, "name": place.name, "slug": slug(place.name), "external_url": place.external_url}
    return {
        "id": found.id,
        "iid": found.iid,
        "ref": found.ref,
        "sha": found.sha,
        "created_at": shapes.time(found.created_at),
        "updated_at": shapes.time(found.updated_at),
        "user": shapes.user(project.fake, found.login),
        "environment": basic,
        "deployable": job(project, found.job) if found.job else None,
        "status": found.state,
    }


def deployment_detail(project: Project, found: Deployment) -> dict[str, Any]:
    """A deployment, and (but for the Community Edition) the approvals that it has and wants."""
    shown = deployment(project, found)
    if project.fake.edition == "ce":
        return shown
    protected = project.protected_environment(found.environment)
    return shown | {
        "pending_approval_count": project.waiting(found),
        "approvals": [deployment_approval(project, one) for one in found.approvals],
        "approval_summary": {
            "rules": [
                {
                    **approval_rule(project, rule),
                    "deployment_approvals": [
                        deployment_approval(project, one) for one in found.approvals if project.meets(rule, one.login)
                    ],
                }
                for rule in (protected.rules if protected else ())
            ]
        },
    }


def deployment_approval(project: Project, found: DeploymentApproval) -> dict[str, Any]:
    """What somebody said about a deployment that waits."""
    return {
        "user": shapes.user(project.fake, found.login),
        "status": found.state,
        "created_at": shapes.time(found.created_at),
        "comment": found.comment,
    }


def approval_rule(project: Project, rule: Rule) -> dict[str, Any]:
    """A rule of an environment. It is of one person, one level or one group."""
    group = project.fake.groups.get(rule.group)
    return {
        "id": rule.id,
        "user_id": project.fake.account(rule.people[0]).id if rule.people else None,
        "group_id": group.id if group else None,
        "access_level": rule.level,
        "access_level_description": rule.name,
        "required_approvals": rule.required,
        "group_inheritance_type": 0,
    }


def protected_environment(project: Project, found: ProtectedEnvironment) -> dict[str, Any]:
    """Who may deploy to an environment."""
    levels = [
        {
            "id": place + 1,
            "access_level": who if isinstance(who, int) else None,
            "access_level_description": str(who),
            "user_id": None if isinstance(who, int) else project.fake.account(who).id,
            "group_id": None,
            "group_inheritance_type": 0,
        }
        for place, who in enumerate(found.deployers)
    ]
    rules = [approval_rule(project, rule) for rule in found.rules]
    return {"name": found.name, "deploy_access_levels": levels, "required_approval_count": 0, "approval_rules": rules}


def freeze(found: Freeze) -> dict[str, Any]:
    """A deploy freeze."""
    return {
        "id": found.id,
        "freeze_start": found.start,
        "freeze_end": found.end,
        "cron_timezone": found.timezone,
        "created_at": shapes.time(found.created_at),
        "updated_at": shapes.time(found.created_at),
    }
