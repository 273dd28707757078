"""What commits, files, refs and branches look like in answers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from support.forges.bare import CommitInfo
from support.forges.diffs import FileChange
from support.github import shapes

if TYPE_CHECKING:
    from support.github.repository import Repository


def _person(repo: Repository, who: tuple[str, str, str]) -> dict[str, Any] | None:
    """The account of a commit's address; None where nobody has it."""
    login = repo.fake.login_of(who[1])
    return shapes.user(repo.fake, login) if login else None


def signature(who: tuple[str, str, str]) -> dict[str, str]:
    """Who and when."""
    return {"name": who[0], "email": who[1], "date": who[2]}


def verification(repo: Repository, info: CommitInfo) -> dict[str, Any]:
    """Whether GitHub vouches for a commit: it does so for what was made through it."""
    good = info.sha in repo.fake.verified
    return {
        "verified": good,
        "reason": "valid" if good else "unsigned",
        "signature": "-----BEGIN PGP SIGNATURE-----" if good else None,
        "payload": info.message if good else None,
        "verified_at": info.committer[2] if good else None,
    }


def commit(repo: Repository, sha: str) -> dict[str, Any]:
    """A commit in a list."""
    info = repo.git.info(sha)
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    html = f"{repo.fake.url}/{repo.full_name}/commit"
    return {
        "sha": sha,
        "node_id": f"C_{sha}",
        "commit": {
            "author": signature(info.author),
            "committer": signature(info.committer),
            "message": info.message,
            "tree": {"sha": info.tree, "url": f"{api}/git/trees/{info.tree}"},
            "url": f"{api}/git/commits/{sha}",
            "comment_count": 0,
            "verification": verification(repo, info),
        },
        "url": f"{api}/commits/{sha}",
        "html_url": f"{html}/{sha}",
        "comments_url": f"{api}/commits/{sha}/comments",
        "author": _person(repo, info.author),
        "committer": _person(repo, info.committer),
        "parents": [
            {"sha": parent, "url": f"{api}/commits/{parent}", "html_url": f"{html}/{parent}"} for parent in info.parents
        ],
    }


def full_commit(repo: Repository, sha: str) -> dict[str, Any]:
    """A commit on its own: with the files that it changes."""
    info = repo.git.info(sha)
    changed = repo.git.changes(info.parents[0], sha) if info.parents else []
    added, gone = sum(file.additions for file in changed), sum(file.deletions for file in changed)
    return commit(repo, sha) | {
        "stats": {"total": added + gone, "additions": added, "deletions": gone},
        "files": [file(repo, sha, change) for change in changed],
    }


def simple_commit(repo: Repository, sha: str) -> dict[str, Any]:
    """A commit as a check suite and a workflow run have it."""
    info = repo.git.info(sha)
    return {
        "id": sha,
        "tree_id": info.tree,
        "message": info.message,
        "timestamp": info.committer[2],
        "author": {"name": info.author[0], "email": info.author[1]},
        "committer": {"name": info.committer[0], "email": info.committer[1]},
    }


def git_commit(repo: Repository, sha: str) -> dict[str, Any]:
    """A commit as Git's own part of the API has it."""
    shown = commit(repo, sha)
    inner = shown["commit"]
    return {
        "sha": sha,
        "node_id": shown["node_id"],
        "url": inner["url"],
        "html_url": shown["html_url"],
        "author": inner["author"],
        "committer": inner["committer"],
        "tree": inner["tree"],
        "message": inner["message"],
        "parents": shown["parents"],
        "verification": inner["verification"],
    }


def file(repo: Repository, sha: str, change: FileChange) -> dict[str, Any]:
    """A file that a pull request or a commit changes."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    html = f"{repo.fake.url}/{repo.full_name}"
    shown: dict[str, Any] = {
        "sha": change.blob,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{html}/blob/{sha}/{change.path}",
        "raw_url": f"{html}/raw/{sha}/{change.path}",
        "contents_url": f"{api}/contents/{change.path}?ref={sha}",
    }
    if change.patch:
        shown["patch"] = change.patch
    if change.previous:
        shown["previous_filename"] = change.previous
    return shown


def content(repo: Repository, revision: str, path: str, data: bytes) -> dict[str, Any]:
    """A file's content. Over a megabyte GitHub leaves it out."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    html = f"{repo.fake.url}/{repo.full_name}"
    blob = repo.git.blob_id(revision, path)
    large = len(data) > 1_000_000
    urls = {
        "git": f"{api}/git/blobs/{blob}",
        "self": f"{api}/contents/{path}",
        "html": f"{html}/blob/{revision}/{path}",
    }
    return {
        "type": "file",
        "encoding": "none" if large else "base64",
        "size": len(data),
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "content": "" if large else base64.encodebytes(data).decode(),
        "sha": blob,
        "url": urls["self"],
        "git_url": urls["git"],
        "html_url": urls["html"],
        "download_url": f"{html}/raw/{revision}/{path}",
        "_links": urls,
    }


def entry(repo: Repository, revision: str, path: str, kind: str, sha: str, size: int) -> dict[str, Any]:
    """A file or a folder in the list of a folder."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    html = f"{repo.fake.url}/{repo.full_name}"
    page = "blob" if kind == "blob" else "tree"
    urls = {
        "git": f"{api}/git/{page}s/{sha}",
        "self": f"{api}/contents/{path}?ref={revision}",
        "html": f"{html}/{page}/{revision}/{path}",
    }
    return {
        "type": "file" if kind == "blob" else "dir",
        "size": size,
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "url": urls["self"],
        "git_url": urls["git"],
        "html_url": urls["html"],
        "download_url": f"{html}/raw/{revision}/{path}" if kind == "blob" else None,
        "_links": urls,
    }


def ref(repo: Repository, name: str, sha: str) -> dict[str, Any]:
    """A ref."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    return {
        "ref": name,
        "node_id": f"REF_{name}",
        "url": f"{api}/git/{name}",
        "object": {"sha": sha, "type": "commit", "url": f"{api}/git/commits/{sha}"},
    }


def branch(repo: Repository, name: str) -> dict[str, Any]:
    """A branch on its own."""
    api = f"{repo.fake.api}/repos/{repo.full_name}"
    rule = repo.protections.get(name)
    classic = rule is not None and rule.kind == "classic"
    checks = list(rule.checks) if rule else []
    return {
        "name": name,
        "commit": commit(repo, repo.head(name)),
        "_links": {
            "self": f"{api}/branches/{name}",
            "html": f"{repo.fake.url}/{repo.full_name}/tree/{name}",
        },
        # Also true of a branch that only a ruleset guards.
        "protected": rule is not None,
        "protection": {
            "enabled": classic,
            "required_status_checks": {
                "enforcement_level": "non_admins" if checks else "off",
                "contexts": checks,
                "checks": [{"context": check, "app_id": None} for check in checks],
            },
        },
        "protection_url": f"{api}/branches/{name}/protection",
    }


def short_branch(repo: Repository, name: str) -> dict[str, Any]:
    """A branch in a list."""
    shown = branch(repo, name)
    sha = shown["commit"]["sha"]
    return {
        "name": name,
        "commit": {"sha": sha, "url": shown["commit"]["url"]},
        "protected": shown["protected"],
        "protection": shown["protection"],
        "protection_url": shown["protection_url"],
    }
