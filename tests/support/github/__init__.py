"""A stateful GitHub for the tests, held to GitHub's own description of its API: begin with `fake.py`."""

from support.github.fake import FakeGitHub
from support.github.pull import Pull, Refused
from support.github.repository import Repository

__all__ = ["FakeGitHub", "Pull", "Refused", "Repository"]
