"""Commits, branches and changes as the API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.forges.diffs import FileChange

if TYPE_CHECKING:
    from support.gitlab.model import ProtectedBranch
    from support.gitlab.project import Project


def commit(project: Project, sha: str) -> dict[str, Any]:
    """A commit. Its times have the zone that Git keeps."""
    info = project.git.info(sha)
    authored, committed = (at.replace("Z", ".000+00:00") for at in (info.author[2], info.committer[2]))
    return {
        "id": info.sha,
        "short_id": info.sha[:8],
        "created_at": committed,
        "parent_ids": list(info.parents),
        "title": info.message.split("\n")[0],
        "message": info.message,
        "author_name": info.author[0],
        "author_email": info.author[1],
        "authored_date": authored,
        "committer_name": info.committer[0],
        "committer_email": info.committer[1],
        "committed_date": committed,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{project.url}/-/commit/{info.sha}",
    }


def commit_detail(project: Project, sha: str, *, stats: bool = True) -> dict[str, Any]:
    """A commit, whole."""
    shown = commit(project, sha) | {"status": None, "project_id": project.id, "last_pipeline": None}
    if stats:
        changes = changes_of(project, sha)
        added, gone = sum(one.additions for one in changes), sum(one.deletions for one in changes)
        shown["stats"] = {"additions": added, "deletions": gone, "total": added + gone}
    return shown


def changes_of(project: Project, sha: str) -> list[FileChange]:
    """What a commit changes, against its first parent; of a first commit, nothing that can be compared."""
    parents = project.git.info(sha).parents
    return project.git.changes(parents[0], sha) if parents else []


def diff(change: FileChange) -> dict[str, Any]:
    """A file that was changed."""
    return {
        "diff": f"{change.patch}\n" if change.patch else "",
        "collapsed": False,
        "too_large": False,
        "new_path": change.path,
        "old_path": change.previous or change.path,
        "a_mode": change.modes[0],
        "b_mode": change.modes[1],
        "new_file": change.status == "added",
        "renamed_file": change.status == "renamed",
        "deleted_file": change.status == "removed",
        "generated_file": False,
    }


def branch(project: Project, name: str, login: str) -> dict[str, Any]:
    """A branch, and whether who asks may push to it."""
    head, rule = project.head(name), project.protection(name)
    return {
        "name": name,
        "commit": commit(project, head),
        "merged": name != project.default_branch and project.git.contains(project.head(), head),
        "protected": rule is not None,
        "developers_can_push": bool(rule and 0 < rule.push <= 30),
        "developers_can_merge": bool(rule and 0 < rule.merge <= 30),
        "can_push": bool(login) and project.may_push(login, name),
        "default": name == project.default_branch,
        "web_url": f"{project.url}/-/tree/{name}",
    }


def protected_branch(project: Project, rule: ProtectedBranch) -> dict[str, Any]:
    """Who may push to and merge into branches."""
    words = {0: "No one", 30: "Developers + Maintainers", 40: "Maintainers", 50: "Owners"}

    def levels(number: int) -> list[dict[str, Any]]:
        shown = {"id": rule.id, "access_level": number, "access_level_description": words[number]}
        return [shown | ({"user_id": None, "group_id": None} if project.premium else {})]

    people = [
        {
            "id": rule.id,
            "access_level": 40,
            "access_level_description": project.fake.account(login).name,
            "user_id": project.fake.account(login).id,
            "group_id": None,
        }
        for login in (rule.people if project.premium else ())
    ]
    return {
        "id": rule.id,
        "name": rule.pattern,
        "push_access_levels": levels(rule.push) + people,
        "merge_access_levels": levels(rule.merge),
        "allow_force_push": rule.force,
    }
