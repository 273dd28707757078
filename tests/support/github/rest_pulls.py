"""Pull requests, reviews and merging."""

from __future__ import annotations

from typing import Any

from support.github import shapes_git, shapes_pull
from support.github.accounts import ACTIONS_BOT
from support.github.call import Answer, Call, route
from support.github.pull import Pull, Refused

_PULL = "/repos/{owner}/{repo}/pulls/{pull_number}"
_EVENTS = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}


@route("GET", "/repos/{owner}/{repo}/pulls", "pull_requests=read")
def list_pulls(call: Call) -> Answer:
    """Those of a state, a base and a head (`owner:branch`)."""
    for pull in call.repo.pulls.values():
        pull.refresh()
    state, base, head = call.query.get("state", "open"), call.query.get("base", ""), call.query.get("head", "")
    # GitHub ignores a head without an owner.
    owner, _, branch = head.partition(":") if ":" in head else ("", "", "")
    found = [
        pull
        for pull in call.repo.pulls.values()
        if state in ("all", pull.state)
        and base in ("", pull.base)
        and (not owner or (pull.head_repository.owner.login, pull.branch) == (owner, branch))
    ]
    by = "updated_at" if call.query.get("sort") == "updated" else "created_at"
    descending = call.query.get("direction", "desc" if by == "created_at" else "asc") == "desc"
    found.sort(key=lambda pull: (getattr(pull, by), pull.number), reverse=descending)
    return call.page(found, shapes_pull.pull)


@route("POST", "/repos/{owner}/{repo}/pulls", "pull_requests=write")
def create_pull(call: Call) -> Answer:
    """Open one, unless it is there, changes nothing, or Actions may not open any."""
    repo = call.repo
    if call.login == ACTIONS_BOT and not repo.actions_may_open_pulls:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    owner, _, branch = call.body["head"].rpartition(":")
    source = repo
    if owner not in ("", repo.owner.login):
        found = [
            other for other in call.fake.repositories.values() if other.parent is repo and other.owner.login == owner
        ]
        if not found:
            raise Refused(
                422, "Validation Failed", errors=[{"resource": "PullRequest", "field": "head", "code": "invalid"}]
            )
        source = found[0]
    pull = repo.open_pull(
        call.login,
        branch,
        call.body["base"],
        title=call.body.get("title") or "",
        body=call.body.get("body"),
        head_repository=source,
        draft=call.body.get("draft", False),
    )
    return Answer(201, shapes_pull.full_pull(pull))


@route("GET", _PULL, "pull_requests=read")
def get_pull(call: Call) -> Answer:
    """One, as it is now."""
    return Answer(200, shapes_pull.full_pull(call.pull()))


@route("PATCH", _PULL, "pull_requests=write")
def update_pull(call: Call) -> Answer:
    """Its title, text, base and state."""
    pull = call.pull()
    pull.title = call.body.get("title", pull.title)
    pull.body = call.body.get("body", pull.body)
    pull.base = call.body.get("base", pull.base)
    pull.updated_at = call.fake.clock.tick()
    state = call.body.get("state", pull.state)
    if state != pull.state:
        if state == "closed":
            pull.close(call.login)
        else:
            pull.reopen()
    return Answer(200, shapes_pull.full_pull(pull))


@route("GET", _PULL + "/files", "pull_requests=read")
def list_files(call: Call) -> Answer:
    """What it changes; GitHub shows 3000 files at most."""
    pull = call.pull()
    return call.page(pull.files()[:3000], lambda change: shapes_git.file(call.repo, pull.head, change))


@route("GET", _PULL + "/commits", "pull_requests=read")
def list_commits(call: Call) -> Answer:
    """Its commits, the oldest first; GitHub shows 250 at most."""
    return call.page(call.pull().commits()[:250], lambda sha: shapes_git.commit(call.repo, sha))


@route("GET", _PULL + "/merge", "pull_requests=read")
def is_merged(call: Call) -> Answer:
    """Yes or no, by the status."""
    return Answer(204 if call.pull().merged else 404)


