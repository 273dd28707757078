"""A cluster world that listens to itself: whatever it is told, shown or thrown must not hold the value of a Secret."""

from __future__ import annotations

import base64
import io
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from sloth_ci.core.outcome import RollbackOutcome, SyncOutcome
from sloth_ci.core.plan import Plan
from sloth_ci.core.workflow import WorkflowSpec
from sloth_ci.report.checkrun import plan_report
from sloth_ci.report.comment import About, Shown, deployment_comment, pull_request_comment
from sloth_ci.report.document import outcomes_document, plans_document, to_json
from sloth_ci.report.html import html_report
from sloth_ci.report.markdown import plans_markdown
from sloth_ci.report.outcome_markdown import outcomes_markdown
from sloth_ci.report.terminal import show_outcome, show_plan
from support.bodies import body
from support.clusterworld import ClusterWorld

CANARY = "c4n4ry-Bird/x01"
"""Every Secret of these tests holds it, at the start of its values, and in the middle of one of several lines."""


def _forms() -> Iterator[str]:
    """The canary as it is, and as it looks in base64, wherever in a value it stands."""
    yield CANARY
    for before in range(3):
        text = base64.b64encode(b"." * before + CANARY.encode()).decode()
        yield text[-(-before * 8 // 6) : -4]


FORMS = tuple(_forms())
"""What must be in no text."""


def secret(name: str = "keys", version: int = 1) -> dict[str, Any]:
    """A Secret without a namespace, whose values change with the version."""
    data = {"token": base64.b64encode(f"{CANARY}{version}".encode()).decode()}
    return body("Secret", name, None, data=data, stringData={"key": f"-----BEGIN {version}\n{CANARY}\n-----END\n"})


class Overheard:
    """All that was said so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def plan(self, plan: Plan) -> None:
        """In every form that a plan is shown in."""
        self._shown(lambda file: show_plan(plan, detail="full", file=file, width=200, colour=False))
        self.texts += [to_json(plans_document([plan])), plans_markdown([plan]), str(plan_report(plan, name="plan"))]
        shown = [Shown(plan=plan)]
        self.texts += [pull_request_comment(shown, about=About(head_sha=plan.revision)), html_report(shown)]

    def outcome(self, outcome: SyncOutcome | RollbackOutcome) -> None:
        """In every form that an outcome is shown in."""
        self._shown(lambda file: show_outcome(outcome, file=file, width=200, colour=False))
        self.texts += [to_json(outcomes_document([outcome])), outcomes_markdown([outcome]), repr(outcome)]
        self.texts += [deployment_comment([outcome], sha="0" * 40), html_report([], outcomes=[outcome])]

    def error(self, error: BaseException) -> None:
        """With what it came from, and what it carries."""
        self.texts.append("".join(traceback.format_exception(error)))
        cause: BaseException | None = error
        while cause is not None:
            self.texts.append(repr((cause.args, vars(cause))))
            cause = cause.__cause__ or cause.__context__

    def _shown(self, show: Callable[[io.StringIO], None]) -> None:
        file = io.StringIO()
        show(file)
        self.texts.append(file.getvalue())

    def assert_silent(self) -> None:
        """No text holds the canary."""
        found = [text for text in self.texts if any(form in text for form in FORMS)]
        assert not found, f"the value of a Secret was told: {found[0]}"


class WatchedWorld(ClusterWorld):
    """`ClusterWorld` that keeps what was said."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.push("without any object", {}, delete=("k8s/web.yaml",))
        self.heard = Overheard()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.heard.error(error)
            raise

    def sync(self, workflow: WorkflowSpec, **more: Any) -> SyncOutcome:
        with self._listening():
            outcome = super().sync(workflow, **more)
        self.heard.outcome(outcome)
        return outcome

    def preview(self, workflow: WorkflowSpec, **more: Any) -> Plan:
        with self._listening():
            plan = super().preview(workflow, **more)
        self.heard.plan(plan)
        return plan

    def rollback(self, workflow: WorkflowSpec, *args: Any, **more: Any) -> RollbackOutcome:
        with self._listening():
            outcome = super().rollback(workflow, *args, **more)
        self.heard.outcome(outcome)
        return outcome

    def status(self, workflow: WorkflowSpec) -> dict[str, Any]:
        with self._listening():
            status = super().status(workflow)
        self.heard.texts.append(msgspec.json.encode(status, enc_hook=str).decode())
        return status

    def assert_silent(self) -> None:
        """The value of no Secret was in anything that anybody could read."""
        for plan in self.person.shown:
            self.heard.plan(plan)
        self.heard.texts.append(self.listener.text())
        self.heard.assert_silent()
