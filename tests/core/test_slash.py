"""Commands in comments."""

from __future__ import annotations

import pytest

from sloth_ci.core.errors import UsageError
from sloth_ci.core.slash import HELP, VERBS, SlashCommand, command_line, commands, find_command

ENVIRONMENTS = ["staging", "production"]


@pytest.mark.parametrize(
    ("comment", "command"),
    [
        ("/sloth", SlashCommand("help")),
        ("/sloth help", SlashCommand("help")),
        ("/sloth  PREVIEW ", SlashCommand("preview")),
        ("/sloth approve looks good", SlashCommand("approve")),
        ("/sloth deploy production", SlashCommand("deploy", "production")),
        ("Now then:\r\n\r\n/sloth rollback production checkout fails\r\n\r\nThanks", SlashCommand("rollback", "production", "checkout fails")),
        ("/sloth lock staging", SlashCommand("lock", "staging")),
        ("\t/sloth deploy production", None),
        ("    /sloth deploy production", None),
        ("> /sloth deploy production", None),
        ("```\n/sloth deploy production\n```", None),
        ("~~~~\n/sloth deploy production\n~~~\n/sloth help\n~~~~\nText", None),
        ("```\n/sloth deploy production\n```\n/sloth help", SlashCommand("help")),
        ("try `/sloth deploy production` maybe", None),
        ("/slothful", None),
        ("/sloth-ci deploy production", None),
        ("", None),
    ],
)  # fmt: skip
def test_what_is_a_command_and_what_only_looks_like_one(comment: str, command: SlashCommand | None) -> None:
    assert find_command(comment, ENVIRONMENTS) == command
    assert (command_line(comment) is None) == (command is None)


@pytest.mark.parametrize(
    ("comment", "message", "hint"),
    [
        ("/sloth depoly production", "there is no command 'depoly'", "did you mean 'deploy'?"),
        ("/sloth deploy", "/sloth deploy needs an environment", "there are: staging, production"),
        ("/sloth deploy prodution", "there is no environment 'prodution'", "did you mean 'production'?"),
        ("/sloth help\n/sloth preview", "a comment can hold one command", "write another comment"),
    ],
)
def test_what_cannot_be_understood_is_told_with_the_way_out(comment: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_command(comment, ENVIRONMENTS)
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")


def test_the_help_has_every_command() -> None:
    assert {line.split()[1] for line in HELP} == set(VERBS)


def test_the_help_speaks_of_the_forge_in_its_words() -> None:
    told = commands("merge request")
    assert told.keys() == HELP.keys()
    assert "pull request" not in str(told)
    assert told["/sloth lock ENV [reason]"] == "let nothing into an environment but this merge request"
    assert HELP["/sloth lock ENV [reason]"] == "let nothing into an environment but this pull request"
