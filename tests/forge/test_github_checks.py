"""Check runs: the plan as GitHub keeps it, updated without taking approvals back."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import Annotation
from sloth_ci.forge.github import GitHub
from support.forges.clock import seconds_of
from support.github.accounts import App
from support.github.model import CheckRun, CheckSuite
from support.github_shop import FILE, Shop, plan_report

NAME = "sloth-ci / production"
CHANGES = {"update Deployment/shop/web": "0a1b", "delete ConfigMap/shop/a--> <!-- x": "ff"}


def remarks(count: int, word: str = "drift") -> tuple[Annotation, ...]:
    return tuple(
        Annotation(path=FILE, line=n + 1, level="warning", title=f"{word} {n}", message="somebody changed it")
        for n in range(count)
    )


def kept(shop: Shop, sha: str) -> list[CheckRun]:
    return shop.repo.checks_of(sha, NAME)


@pytest.fixture
def sha(shop: Shop) -> str:
    return shop.opened().head


def test_it_holds_the_plan(shop: Shop, sha: str) -> None:
    run = shop.repo.run("pull_request")
    made = shop.forge(run=run).report_check(sha, plan_report(text="## Changes", changes=CHANGES))
    [check] = kept(shop, sha)
    assert (check.external_id, check.status, check.conclusion) == ("one.two", "completed", "success")
    assert (check.title, check.summary) == ("1 change", "One change.")
    assert check.text is not None
    assert check.text.startswith("## Changes\n\n<!-- sloth-ci:changes {")
    assert check.details_url == f"{shop.fake.url}/acme/shop/actions/runs/{run.id}"
    assert made == shop.forge().plan_check(sha, NAME)
    assert (made.digest, made.changes) == ("one.two", CHANGES)
    assert check.completed_at is not None
    assert made.completed == seconds_of(check.completed_at)
    assert made.url


def test_the_same_plan_again_keeps_its_time(shop: Shop, sha: str) -> None:
    first = shop.forge().report_check(sha, plan_report())
    shop.fake.clock.advance(100)
    again = shop.forge().report_check(sha, plan_report(title="1 change, approved", conclusion="neutral"))
    [check] = kept(shop, sha)
    assert (again.id, again.completed) == (first.id, first.completed)
    assert (check.title, check.conclusion, check.updates) == ("1 change, approved", "neutral", 1)


def test_another_plan_is_another_check(shop: Shop, sha: str) -> None:
    forge = shop.forge()
    first = forge.report_check(sha, plan_report())
    second = forge.report_check(sha, plan_report("three.four"))
    third = shop.forge().report_check(sha, plan_report())
    assert len({first.id, second.id, third.id}) == 3
    assert first.completed is not None
    assert third.completed is not None
    assert third.completed > first.completed
    found = shop.forge().plan_check(sha, NAME)
    assert found is not None
    assert found.id == third.id


def test_a_check_about_no_plan_is_updated(shop: Shop, sha: str) -> None:
    for title in ("waits for bob", "approved by bob"):
        shop.forge().report_check(sha, plan_report("", name=f"{NAME} / approval", title=title))
    [check] = shop.repo.checks_of(sha, f"{NAME} / approval")
    assert (check.title, check.text) == ("approved by bob", None)
    assert shop.forge().plan_check(sha, NAME) is None


def test_a_check_of_another_app_is_not_ours(shop: Shop, sha: str) -> None:
    app = App(99, "look-alike", "Look-alike")
    shop.fake.account("look-alike[bot]")
    token = shop.fake.installation_token(shop.repo, {"checks": "write", "metadata": "read"}, app, "look-alike[bot]")
    theirs = shop.forge(token=token).report_check(sha, plan_report())
    assert shop.forge().plan_check(sha, NAME) is None
    assert shop.forge().report_check(sha, plan_report()).id != theirs.id


def test_a_check_that_is_still_running_has_no_time(shop: Shop, sha: str) -> None:
    from support.github.accounts import ACTIONS

    suite = CheckSuite(1, ACTIONS, sha, "2026-01-02T00:00:00Z")
    shop.repo.suites.append(suite)
    shop.repo.checks[5] = CheckRun(5, suite, NAME, "in_progress", "2026-01-02T00:00:00Z", external_id="one.two")
    found = shop.forge().plan_check(sha, NAME)
    assert found is not None
    assert found.completed is None
    reported = shop.forge().report_check(sha, plan_report())
    assert reported.id == 5
    assert reported.completed is not None


def test_annotations_come_fifty_at_a_time(shop: Shop, sha: str) -> None:
    shop.forge().report_check(sha, plan_report(text="the text", annotations=remarks(120)))
    [check] = kept(shop, sha)
    assert [note["title"] for note in check.annotations] == [f"drift {n}" for n in range(120)]
    assert (check.annotations[0]["path"], check.annotations[0]["annotation_level"]) == (FILE, "warning")
    assert check.text is not None
    assert "the text" in check.text
    assert shop.fake.record.count("PATCH", "/check-runs/") == 2


def test_annotations_are_not_there_twice(shop: Shop, sha: str) -> None:
    shop.forge().report_check(sha, plan_report(annotations=remarks(3)))
    shop.forge().report_check(sha, plan_report(annotations=(*remarks(3), *remarks(1, "new"))))
    [check] = kept(shop, sha)
    assert [note["title"] for note in check.annotations] == ["drift 0", "drift 1", "drift 2", "new 0"]


def test_a_check_whose_answer_was_lost_is_not_made_twice(shop: Shop, sha: str) -> None:
    shop.fake.unhappy.add("lost", method="POST", path="/check-runs$")
    shop.fake.unhappy.add("lost", method="PATCH", path="/check-runs/")
    made = shop.forge().report_check(sha, plan_report(annotations=remarks(60)))
    [check] = kept(shop, sha)
    assert made.id == check.id
    assert len(check.annotations) == 60


def test_the_changes_are_left_out_where_there_is_no_room(shop: Shop, sha: str) -> None:
    forge = shop.forge()
    made = forge.report_check(sha, plan_report(text="x" * 65_490, changes=CHANGES))
    assert made.changes == {}
    [check] = kept(shop, sha)
    assert check.text is not None
    assert check.text.endswith("<!-- sloth-ci:changes -->")
    with pytest.raises(ForgeError, match="the text of the check is too long: 80000 bytes"):
        forge.report_check(sha, plan_report("a.b", text="ä" * 40_000))


@pytest.mark.parametrize(
    "text",
    [
        '<!-- sloth-ci:changes {"delete everything": "ok"} -->',
        '```\n<!-- sloth-ci:changes {"delete everything": "ok"} -->\n```',
    ],
)
def test_what_a_manifest_says_is_not_read_as_changes(shop: Shop, sha: str, text: str) -> None:
    made = shop.forge().report_check(sha, plan_report(text=text))
    assert made.changes == {}


@pytest.mark.parametrize("text", ["", "no mark", "<!-- sloth-ci:changes {] -->", "<!-- sloth-ci:changes {x} -->"])
def test_what_cannot_be_read_is_no_change(text: str) -> None:
    from sloth_ci.forge.github.checks import _changes

    assert _changes(text) == {}


def test_a_commit_that_nobody_pushed_has_no_check(shop: Shop) -> None:
    assert shop.forge().plan_check("f" * 40, NAME) is None


def test_a_persons_token_makes_no_checks_and_the_error_says_why(shop: Shop, sha: str) -> None:
    forge: GitHub = shop.forge(token=shop.fake.token("alice"))
    with pytest.raises(ForgeError, match="cannot write the check") as caught:
        forge.report_check(sha, plan_report())
    assert "checks are written by Apps alone" in (caught.value.hint or "")


def test_a_hundred_checks_on_a_commit(shop: Shop, sha: str) -> None:
    forge = shop.forge()
    for number in range(105):
        forge.report_check(sha, plan_report(name=f"other {number}"))
    wanted = forge.report_check(sha, plan_report())
    assert shop.forge().plan_check(sha, NAME) == wanted
