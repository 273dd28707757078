"""The Pod Security Standards against the server: we find something exactly where its PodSecurity admission refuses.

More than the verdict: each control that the server names is one that we name, and the other way round.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sloth_ci.policy.podsecurity import Level, breaches
from support.cluster import ControlPlane, ControlPlaneError
from support.securepods import CASES, SECURE, WINDOWS_CASES, Case, Edit, Tree, pod

LEVELS: Final[tuple[Level, ...]] = ("baseline", "restricted")
CONTROLS: Final = (
    # What the server calls a control, and how our sentences name its fields.
    ("hostProcess", r"windowsOptions\.hostProcess"),
    ("host namespaces", r"^pod: host(Network|PID|IPC) is"),
    ("privileged", r"securityContext\.privileged"),
    ("capabilities", r"securityContext\.capabilities"),
    ("volume", r"^volume "),
    ("hostPort", r": hostPort "),
    ("probe or lifecycle host", r"\.host is"),
    ("AppArmor", r"appArmorProfile|annotation container\.apparmor"),
    ("seLinuxOptions", r"seLinuxOptions"),
    ("procMount", r"procMount"),
    ("seccompProfile", r"seccompProfile"),
    ("sysctls", r"^pod: sysctl "),
    ("allowPrivilegeEscalation", r"allowPrivilegeEscalation"),
    ("runAsNonRoot", r"runAsNonRoot"),
    ("runAsUser", r"runAsUser"),
)


class Verdict(NamedTuple):
    """Of the server."""

    outcome: str
    """`allowed`, `refused` by PodSecurity, or `invalid`."""
    controls: frozenset[str]
    words: str


class Judge:
    """The API server, with a namespace for each level."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._namespaces = {level: plane.namespace(f"{level}-{uuid.uuid4().hex[:8]}") for level in LEVELS}
        for namespace in self._namespaces.values():
            # The level comes later: the pod that gets the ephemeral containers is one that all levels let in.
            plane.api("POST", f"/api/v1/namespaces/{namespace}/pods", pod(edits=[("metadata.name", "there")]))
        for level, namespace in self._namespaces.items():
            labels = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}}
            kind = "application/merge-patch+json"
            plane.api("PATCH", f"/api/v1/namespaces/{namespace}", labels, content_type=kind)

    def create(self, body: Tree, level: Level) -> Verdict:
        """What it says of a new pod."""
        path = f"/api/v1/namespaces/{self._namespaces[level]}/pods?dryRun=All&fieldValidation=Strict"
        return self._ask("POST", path, body, level)

    def debug(self, container: Tree, level: Level) -> tuple[Tree, Verdict]:
        """What it says of an ephemeral container, which no new pod may have; and the pod that it is added to."""
        path = f"/api/v1/namespaces/{self._namespaces[level]}/pods/there"
        body: Tree = self.plane.api("GET", path)
        del body["metadata"]["resourceVersion"]
        body["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "debug:1", **container}]
        return body, self._ask("PUT", f"{path}/ephemeralcontainers?dryRun=All&fieldValidation=Strict", body, level)

    def _ask(self, method: str, path: str, body: Tree, level: Level) -> Verdict:
        try:
            self.plane.api(method, path, body)
        except ControlPlaneError as error:
            words = json.loads(str(error)[str(error).index("{") :])["message"]
            start = f'violates PodSecurity "{level}:latest": '
            if start not in words:
                return Verdict("invalid", frozenset(), words)
            reasons = outside_parentheses(words.partition(start)[2])
            found = frozenset(name for name, _ in CONTROLS if any(is_named(name, reason) for reason in reasons))
            return Verdict("refused", found, words)
        return Verdict("allowed", frozenset(), "")


def outside_parentheses(words: str) -> list[str]:
    """The controls of a refusal: `privileged (container "web" must not ...), hostPort (...)`."""
    while (shorter := re.sub(r"\([^()]*\)", "", words)) != words:
        words = shorter
    return [part.strip() for part in words.split(",")]


def is_named(control: str, reason: str) -> bool:
    if control == "privileged":
        return reason == "privileged"
    return control in reason


def ours(body: Tree, level: Level) -> tuple[frozenset[str], list[str]]:
    """The controls that our sentences name, and the sentences."""
    sentences = breaches(body["spec"], body["metadata"], level)
    named = [{name for name, words in CONTROLS if re.search(words, sentence)} for sentence in sentences]
    assert all(len(names) == 1 for names in named), sentences
    return frozenset(name for names in named for name in names), sentences


@pytest.fixture(scope="module")
def judge(control_plane: ControlPlane) -> Judge:
    return Judge(control_plane)


def differences(judge: Judge, body: Tree, level: Level) -> str:
    """The outcome; fails where ours is another one."""
    verdict = judge.create(body, level)
    if verdict.outcome != "invalid":
        named, sentences = ours(body, level)
        # The server first gives each port of such a pod a hostPort, and then counts those, too.
        implied = {"hostPort"} if "pod: hostNetwork is true" in sentences else set[str]()
        assert named - implied == verdict.controls - implied, (
            f"{level}: we say {sentences}, the server {verdict.words!r} of {body}"
        )
        assert bool(sentences) == (verdict.outcome == "refused")
    return verdict.outcome


def as_is(case: Case) -> str:
    return ",".join(f"{path.replace('securityContext', 'sc')}={json.dumps(value)[:40]}" for path, value in case[0])


@pytest.mark.parametrize("case", CASES, ids=as_is)
def test_each_side_of_each_control(judge: Judge, case: Case) -> None:
    edits, *refused = case
    body = pod(edits=edits)
    assert [differences(judge, body, level) for level in LEVELS] == [("allowed", "refused")[one] for one in refused]


@pytest.mark.parametrize("case", WINDOWS_CASES, ids=as_is)
def test_what_restricted_wants_is_not_wanted_of_windows(judge: Judge, case: Case) -> None:
    edits, *refused = case
    body = pod(edits=edits, security={})
    assert [differences(judge, body, level) for level in LEVELS] == [("allowed", "refused")[one] for one in refused]


@pytest.mark.parametrize(
    ("security", "refused"),
    [
        (SECURE, [False, False]),
        (dict[str, Any](), [False, True]),
        ({**SECURE, "runAsUser": 0}, [False, True]),
        ({"privileged": True}, [True, True]),
        ({**SECURE, "capabilities": {"drop": ["ALL"], "add": ["SYS_PTRACE"]}}, [True, True]),
        ({**SECURE, "seccompProfile": {"type": "Unconfined"}}, [True, True]),
    ],
)
def test_ephemeral_containers_count(judge: Judge, security: Tree, refused: list[bool]) -> None:
    for level, is_refused in zip(LEVELS, refused, strict=True):
        body, verdict = judge.debug({"securityContext": security}, level)
        named, sentences = ours(body, level)
        assert verdict.outcome == ("refused" if is_refused else "allowed"), verdict.words
        assert named == verdict.controls
        assert all(sentence.startswith("ephemeral container debug: ") for sentence in sentences), sentences


def test_random_pods(judge: Judge) -> None:
    seen: Counter[tuple[Level, str]] = Counter()
    groups = [case[0] for case in CASES + WINDOWS_CASES]
    places = st.sampled_from(["spec.containers.0", "spec.containers.1", "spec.initContainers.0"])

    @st.composite
    def pods(draw: st.DrawFn) -> Tree:
        chosen = draw(st.lists(st.sampled_from(groups) | fields(), max_size=5))
        edits = [(path.replace("spec.containers.0", draw(places)), value) for group in chosen for path, value in group]
        # Where init containers are taken away, nothing can be put into them.
        edits = [edit for edit in edits if edit[0] != "spec.initContainers"]
        return pod(edits=edits, security=draw(st.sampled_from([SECURE, SECURE, {}, {**SECURE, "runAsUser": 1}])))

    @settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
    @given(body=pods())
    def random(body: Tree) -> None:
        for level in LEVELS:
            seen[level, differences(judge, body, level)] += 1

    random()
    for level in LEVELS:
        counts = [seen[level, outcome] for outcome in ("allowed", "refused", "invalid")]
        assert counts[2] < sum(counts) / 2, seen
        assert min(counts[:2]) > sum(counts) / 20, seen


VALUES: Final[dict[str, list[Any]]] = {
    "hostNetwork": [True, False, None],
    "hostPID": [True, False],
    "hostIPC": [True, False],
    "hostUsers": [True, False, None],
}
SECURITY: Final[dict[str, list[Any]]] = {
    "runAsNonRoot": [True, False, None],
    "runAsUser": [0, 1, None],
    "seccompProfile": [{"type": "RuntimeDefault"}, {"type": "Unconfined"}, None],
    "appArmorProfile": [{"type": "RuntimeDefault"}, {"type": "Unconfined"}, None],
    "seLinuxOptions": [{}, {"type": "container_init_t"}, {"type": "x"}, {"user": "u"}, {"role": "", "level": "s0"}],
    "windowsOptions": [{}, None, {"hostProcess": False}],
}
OF_CONTAINERS: Final[dict[str, list[Any]]] = {
    **SECURITY,
    "privileged": [False, None, True],
    "allowPrivilegeEscalation": [False, True, None],
    "procMount": ["Default", None, "Unmasked"],
    "capabilities": [
        {},
        None,
        {"drop": ["ALL"]},
        {"add": ["KILL"]},
        {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "ALL"]},
        {"drop": ["CHOWN"], "add": ["NET_ADMIN"]},
    ],
}


def fields() -> st.SearchStrategy[list[Edit]]:
    """One field with one of its values, for the pod or for a container."""
    pools = [
        *((f"spec.{key}", values) for key, values in VALUES.items()),
        *((f"spec.securityContext.{key}", values) for key, values in SECURITY.items()),
        *((f"spec.containers.0.securityContext.{key}", values) for key, values in OF_CONTAINERS.items()),
    ]
    return st.sampled_from([[(path, value)] for path, values in pools for value in values])
