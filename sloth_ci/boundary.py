"""The one boundary where errors become a message, a hint and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

import click

from sloth_ci.core.errors import Interrupted, SlothError, UsageError


def guarded(cli: click.Command, argv: Sequence[str] | None) -> None:
    """The one boundary where errors become a message, a hint and an exit code."""
    try:
        cli.main(args=None if argv is None else list(argv), prog_name="sloth-ci", standalone_mode=False)
    except SlothError as error:
        _fail(error)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        _fail(UsageError(error.format_message(), _help_hint(error)))
    except (click.Abort, KeyboardInterrupt):
        _fail(Interrupted("stopped"))
    except BrokenPipeError:
        _give_up_stdout()
        sys.exit(0)
    except Exception as error:  # a traceback tells the reader nothing
        if isinstance(error, OSError) and error.errno in _FULL:
            _give_up_stdout()
            where = f" {error.filename}" if error.filename else ""
            _fail(UsageError(f"cannot write{where}: {error.strerror}", "make room, or write it elsewhere"))
        if os.environ.get("SLOTH_DEBUG"):
            raise
        _fail(
            SlothError(
                f"a fault in sloth-ci: {type(error).__name__}", "run again with SLOTH_DEBUG=1 and report what it shows"
            )
        )


_FULL = {errno.ENOSPC, errno.EDQUOT}


def _give_up_stdout() -> None:
    """What is still to be written goes nowhere, so that the last flush of the interpreter is quiet."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(error: SlothError) -> None:
    from sloth_ci.report.layout import safe

    sys.stdout.flush()
    for label, text in (("error", error.message), ("hint", error.hint)):
        if text:
            sys.stderr.write("".join(f"{safe(line)}\n" for line in f"{label}: {text}".split("\n")))
    sys.exit(error.exit_code)


def _help_hint(error: click.ClickException) -> str | None:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} --help" if context else None
