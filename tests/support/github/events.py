"""What starts a workflow run: the payload as GitHub sends it, and the environment that the runner makes of it.

    event = fake.event("pull_request", repo, pull=pull, action="synchronize")
    environ = event.environ(folder, workspace=checkout)     # writes the payload; GITHUB_* for the program under test

The keys of a payload are those of GitHub's own examples (npm `@octokit/webhooks-examples`); the values are the fake's. What
the examples have and the fake has not is there, and empty.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from support.forges.bare import ZERO, Signature
from support.github import shapes, shapes_git, shapes_pull, shapes_run

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub
    from support.github.model import Comment, Review, Run
    from support.github.pull import Pull
    from support.github.repository import Repository

_FILES: Final = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE")
_WEBHOOK: Final = ("installation", "enterprise", "organization")


@dataclass(frozen=True)
class Event:
    """An event, the run that it started, and what the runner says of it."""

    fake: FakeGitHub
    name: str
    repository: Repository
    payload: dict[str, Any]
    ref: str
    sha: str
    actor: str
    run: Run
    head_ref: str = ""
    base_ref: str = ""

    def write(self, path: Path) -> Path:
        """Write the payload."""
        path.write_text(json.dumps(self.payload), encoding="utf-8")
        return path

    def environ(self, folder: Path, workspace: Path | None = None) -> dict[str, str]:
        """The environment of a step. What it may write to is in `folder`, by the name of the variable."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _FILES:
            (folder / name).touch()
        (folder / "temp").mkdir(exist_ok=True)
        kind, _, short = self.ref.removeprefix("refs/").partition("/")
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTOR": self.actor,
            "GITHUB_ACTOR_ID": str(self.fake.account(self.actor).id),
            "GITHUB_TRIGGERING_ACTOR": self.actor,
            "GITHUB_API_URL": self.fake.api,
            "GITHUB_GRAPHQL_URL": self.fake.graphql_url,
            "GITHUB_SERVER_URL": self.fake.url,
            "GITHUB_BASE_REF": self.base_ref,
            "GITHUB_HEAD_REF": self.head_ref,
            "GITHUB_EVENT_NAME": self.name,
            "GITHUB_EVENT_PATH": str(self.write(folder / "event.json")),
            "GITHUB_JOB": self.run.job,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": short,
            "GITHUB_REF_PROTECTED": str(short in self.repository.protections).lower(),
            "GITHUB_REF_TYPE": "tag" if kind == "tags" else "branch",
            "GITHUB_REPOSITORY": self.repository.full_name,
            "GITHUB_REPOSITORY_ID": str(self.repository.id),
            "GITHUB_REPOSITORY_OWNER": self.repository.owner.login,
            "GITHUB_RETENTION_DAYS": "90",
            "GITHUB_RUN_ATTEMPT": str(self.run.attempt),
            "GITHUB_RUN_ID": str(self.run.id),
            "GITHUB_RUN_NUMBER": str(self.run.number),
            "GITHUB_SHA": self.sha,
            "GITHUB_WORKFLOW": self.run.name,
            "GITHUB_WORKFLOW_REF": f"{self.repository.full_name}/{self.run.path}@{self.ref}",
            "GITHUB_WORKFLOW_SHA": self.sha,
            "GITHUB_WORKSPACE": str(workspace or folder),
            "RUNNER_ARCH": "X64",
            "RUNNER_ENVIRONMENT": "github-hosted",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(folder / "temp"),
            **{name: str(folder / name) for name in _FILES},
        }


@functools.cache
def examples(path: Path) -> dict[str, list[dict[str, Any]]]:
    """GitHub's own examples of payloads, by the name of the event."""
    found: list[dict[str, Any]] = json.loads(path.read_bytes())
    return {entry["name"]: entry["examples"] for entry in found}


@dataclass
class _Building:
    """What a builder of a payload works with."""

    fake: FakeGitHub
    repository: Repository
    about: dict[str, Any]
    run: Run | None

    def take(self, key: str, default: Any = None) -> Any:
        """What the test says, once."""
        return self.about.pop(key, default)


@dataclass
class _Built:
    payload: dict[str, Any]
    ref: str
    sha: str
    sender: str
    head_ref: str = ""
    base_ref: str = ""


