"""The Pod Security Standards without a server: what the sentences say, and manifests of any shape.

Which pods they let through, the API server is asked in tests/kubernetes/test_podsecurity.py.
"""

from __future__ import annotations

import copy
from types import MappingProxyType
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.policy.podsecurity import Level, breaches
from support.securepods import SECURE, pod

HUGE: Final = 10**5000
WEB: Final = "spec.containers.0.securityContext"

BASELINE: Final[list[tuple[str, Any, str]]] = [
    ("spec.hostNetwork", True, "pod: hostNetwork is true"),
    (f"{WEB}.privileged", True, "container web: securityContext.privileged is true"),
    (
        "spec.initContainers.0.securityContext.privileged",
        True,
        "init container first: securityContext.privileged is true",
    ),
    (
        "spec.ephemeralContainers",
        [{"name": "debug", "securityContext": {**SECURE, "privileged": True}}],
        "ephemeral container debug: securityContext.privileged is true",
    ),
    (
        "spec.securityContext.windowsOptions",
        {"hostProcess": True},
        "pod: securityContext.windowsOptions.hostProcess is true",
    ),
    (
        f"{WEB}.capabilities.add",
        ["NET_BIND_SERVICE", "SYS_ADMIN"],
        "container web: securityContext.capabilities.add has SYS_ADMIN",
    ),
    ("spec.volumes.0", {"name": "data", "hostPath": {"path": "/"}}, "volume data: hostPath /"),
    ("spec.volumes.0", {"hostPath": {"path": "/"}}, "volume 1: hostPath /"),
    ("spec.containers.0.ports.0.hostPort", 8080, "container web: hostPort 8080"),
    (
        "spec.containers.0.livenessProbe",
        {"httpGet": {"host": "10.0.0.1"}},
        "container web: livenessProbe.httpGet.host is 10.0.0.1",
    ),
    (
        "spec.containers.0.lifecycle",
        {"preStop": {"tcpSocket": {"host": "a.example"}}},
        "container web: lifecycle.preStop.tcpSocket.host is a.example",
    ),
    (
        f"{WEB}.appArmorProfile",
        {"type": "Unconfined"},
        "container web: securityContext.appArmorProfile.type is Unconfined",
    ),
    (
        "metadata.annotations.container~apparmor~security~beta~kubernetes~io/web",
        "unconfined",
        "pod: annotation container.apparmor.security.beta.kubernetes.io/web is unconfined",
    ),
    (f"{WEB}.seLinuxOptions", {"type": "spc_t"}, "container web: securityContext.seLinuxOptions.type is spc_t"),
    (
        "spec.securityContext.seLinuxOptions",
        {"user": "system_u"},
        "pod: securityContext.seLinuxOptions.user is system_u",
    ),
    (f"{WEB}.procMount", "Unmasked", "container web: securityContext.procMount is Unmasked"),
    (
        f"{WEB}.seccompProfile",
        {"type": "Unconfined"},
        "container web: securityContext.seccompProfile.type is Unconfined",
    ),
    ("spec.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}], "pod: sysctl kernel.msgmax"),
]
RESTRICTED: Final[list[tuple[str, Any, str]]] = [
    ("spec.volumes.0", {"name": "data", "nfs": {"server": "files", "path": "/"}}, "volume data: nfs"),
    (f"{WEB}.allowPrivilegeEscalation", None, "container web: securityContext.allowPrivilegeEscalation is not false"),
    (f"{WEB}.runAsNonRoot", None, "container web: runAsNonRoot is not true (also not for the pod)"),
    (f"{WEB}.runAsNonRoot", False, "container web: securityContext.runAsNonRoot is false"),
    ("spec.securityContext.runAsNonRoot", False, "pod: securityContext.runAsNonRoot is false"),
    (f"{WEB}.runAsUser", 0, "container web: securityContext.runAsUser is 0"),
    (f"{WEB}.seccompProfile", None, "container web: seccompProfile is not set (also not for the pod)"),
    (f"{WEB}.capabilities.drop", ["NET_RAW"], "container web: securityContext.capabilities.drop has no ALL"),
    (f"{WEB}.capabilities.add", ["CHOWN"], "container web: securityContext.capabilities.add has CHOWN"),
]
ODD: Final[list[tuple[str, Any, str]]] = [
    # What would be refused by the API, and must not look as if it were allowed.
    (f"{WEB}.privileged", "yes", "container web: securityContext.privileged is yes"),
    (f"{WEB}.privileged", [], "container web: securityContext.privileged is a list"),
    (f"{WEB}.capabilities.add", "SYS_ADMIN", "container web: securityContext.capabilities.add has SYS_ADMIN"),
    (f"{WEB}.capabilities.add", [{"a": 1}], "container web: securityContext.capabilities.add has a table"),
    (f"{WEB}.seccompProfile", {}, "container web: securityContext.seccompProfile.type is not set"),
    ("spec.volumes.0", {"name": "a\n::b\x1b", "hostPath": 1}, "volume a ::b: hostPath"),
    ("spec.securityContext.sysctls", [{}], "pod: sysctl not set"),
    ("spec.hostPID", "x" * 5000, f"pod: hostPID is {'x' * 99}…"),
]


def said(path: str, value: object, level: Level) -> list[str]:
    body = pod(edits=[(path, value)])
    return breaches(body["spec"], body["metadata"], level)


@pytest.mark.parametrize(("path", "value", "sentence"), BASELINE)
def test_each_breach_of_baseline_is_one_sentence_at_both_levels(path: str, value: object, sentence: str) -> None:
    assert said(path, value, "baseline") == [sentence]
    assert said(path, value, "restricted") == [sentence]


@pytest.mark.parametrize(("path", "value", "sentence"), RESTRICTED)
def test_each_breach_of_restricted_is_one_sentence_there_alone(path: str, value: object, sentence: str) -> None:
    assert said(path, value, "baseline") == []
    assert said(path, value, "restricted") == [sentence]


@pytest.mark.parametrize(("path", "value", "sentence"), ODD)
def test_odd_values_are_breaches(path: str, value: object, sentence: str) -> None:
    assert said(path, value, "baseline") == [sentence]


def test_every_container_and_every_control_is_told() -> None:
    body = pod(edits=[("spec.hostIPC", True)], security={"privileged": True})
    found = breaches(body["spec"], body["metadata"], "restricted")
    assert found[0] == "pod: hostIPC is true"
    for name in ("init container first", "container web", "container side"):
        assert [sentence.removeprefix(f"{name}: ") for sentence in found if sentence.startswith(f"{name}: ")] == [
            "securityContext.privileged is true",
            "securityContext.allowPrivilegeEscalation is not false",
            "runAsNonRoot is not true (also not for the pod)",
            "seccompProfile is not set (also not for the pod)",
            "securityContext.capabilities.drop has no ALL",
        ]


def test_a_pod_that_says_false_is_told_once() -> None:
    body = pod(edits=[("spec.securityContext.runAsNonRoot", False)], security={**SECURE, "runAsNonRoot": None})
    assert breaches(body["spec"], {}, "restricted") == ["pod: securityContext.runAsNonRoot is false"]


def test_any_mapping_is_read() -> None:
    spec = MappingProxyType(pod(edits=[("spec.hostPID", True)])["spec"])
    assert breaches(spec, MappingProxyType({}), "baseline") == ["pod: hostPID is true"]


def test_a_number_that_python_does_not_write_down_is_told() -> None:
    assert said("spec.containers.0.ports.0.hostPort", HUGE, "baseline") == ["container web: hostPort a large number"]
    assert said(f"{WEB}.procMount", -HUGE, "baseline") == ["container web: securityContext.procMount is a large number"]


WORDS: Final = [
    *("name", "type", "add", "drop", "host", "user", "hostPort", "hostPath", "annotations", "securityContext"),
    *("capabilities", "seccompProfile", "appArmorProfile", "seLinuxOptions", "windowsOptions", "hostProcess"),
    *("containers", "initContainers", "ephemeralContainers", "volumes", "ports", "sysctls", "os", "lifecycle"),
    *("livenessProbe", "postStart", "httpGet", "tcpSocket", "runAsUser", "runAsNonRoot", "procMount", "hostUsers"),
    "container.apparmor.security.beta.kubernetes.io/web",
]
SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["ALL", "windows", "RuntimeDefault"])
    | st.builds(lambda: HUGE)
)
KEYS: Final = st.sampled_from(WORDS) | st.text(max_size=5) | st.integers() | st.none() | st.booleans()
TREES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=40
)


