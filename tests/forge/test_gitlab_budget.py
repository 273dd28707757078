"""How many requests a run makes: gitlab.com counts them by the minute, and each takes its time."""

from __future__ import annotations

from collections import Counter

import pytest

from support.gitlab_shop import FILE, Lab, plan_report

NAME = "sloth-ci / production"
MARKER = "sloth-ci:preview"


def rehearse(lab: Lab, number: int, digest: str = "one.two", *, gated: bool) -> None:
    """What the preview of one environment asks, in its order."""
    pull = lab.project.pulls[number]
    forge = lab.forge(job=lab.project.job(lab.project.pipeline("merge_request_event", pull=pull)))
    lab.fake.record.exchanges.clear()
    known = forge.pull_request(number)
    if gated:
        forge.plan_check(known.head_sha, NAME)
        forge.reviews(known)
        forge.pushers(known)
    forge.report_check(known.head_sha, plan_report(digest, changes={"update x/y": "1"}))
    if gated:
        forge.report_check(known.head_sha, plan_report(digest, name=f"{NAME} / approval", conclusion="action_required"))
    forge.overlaps(known, [FILE])
    assert forge.is_head(known)
    forge.comment(known, MARKER, f"report of {digest}")


@pytest.mark.parametrize(("gated", "most"), [(False, 8), (True, 16)])
@pytest.mark.parametrize("digest", ["one.two", "three.four"])
def test_a_preview_of_one_environment_takes_few(lab: Lab, gated: bool, most: int, digest: str) -> None:
    pull = lab.opened()
    lab.opened("another")
    rehearse(lab, pull.number, gated=gated)
    pull.approve("bob")
    pull.request_changes("carol")
    rehearse(lab, pull.number, digest, gated=gated)
    asked = lab.asked()
    assert len(asked) <= most, asked
    [note] = [note for note in pull.comments if note.login == lab.us]
    assert f"report of {digest}" in note.body


def test_ten_environments_take_little_more(lab: Lab) -> None:
    pull = lab.opened()
    forge = lab.forge()
    known = forge.pull_request(pull.number)
    before = len(lab.asked())
    for number in range(10):
        name = f"sloth-ci / {number}"
        forge.plan_check(known.head_sha, name)
        forge.report_check(known.head_sha, plan_report(name=name))
    asked = Counter(one.split()[0] for one in lab.asked()[before:])
    assert asked == {"POST": 10, "GET": 1}
