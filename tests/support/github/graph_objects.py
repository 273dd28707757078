"""The objects of the GraphQL API: a field is a value, or a function of its arguments that is called when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from support.forges.diffs import FileChange
from support.github import shapes
from support.github.graph_common import Asking, Denied, Node, connection
from support.github.model import Comment, Label, Review
from support.github.pull import Pull

if TYPE_CHECKING:
    from support.github.repository import Repository

_CHANGE: Final = {"removed": "DELETED"}


def query(asking: Asking) -> Node:
    """Where every query begins."""
    fake, token = asking.fake, asking.token

    def by_name(owner: str, name: str, followRenames: bool = True) -> Node:  # noqa: N803 - the schema's name
        return repository(asking, asking.repository(f"{owner}/{name}"))

    def node(id: str) -> Node:
        for repo in fake.repositories.values():
            if id == shapes.node("R", repo.id):
                return repository(asking, asking.repository(repo.full_name))
            for made in repo.pulls.values():
                if id == shapes.node("PR", made.id):
                    return pull(asking, made)
            for said in repo.comments.values():
                if id == shapes.node("IC", said.id):
                    return comment(asking, repo, said)
        raise Denied("NOT_FOUND", f"Could not resolve to a node with the global id of '{id}'.")

    limit = {"limit": 1000, "cost": 1, "remaining": 999, "used": 1, "resetAt": "2100-01-01T00:00:00Z", "nodeCount": 1}
    return {
        "viewer": {"__typename": "User", **_person(asking, token.login), "login": token.login},
        "repository": by_name,
        "node": node,
        "nodes": lambda ids: [node(one) for one in ids],
        "rateLimit": limit,
    }


def actor(asking: Asking, login: str) -> Node | None:
    """Who did something. GraphQL says `github-actions` where REST says `github-actions[bot]`."""
    account = asking.fake.account(login)
    if account.gone:
        return None
    return {"__typename": account.type, **_person(asking, login), "login": login.removesuffix("[bot]")}


def _person(asking: Asking, login: str) -> Node:
    account = asking.fake.account(login)
    url = f"{asking.fake.url}/{login}"
    avatar = f"{asking.fake.url}/avatars/{account.id}"
    return {
        "id": shapes.node("U", account.id), "databaseId": account.id, "name": login, "email": "", "url": url,
        "resourcePath": f"/{login}", "avatarUrl": avatar,
    }  # fmt: skip


def repository(asking: Asking, repo: Repository) -> Node:
    """A repository."""

    def ref_of(qualifiedName: str) -> Node | None:  # noqa: N803 - the schema's name
        asking.need(repo, "contents", "read")
        name = qualifiedName if qualifiedName.startswith("refs/") else f"refs/heads/{qualifiedName}"
        sha = repo.git.refs(name).get(name)
        return ref(asking, repo, name, sha) if sha else None

    def object_of(expression: str = "", oid: str = "") -> Node | None:
        asking.need(repo, "contents", "read")
        revision, colon, path = (expression or oid).partition(":")
        sha = repo.git.resolve(revision)
        if sha is None:
            return None
        if not colon:
            return commit(asking, repo, sha)
        data = repo.git.file(sha, path)
        return None if data is None else _blob(repo, sha, path, data)

    def pull_of(number: int) -> Node:
        asking.need(repo, "pull_requests", "read")
        if number not in repo.pulls:
            raise Denied("NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}.")
        return pull(asking, repo.pulls[number])

    def pulls_of(**args: Any) -> Node:
        asking.need(repo, "pull_requests", "read")
        wanted = [
            made
            for made in repo.pulls.values()
            if _state(made) in (args.get("states") or (_state(made),))
            and made.base == (args.get("baseRefName") or made.base)
            and made.branch == (args.get("headRefName") or made.branch)
        ]
        order = args.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
        attribute = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}[order["field"]]
        wanted.sort(key=lambda made: (getattr(made, attribute), made.number), reverse=order["direction"] == "DESC")
        return connection("pullRequests", wanted, lambda made: pull(asking, made), args)

    def default_branch() -> Node:
        name = f"refs/heads/{repo.default_branch}"
        return ref(asking, repo, name, repo.head())

    return {
        "__typename": "Repository",
        "id": shapes.node("R", repo.id),
        "databaseId": repo.id,
        "name": repo.name,
        "nameWithOwner": repo.full_name,
        "url": f"{asking.fake.url}/{repo.full_name}",
        "isPrivate": repo.private,
        "isFork": repo.parent is not None,
        "owner": actor(asking, repo.owner.login),
        "defaultBranchRef": default_branch,
        "ref": ref_of,
        "object": object_of,
        "pullRequest": pull_of,
        "pullRequests": pulls_of,
    }


def ref(asking: Asking, repo: Repository, name: str, sha: str) -> Node:
    """A branch or a tag."""
    short = name.split("/", 2)[2]
    return {
        "id": f"REF_{name}",
        "name": short,
        "prefix": name.removesuffix(short),
        "target": lambda: commit(asking, repo, sha),
        "repository": lambda: repository(asking, repo),
    }


def commit(asking: Asking, repo: Repository, sha: str) -> Node:
    """A commit."""
    info = repo.git.info(sha)

    def signature() -> Node | None:
        if sha not in asking.fake.verified:
            return None
        return {"__typename": "GpgSignature", "isValid": True, "state": "VALID", "wasSignedByGitHub": True}

    def person(who: tuple[str, str, str]) -> Node:
        login = asking.fake.login_of(who[1])
        return {"name": who[0], "email": who[1], "date": who[2], "user": actor(asking, login) if login else None}

    def pulls_of(**args: Any) -> Node:
        having = [
            made
            for made in repo.pulls.values()
            if sha in made.commits() or (made.merged and sha in made.merged.commits)
        ]
        return connection("associatedPullRequests", having, lambda made: pull(asking, made), args)

    headline, _, rest = info.message.partition("\n")
    return {
        "__typename": "Commit",
        "id": f"C_{sha}",
        "oid": sha,
        "abbreviatedOid": sha[:7],
        "url": f"{asking.fake.url}/{repo.full_name}/commit/{sha}",
        "message": info.message,
        "messageHeadline": headline,
        "messageBody": rest.strip(),
        "author": person(info.author),
        "committer": person(info.committer),
        "authoredDate": info.author[2],
        "committedDate": info.committer[2],
        "signature": signature,
        "tree": {"oid": info.tree, "id": f"T_{info.tree}"},
        "parents": lambda **args: connection("parents", info.parents, lambda one: commit(asking, repo, one), args),
        "associatedPullRequests": pulls_of,
    }


def _blob(repo: Repository, sha: str, path: str, data: bytes) -> Node:
    binary = b"\0" in data
    text = None if binary else data.decode(errors="replace")
    return {
        "__typename": "Blob", "id": f"B_{path}", "oid": repo.git.blob_id(sha, path), "byteSize": len(data),
        "isBinary": binary, "isTruncated": False, "text": text,
    }  # fmt: skip


def _state(made: Pull) -> str:
    return "MERGED" if made.merged else made.state.upper()


def pull(asking: Asking, made: Pull) -> Node:
    """A pull request."""
    repo = made.repository
    made.refresh()

    def reviews_of(**args: Any) -> Node:
        found = [
            said
            for said in made.reviews
            if said.state in (args.get("states") or (said.state,)) and said.login == (args.get("author") or said.login)
        ]
        return connection("reviews", found, lambda said: review(asking, made, said), args)

    def newest_reviews(**args: Any) -> Node:
        opinions = [said for said in made.reviews if said.state != "COMMENTED"]
        newest = list({said.login: said for said in opinions}.values())
        return connection("latestOpinionatedReviews", newest, lambda said: review(asking, made, said), args)

    def comments_of(**args: Any) -> Node:
        return connection("comments", made.comments, lambda said: comment(asking, repo, said), args)

    def commits_of(**args: Any) -> Node:
        return connection("commits", made.commits(), lambda sha: {"commit": lambda: commit(asking, repo, sha)}, args)

    merged = made.merged
    return {
        "__typename": "PullRequest",
        "id": shapes.node("PR", made.id),
        "databaseId": made.id,
        "number": made.number,
        "title": made.title,
        "body": made.body or "",
        "url": f"{asking.fake.url}/{repo.full_name}/pull/{made.number}",
        "state": _state(made),
        "isDraft": made.draft,
        "isCrossRepository": made.fork,
        "author": actor(asking, made.login),
        "baseRefName": made.base,
        "baseRefOid": made.base_sha,
        "headRefName": made.branch,
        "headRefOid": made.head,
        "headRepository": lambda: _head_repository(asking, made),
        "repository": lambda: repository(asking, repo),
        "merged": merged is not None,
        "mergedAt": merged.at if merged else None,
        "mergedBy": actor(asking, merged.login) if merged else None,
        "mergeCommit": (lambda: commit(asking, repo, merged.sha)) if merged else None,
        "mergeable": "MERGEABLE" if made.test_merge else "CONFLICTING",
        "closed": made.state == "closed",
        "createdAt": made.created_at,
        "updatedAt": made.updated_at,
        "closedAt": made.closed_at,
        "changedFiles": lambda: len(made.files()),
        "files": lambda **args: connection("files", made.files(), _file, args),
        "reviews": reviews_of,
        "latestOpinionatedReviews": newest_reviews,
        "comments": comments_of,
        "commits": commits_of,
        "labels": lambda **args: connection("labels", made.labels, _label, args),
    }


def _head_repository(asking: Asking, made: Pull) -> Node | None:
    gone = made.head_repository.full_name not in asking.fake.repositories
    return None if gone else repository(asking, made.head_repository)


def _file(change: FileChange) -> Node:
    return {
        "path": change.path,
        "additions": change.additions,
        "deletions": change.deletions,
        "changeType": _CHANGE.get(change.status, change.status.upper()),
        "viewerViewedState": "UNVIEWED",
    }


def _label(made: Label) -> Node:
    return {"id": shapes.node("LA", made.id), "name": made.name, "color": made.color, "description": made.description}


def review(asking: Asking, made: Pull, said: Review) -> Node:
    """A review."""
    return {
        "__typename": "PullRequestReview",
        "id": shapes.node("PRR", said.id),
        "databaseId": said.id,
        "author": actor(asking, said.login),
        "body": said.body,
        "state": said.state,
        "submittedAt": said.submitted_at,
        "commit": lambda: commit(asking, made.repository, said.commit_id),
    }


def comment(asking: Asking, repo: Repository, said: Comment) -> Node:
    """A comment, and whether it is still what it was."""

    def edits(**args: Any) -> Node:
        def edit(one: tuple[str, str, str]) -> Node:
            return {
                "editor": actor(asking, one[0]),
                "editedAt": one[1],
                "createdAt": one[1],
                "updatedAt": one[1],
                "diff": one[2],
            }

        return connection("userContentEdits", said.edits[::-1], edit, args)

    newest = said.edits[-1] if said.edits else None
    return {
        "__typename": "IssueComment",
        "id": shapes.node("IC", said.id),
        "databaseId": said.id,
        "author": actor(asking, said.login),
        "body": said.body,
        "url": f"{asking.fake.url}/{repo.full_name}/pull/{said.number}#issuecomment-{said.id}",
        "createdAt": said.created_at,
        "updatedAt": said.updated_at,
        "lastEditedAt": newest[1] if newest else None,
        "editor": actor(asking, newest[0]) if newest else None,
        "includesCreatedEdit": newest is not None,
        "isMinimized": False,
        "userContentEdits": edits,
        "pullRequest": lambda: pull(asking, repo.pulls[said.number]),
    }
