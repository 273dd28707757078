"""What pull requests, reviews, comments and labels look like in answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.github import shapes
from support.github.model import Comment, Label, Reaction, Review
from support.github.pull import Pull

if TYPE_CHECKING:
    from support.github.repository import Repository

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
_ASSOCIATIONS = {"admin": "OWNER", "maintain": "COLLABORATOR", "write": "COLLABORATOR", "triage": "COLLABORATOR"}


def association(repo: Repository, login: str) -> str:
    """What GitHub says somebody is to a repository. It is no permission: members of an organisation may have none."""
    if any(login in team.members for (owner, _), team in repo.fake.teams.items() if owner == repo.owner.login):
        return "MEMBER"
    return _ASSOCIATIONS.get(repo.level(login), "NONE")


def label(repo: Repository, made: Label) -> dict[str, Any]:
    """A label."""
    return {
        "id": made.id,
        "node_id": shapes.node("LA", made.id),
        "url": f"{repo.fake.api}/repos/{repo.full_name}/labels/{made.name}",
        "name": made.name,
        "color": made.color,
        "default": False,
        "description": made.description,
    }


def pull(made: Pull) -> dict[str, Any]:
    """A pull request in a list."""
    repo = made.repository
    fake = repo.fake
    api = f"{fake.api}/repos/{repo.full_name}"
    issue = f"{api}/issues/{made.number}"
    self = f"{api}/pulls/{made.number}"
    html = f"{fake.url}/{repo.full_name}/pull/{made.number}"
    urls = {
        "html": html,
        "issue": issue,
        "comments": f"{issue}/comments",
        "review_comments": f"{self}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{self}/commits",
        "statuses": f"{api}/statuses/{made.head}",
    }
    return {
        "url": self,
        "id": made.id,
        "node_id": shapes.node("PR", made.id),
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
        **{f"{name}_url": url for name, url in urls.items() if name != "html"},
        "number": made.number,
        "state": made.state,
        "locked": False,
        "title": made.title,
        "user": shapes.user(fake, made.login),
        "body": made.body,
        "labels": [label(repo, found) for found in made.labels],
        "milestone": None,
        "active_lock_reason": None,
        "created_at": made.created_at,
        "updated_at": made.updated_at,
        "closed_at": made.closed_at,
        "merged_at": made.merged.at if made.merged else None,
        "merge_commit_sha": made.merged.sha if made.merged else made.test_merge,
        "assignee": None,
        "assignees": [],
        "requested_reviewers": [shapes.user(fake, login) for login in made.requested],
        "requested_teams": [],
        "head": _end(made.head_repository, made.branch, made.head),
        "base": _end(repo, made.base, made.base_sha),
        "_links": {"self": {"href": self}, **{name: {"href": url} for name, url in urls.items()}},
        "author_association": association(repo, made.login),
        "auto_merge": None,
        "draft": made.draft,
    }


def full_pull(made: Pull) -> dict[str, Any]:
    """A pull request on its own."""
    files = made.files()
    opened = made.state == "open"
    return pull(made) | {
        "merged": made.merged is not None,
        "mergeable": made.test_merge is not None if opened else None,
        "rebaseable": made.test_merge is not None if opened else None,
        "mergeable_state": ("clean" if made.test_merge else "dirty") if opened else "unknown",
        "merged_by": shapes.user(made.repository.fake, made.merged.login) if made.merged else None,
        "comments": len(made.comments),
        "review_comments": 0,
        "maintainer_can_modify": False,
        "commits": len(made.commits()),
        "additions": sum(file.additions for file in files),
        "deletions": sum(file.deletions for file in files),
        "changed_files": len(files),
    }


def _end(repo: Repository, branch: str, sha: str) -> dict[str, Any]:
    gone = repo.full_name not in repo.fake.repositories
    return {
        "label": f"{repo.owner.login}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": shapes.user(repo.fake, repo.owner.login),
        "repo": None if gone else shapes.repository(repo),
    }


def minimal_pull(made: Pull) -> dict[str, Any]:
    """A pull request as a check run has it."""

    def end(repo: Repository, branch: str, sha: str) -> dict[str, Any]:
        url = f"{repo.fake.api}/repos/{repo.full_name}"
        return {"ref": branch, "sha": sha, "repo": {"id": repo.id, "url": url, "name": repo.name}}

    return {
        "id": made.id,
        "number": made.number,
        "url": f"{made.repository.fake.api}/repos/{made.repository.full_name}/pulls/{made.number}",
        "head": end(made.head_repository, made.branch, made.head),
        "base": end(made.repository, made.base, made.base_sha),
    }


def issue(made: Pull) -> dict[str, Any]:
    """A pull request as an issue, which it is too."""
    repo = made.repository
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    self = f"{api}/issues/{made.number}"
    html = f"{repo.fake.url}/{repo.full_name}/pull/{made.number}"
    links = {
        "url": f"{api}/pulls/{made.number}",
        "html_url": html,
        "diff_url": f"{html}.diff",
        "patch_url": f"{html}.patch",
    }
    return {
        "url": self,
        "repository_url": api,
        "labels_url": f"{self}/labels{{/name}}",
        "comments_url": f"{self}/comments",
        "events_url": f"{self}/events",
        "html_url": html,
        "id": made.id,
        "node_id": shapes.node("PR", made.id),
        "number": made.number,
        "title": made.title,
        "user": shapes.user(repo.fake, made.login),
        "labels": [label(repo, found) for found in made.labels],
        "state": made.state,
        "locked": False,
        "assignee": None,
        "assignees": [],
        "milestone": None,
        "comments": len(made.comments),
        "created_at": made.created_at,
        "updated_at": made.updated_at,
        "closed_at": made.closed_at,
        "author_association": association(repo, made.login),
        "active_lock_reason": None,
        "draft": made.draft,
        "pull_request": links | {"merged_at": made.merged.at if made.merged else None},
        "body": made.body,
        "closed_by": shapes.user(repo.fake, made.closed_by) if made.closed_by else None,
        "reactions": reactions(f"{self}/reactions", []),
        "timeline_url": f"{self}/timeline",
        "performed_via_github_app": None,
        "state_reason": None,
    }


def review(made: Pull, said: Review) -> dict[str, Any]:
    """A review."""
    repo = made.repository
    self = f"{repo.fake.api}/repos/{repo.full_name}/pulls/{made.number}"
    html = f"{repo.fake.url}/{repo.full_name}/pull/{made.number}#pullrequestreview-{said.id}"
    return {
        "id": said.id,
        "node_id": shapes.node("PRR", said.id),
        "user": shapes.author(repo.fake, said.login),
        "body": said.body,
        "state": said.state,
        "html_url": html,
        "pull_request_url": self,
        "author_association": association(repo, said.login),
        "_links": {"html": {"href": html}, "pull_request": {"href": self}},
        "submitted_at": said.submitted_at,
        "commit_id": said.commit_id,
    }


def comment(repo: Repository, said: Comment) -> dict[str, Any]:
    """A comment on a pull request."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    self = f"{api}/issues/comments/{said.id}"
    return {
        "url": self,
        "html_url": f"{repo.fake.url}/{repo.full_name}/pull/{said.number}#issuecomment-{said.id}",
        "issue_url": f"{api}/issues/{said.number}",
        "id": said.id,
        "node_id": shapes.node("IC", said.id),
        "user": shapes.author(repo.fake, said.login),
        "created_at": said.created_at,
        "updated_at": said.updated_at,
        "author_association": association(repo, said.login),
        "body": said.body,
        "reactions": reactions(f"{self}/reactions", said.reactions),
        "performed_via_github_app": shapes.app(repo.fake, said.app) if said.app else None,
    }


def reaction(repo: Repository, made: Reaction) -> dict[str, Any]:
    """A reaction."""
    return {
        "id": made.id,
        "node_id": shapes.node("REA", made.id),
        "user": shapes.user(repo.fake, made.login),
        "content": made.content,
        "created_at": made.created_at,
    }


def reactions(url: str, made: list[Reaction]) -> dict[str, Any]:
    """How many there are of each."""
    counts = {content: sum(one.content == content for one in made) for content in REACTIONS}
    return {"url": url, "total_count": len(made), **counts}
