"""Our one comment on a pull request, and the comments of people."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import ForgeError
from sloth_ci.core.review import PullRequest
from sloth_ci.forge.github import GitHub
from support.forges.clock import seconds_of
from support.github.model import Comment
from support.github.pull import Pull
from support.github_shop import Shop, seen

MARKER = "sloth-ci:preview"
US = "github-actions[bot]"


@pytest.fixture
def pull(shop: Shop) -> Pull:
    return shop.opened()


def ours(pull: Pull) -> list[Comment]:
    return [comment for comment in pull.comments if comment.login == US]


def test_it_is_written_once_and_then_updated(shop: Shop, pull: Pull) -> None:
    pull.comment("bob", "hello")
    url = shop.forge().comment(seen(shop.forge(), pull), MARKER, "first")
    again = shop.forge().comment(seen(shop.forge(), pull), MARKER, "second")
    [comment] = ours(pull)
    assert comment.body == f"<!-- {MARKER} -->\nsecond"
    assert url == again
    assert url.endswith(f"#issuecomment-{comment.id}")


def test_two_markers_are_two_comments(shop: Shop, pull: Pull) -> None:
    forge = shop.forge()
    for marker in (MARKER, f"{MARKER}-2", "sloth-ci:deployment"):
        forge.comment(seen(forge, pull), marker, marker)
    assert [comment.body.splitlines()[1] for comment in ours(pull)] == [MARKER, f"{MARKER}-2", "sloth-ci:deployment"]


def test_a_marker_in_somebody_elses_comment_is_not_honoured(shop: Shop, pull: Pull) -> None:
    forged = pull.comment("mallory", f"<!-- {MARKER} -->\nall is well")
    shop.forge().comment(seen(shop.forge(), pull), MARKER, "report")
    assert forged.body.endswith("all is well")
    assert len(ours(pull)) == 1


def test_a_marker_that_ours_quotes_is_not_honoured(shop: Shop, pull: Pull) -> None:
    forge = shop.forge()
    forge.comment(seen(forge, pull), "sloth-ci:deployment", f"a manifest with <!-- {MARKER} --> in it")
    forge.comment(seen(forge, pull), MARKER, "report")
    assert len(ours(pull)) == 2


def test_one_that_was_deleted_is_made_anew(shop: Shop, pull: Pull) -> None:
    forge = shop.forge()
    forge.comment(seen(forge, pull), MARKER, "first")
    del shop.repo.comments[ours(pull)[0].id]
    forge.comment(seen(forge, pull), MARKER, "second")
    [comment] = ours(pull)
    assert comment.body.endswith("second")


def test_more_comments_than_a_page_holds(shop: Shop, pull: Pull) -> None:
    for number in range(120):
        pull.comment("bob", f"comment {number}")
    forge = shop.forge()
    forge.comment(seen(forge, pull), MARKER, "first")
    shop.forge().comment(seen(forge, pull), MARKER, "second")
    assert len(ours(pull)) == 1


def test_of_two_runs_at_once_the_older_comment_stays(shop: Shop, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked and found nothing, then both write."""
    one, other = shop.forge(), shop.forge()
    read = one._thread.read
    known: PullRequest = seen(one, pull)

    def late(number: int) -> list[object]:
        found = read(number)
        if not found:
            other.comment(known, MARKER, "of the other run")
        return found

    monkeypatch.setattr(one._thread, "read", late)
    url = one.comment(known, MARKER, "of this run")
    [comment] = ours(pull)
    assert comment.body.endswith("of this run")
    assert url.endswith(f"#issuecomment-{comment.id}")


def test_a_second_one_that_was_left_behind_is_removed(shop: Shop, pull: Pull) -> None:
    token = shop.fake.github_token(shop.repo)
    for text in ("first", "second", "third"):
        shop.repo.comment(pull.number, US, f"<!-- {MARKER} -->\n{text}", token.app)
    first = ours(pull)[0].id
    shop.forge().comment(seen(shop.forge(), pull), MARKER, "now")
    [comment] = ours(pull)
    assert (comment.id, comment.body.splitlines()[1]) == (first, "now")


def test_a_comment_whose_answer_was_lost_is_not_written_twice(shop: Shop, pull: Pull) -> None:
    known = seen(shop.forge(), pull)
    shop.fake.unhappy.add("lost", method="POST", path="/comments$")
    url = shop.forge().comment(known, MARKER, "report")
    [comment] = ours(pull)
    assert url.endswith(f"#issuecomment-{comment.id}")


def test_one_that_is_too_long_is_an_error_in_githubs_words(shop: Shop, pull: Pull) -> None:
    with pytest.raises(ForgeError, match="Body is too long"):
        shop.forge().comment(seen(shop.forge(), pull), MARKER, "x" * 70_000)


def test_what_github_cuts_is_noticed(shop: Shop, pull: Pull, monkeypatch: pytest.MonkeyPatch) -> None:
    forge = shop.forge()
    known = seen(forge, pull)
    send = forge._client.send

    def cut(*args: object, **more: object) -> object:
        answer = send(*args, **more)  # type: ignore[arg-type]
        return {**answer, "body": answer["body"][:100]} if "body" in answer else answer

    monkeypatch.setattr(forge._client, "send", cut)
    with pytest.raises(ForgeError, match="GitHub kept 100 of the"):
        forge.comment(known, MARKER, "x" * 500)


def test_white_space_that_github_takes_off_the_end_is_no_cut(
    shop: Shop, pull: Pull, monkeypatch: pytest.MonkeyPatch
) -> None:
    forge = shop.forge()
    assert forge.comment(seen(forge, pull), MARKER, "line\r\nline\n\n\n")


def test_a_comment_of_a_person(shop: Shop, pull: Pull) -> None:
    comment = pull.comment("bob", "/sloth help")
    forge = shop.forge()
    found = forge.find_comment(pull.number, comment.id)
    assert (found.id, found.author, found.body, found.edited) == (comment.id, "bob", "/sloth help", False)
    assert found.created == seconds_of(comment.created_at)
    shop.repo.edit_comment(comment, "bob", "/sloth deploy production")
    assert forge.find_comment(pull.number, comment.id).edited


def test_a_reaction_twice_is_one(shop: Shop, pull: Pull) -> None:
    comment = pull.comment("bob", "/sloth help")
    forge: GitHub = shop.forge()
    forge.react(pull.number, comment.id, "eyes")
    forge.react(pull.number, comment.id, "eyes")
    forge.react(pull.number, comment.id, "+1")
    assert [(made.login, made.content) for made in comment.reactions] == [(US, "eyes"), (US, "+1")]
    assert not forge.find_comment(pull.number, comment.id).edited
