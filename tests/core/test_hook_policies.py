"""When a hook is deleted, as Argo CD and Helm write it."""

from __future__ import annotations

import pytest

from sloth_ci.core.hooks import delete_policies
from support.bodies import body

ARGO, HELM = "argocd.argoproj.io/hook-delete-policy", "helm.sh/hook-delete-policy"


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({}, {"BeforeHookCreation"}),
        ({ARGO: "HookSucceeded"}, {"HookSucceeded"}),
        ({ARGO: "HookSucceeded, HookFailed"}, {"HookSucceeded", "HookFailed"}),
        ({HELM: "before-hook-creation,hook-succeeded"}, {"BeforeHookCreation", "HookSucceeded"}),
        ({ARGO: "HookFailed", HELM: "hook-succeeded"}, {"HookFailed"}),
        ({ARGO: "Whenever"}, {"BeforeHookCreation"}),
    ],
)
def test_delete_policies(annotations: dict[str, str], expected: set[str]) -> None:
    assert delete_policies(body("Job", "migrate", metadata={"annotations": annotations})) == expected
