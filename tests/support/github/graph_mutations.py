"""The mutation of the GraphQL API that is used: a commit, made and signed by GitHub, if the branch is where one thinks."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from support.forges.bare import Signature
from support.github import graph_objects
from support.github.bare import WEB
from support.github.graph_common import Asking, Denied, Node
from support.github.pull import Refused

if TYPE_CHECKING:
    from support.github.repository import Repository


def mutations(asking: Asking) -> Node:
    """Where every mutation begins."""
    return {"createCommitOnBranch": lambda **args: _commit(asking, args["input"])}


def _commit(asking: Asking, sent: dict[str, Any]) -> Node:
    """Compare and commit: of two at once, one is told that the branch moved."""
    fake = asking.fake
    repo, branch = _branch(asking, sent["branch"])
    asking.need(repo, "contents", "write")
    head = repo.git.resolve(f"refs/heads/{branch}")
    if head is None:
        raise Denied("NOT_FOUND", f"Could not resolve to a Ref with the name '{branch}'.")
    expected = sent["expectedHeadOid"]
    if head != expected:
        raise Denied("STALE_DATA", f'Expected branch to point to "{expected}" but it did not.  Pull and try again.')
    try:
        repo.refuse_protected(branch, asking.token.login)
    except Refused as error:
        classic = repo.protections[branch].kind == "classic"
        raise Denied("BRANCH_PROTECTION_RULE_VIOLATION" if classic else "UNPROCESSABLE", error.message) from error
    files = _files(repo, head, sent.get("fileChanges") or {})
    if asking.token.app and not asking.token.grants("workflows", "write"):
        for path in files:
            if path.startswith(".github/workflows/"):
                words = f"refusing to allow a GitHub App to create or update workflow `{path}` without `workflows` permission"
                raise Denied("FORBIDDEN", words)
    message = "\n\n".join(part for part in (sent["message"]["headline"], sent["message"].get("body")) if part)
    fake.clock.advance(1)
    author = Signature(*fake.identity(asking.token.login), fake.clock.now())
    sha = repo.git.commit_tree(
        repo.git.changed_tree(head, files), [head], message, author, Signature(*WEB, fake.clock.now())
    )
    if not repo.git.set_ref(f"refs/heads/{branch}", sha, expected=head):
        raise Denied("STALE_DATA", f'Expected branch to point to "{expected}" but it did not.  Pull and try again.')
    fake.verified.add(sha)
    before = set(repo.git.known)
    repo.moved(asking.token.login, branch, head, sha)
    fake.record.pushed.extend(repo.git.text_of(repo.git.known - before))
    return {
        "clientMutationId": sent.get("clientMutationId"),
        "commit": lambda: graph_objects.commit(asking, repo, sha),
        "ref": lambda: graph_objects.ref(asking, repo, f"refs/heads/{branch}", sha),
    }


def _branch(asking: Asking, where: dict[str, Any]) -> tuple[Repository, str]:
    if where.get("id"):
        raise Denied("NOT_FOUND", "the fake finds a branch by repositoryNameWithOwner and branchName")
    name, branch = where.get("repositoryNameWithOwner"), where.get("branchName")
    if not name or not branch:
        raise Denied("UNPROCESSABLE", "A branch must be specified by id, or by repositoryNameWithOwner and branchName")
    return asking.repository(name), branch.removeprefix("refs/heads/")


def _files(repo: Repository, head: str, changes: dict[str, Any]) -> dict[str, bytes | None]:
    files: dict[str, bytes | None] = {}
    for addition in changes.get("additions") or ():
        try:
            files[addition["path"]] = base64.b64decode(addition["contents"], validate=True)
        except binascii.Error as error:
            raise Denied("UNPROCESSABLE", "A file's contents must be encoded in Base64") from error
    for deletion in changes.get("deletions") or ():
        path = deletion["path"]
        if path in files:
            raise Denied("UNPROCESSABLE", f"A path was both added and deleted: {path}")
        if repo.git.file(head, path) is None:
            raise Denied(
                "UNPROCESSABLE",
                f"A path was requested for deletion which does not exist as of commit oid `{head}`: {path}",
            )
        files[path] = None
    return files
