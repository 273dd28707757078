"""What a job without rights leaves for one that has some: the plans of a fork's pull request, as untrusted data.

The job of a fork runs the workflow file that the fork has, so a bundle can say anything. Whoever reads it takes nothing from
it but what is shown: no name of a check, no verdict, no address.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from sloth_ci.ci.job import Job, write_new
from sloth_ci.core.errors import UsageError
from sloth_ci.core.plan import Plan
from sloth_ci.report.comment import About, Failed

BUNDLE = "sloth-bundle.json"
"""Its name, at the top of the workspace."""
_SCHEMA = "sloth-ci/bundle/v1"
_LARGEST = 32 * 1024 * 1024
_MOST = 200
"""Plans and failures in one bundle."""


class Bundle(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The plans of one commit."""

    schema: str
    head: str
    plans: tuple[Plan, ...]
    notes: tuple[str, ...] = ()
    failed: tuple[Failed, ...] = ()


def write_bundle(job: Job, about: About) -> None:
    """Leave the plans of this job for the job that may report them."""
    bundle = Bundle(schema=_SCHEMA, head=about.head_sha, plans=tuple(job.plans), notes=about.notes, failed=about.failed)
    write_new(job.workspace / BUNDLE, msgspec.json.encode(bundle))


def read_bundle(path: Path, *, head: str) -> Bundle:
    """Read a bundle of untrusted origin. `head` is the commit that the forge says it is about.

    Raises UsageError where it is anything but a bundle of that commit.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise UsageError(f"the bundle {path.name} is larger than {_LARGEST // 2**20} MiB")
        bundle = msgspec.json.decode(path.read_bytes(), type=Bundle)
    except OSError as error:
        raise UsageError(
            f"there is no bundle {path}: {error.strerror}", "download the artifact of the pull request's run first"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the bundle {path.name} is not one: {error}") from None
    if bundle.schema != _SCHEMA:
        raise UsageError(f"the bundle {path.name} has the schema '{bundle.schema[:80]}', and not {_SCHEMA}")
    if bundle.head != head:
        raise UsageError("the bundle is about another commit than the run that left it", "run the preview again")
    if len(bundle.plans) > _MOST or len(bundle.failed) > _MOST:
        raise UsageError(f"the bundle {path.name} holds more than {_MOST} plans")
    return bundle
