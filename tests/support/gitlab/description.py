"""GitLab's own description of its API, where it is wrong put right."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import ImmutableMultiDict

from support.forges.judge import Answered, Asked, Judge

ROOT: Final = "/api/v4"
_MERGE_REQUEST: Final = f"{ROOT}/projects/{{id}}/merge_requests/{{merge_request_iid}}"

# What the description calls one object and GitLab answers as a list: entity and property. In lib/api/entities each of them
# exposes an association of many without `is_array` (merge_request_approvals.rb, deployment_extended.rb and, of the
# Enterprise Edition, protected_environment.rb and deployments/approval_summary.rb).
_LISTS: Final = (
    ("MergeRequestApprovals", "approved_by"),
    ("DeploymentExtended", "approvals"),
    ("DeploymentsApprovalSummary", "rules"),
    ("ProtectedEnvironmentsApprovalRuleForSummary", "deployment_approvals"),
    ("ProtectedEnvironment", "deploy_access_levels"),
    ("ProtectedEnvironment", "approval_rules"),
    ("UserPublic", "identities"),
)
# The same of whole answers: lib/api/merge_requests.rb presents `paginate(...)` and a list.
_LIST_ANSWERS: Final = (f"{_MERGE_REQUEST}/reviewers", f"{_MERGE_REQUEST}/pipelines")
# Written without a type, they are described as texts: lib/api/entities/member.rb, user_public.rb.
_TYPES: Final = (
    ("Member", "access_level", "integer"),
    ("Member", "is_using_seat", "boolean"),
    ("Member", "override", "boolean"),
    ("UserPublic", "followers", "integer"),
    ("UserPublic", "following", "integer"),
    ("UserPublic", "is_followed", "boolean"),
)
# lib/api/commits.rb takes a body that Workhorse wrote to a file, which is all that the description knows of; what is in it
# is said by doc/api/commits.md.
_ACTION: Final = {
    "type": "object",
    "required": ["action", "file_path"],
    "properties": {
        "action": {"type": "string", "enum": ["create", "delete", "move", "update", "chmod"]},
        "file_path": {"type": "string"},
        "previous_path": {"type": "string"},
        "content": {"type": "string"},
        "encoding": {"type": "string", "enum": ["text", "base64"]},
        "last_commit_id": {"type": "string"},
        "execute_filemode": {"type": "boolean"},
    },
}
_COMMIT: Final = {
    "type": "object",
    "required": ["branch", "commit_message", "actions"],
    "properties": {
        **{
            name: {"type": "string"}
            for name in ("branch", "commit_message", "start_branch", "start_sha", "author_email", "author_name")
        },
        "start_project": {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        "actions": {"type": "array", "items": _ACTION},
        **{name: {"type": "boolean"} for name in ("stats", "force", "allow_empty")},
    },
}


class Description(Judge):
    """The description of the REST API."""

    def __init__(self, rest: Path) -> None:
        super().__init__(_mended(json.loads(rest.read_bytes())))

    def request_errors(self, asked: Asked, template: str) -> list[str]:
        """What is wrong with a request. A list in a query may have `[]` behind its name, which the description leaves out."""
        # Rack reads `iids[]=1&iids[]=2` as a list, and python-gitlab writes it so.
        plain, given = copy.copy(asked), asked.parameters
        pairs = [(name.removesuffix("[]"), value) for name, value in parse_qsl(asked.query, keep_blank_values=True)]
        plain.parameters = RequestParameters(query=ImmutableMultiDict(pairs), header=given.header, path={})
        return super().request_errors(plain, template)

    def response_errors(self, asked: Asked, answered: Answered, template: str) -> list[str]:
        """What is wrong with an answer: also what it has and the entity does not."""
        documented = self.operation(asked.method, template)["responses"]
        if answered.status_code == 201 and "201" not in documented:
            answered.status_code = 200  # Grape answers 201 to each POST that says nothing else
        errors = super().response_errors(asked, answered, template)
        content = documented.get(str(answered.status_code), {}).get("content", {}).get("application/json", {})
        if answered.data and content and not errors:
            unknown = self._unknown(content["schema"], json.loads(answered.data), "")
            errors = [f"unknown key '{path}' in the answer" for path in dict.fromkeys(unknown)]
        return errors


def _mended(document: dict[str, Any]) -> dict[str, Any]:
    schemas, paths = document["components"]["schemas"], document["paths"]
    # Who may do what is asked of the fake, not of the description, which knows no PRIVATE-TOKEN.
    document.pop("security", None)
    for operation in (one for path in paths.values() for one in path.values() if isinstance(one, dict)):
        operation.pop("security", None)
    for entity, name in _LISTS:
        properties = schemas[f"APIEntities{entity}"]["properties"]
        properties[name] = {"type": "array", "items": properties[name]}
    for entity, name, kind in _TYPES:
        schemas[f"APIEntities{entity}"]["properties"][name] = {"type": kind}
    for template in _LIST_ANSWERS:
        content = paths[template]["get"]["responses"]["200"]["content"]["application/json"]
        content["schema"] = {"type": "array", "items": content["schema"]}
    # In the Enterprise Edition the approvals of a merge request are more than this entity says: ApprovalState has it all.
    more = schemas["APIEntitiesApprovalState"]["properties"]
    schemas["APIEntitiesMergeRequestApprovals"]["properties"] |= {
        name: part
        for name, part in more.items()
        if name not in schemas["APIEntitiesMergeRequestApprovals"]["properties"]
    }
    paths[f"{ROOT}/projects/{{id}}/repository/commits"]["post"]["requestBody"]["content"] = {
        "application/json": {"schema": _COMMIT}
    }
    # A commit that would be fine is answered in other words: `dry_run` of lib/api/commits.rb.
    schemas["APIEntitiesCommit"]["properties"]["dry_run"] = {"type": "string"}
    for name, schema in schemas.items():
        if name.startswith("RequestBody"):
            _accept_commas(schema)
        else:
            _accept_null(schema)
    return document


def _accept_commas(schema: dict[str, Any]) -> None:
    """A list of texts may come as one text with commas: `coerce_with: CommaSeparatedToArray` of lib/api."""
    for name, part in schema.get("properties", {}).items():
        if part.get("type") == "array" and part.get("items") == {"type": "string"}:
            schema["properties"][name] = {"anyOf": [part, {"type": "string"}]}


def _accept_null(schema: dict[str, Any]) -> None:
    """An entity of Grape has null for whatever is not there, and the description says so nowhere."""
    for part in _parts(schema):
        for name, described in part.get("properties", {}).items():
            null = {"nullable": True, "enum": [None]}
            part["properties"][name] = {"nullable": True, "anyOf": [described, null]}


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """An object's schema, and those of the objects that are written inside of it."""
    for described in [*schema.get("properties", {}).values(), schema.get("items")]:
        if described:
            yield from _parts(described)
    yield schema


def parse_query(query: str) -> dict[str, list[str]]:
    """A query as names and all their values; a list's name is without its `[]`."""
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name.removesuffix("[]"), []).append(value)
    return found


@functools.cache
def load(rest: Path) -> Description:
    """The description of a file, read once a process."""
    return Description(rest)
