"""Tables of the Lua file: what is accepted, and what the errors say."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.workflow import Duration, RepositorySpec, Retry, WorkflowSpec, read_table


def workflow(**more: object) -> WorkflowSpec:
    return read_table({"repository": {"url": "https://example.test/o/r"}, **more}, WorkflowSpec, "gitops.workflow")


@pytest.mark.parametrize(
    ("table", "message", "hint"),
    [
        ({"auto_snyc": True}, "gitops.workflow: unknown key 'auto_snyc'", "did you mean 'auto_sync'?"),
        (
            {"sync_policy": {"retry": {"limits": 3}}},
            "gitops.workflow.sync_policy.retry: unknown key 'limits'",
            "'limit'",
        ),
        ({"auto_sync": "yes"}, "gitops.workflow: 'auto_sync': expected true or false", None),
        ({"sync_policy": {"retry": {"backoff": "random"}}}, "'sync_policy.retry.backoff'", None),
        ({"sync_interval": "5 minutes"}, 'expected a duration such as "5m"', None),
        ({"destination": "prod"}, "gitops.workflow: 'destination': expected a table, got a string", None),
        (
            {"approval": {"from_impact": "hihg"}},
            'workflow: \'approval.from_impact\': expected one of "low", "medium", "high", "critical", got "hihg"',
            "did you mean 'high'?",
        ),
        ({"approval": {"by_impact": {"severe": 2}}}, "workflow: 'approval.by_impact': expected one of \"low\"", None),
        ({"conflicts": {"managers": {"hpa": "yeild"}}}, "'conflicts.managers.hpa': expected one of", "'yield'"),
        (
            {"sync_policy": {"health_check": {"failure_mode": "rolback"}}},
            "'sync_policy.health_check.failure_mode'",
            "ck'",
        ),
        (
            {"freeze": {"from": "a"}},
            "'freeze': expected a list, got a table",
            "write freeze = { { from = …, to = … } }",
        ),
        ({"freeze": [{"from": "a"}]}, "gitops.workflow.freeze[1]: 'to' is missing", None),
        ({"freeze": [{"from": "a", "to": "b", "reasn": 1}]}, "freeze[1]: unknown key 'reasn'", "'reason'"),
        ({"freeze": [{"from": "a", "to": "b", "below": "lo"}]}, "'freeze[1].below': expected one of", "'low'"),
        ({"depends_on": "db"}, "'depends_on': expected a list, got a string", 'write depends_on = { "db" }'),
        ({"depends_on": ["db", 1]}, "'depends_on[2]': expected a string, got a whole number", None),
        ({"approval": {"reviews": -1}}, "'approval.reviews': expected a whole number of at least 0", None),
        ({"approval": {"by_impact": {"critical": -1}}}, "'approval.by_impact.critical': expected a whole number", None),
    ],
)
def test_a_wrong_table_says_where_and_what(table: dict[str, object], message: str, hint: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        workflow(**table)
    assert message in caught.value.message
    assert "object" not in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "seconds"), [("5m", 300), ("1h30m", 5400), ("250ms", 0.25), (90, 90), (1.5, 1.5), ("2d", 172800)]
)
def test_durations(text: object, seconds: float) -> None:
    assert workflow(sync_interval=text).sync_interval == seconds


@pytest.mark.parametrize("text", ["", "m", "5", "-5m", "5m later", True, -1, float("inf")])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


def test_an_empty_lua_table_is_an_empty_list_or_table_as_the_field_wants() -> None:
    assert workflow(depends_on={}, sync_policy={"pre_sync_hooks": {}}).depends_on == []


def test_ids_are_stable_and_differ_by_repository_path_environment_and_name() -> None:
    ids = {
        workflow(name=name, target_path=path, environment=environment).id
        for name in ("a", "b")
        for path in ("", "k8s")
        for environment in (None, "prod")
    }
    assert len(ids) == 8
    assert workflow(name="Shop API").id.startswith("shop-api-")


@pytest.mark.parametrize(
    ("backoff", "delays"), [("exponential", [10, 20, 40]), ("linear", [10, 20, 30]), ("fixed", [10, 10, 10])]
)
def test_backoff(backoff: str, delays: list[float]) -> None:
    assert read_table({"backoff": backoff}, Retry, "retry").delays() == delays


def test_credentials_are_not_in_a_repr() -> None:
    spec = read_table({"url": "u", "credentials": {"token": "ghp_secret"}}, RepositorySpec, "r")
    assert "ghp_secret" not in repr(spec)
