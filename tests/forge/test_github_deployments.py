"""Environments that are protected, and deployments."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Protection
from support.github.unhappy import Fault
from support.github_shop import Shop


def states(shop: Shop, environment: str = "production") -> list[list[str]]:
    return [[status.state for status in made.statuses] for made in shop.repo.deployments_of(environment)]


# --- protection


def test_no_environment_and_no_rule_is_no_protection(shop: Shop) -> None:
    run = shop.repo.run()
    forge = shop.forge(run=run)
    assert forge.protection("production") is None
    shop.repo.environment("staging")
    assert forge.protection("staging") is None
    assert shop.fake.record.count("GET", "/deployments") == 0


def test_a_job_that_declared_it_and_was_approved(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    run = shop.repo.run(environment="production")
    shop.repo.approve_run(run, "carol", "production")
    shop.repo.approve_run(
        run, "bob", "staging-that-is-not"
    ) if "staging-that-is-not" in shop.repo.environments else None
    forge = shop.forge(run=run)
    wanted = Protection(environment="production", reviewers=True, declared=True, approved_by=("carol",))
    assert forge.protection("production") == wanted
    asked = len(shop.asked())
    assert forge.protection("production") == wanted
    assert len(shop.asked()) == asked


def test_a_job_that_did_not_declare_it(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    other = shop.repo.run(environment="production")
    shop.repo.approve_run(other, "carol", "production")
    found = shop.forge(run=shop.repo.run()).protection("production")
    assert found == Protection(environment="production", reviewers=True, declared=False)


def test_the_deployment_of_a_run_whose_number_starts_alike_is_not_ours(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    run = shop.repo.run()
    other = shop.repo.run(environment="production")
    made = shop.repo.deployments_of("production")[0]
    made.statuses[0].log_url = made.statuses[0].log_url.replace(f"/runs/{other.id}/", f"/runs/{run.id}0/")
    found = shop.forge(run=run).protection("production")
    assert found is not None
    assert not found.declared


def test_a_job_that_still_waits_for_its_approval_is_not_this_one(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    run = shop.repo.run(environment="production")
    shop.repo.deployments_of("production")[0].statuses[0].state = "queued"
    found = shop.forge(run=run).protection("production")
    assert found is not None
    assert not found.declared


def test_an_approval_of_another_environment_and_a_rejection_do_not_count(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    shop.repo.environment("staging", reviewers=["carol"])
    run = shop.repo.run(environment="production")
    shop.repo.approve_run(run, "bob", "staging")
    shop.repo.approve_run(run, "carol", "production", state="rejected")
    found = shop.forge(run=run).protection("production")
    assert found is not None
    assert (found.declared, found.approved_by) == (True, ())


@pytest.mark.parametrize("rule", ["wait", "branches"])
def test_rules_without_reviewers_are_a_protection_too(shop: Shop, rule: str) -> None:
    if rule == "wait":
        shop.repo.environment("production", wait_timer=10)
    else:
        shop.repo.environment("production", branch_policy="protected")
    found = shop.forge(run=shop.repo.run()).protection("production")
    assert found == Protection(environment="production", reviewers=False, declared=False)
    assert shop.fake.record.count("GET", "/approvals") == 0


def test_a_name_with_a_slash(shop: Shop) -> None:
    shop.repo.environment("eu/production", reviewers=["carol"])
    run = shop.repo.run(environment="eu/production")
    found = shop.forge(run=run).protection("eu/production")
    assert found is not None
    assert found.declared


def test_outside_of_a_run_nothing_is_declared(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    found = shop.forge().protection("production")
    assert found is not None
    assert not found.declared


def test_a_missing_permission_is_named(shop: Shop) -> None:
    shop.repo.environment("production", reviewers=["carol"])
    with pytest.raises(ForgeError, match="cannot read the rules of environment production") as caught:
        shop.forge({"contents": "read"}).protection("production")
    assert "add `actions: read` to `permissions:`" in (caught.value.hint or "")


# --- deployments


def test_the_jobs_own_deployment_is_used(shop: Shop) -> None:
    run = shop.repo.run(environment="production")
    [own] = shop.repo.deployments_of("production")
    forge = shop.forge(run=run)
    assert forge.deploying(run.head_sha, "production") == own.id
    forge.deployed(own.id, "success", description="3 applied", url="https://shop.example")
    assert states(shop) == [["in_progress", "success"]]
    last = own.statuses[-1]
    assert (last.description, last.environment_url) == ("3 applied", "https://shop.example")
    assert last.log_url == f"{shop.fake.url}/acme/shop/actions/runs/{run.id}"


def test_without_one_it_is_made_and_found_again(shop: Shop) -> None:
    run = shop.repo.run()
    made = shop.forge(run=run).deploying(run.head_sha, "staging")
    assert made is not None
    [deployment] = shop.repo.deployments_of("staging")
    assert (deployment.id, deployment.sha, deployment.production) == (made, run.head_sha, False)
    assert states(shop, "staging") == [["in_progress"]]
    assert shop.forge(run=run).deploying(run.head_sha, "staging") == made
    assert shop.forge(run=shop.repo.run()).deploying(run.head_sha, "staging") != made


@pytest.mark.parametrize(
    ("name", "is_production"),
    [
        ("production", True),
        ("eu-prod", True),
        ("prod/eu", True),
        ("Live", True),
        ("reproduction", False),
        ("staging", False),
    ],
)
def test_production_is_told_by_its_name(shop: Shop, name: str, is_production: bool) -> None:
    run = shop.repo.run()
    shop.forge(run=run).deploying(run.head_sha, name)
    assert [made.production for made in shop.repo.deployments_of(name)] == [is_production]


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_a_success_makes_the_earlier_ones_inactive(shop: Shop, environment: str) -> None:
    """For production GitHub's own `auto_inactive` does not."""
    for text in ("1\n", "2\n", "3\n"):
        sha = shop.repo.commit("alice", "main", {"src/main.py": text})
        forge = shop.forge(run=shop.repo.run(sha=sha))
        deployment = forge.deploying(sha, environment)
        assert deployment is not None
        forge.deployed(deployment, "failure" if text == "2\n" else "success", description="done")
    assert [made[-1] for made in states(shop, environment)] == ["inactive", "failure", "success"]