@route("PUT", _PULL + "/merge", "contents=write")
def merge(call: Call) -> Answer:
    """Merge it, if its head is what the caller thinks it is."""
    pull = call.pull()
    if call.body.get("sha") not in (None, pull.head):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    rule = call.repo.protections.get(pull.base)
    if rule and call.login not in rule.bypass:
        approved = {review.login for review in pull.reviews if review.state == "APPROVED"}
        if len(approved) < rule.approvals:
            raise Refused(
                405, f"At least {rule.approvals} approving review is required by reviewers with write access."
            )
        for name in rule.checks:
            if not any(
                run.conclusion in ("success", "neutral", "skipped") for run in call.repo.checks_of(pull.head, name)[-1:]
            ):
                raise Refused(405, f'Required status check "{name}" is expected.')
    sha = pull.merge(
        call.login,
        call.body.get("merge_method", "merge"),
        title=call.body.get("commit_title"),
        message=call.body.get("commit_message", ""),
    )
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@route("GET", _PULL + "/reviews", "pull_requests=read")
def list_reviews(call: Call) -> Answer:
    """All of them, the oldest first: also those that newer ones of the same person have overtaken."""
    pull = call.pull()
    return call.page(pull.reviews, lambda review: shapes_pull.review(pull, review))


@route("POST", _PULL + "/reviews", "pull_requests=write", level="read")
def create_review(call: Call) -> Answer:
    """Review it. Everybody who can read may."""
    pull = call.pull()
    event = call.body.get("event")
    if event is None:
        raise Refused(501, "the fake has no pending reviews")
    if call.login == ACTIONS_BOT and event == "APPROVE" and not call.repo.actions_may_open_pulls:
        raise Refused(422, "Unprocessable Entity", errors=["GitHub Actions is not permitted to approve pull requests."])
    if event != "APPROVE" and not call.body.get("body"):
        raise Refused(422, "Unprocessable Entity", errors=["Body can't be blank"])
    state: Any = _EVENTS[event]
    review = pull.review(call.login, state, call.body.get("body", ""), call.body.get("commit_id"))
    return Answer(200, shapes_pull.review(pull, review))


@route("PUT", _PULL + "/reviews/{review_id}/dismissals", "pull_requests=write")
def dismiss(call: Call) -> Answer:
    """A review counts no longer."""
    pull = call.pull()
    review = next((found for found in pull.reviews if found.id == int(call.params["review_id"])), None)
    if review is None:
        raise Refused(404, "Not Found")
    pull.dismiss(review)
    return Answer(200, shapes_pull.review(pull, review))


@route("POST", _PULL + "/requested_reviewers", "pull_requests=write")
def request_reviewers(call: Call) -> Answer:
    """Ask people for a review. Who has no access, or wrote it, cannot be asked."""
    pull = call.pull()
    for login in call.body.get("reviewers", ()):
        if login == pull.login:
            raise Refused(422, "Review cannot be requested from pull request author.")
        if call.repo.level(login) == "none":
            raise Refused(422, "Reviews may only be requested from collaborators.")
        if login not in pull.requested:
            pull.requested.append(login)
    return Answer(201, shapes_pull.pull(pull))


@route("GET", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls", "pull_requests=read", "contents=read")
def pulls_of_commit(call: Call) -> Answer:
    """The merged one that brought a commit to the default branch; else the open ones that have it.

    GitHub knows a merge commit, the commit of a squash, those of a rebase, and those that were merged.
    """
    repo = call.repo
    sha = call.commit(call.params["commit_sha"])

    def has(pull: Pull) -> bool:
        pull.refresh()
        if pull.merged:
            return sha in pull.merged.commits or sha in pull.commits()
        return sha in pull.commits()

    having = [pull for pull in repo.pulls.values() if has(pull)]
    landed = repo.git.contains(repo.head(), sha)
    found = [pull for pull in having if (pull.merged is not None) == landed]
    return call.page(found, shapes_pull.pull)
