"""The payloads of webhooks, as doc/user/project/integrations/webhook_events.md shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.merge_request import MergeRequest
    from support.gitlab.model import Note
    from support.gitlab.project import Project

_VISIBILITY: Final = {"private": 0, "internal": 10, "public": 20}
_STATES: Final = {"opened": 1, "closed": 2, "merged": 3}


def note(project: Project, found: Note, action: str) -> dict[str, Any]:
    """Somebody wrote a note on a merge request (`create`), or changed it (`update`)."""
    pull = project.pulls[found.number]
    about = {
        "id": found.id,
        "note": found.body,
        "noteable_type": "MergeRequest",
        "author_id": project.fake.account(found.login).id,
        "created_at": _spaced(found.created_at),
        "updated_at": _spaced(found.updated_at),
        "project_id": project.id,
        "attachment": None,
        "line_code": None,
        "commit_id": "",
        "noteable_id": pull.id,
        "system": found.system,
        "st_diff": None,
        "action": action,
        "url": f"{project.url}/-/merge_requests/{found.number}#note_{found.id}",
    }
    return {
        "object_kind": "note",
        "event_type": "note",
        "user": _user(project.fake, found.login),
        "project_id": project.id,
        "project": _project(project),
        "repository": _repository(project),
        "object_attributes": about,
        "merge_request": _pull(pull),
    }


def merge_request(pull: MergeRequest, action: str, login: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Somebody opened, changed, approved, merged or closed a merge request."""
    fake = pull.project.fake
    reviewers = [_user(fake, one) for one in pull.reviewers]
    about = _pull(pull) | {
        "assignee_ids": [],
        "reviewer_ids": [one["id"] for one in reviewers],
        "state_id": _STATES[pull.state],
        "blocking_discussions_resolved": True,
        "first_contribution": False,
        "prepared_at": pull.created_at,
        "url": f"{pull.project.url}/-/merge_requests/{pull.number}",
        "action": action,
    }
    if len(pull.versions) > 1 and action == "update" and not changes:
        about["oldrev"] = pull.versions[-2].head
    return {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": _user(fake, login),
        "project": _project(pull.project),
        "repository": _repository(pull.project),
        "object_attributes": about,
        "labels": _labels(pull),
        "changes": changes,
        "assignees": [],
        "reviewers": reviewers,
    }


def _spaced(at: str) -> str:
    """A time as it is in a note's payload."""
    return at.replace("T", " ").replace("Z", " UTC")


def _user(fake: FakeGitLab, login: str) -> dict[str, Any]:
    account = fake.account(login)
    # Without a public address GitLab does not say which.
    return {"id": account.id, "name": account.name, "username": login, "avatar_url": None, "email": "[REDACTED]"}


def _project(project: Project) -> dict[str, Any]:
    ssh = f"git@127.0.0.1:{project.full_name}.git"
    return {
        "id": project.id,
        "name": project.name,
        "description": None,
        "web_url": project.url,
        "avatar_url": None,
        "git_ssh_url": ssh,
        "git_http_url": project.clone_url,
        "namespace": project.namespace,
        "visibility_level": _VISIBILITY[project.visibility],
        "path_with_namespace": project.full_name,
        "default_branch": project.default_branch,
        "ci_config_path": None,
        "homepage": project.url,
        "url": ssh,
        "ssh_url": ssh,
        "http_url": project.clone_url,
    }


def _repository(project: Project) -> dict[str, Any]:
    return {"name": project.name, "url": project.clone_url, "description": None, "homepage": project.url}


def _labels(pull: MergeRequest) -> list[dict[str, Any]]:
    known = pull.project.labels
    return [
        {
            "id": known[name].id,
            "title": name,
            "color": known[name].color,
            "project_id": pull.project.id,
            "created_at": pull.project.created_at,
            "updated_at": pull.project.created_at,
            "template": False,
            "description": known[name].description,
            "type": "ProjectLabel",
            "group_id": None,
        }
        for name in pull.labels
    ]


def _pull(pull: MergeRequest) -> dict[str, Any]:
    project = pull.project
    info = project.git.info(pull.head)
    commit = {
        "id": pull.head,
        "message": info.message,
        "title": info.message.split("\n")[0],
        "timestamp": info.committer[2],
        "url": f"{project.url}/-/commit/{pull.head}",
        "author": {"name": info.author[0], "email": "[REDACTED]"},
    }
    return {
        "id": pull.id,
        "iid": pull.number,
        "target_branch": pull.base,
        "source_branch": pull.branch,
        "source_project_id": pull.head_project.id,
        "target_project_id": project.id,
        "author_id": project.fake.account(pull.login).id,
        "assignee_id": None,
        "title": pull.title,
        "created_at": _spaced(pull.created_at),
        "updated_at": _spaced(pull.updated_at),
        "milestone_id": None,
        "state": pull.state,
        "merge_status": "unchecked",
        "detailed_merge_status": "checking",
        "description": pull.body or "",
        "labels": _labels(pull),
        "source": _project(pull.head_project),
        "target": _project(project),
        "last_commit": commit,
        "work_in_progress": pull.draft,
        "draft": pull.draft,
        "assignee": None,
    }
