"""What people and repositories look like in answers: GitHub names every neighbour of a thing by its URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from support.github.accounts import Account, App, Team, at_least

if TYPE_CHECKING:
    from support.github.fake import FakeGitHub
    from support.github.repository import Repository

_USER_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}


def node(kind: str, id: int) -> str:
    """The id that GraphQL knows a thing by."""
    return f"{kind}_{id}"


def user(fake: FakeGitHub, login: str) -> dict[str, Any]:
    """Somebody, as everywhere."""
    account = fake.account(login)
    api = f"{fake.api}/users/{login}"
    return {
        "login": login,
        "id": account.id,
        "node_id": node("U", account.id),
        "avatar_url": f"{fake.url}/avatars/{account.id}",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{fake.url}/{login}",
        **{name: api + end for name, end in _USER_URLS.items()},
        "type": account.type,
        "user_view_type": "public",
        "site_admin": False,
    }


def author(fake: FakeGitHub, login: str) -> dict[str, Any] | None:
    """Who said something; None where the account was deleted."""
    return None if fake.account(login).gone else user(fake, login)


def organisation(fake: FakeGitHub, account: Account) -> dict[str, Any]:
    """An organisation, as payloads of events have it."""
    api = f"{fake.api}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node("O", account.id),
        "url": api,
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events",
        "hooks_url": f"{api}/hooks",
        "issues_url": f"{api}/issues",
        "members_url": f"{api}/members{{/member}}",
        "public_members_url": f"{api}/public_members{{/member}}",
        "avatar_url": f"{fake.url}/avatars/{account.id}",
        "description": "",
    }


def app(fake: FakeGitHub, made: App) -> dict[str, Any]:
    """A GitHub App."""
    return {
        "id": made.id,
        "slug": made.slug,
        "client_id": f"Iv1.{made.id}",
        "node_id": node("A", made.id),
        "owner": user(fake, "github"),
        "name": made.name,
        "description": "",
        "external_url": f"{fake.url}/apps/{made.slug}",
        "html_url": f"{fake.url}/apps/{made.slug}",
        "created_at": "2018-07-30T09:30:17Z",
        "updated_at": "2019-12-10T19:04:12Z",
        "permissions": {"checks": "write", "contents": "write", "metadata": "read"},
        "events": ["check_run", "push"],
    }


def repository(made: Repository, login: str = "") -> dict[str, Any]:
    """A repository, whole; `login` is who looks at it."""
    fake = made.fake
    api = f"{fake.api}/repos/{made.full_name}"
    html = f"{fake.url}/{made.full_name}"
    level = made.level(login)
    opened = sum(pull.state == "open" for pull in made.pulls.values())
    return {
        "id": made.id,
        "node_id": node("R", made.id),
        "name": made.name,
        "full_name": made.full_name,
        "private": made.private,
        "owner": user(fake, made.owner.login),
        "html_url": html,
        "description": None,
        "fork": made.parent is not None,
        "url": api,
        **{name: api + end for name, end in _REPOSITORY_URLS.items()},
        "created_at": made.created_at,
        "updated_at": made.created_at,
        "pushed_at": made.created_at,
        "git_url": f"git://127.0.0.1/{made.full_name}.git",
        "ssh_url": f"git@127.0.0.1:{made.full_name}.git",
        "clone_url": made.clone_url,
        "svn_url": html,
        "mirror_url": None,
        "homepage": None,
        "size": 1,
        "stargazers_count": 0,
        "watchers_count": 0,
        "language": None,
        "has_issues": True,
        "has_projects": True,
        "has_downloads": True,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "forks_count": 0,
        "archived": False,
        "disabled": False,
        "open_issues_count": opened,
        "license": None,
        "allow_forking": True,
        "is_template": False,
        "web_commit_signoff_required": False,
        "topics": [],
        "visibility": "private" if made.private else "public",
        "forks": 0,
        "open_issues": opened,
        "watchers": 0,
        "default_branch": made.default_branch,
        "permissions": {
            "admin": level == "admin",
            "maintain": at_least(level, "maintain"),
            "push": at_least(level, "write"),
            "triage": at_least(level, "triage"),
            "pull": at_least(level, "read"),
        },
    }


def full_repository(made: Repository, login: str) -> dict[str, Any]:
    """A repository as `GET /repos/{owner}/{repo}` has it."""
    shown = repository(made, login) | {
        "network_count": 0,
        "subscribers_count": 0,
        "allow_merge_commit": True,
        "allow_squash_merge": True,
        "allow_rebase_merge": True,
        "allow_auto_merge": False,
        "delete_branch_on_merge": False,
    }
    if made.parent:
        shown |= {"parent": repository(made.parent, login), "source": repository(made.parent, login)}
    return shown


def team(fake: FakeGitHub, made: Team) -> dict[str, Any]:
    """A team, whole."""
    api = f"{fake.api}/organizations/{fake.account(made.organisation).id}/team/{made.id}"
    return {
        "id": made.id,
        "node_id": node("T", made.id),
        "url": api,
        "html_url": f"{fake.url}/orgs/{made.organisation}/teams/{made.slug}",
        "name": made.slug,
        "slug": made.slug,
        "description": None,
        "privacy": "closed",
        "notification_setting": "notifications_enabled",
        "permission": "pull",
        "type": "organization",
        "organization_id": fake.account(made.organisation).id,
        "members_url": f"{api}/members{{/member}}",
        "repositories_url": f"{api}/repos",
        "parent": None,
    }
