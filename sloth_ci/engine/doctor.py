"""What is missing on this machine or for these workflows, and the command that mends it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator

from sloth_ci.core.errors import SlothError
from sloth_ci.core.finding import Finding
from sloth_ci.core.words import first_line, plural
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.destinations import Destination
from sloth_ci.engine.learn import learn
from sloth_ci.engine.place import open_place, reach
from sloth_ci.engine.session import Session

GIT_NEEDED = (2, 38)
"""`git merge-tree --write-tree` came with it."""


def machine(session: Session) -> Iterator[Finding]:
    """Programs and folders."""
    yield _git()
    path = session.environ.get("PATH")
    kustomize = shutil.which("kustomize", path=path) or shutil.which("kubectl", path=path)
    yield Finding(
        "kustomize",
        bool(kustomize),
        kustomize or "neither kustomize nor kubectl is on PATH: folders with a kustomization.yaml cannot be rendered",
        "" if kustomize else "install kubectl or kustomize with your package manager",
        needed=False,
    )
    helm = shutil.which("helm", path=path)
    yield Finding(
        "helm",
        bool(helm),
        helm or "helm is not on PATH: charts cannot be rendered",
        "" if helm else "install helm with your package manager",
        needed=False,
    )
    try:
        session.cache_dir.mkdir(parents=True, exist_ok=True)
        usable = os.access(session.cache_dir, os.W_OK)
    except OSError:
        usable = False
    yield Finding(
        "cache",
        usable,
        str(session.cache_dir) + ("" if usable else " cannot be written"),
        "" if usable else "set SLOTH_CACHE_DIR to a folder that can",
    )


def _git() -> Finding:
    program = shutil.which("git")
    if program is None:
        return Finding("git", False, "git is not on PATH", "install git with your package manager")
    text = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout.strip()
    match = re.search(r"(\d+)\.(\d+)", text)
    new_enough = match is not None and (int(match[1]), int(match[2])) >= GIT_NEEDED
    needed = ".".join(map(str, GIT_NEEDED))
    return Finding("git", new_enough, text, "" if new_enough else f"upgrade git to {needed} or newer")


def workflow_findings(session: Session, workflow: WorkflowSpec) -> Iterator[Finding]:
    """The repository, its branch, and the state of the destination."""
    name = workflow.name
    try:
        repository = session.repository(workflow.repository)
        branch = session.branch_of(workflow)
        tip = repository.branch_tip(branch)
        yield Finding(f"{name}: repository", True, f"{repository.display}, {branch} at {tip[:10]}")
        tree = repository.tree(tip, workflow.target_path)
        yield Finding(
            f"{name}: target_path", True, f"'{workflow.target_path or '.'}' holds {len(tree.entries())} files"
        )
        destination = reach(session, workflow)
        # Before the state is read: an account that may not do that is told all that it lacks.
        for finding in destination.findings():
            yield finding._replace(name=f"{name}: {finding.name}")
        yield from _schemas(session, workflow, destination, tip)
        place = open_place(session, workflow, destination)
        ledger = place.ledger.load()
        objects = place.destination.observe((), ledger.inventory, workflow.conflicts).objects
        yield Finding(f"{name}: destination", True, f"{place.destination.label} holds {plural(len(objects), 'object')}")
        holder = place.lock.holder()
        locked = ledger.suspended
        if locked is not None:
            yield Finding(f"{name}: lock", False, locked.told(), "sloth-ci unlock", needed=False)
        if holder is not None or locked is None:
            yield Finding(
                f"{name}: lock",
                holder is None,
                f"held by {holder.holder}" if holder else "free",
                "wait for it to end" if holder else "",
            )
        journal = ledger.journal
        yield Finding(
            f"{name}: state",
            journal is None or holder is not None,
            f"interrupted while {journal.phase} {journal.revision[:10]}" if journal else "clean",
            "sloth-ci sync" if journal and holder is None else "",
        )
    except SlothError as error:
        yield Finding(name, False, error.message, error.hint or "")


def _schemas(session: Session, workflow: WorkflowSpec, destination: Destination, tip: str) -> Iterator[Finding]:
    """The hooks check against what the destination said last: here it is asked."""
    name = f"{workflow.name}: schemas"
    try:
        kept = learn(session, workflow, tip, destination)
    except SlothError as error:
        yield Finding(name, False, first_line(error.message), error.hint or "", needed=False)
        return
    if kept is not None:
        yield Finding(name, True, f"{kept}, for the hooks to check against")
