"""What a forge makes of a revert: a signed commit, or a pull request where the branch takes no pushes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.outcome import SyncOutcome
from support.bodies import deployment
from support.signer import Signer, protected
from support.world import World, failing_check


@pytest.fixture
def signer(world: World) -> Signer:
    return Signer(world.origin)


def fail(world: World, signer: Signer | None, subject: str = "bad") -> tuple[str, SyncOutcome]:
    """Sync what is good, then something that becomes unhealthy."""
    workflow = world.workflow(sync_policy=failing_check(world), environment="production")
    world.sync(workflow)
    bad = world.push(subject, {"k8s/web.yaml": deployment(image="broken")})
    return bad, world.sync(workflow, session=world.session(forge=signer))


def test_a_failed_sync_is_reverted_by_the_forge(world: World, signer: Signer) -> None:
    bad, outcome = fail(world, signer)
    assert outcome.rolled_back
    [(branch, message, files)] = signer.commits
    assert (branch, list(files)) == ("main", ["k8s/web.yaml"])
    assert f"\nSloth-Reverts: {bad}\nSloth-Environment: production\nSloth-Plan: " in message
    assert outcome.revert == world.checkout.git("-C", str(world.origin), "rev-parse", "main")
    assert signer.requests == []


def test_what_was_reverted_is_not_deployed_again(world: World, signer: Signer) -> None:
    fail(world, signer)
    workflow = world.workflow(sync_policy=failing_check(world), environment="production")
    before = world.live()
    assert world.sync(workflow, session=world.session(forge=signer)).status == "nothing"
    assert world.live() == before
    assert len(signer.commits) == 1


def test_a_protected_branch_gets_a_pull_request(world: World, signer: Signer) -> None:
    signer.fails = [protected()]
    bad, outcome = fail(world, signer)
    assert outcome.rolled_back
    [(branch, base, title, body)] = signer.requests
    assert (branch, base) == (f"sloth/revert-{bad[:10]}", "main")
    assert title == f"Revert {bad[:10]}: shop was rolled back in production"
    assert f"\n\nSloth-Reverts: {bad}\nSloth-Environment: production\nSloth-Plan: " in body
    assert "merge https://github.example/acme/shop/pull/7" in outcome.message


def test_where_no_pull_request_can_be_opened_the_message_says_what_to_do(world: World, signer: Signer) -> None:
    signer.fails = [protected(), ForgeError("cannot ask: GitHub Actions is not permitted", "tick the box")]
    bad, outcome = fail(world, signer)
    assert outcome.rolled_back
    assert "cannot ask: GitHub Actions is not permitted (tick the box)" in outcome.message
    assert f"open one from sloth/revert-{bad[:10]} into main" in outcome.message


def test_without_a_forge_a_refused_push_says_what_to_do(world: World) -> None:
    hook = world.origin / "hooks" / "pre-receive"
    workflow = world.workflow(sync_policy=failing_check(world))
    world.sync(workflow)
    bad = world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nwhile read _ _ ref; do test $ref != refs/heads/main || exit 1; done\n")
    hook.chmod(0o755)
    outcome = world.sync(workflow)
    assert outcome.rolled_back
    assert f"ask for a merge of sloth/revert-{bad[:10]} into main" in outcome.message


def test_another_repository_than_the_forges_is_pushed_to(world: World, signer: Signer, tmp_path: Path) -> None:
    signer.repository = str(tmp_path / "another.git")
    _, outcome = fail(world, signer)
    assert outcome.rolled_back
    assert outcome.revert is not None
    assert signer.commits == []


def test_foreign_words_are_data_in_the_pull_request(world: World, signer: Signer) -> None:
    """The reason comes from a health check, whose output comes from what was deployed."""
    workflow = world.workflow(
        name="shop [skip ci] @everyone",
        sync_policy={
            "health_check": {
                "command": f"! grep -rq broken {world.root}/live || {{ echo '``` @all <b> [ci skip]'; exit 1; }}",
                "timeout": "100ms",
                "interval": "50ms",
            }
        },
    )
    world.sync(workflow)
    world.push("bad", {"k8s/web.yaml": deployment(image="broken")})
    signer.fails = [protected()]
    world.sync(workflow, session=world.session(forge=signer))
    [(_, _, title, body)] = signer.requests
    assert "[skip ci]" not in title
    assert "[ci skip]" not in body
    assert "[skip ci]" not in body
    first, *_ = body.partition("````")
    assert "@everyone" not in first