def build(fake: FakeGitHub, name: str, repository: Repository, run: Run | None, about: Mapping[str, object]) -> Event:
    """An event of `repository`. What it is about depends on its name; each builder below says what it takes.

    `sender` is who did it, by default whoever the thing is of. `run` is a run of one's own; else one is made.
    """
    building = _Building(fake, repository, dict(about), run)
    built = _BUILDERS[name](building)
    sender = building.take("sender", built.sender)
    action = built.payload.get("action")
    assert not building.about, f"an event {name} is not about {', '.join(building.about)}"
    payload = built.payload | {"repository": shapes.repository(repository), "sender": shapes.user(fake, sender)}
    if repository.owner.type == "Organization":
        payload["organization"] = shapes.organisation(fake, repository.owner)
    # Keys of webhooks that the payload of a run has not, and an organisation where there is one.
    known = {key: value for key, value in _example(fake, name, action).items() if key not in _WEBHOOK or key in payload}
    payload = _fit(known, payload)
    for error in fake.description.payload_errors(name.replace("_target", ""), action, payload):
        fake.violation(f"the fake's own payload of {name}: {error}")
    if run is None:
        branch = built.head_ref or built.ref.removeprefix("refs/heads/")
        run = repository.run(name, sha=built.payload.get("pull_request", {}).get("head", {}).get("sha", built.sha),
                             branch=branch, actor=sender)  # fmt: skip
    return Event(fake, name, repository, payload, built.ref, built.sha, sender, run, built.head_ref, built.base_ref)


def _example(fake: FakeGitHub, name: str, action: str | None) -> dict[str, Any]:
    """The best example of an event: of that action, with as much in it as there is."""
    from support.github.fake import EXAMPLES_FILE

    known = examples(fake.descriptions / EXAMPLES_FILE).get(name.replace("pull_request_target", "pull_request"), [])
    fitting = [one for one in known if one.get("action") == action] or known
    return max(fitting, key=lambda one: len(json.dumps(one)), default={})


def _fit(example: Any, ours: Any) -> Any:
    """Ours, with every key that the example has; what is only there comes without its value."""
    if not (isinstance(example, dict) and isinstance(ours, dict)):
        return ours
    fitted = {key: _fit(example[key], value) if key in example else value for key, value in ours.items()}
    empty: dict[type, Any] = {str: "", int: 0, float: 0.0, bool: False, list: [], dict: {}}
    return fitted | {key: empty.get(type(value)) for key, value in example.items() if key not in ours}


# --- the events


def _pull_request(building: _Building) -> _Built:
    """`pull`, `action` ("opened"), `before` (for "synchronize")."""
    pull: Pull = building.take("pull")
    pull.refresh()
    action = building.take("action", "opened")
    payload = {"action": action, "number": pull.number, "pull_request": shapes_pull.full_pull(pull)}
    if action == "synchronize":
        payload |= {"before": building.take("before", ZERO), "after": pull.head}
    return _of_pull(building, pull, payload, pull.login)


def _of_pull(building: _Building, pull: Pull, payload: dict[str, Any], sender: str) -> _Built:
    """What is run is the test merge, at its own ref."""
    sha = pull.merged.sha if pull.merged else pull.test_merge
    assert sha, "GitHub starts no run for a pull request that cannot be merged"
    return _Built(payload, f"refs/pull/{pull.number}/merge", sha, sender, pull.branch, pull.base)


def _pull_request_target(building: _Building) -> _Built:
    """As `pull_request`; what is run is the base branch."""
    built = _pull_request(building)
    base = built.base_ref
    built.ref, built.sha = f"refs/heads/{base}", building.repository.head(base)
    return built


def _pull_request_review(building: _Building) -> _Built:
    """`pull`, `review`, `action` ("submitted")."""
    pull: Pull = building.take("pull")
    review: Review = building.take("review")
    pull.refresh()
    shown = shapes_pull.review(pull, review)
    shown["state"] = review.state.lower()  # as payloads write it
    payload = {"action": building.take("action", "submitted"), "review": shown, "pull_request": shapes_pull.pull(pull)}
    return _of_pull(building, pull, payload, review.login)


def _issue_comment(building: _Building) -> _Built:
    """`comment`, `action` ("created"). It has no sha of the pull request: what is run is the default branch."""
    comment: Comment = building.take("comment")
    repo = building.repository
    payload = {
        "action": building.take("action", "created"),
        "issue": shapes_pull.issue(repo.pulls[comment.number]),
        "comment": shapes_pull.comment(repo, comment),
    }
    return _Built(payload, f"refs/heads/{repo.default_branch}", repo.head(), comment.login)


