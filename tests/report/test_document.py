from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from sloth_ci.core.plan import Plan
from sloth_ci.report.document import outcomes_document, plan_document, plans_document, to_json
from support.outcomes import outcomes
from support.panes import hostile_panes, shop
from support.plans import EXEMPT, change, field, forty, hostile, huge, plan, policed
from support.runner import commands_in

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "plan.schema.json").read_text())
PLANS = {
    "forty": forty(),
    "hostile": hostile(),
    "huge": huge(),
    "empty": plan(environment=None, base=None),
    "panes": shop(),
    "hostile panes": hostile_panes(),
    "policed": policed(),
}


@pytest.mark.parametrize("which", PLANS)
def test_documents_are_what_the_schema_says(which: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    text = to_json(plans_document([PLANS[which]], "2025-11-23T05:14:00Z"))
    jsonschema.validate(json.loads(text), SCHEMA, format_checker=jsonschema.FormatChecker())


def test_the_schema_knows_every_key() -> None:
    """A key that is added to the document and not to its schema is found here."""
    document = plan_document(forty())
    defined = SCHEMA["$defs"]
    assert list(document) == list(defined["plan"]["properties"])
    assert list(document["changes"][0]) == list(defined["change"]["properties"])
    assert list(document["conflicts"][0]) == list(defined["conflict"]["properties"])
    assert list(document["summary"]) == list(defined["summary"]["properties"])


def test_the_schema_knows_the_keys_of_the_panes() -> None:
    document = plan_document(shop())
    defined = SCHEMA["$defs"]
    [kept] = [drift for drift in document["drift"] if drift["path"] == "spec.type"]
    assert list(kept) == list(defined["drift"]["properties"])
    assert list(document["hooks"][0]) == list(defined["hook"]["properties"])
    assert list(document["intent"]) == list(defined["intent"]["properties"])
    assert list(document["intent"]["summary"]) == list(defined["intent"]["properties"]["summary"]["properties"])
    assert list(document["intent"]["changes"][0]) == list(defined["intended"]["properties"])


def test_what_a_commit_intends_and_what_others_did() -> None:
    document = plan_document(shop())
    told = {one["resource"]: (one["type"], one["same"], one["brief"]) for one in document["intent"]["changes"]}
    assert told["Deployment/shop/web"] == ("update", False, "image 1.25.0 → 1.26.0")
    assert told["ConfigMap/shop/settings"] == ("update", True, "key LOG_LEVEL info → debug")
    assert told["ConfigMap/shop/old-banner"] == ("delete", False, "1 key")
    assert document["intent"]["summary"] == {
        "total_changes": 5, "created_resources": 1, "updated_resources": 2, "deleted_resources": 2,
    }  # fmt: skip
    assert document["drift"][0] == {
        "resource": "Deployment/shop/web", "path": "spec.replicas", "manager": "kubectl-edit at 2025-11-22 10:14",
        "outcome": "overwritten", "masked": False, "live": 7, "git": 3,
    }  # fmt: skip
    assert "git" not in document["drift"][1]
    assert "live" not in document["drift"][5]
    assert document["changes"][0]["dependents"][0] == "41 objects live in it"
    assert plan_document(plan())["intent"] is None


def test_what_a_policy_warns_of_has_the_keys_of_a_conflict() -> None:
    document = plan_document(policed())
    assert document["findings"][1] == {
        "type": "policy", "resource": "Deployment/shop/w0", "description": "team: no label says whose it is",
        "current_state": None, "desired_state": None, "suggestions": ["mend what team names", EXEMPT],
        "source": {"path": "base/w0.yaml", "line": 1},
    }  # fmt: skip
    assert [one["type"] for one in document["conflicts"]] == ["policy"]
    assert list(document["findings"][0]) == list(document["conflicts"][0])
    assert document["summary"]["conflict_count"] == 1
    assert plan_document(plan())["findings"] == []


def test_a_field_that_was_not_there_has_no_before() -> None:
    made, gone, emptied = plan_document(
        plan(change("update", "X", "x", field("a", after=1), field("b", 1), field("c", 1, None)))
    )["changes"][0]["fields"]
    assert made == {"path": "a", "masked": False, "after": 1}
    assert gone == {"path": "b", "masked": False, "before": 1}
    assert emptied == {"path": "c", "masked": False, "before": 1, "after": None}


def test_cluster_wide_objects_have_no_namespace() -> None:
    change_ = plan_document(plan(change("create", "Namespace", "shop")))["changes"][0]
    assert change_["resource"] == "Namespace/shop"
    assert change_["namespace"] is None


@pytest.mark.parametrize("pretty", [False, True])
def test_json_on_stdout_is_no_command_and_reads_back(pretty: bool) -> None:
    document = plans_document([plan(name="##[error]x\n::error::y")])
    text = to_json(document, pretty=pretty)
    assert not commands_in(text)
    assert json.loads(text) == document


def test_half_a_surrogate_pair_is_replaced() -> None:
    document = plans_document([plan(change("update", "X", "x", field("a", "\udcff"), path="f\udcffle.yaml"))])
    text = to_json(document)
    text.encode()
    assert json.loads(text)["plans"][0]["changes"][0]["source"]["path"].startswith("f\ufffd")


def test_outcomes() -> None:
    document = json.loads(to_json(outcomes_document(outcomes())))
    assert document["schema"] == "sloth-ci/outcome/v1"
    ok, failed, nothing, back = document["outcomes"]
    assert (ok["operation"], back["operation"]) == ("sync", "rollback")
    assert failed["metrics"] == {
        "duration": 203.0, "resources_processed": 28, "resources_applied": 24, "resources_skipped": 3, "resources_failed": 1,
    }  # fmt: skip
    assert failed["items"][0]["status"] == "failed"
    assert failed["rolled_back"] is True
    assert nothing["status"] == "nothing"
    assert back["revert_commit"].startswith("abcdef")


def test_plans_are_not_changed_by_being_shown() -> None:
    before: Plan = forty()
    plans_document([before])
    assert before == forty()
