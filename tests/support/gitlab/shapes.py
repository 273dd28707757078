"""People, notes, merge requests and projects as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.gitlab.model import Award, Label, Note, Push, Rule, Version

if TYPE_CHECKING:
    from support.gitlab.fake import FakeGitLab
    from support.gitlab.merge_request import MergeRequest
    from support.gitlab.project import Project


def time(at: str | None) -> str | None:
    """A time as GitLab writes it: with milliseconds."""
    return None if at is None else at.replace("Z", ".000Z")


def user(fake: FakeGitLab, login: str) -> dict[str, Any]:
    """Somebody, in short: `UserBasic`."""
    account = fake.account(login)
    return {
        "id": account.id,
        "username": account.login,
        "public_email": None,
        "name": account.name,
        "state": account.state,
        "locked": False,
        "avatar_url": None,
        "web_url": f"{fake.url}/{account.login}",
    }


def maybe_user(fake: FakeGitLab, login: str | None) -> dict[str, Any] | None:
    """The same; None where there is nobody."""
    return None if login is None else user(fake, login)


def member(fake: FakeGitLab, login: str, level: int) -> dict[str, Any]:
    """Somebody, as a member of something."""
    return {
        **user(fake, login),
        "access_level": level,
        "created_at": "2026-01-01T00:00:00.000Z",
        "expires_at": None,
        "membership_state": "active",
    }


def note(project: Project, found: Note) -> dict[str, Any]:
    """A note on a merge request."""
    return {
        "id": found.id,
        "type": None,
        "body": found.body,
        "author": user(project.fake, found.login),
        "created_at": time(found.created_at),
        "updated_at": time(found.updated_at),
        "system": found.system,
        "noteable_id": project.pulls[found.number].id,
        "noteable_type": "MergeRequest",
        "project_id": project.id,
        "commit_id": None,
        "resolvable": False,
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "noteable_iid": found.number,
        "commands_changes": {},
    }


def award(fake: FakeGitLab, found: Note, given: Award) -> dict[str, Any]:
    """An emoji on a note."""
    return {
        "id": given.id,
        "name": given.name,
        "user": user(fake, given.login),
        "created_at": time(given.created_at),
        "updated_at": time(given.created_at),
        "awardable_id": found.id,
        "awardable_type": "Note",
        "url": None,
    }


def label(found: Label) -> dict[str, Any]:
    """A label of a project."""
    return {
        "id": found.id,
        "name": found.name,
        "description": found.description,
        "text_color": "#FFFFFF",
        "color": found.color,
        "archived": False,
        "subscribed": False,
        "priority": None,
        "is_project_label": True,
    }


def pull_basic(found: MergeRequest) -> dict[str, Any]:
    """A merge request, as a list has it."""
    project, fake, merged = found.project, found.project.fake, found.merged
    by = user(fake, merged.login) if merged else None
    gone = found.head_project.full_name not in fake.projects
    reference = f"!{found.number}"
    return {
        "id": found.id,
        "iid": found.number,
        "project_id": project.id,
        "title": found.title,
        "description": found.body,
        "state": found.state,
        "created_at": time(found.created_at),
        "updated_at": time(found.updated_at),
        "merged_by": by,
        "merge_user": by,
        "merged_at": time(merged.at) if merged else None,
        "closed_by": maybe_user(fake, found.closed_by),
        "closed_at": time(found.closed_at),
        "target_branch": found.base,
        "source_branch": found.branch,
        "user_notes_count": len(found.comments),
        "upvotes": 0,
        "downvotes": 0,
        "author": user(fake, found.login),
        "assignees": [],
        "assignee": None,
        "reviewers": [user(fake, login) for login in found.reviewers],
        "source_project_id": None if gone else found.head_project.id,
        "target_project_id": project.id,
        "labels": list(found.labels),
        "draft": found.draft,
        "imported": False,
        "imported_from": "none",
        "work_in_progress": found.draft,
        "milestone": None,
        "merge_when_pipeline_succeeds": False,
        "merge_status": "cannot_be_merged" if found.state == "opened" and found.conflicts else "can_be_merged",
        "detailed_merge_status": _mergeable(found),
        "merge_after": None,
        "sha": found.head,
        "merge_commit_sha": merged.merge_commit if merged else None,
        "squash_commit_sha": merged.squash_commit if merged else None,
        "discussion_locked": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": False,
        "prepared_at": time(found.created_at),
        "reference": reference,
        "references": {"short": reference, "relative": reference, "full": f"{project.full_name}{reference}"},
        "web_url": f"{project.url}/-/merge_requests/{found.number}",
        "time_stats": {"time_estimate": 0, "total_time_spent": 0},
        "squash": False,
        "squash_on_merge": False,
        "task_completion_status": {"count": 0, "completed_count": 0},
        "has_conflicts": found.state == "opened" and found.conflicts,
        "blocking_discussions_resolved": True,
        "approvals_before_merge": None,
    }


def _mergeable(found: MergeRequest) -> str:
    if found.state != "opened":
        return "not_open"
    if found.draft:
        return "draft_status"
    if found.conflicts:
        return "conflict"
    return "not_approved" if any(found.missing(rule) for rule in found.approval_rules()) else "mergeable"


def pull(found: MergeRequest) -> dict[str, Any]:
    """A merge request, whole."""
    version = found.version
    return {
        **pull_basic(found),
        "subscribed": False,
        "changes_count": str(len(found.files())),
        "latest_build_started_at": None,
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": None,
        "head_pipeline": None,
        "diff_refs": {"base_sha": version.base, "head_sha": version.head, "start_sha": version.start},
        "merge_error": None,
        "first_contribution": False,
        "user": {"can_merge": False},
    }


def version(found: MergeRequest, one: Version) -> dict[str, Any]:
    """What a merge request was after a push."""
    return {
        "id": one.id,
        "head_commit_sha": one.head,
        "base_commit_sha": one.base,
        "start_commit_sha": one.start,
        "created_at": time(one.created_at),
        "merge_request_id": found.id,
        "state": "collected",
        "real_size": str(len(found.project.git.changes(one.base, one.head))),
        "patch_id_sha": None,
    }


def approvals(found: MergeRequest, login: str) -> dict[str, Any]:
    """Who approved a merge request. Only the Enterprise Edition speaks of rules; where there is none, all are met."""
    project, fake = found.project, found.project.fake
    may = bool(login) and login not in found.approvals and project.access(login) >= 30
    own = login == found.login and not project.author_approval
    left = sum(found.missing(rule) for rule in found.approval_rules())
    said = {
        "user_has_approved": login in found.approvals,
        "user_can_approve": may and not own and found.state != "merged",
        "approved": bool(found.approvals) if fake.edition == "ce" else left == 0,
        "approved_by": [{"user": user(fake, who), "approved_at": time(at)} for who, at in found.approvals.items()],
    }
    if fake.edition == "ce":
        return said
    return said | {
        "id": found.id,
        "iid": found.number,
        "project_id": project.id,
        "title": found.title,
        "description": found.body,
        "state": found.state,
        "created_at": time(found.created_at),
        "updated_at": time(found.updated_at),
        "merge_status": "can_be_merged",
        "approvals_required": sum(rule.required for rule in found.approval_rules()),
        "approvals_left": left,
        "require_password_to_approve": False,
        "suggested_approvers": [],
        "approvers": [],
        "approver_groups": [],
        "approval_rules_left": [
            {"id": rule.id, "name": rule.name, "rule_type": "regular"}
            for rule in found.approval_rules()
            if found.missing(rule)
        ],
        "has_approval_rules": bool(found.approval_rules()),
        "merge_request_approvers_available": project.premium,
        "multiple_approval_rules_available": project.premium,
        "invalid_approvers_rules": [],
    }


def approval_rule(found: MergeRequest, rule: Rule) -> dict[str, Any]:
    """A rule, and how far it is met."""
    fake = found.project.fake
    counted = [login for login in found.approvals if not rule.people or login in rule.people]
    return {
        "id": rule.id,
        "name": rule.name,
        "rule_type": "regular" if rule.people else "any_approver",
        "eligible_approvers": [user(fake, login) for login in rule.people],
        "approvals_required": rule.required,
        "users": [user(fake, login) for login in rule.people],
        "groups": [],
        "contains_hidden_groups": False,
        "section": None,
        "source_rule": None,
        "overridden": found.rules is not None,
        "code_owner": False,
        "approved_by": [user(fake, login) for login in counted],
        "approved": not found.missing(rule),
    }


def push(project: Project, found: Push) -> dict[str, Any]:
    """A push, as an event. One of many branches (without a `ref`) is one event that names none: app/services/bulk_push_event_payload_service.rb."""
    zero = "0" * 40
    made, gone = found.before == zero, found.after == zero
    kind = "tag" if found.ref.startswith("refs/tags/") else "branch"
    return {
        "id": found.id,
        "project_id": project.id,
        "action_name": "pushed new" if made else "deleted" if gone else "pushed to",
        "target_id": None,
        "target_iid": None,
        "target_type": None,
        "author_id": project.fake.account(found.login).id,
        "target_title": None,
        "created_at": time(found.at),
        "author": user(project.fake, found.login),
        "imported": False,
        "imported_from": "none",
        "push_data": {
            "commit_count": found.commits,
            "action": "created" if made else "removed" if gone else "pushed",
            "ref_type": kind,
            "commit_from": None if made or not found.ref else found.before,
            "commit_to": None if gone or not found.ref else found.after,
            "ref": found.ref.split("/", 2)[2] if found.ref else None,
            "commit_title": found.title,
            "ref_count": None if found.ref else 4,
        },
        "author_username": found.login,
    }


def project(found: Project, login: str) -> dict[str, Any]:
    """A project, and what somebody is in it."""
    fake, level = found.fake, found.levels.get(login, 0)
    inherited = max((group.members.get(login, 0) for group in fake.groups_of(found.namespace)), default=0)
    kind = "user" if found.namespace in fake.accounts else "group"
    space = fake.accounts.get(found.namespace) or fake.group(found.namespace)
    shown: dict[str, Any] = {
        **project_basic(found),
        "namespace": {
            "id": space.id,
            "name": found.namespace.rpartition("/")[2],
            "path": found.namespace.rpartition("/")[2],
            "kind": kind,
            "full_path": found.namespace,
            "parent_id": None,
            "avatar_url": None,
            "web_url": f"{fake.url}/{found.namespace}",
        },
        "visibility": found.visibility,
        "archived": False,
        "empty_repo": not found.git.branches(),
        "merge_requests_enabled": True,
        "jobs_enabled": True,
        "ci_push_repository_for_job_token_allowed": found.job_token_may_push,
        "merge_method": {"merge": "merge", "rebase": "rebase_merge", "ff": "ff"}[found.merge_method],
        "squash_option": "default_off",
        "only_allow_merge_if_pipeline_succeeds": False,
        "permissions": {
            "project_access": {"access_level": level, "notification_level": 3} if level else None,
            "group_access": {"access_level": inherited, "notification_level": 3} if inherited else None,
        },
    }
    if found.parent:
        shown["forked_from_project"] = project_basic(found.parent)
    return shown


def project_basic(found: Project) -> dict[str, Any]:
    """A project, in short."""
    return {
        "id": found.id,
        "description": None,
        "name": found.name,
        "name_with_namespace": found.full_name.replace("/", " / "),
        "path": found.name,
        "path_with_namespace": found.full_name,
        "created_at": time(found.created_at),
        "default_branch": found.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@127.0.0.1:{found.full_name}.git",
        "http_url_to_repo": found.clone_url,
        "web_url": found.url,
        "readme_url": None,
        "forks_count": sum(one.parent is found for one in found.fake.projects.values()),
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": time(found.created_at),
    }