def test_a_failure_leaves_the_earlier_ones_alone(shop: Shop) -> None:
    run = shop.repo.run()
    forge = shop.forge(run=run)
    first = forge.deploying(run.head_sha, "production")
    assert first is not None
    forge.deployed(first, "success", description="")
    later = shop.repo.run()
    forge = shop.forge(run=later)
    second = forge.deploying(later.head_sha, "production")
    assert second is not None
    forge.deployed(second, "failure", description="x" * 500)
    assert [made[-1] for made in states(shop)] == ["success", "failure"]
    assert len(shop.repo.deployments_of("production")[1].statuses[-1].description) == 140


def test_a_deployment_that_we_made_does_not_declare_the_environment(shop: Shop) -> None:
    run = shop.repo.run()
    shop.forge(run=run).deploying(run.head_sha, "production")
    shop.repo.environment("production", reviewers=["carol"])
    found = shop.forge(run=run).protection("production")
    assert found is not None
    assert not found.declared


@pytest.mark.parametrize("fault", ["502", "lost"])
def test_a_deployment_whose_answer_was_lost_is_not_made_twice(shop: Shop, fault: Fault) -> None:
    run = shop.repo.run()
    shop.fake.unhappy.add(fault, method="POST", path="/deployments$")
    made = shop.forge(run=run).deploying(run.head_sha, "staging")
    assert [deployment.id for deployment in shop.repo.deployments_of("staging")] == [made]
