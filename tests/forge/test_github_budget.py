"""How many requests a run makes: GITHUB_TOKEN has a thousand an hour for the whole repository."""

from __future__ import annotations

from collections import Counter

import pytest

from support.github_shop import FILE, Shop, plan_report, seen

NAME = "sloth-ci / production"
MARKER = "sloth-ci:preview"


def rehearse(shop: Shop, number: int, digest: str = "one.two", *, gated: bool) -> None:
    """What the preview of one environment asks, in its order; the pull request itself comes with the event."""
    forge = shop.forge()
    pull = seen(shop.forge(), shop.repo.pulls[number])
    shop.fake.record.exchanges.clear()
    if gated:
        forge.plan_check(pull.head_sha, NAME)
        forge.reviews(pull)
        forge.pushers(pull)
    forge.report_check(pull.head_sha, plan_report(digest))
    if gated:
        forge.report_check(pull.head_sha, plan_report("", name=f"{NAME} / approval"))
    forge.overlaps(pull, [FILE])
    forge.comment(pull, MARKER, f"report of {digest}")


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("digest", ["one.two", "three.four"])
def test_a_preview_of_one_environment_takes_twelve_at_most(shop: Shop, gated: bool, digest: str) -> None:
    pull = shop.opened()
    shop.opened("another")
    rehearse(shop, pull.number, gated=gated)
    pull.approve("bob")
    pull.request_changes("carol")
    rehearse(shop, pull.number, digest, gated=gated)
    asked = shop.asked()
    assert len(asked) <= (12 if gated else 6), asked
    [comment] = [comment for comment in pull.comments if comment.login == "github-actions[bot]"]
    assert comment.body.endswith(f"report of {digest}")


def test_ten_environments_take_little_more(shop: Shop) -> None:
    pull = shop.opened()
    forge = shop.forge()
    known = seen(forge, pull)
    before = len(shop.asked())
    for number in range(10):
        name = f"sloth-ci / {number}"
        forge.plan_check(known.head_sha, name)
        forge.report_check(known.head_sha, plan_report(name=name))
    asked = Counter(one.split()[0] for one in shop.asked()[before:])
    # Of the two that are no write, one reads the checks and one asks who we are.
    assert asked == {"POST": 11, "GET": 1}