def _push(building: _Building) -> _Built:
    """`branch` (the default one), `after` (its head), `before` (what it was before its last push)."""
    fake, repo = building.fake, building.repository
    branch = building.take("branch", repo.default_branch)
    ref = f"refs/heads/{branch}"
    after = building.take("after") or repo.head(branch)
    known = next((push for push in reversed(repo.pushes) if push.ref == ref and push.after == after), None)
    before = building.take("before") or (known.before if known else ZERO)
    sender = known.login if known else repo.owner.login
    shown = [_pushed(repo, sha) for sha in (repo.git.commits(before, after) if before != ZERO else [after])]
    person = {"name": sender, "email": fake.account(sender).email}
    payload = {
        "ref": ref,
        "before": before,
        "after": after,
        "base_ref": None,
        "created": before == ZERO,
        "deleted": False,
        "forced": before != ZERO and not repo.git.contains(after, before),
        "compare": f"{fake.url}/{repo.full_name}/compare/{before[:12]}...{after[:12]}",
        "commits": shown,
        "head_commit": _pushed(repo, after),
        "pusher": person,
    }
    return _Built(payload, ref, after, sender)


def _pushed(repo: Repository, sha: str) -> dict[str, Any]:
    """A commit of a push. A run's payload does not say which files it touches."""
    info = repo.git.info(sha)
    shown = shapes_git.simple_commit(repo, sha)
    for key, who in (("author", info.author), ("committer", info.committer)):
        login = repo.fake.login_of(who[1])
        shown[key] |= {"username": login} if login else {}
    return shown | {"distinct": True, "url": f"{repo.fake.url}/{repo.full_name}/commit/{sha}"}


def _merge_group(building: _Building) -> _Built:
    """`pull`, `action` ("checks_requested"). The queue makes a branch of its own with the merge in it."""
    fake, repo = building.fake, building.repository
    pull: Pull = building.take("pull")
    pull.refresh()
    base = repo.head(pull.base)
    who = Signature(*fake.identity(pull.login), fake.clock.now())
    message = (
        f"Merge pull request #{pull.number} from {pull.head_repository.owner.login}/{pull.branch}\n\n{pull.title}\n"
    )
    sha = repo.git.commit_tree(repo.git.merge_tree(base, pull.head), [base, pull.head], message, who)
    ref = f"refs/heads/gh-readonly-queue/{pull.base}/pr-{pull.number}-{base}"
    repo.git.set_ref(ref, sha)
    group = {
        "head_sha": sha,
        "head_ref": ref,
        "base_sha": base,
        "base_ref": f"refs/heads/{pull.base}",
        "head_commit": shapes_git.simple_commit(repo, sha),
    }
    payload = {"action": building.take("action", "checks_requested"), "merge_group": group}
    return _Built(payload, ref, sha, pull.login)


def _schedule(building: _Building) -> _Built:
    """`schedule`: the line of the workflow that it is."""
    repo = building.repository
    payload = {"schedule": building.take("schedule", "0 * * * *"), "workflow": ".github/workflows/deploy.yml"}
    return _Built(payload, f"refs/heads/{repo.default_branch}", repo.head(), repo.owner.login)


def _workflow_dispatch(building: _Building) -> _Built:
    """`inputs`, `branch`."""
    repo = building.repository
    ref = f"refs/heads/{building.take('branch', repo.default_branch)}"
    payload = {"inputs": building.take("inputs", {}), "ref": ref, "workflow": ".github/workflows/deploy.yml"}
    return _Built(payload, ref, repo.head(ref.removeprefix("refs/heads/")), repo.owner.login)


def _workflow_run(building: _Building) -> _Built:
    """`of`: the run that ended, `action` ("completed"). What is run is the default branch, with its token and secrets."""
    fake, repo = building.fake, building.repository
    of: Run = building.take("of")
    shown = shapes_run.run(repo, of)
    # GitHub names no pull request that comes from a fork.
    times = dict.fromkeys(("created_at", "updated_at"), repo.created_at)
    workflow = {"id": 1, "name": of.name, "path": of.path, "state": "active", "url": shown["workflow_url"], **times}
    payload = {"action": building.take("action", "completed"), "workflow_run": shown, "workflow": workflow}
    return _Built(payload, f"refs/heads/{repo.default_branch}", repo.head(), fake.account(of.actor).login)


_BUILDERS: Final[dict[str, Callable[[_Building], _Built]]] = {
    "issue_comment": _issue_comment,
    "merge_group": _merge_group,
    "pull_request": _pull_request,
    "pull_request_review": _pull_request_review,
    "pull_request_target": _pull_request_target,
    "push": _push,
    "schedule": _schedule,
    "workflow_dispatch": _workflow_dispatch,
    "workflow_run": _workflow_run,
}
