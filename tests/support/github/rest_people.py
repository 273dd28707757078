"""People, teams, and the token itself."""

from __future__ import annotations

from typing import Any

from support.github import shapes
from support.github.accounts import Team
from support.github.call import Answer, Call, route
from support.github.pull import Refused

_TEAM = "/orgs/{org}/teams/{team_slug}"


@route("GET", "/user", "no-installation=write")
def get_me(call: Call) -> Answer:
    """Whose token it is. An installation's is nobody's: GITHUB_TOKEN gets a 403."""
    return Answer(200, _person(call, call.login))


@route("GET", "/users/{username}", "metadata=read")
def get_user(call: Call) -> Answer:
    """Anybody."""
    if not call.fake.knows(call.params["username"]):
        raise Refused(404, "Not Found")
    return Answer(200, _person(call, call.params["username"]))


def _person(call: Call, login: str) -> dict[str, Any]:
    return shapes.user(call.fake, login) | {
        "name": login,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }


@route("GET", _TEAM, "members=read")
def get_team(call: Call) -> Answer:
    """A team."""
    made = _team(call)
    shown = shapes.team(call.fake, made) | {
        "members_count": len(made.members),
        "repos_count": 0,
        "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
        "organization": shapes.organisation(call.fake, call.fake.account(made.organisation))
        | {
            "has_organization_projects": True,
            "has_repository_projects": True,
            "public_repos": 0,
            "public_gists": 0,
            "followers": 0,
            "following": 0,
            "html_url": f"{call.fake.url}/{made.organisation}",
            "type": "Organization",
            "created_at": "2020-01-01T00:00:00Z",
            "updated_at": "2020-01-01T00:00:00Z",
            "archived_at": None,
        },
    }
    return Answer(200, shown)


@route("GET", _TEAM + "/members", "members=read")
def list_members(call: Call) -> Answer:
    """Who is in it. GITHUB_TOKEN cannot ask this, whatever its permissions."""
    return call.page(sorted(_team(call).members), lambda login: shapes.user(call.fake, login))


@route("GET", _TEAM + "/memberships/{username}", "members=read")
def get_membership(call: Call) -> Answer:
    """Whether somebody is in it."""
    made, login = _team(call), call.params["username"]
    if login not in made.members:
        raise Refused(404, "Not Found")
    url = f"{call.fake.api}/organizations/1/team/{made.id}/memberships/{login}"
    return Answer(200, {"url": url, "role": "member", "state": "active"})


def _team(call: Call) -> Team:
    made = call.fake.teams.get((call.params["org"], call.params["team_slug"]))
    if made is None:
        raise Refused(404, "Not Found")
    return made


@route("GET", "/rate_limit", "metadata=read")
def rate_limit(call: Call) -> Answer:
    """How much is left, which is always the same: limits are set by a test."""
    left = {"limit": 1000, "used": 0, "remaining": 1000, "reset": int(call.fake.clock.now()) + 3600}
    return Answer(200, {"resources": {"core": left, "search": left, "graphql": left}, "rate": left})
