"""What Git and the forges say, and what a person is told."""

from __future__ import annotations

import pytest

from sloth_ci.repo.errors import classify, error_of, summary_of

FATAL = "fatal: unable to access 'https://h/a/b.git/': "


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (FATAL + "Could not resolve host: h", "unreachable"),
        (FATAL + "Failed to connect to h port 443 after 5 ms: Couldn't connect to server", "unreachable"),
        (FATAL + "The requested URL returned error: 502", "unreachable"),
        (FATAL + "The requested URL returned error: 429", "unreachable"),
        (FATAL + "SSL certificate problem: self-signed certificate", "unreachable"),
        (FATAL + "Operation too slow. Less than 1 bytes/sec transferred the last 60 seconds", "unreachable"),
        (
            "ssh: Could not resolve hostname h: Name or service not known\nfatal: Could not read from remote",
            "unreachable",
        ),
        ("ssh: connect to host h port 22: Connection refused\nfatal: Could not read from remote", "unreachable"),
        ("fatal: the remote end hung up unexpectedly", "unreachable"),
        ("fatal: Authentication failed for 'https://h/a/'", "credentials"),
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", "credentials"),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", "credentials"),
        ("remote: HTTP Basic: Access denied. The provided password or token is incorrect\n" + FATAL, "credentials"),
        ("remote: Support for password authentication was removed on August 13, 2021.\n" + FATAL, "credentials"),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", "host_key"),
        ("remote: Permission to a/b.git denied to github-actions[bot].\n" + FATAL + "returned error: 403", "forbidden"),
        ("remote: You are not allowed to push code to this project.\n" + FATAL + "returned error: 403", "forbidden"),
        ("ERROR: The key you are authenticating with has been marked as read only.", "forbidden"),
        ("remote: Repository not found.\nfatal: repository 'https://h/a/b/' not found", "not_found"),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", "not_found"),
        ("ERROR: The project you were looking for could not be found or you don't have permission", "not_found"),
        ("fatal: couldn't find remote ref refs/heads/x", "ref_not_found"),
        ("fatal: remote error: upload-pack: not our ref 0123", "ref_not_found"),
        ("error: object file .git/objects/ab/cd is empty", "corrupt"),
        ("fatal: bad object refs/heads/main", "corrupt"),
        ("error: file a.pack is far too short to be a packfile", "corrupt"),
        ("fatal: cannot create x: No space left on device", "failed"),
        ("fatal: transport 'ext' not allowed", "failed"),
        ("fatal: underlying transport does not support --force-with-lease option", "failed"),
        ("something new", "failed"),
    ],
)
def test_each_kind_is_recognised(said: str, reason: str) -> None:
    found, hint = classify(said)
    assert found == reason
    assert hint or said == "something new"


def test_only_what_says_something_is_shown() -> None:
    said = (
        "remote: Counting objects: 10%\rremote: Counting objects: 100%\n"
        "remote: =====\nremote: error: GH006: Protected branch update failed.\nremote: \n"
        "hint: see the docs\nerror: failed to push some refs to 'x'\nfatal: \x1b[31mred\n"
    )
    assert summary_of(said) == (
        "Counting objects: 100%; GH006: Protected branch update failed.; failed to push some refs to 'x'; [31mred"
    )


def test_an_error_says_what_was_done_and_hides_what_is_secret() -> None:
    error = error_of("cannot fetch https://h/a", "fatal: https://me:pw@h/a said tok3n", secrets=("tok3n",))
    assert error.message == "cannot fetch https://h/a: https://***@h/a said ***"
    assert error.exit_code == 9