def checked(spec: Any, metadata: Any) -> None:
    before = copy.deepcopy((spec, metadata))
    baseline, restricted = (breaches(spec, metadata, level) for level in ("baseline", "restricted"))
    assert set(baseline) - set(restricted) == set(), "restricted has all of baseline"
    assert all(sentence.isprintable() and len(sentence) < 500 for sentence in restricted)
    assert repr_of(before) == repr_of((spec, metadata)), "nothing is changed"


def repr_of(value: Any) -> Any:
    """A value to compare: NaN is itself, and 1 is not True."""
    if isinstance(value, dict):
        return [(repr_of(key), repr_of(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return [repr_of(inner) for inner in value]
    return (type(value), hash(value) if value == value else "nan")  # noqa: PLR0124


@given(spec=TREES, metadata=TREES)
def test_any_shape_is_read(spec: Any, metadata: Any) -> None:
    checked(spec, metadata)


PLACES: Final = [
    "metadata.annotations",
    *(f"spec.{key}" for key in ("os", "hostUsers", "hostPID", "volumes", "volumes.0", "volumes.0.hostPath")),
    *(f"spec.{key}" for key in ("containers", "initContainers.0", "ephemeralContainers", "securityContext")),
    *(f"spec.securityContext.{key}" for key in ("sysctls", "seLinuxOptions", "windowsOptions", "runAsNonRoot")),
    *(f"spec.containers.0.{key}" for key in ("name", "ports", "ports.0", "ports.0.hostPort", "securityContext")),
    *(f"spec.containers.0.{key}" for key in ("lifecycle", "lifecycle.preStop", "livenessProbe.httpGet.host")),
    *(f"{WEB}.{key}" for key in ("privileged", "procMount", "runAsUser", "allowPrivilegeEscalation", "runAsNonRoot")),
    *(f"{WEB}.{key}" for key in ("capabilities", "capabilities.add", "capabilities.drop", "seccompProfile")),
    *(f"{WEB}.{key}" for key in ("seccompProfile.type", "appArmorProfile.type", "seLinuxOptions.type")),
]


@given(place=st.sampled_from(PLACES), value=TREES)
def test_any_value_is_read_in_each_place(place: str, value: Any) -> None:
    body = pod(edits=[(place, value)])
    checked(body["spec"], body["metadata"])


def test_what_contains_itself_is_read() -> None:
    endless: dict[str, Any] = pod(edits=[])["spec"]
    endless["securityContext"] = endless
    endless["containers"].append(endless)
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    endless["hostPID"] = deep
    assert breaches(endless, {}, "baseline") == ["pod: hostPID is a list"]
