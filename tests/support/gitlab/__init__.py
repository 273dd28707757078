"""A stateful GitLab for the tests, held to GitLab's own description of its API: begin with `fake.py`."""

from support.gitlab.fake import FakeGitLab
from support.gitlab.merge_request import MergeRequest
from support.gitlab.project import Project
from support.gitlab.refused import Refused

__all__ = ["FakeGitLab", "MergeRequest", "Project", "Refused"]
