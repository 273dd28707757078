"""What has to wait for what, and what does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sloth_ci.core.errors import ConflictError
from sloth_ci.core.graph import DEPENDS_ON, Graph, Node, depends_on
from sloth_ci.core.hooks import WAVE
from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.references import dependents_of, ref_of, references
from support.bodies import body, deployment

CRD = body(
    "CustomResourceDefinition",
    "toys.shop.example",
    None,
    "apiextensions.k8s.io/v1",
    spec={"group": "shop.example", "scope": "Namespaced", "names": {"kind": "Toy", "plural": "toys"}, "versions": []},
)
TOY = body("Toy", "bear", api="shop.example/v1")
NAMESPACE = body("Namespace", "shop", None)


def annotated(content: Body, **annotations: str) -> Body:
    metadata = {**content["metadata"], "annotations": annotations}
    return {**content, "metadata": metadata}


def in_wave(number: int, content: Body) -> Body:
    return annotated(content, **{WAVE: str(number)})


def after(content: Body, *needed: str, key: str = DEPENDS_ON[0]) -> Body:
    return annotated(content, **{key: ", ".join(needed)})


def config(name: str, **fields: Any) -> Body:
    return body("ConfigMap", name, **fields)


def names(refs: Iterable[Ref]) -> list[str]:
    return [ref.name for ref in refs]


def take_all(graph: Graph) -> list[str]:
    taken = []
    while (ref := graph.take()) is not None:
        taken.append(ref.name)
    return taken


def graph_of(*bodies: Body, deleting: bool = False, standing: Iterable[Body] = ()) -> Graph:
    nodes = [Node(ref_of(content), content) for content in bodies]
    nodes += [Node(ref_of(content), content, standing=True) for content in standing]
    return Graph(nodes, deleting=deleting)


def run(graph: Graph) -> list[str]:
    """Work off a graph with endless patience and one hand; returns what happened, in order."""
    told = []
    while True:
        while (ref := graph.take()) is not None:
            told.append(ref.name)
            graph.finished(ref)
        settled = graph.to_settle()
        if not settled:
            return told
        told.append(f"({' '.join(names(settled))})")
        graph.settled(settled)


def test_what_needs_nothing_can_all_begin_at_once_in_the_order_of_kinds() -> None:
    webhook = body("ValidatingWebhookConfiguration", "guard", None, "admissionregistration.k8s.io/v1")
    graph = graph_of(webhook, TOY, deployment(), config("settings"), body("PriorityClass", "high", None))
    assert take_all(graph) == ["high", "settings", "web", "bear", "guard"]


def test_a_namespace_comes_before_its_content_and_nothing_else_waits_for_it() -> None:
    graph = graph_of(config("inside"), NAMESPACE, config("outside", namespace="other"))
    assert take_all(graph) == ["shop", "outside"]
    graph.finished(ref_of(NAMESPACE))
    assert take_all(graph) == ["inside"]


def test_a_definition_comes_before_its_resources() -> None:
    graph = graph_of(TOY, CRD)
    assert take_all(graph) == ["toys.shop.example"]
    assert take_all(graph) == []
    graph.finished(ref_of(CRD))
    assert take_all(graph) == ["bear"]


def test_a_workload_waits_for_what_it_names_and_for_nothing_that_is_not_written() -> None:
    web = deployment()
    web["spec"]["template"]["spec"] |= {
        "serviceAccountName": "runner",
        "volumes": [
            {"name": "a", "configMap": {"name": "settings"}},
            {"name": "b", "secret": {"secretName": "absent"}},
        ],
    }
    graph = graph_of(web, config("settings"), body("ServiceAccount", "runner"))
    assert take_all(graph) == ["runner", "settings"]
    graph.finished(Ref("", "ConfigMap", "shop", "settings"))
    assert take_all(graph) == []
    graph.finished(Ref("", "ServiceAccount", "shop", "runner"))
    assert take_all(graph) == ["web"]


@pytest.mark.parametrize("key", DEPENDS_ON)
def test_depends_on_waits_until_it_is_healthy(key: str) -> None:
    graph = graph_of(after(config("late"), "apps/namespaces/shop/Deployment/web", key=key), deployment())
    assert take_all(graph) == ["web"]
    graph.finished(ref_of(deployment()))
    assert take_all(graph) == []
    assert names(graph.to_settle()) == ["web"]
    assert graph.to_settle() == [], "each is told once"
    graph.settled([ref_of(deployment())])
    assert take_all(graph) == ["late"]


def test_what_is_depended_on_may_be_there_already_and_is_waited_for_all_the_same() -> None:
    late = after(config("late"), "apps/namespaces/shop/Deployment/web")
    assert run(graph_of(late, standing=[deployment(), config("other")])) == ["(web)", "late"]


def test_depends_on_something_that_is_nowhere_holds_nothing_up() -> None:
    assert take_all(graph_of(after(config("a"), "/namespaces/shop/ConfigMap/absent"))) == ["a"]


def test_the_two_spellings_of_depends_on() -> None:
    said = after(config("a"), "apps/namespaces/shop/Deployment/web", "rbac.authorization.k8s.io/ClusterRole/all")
    assert depends_on(said) == [
        Ref("apps", "Deployment", "shop", "web"),
        Ref("rbac.authorization.k8s.io", "ClusterRole", "", "all"),
    ]


@pytest.mark.parametrize(
    "text", ["web", "Deployment/web", "apps/namespaces//Deployment/web", "apps/x/shop/Deployment/web"]
)
def test_a_depends_on_that_names_nothing_is_an_error_that_says_where(text: str) -> None:
    with pytest.raises(ConflictError, match=r"ConfigMap/shop/a: config\.kubernetes\.io/depends-on") as error:
        graph_of(after(config("a"), text))
    assert "/namespaces/shop/Secret/key" in (error.value.hint or "")


def test_a_wave_starts_when_all_of_the_one_before_is_healthy() -> None:
    graph = graph_of(in_wave(-1, config("first")), config("middle"), in_wave(5, config("last")), config("also"))
    assert graph.wave == -1
    assert take_all(graph) == ["first"]
    graph.finished(Ref("", "ConfigMap", "shop", "first"))
    assert take_all(graph) == []
    assert names(graph.to_settle()) == ["first"]
    graph.settled([Ref("", "ConfigMap", "shop", "first")])
    assert take_all(graph) == ["also", "middle"]
    graph.finished(Ref("", "ConfigMap", "shop", "also"))
    assert graph.to_settle() == [], "one of the wave is not written yet"
    graph.finished(Ref("", "ConfigMap", "shop", "middle"))
    assert names(graph.to_settle()) == ["also", "middle"]


def test_the_last_wave_is_not_waited_for() -> None:
    assert run(graph_of(config("a"), in_wave(1, config("b")))) == ["a", "(a)", "b"]
    assert run(graph_of(config("a"), config("b"))) == ["a", "b"]


def test_unchanged_objects_of_an_earlier_wave_are_waited_for_and_later_ones_are_not() -> None:
    standing = [config("early"), in_wave(1, config("same")), in_wave(2, config("later"))]
    assert run(graph_of(in_wave(1, config("new")), standing=standing)) == ["(early)", "new"]


def test_where_nothing_is_to_be_written_nothing_is_waited_for() -> None:
    assert run(graph_of(standing=[in_wave(-2, config("a")), in_wave(-1, config("b"))])) == []


def test_a_namespace_of_a_late_wave_is_made_for_the_first_of_its_content() -> None:
    assert run(graph_of(in_wave(3, NAMESPACE), in_wave(-1, config("a")), in_wave(3, config("b")))) == [
        "shop",
        "a",
        "(a shop)",
        "b",
    ]


def test_a_reference_against_the_waves_gives_way() -> None:
    web = in_wave(0, deployment())
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "a", "configMap": {"name": "late"}}]
    assert run(graph_of(web, in_wave(1, config("late")))) == ["web", "(web)", "late"]


def test_a_reference_that_closes_a_circle_gives_way() -> None:
    web = deployment()
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "a", "configMap": {"name": "late"}}]
    late = after(config("late"), "apps/namespaces/shop/Deployment/web")
    assert run(graph_of(web, late)) == ["web", "(web)", "late"]


def test_a_circle_is_an_error_that_names_it() -> None:
    circle = [
        after(config("a"), "/namespaces/shop/ConfigMap/b"),
        after(config("b"), "/namespaces/shop/ConfigMap/c"),
        after(config("c"), "/namespaces/shop/ConfigMap/a"),
        config("innocent"),
    ]
    with pytest.raises(ConflictError) as error:
        graph_of(*circle)
    for edge in ("ConfigMap/shop/a waits for ConfigMap/shop/b", "ConfigMap/shop/c waits for ConfigMap/shop/a"):
        assert edge in error.value.message
    assert "innocent" not in error.value.message


def test_waves_and_depends_on_that_contradict_each_other_are_a_circle() -> None:
    early = annotated(config("a"), **{WAVE: "-1", DEPENDS_ON[0]: "/namespaces/shop/ConfigMap/b"})
    with pytest.raises(ConflictError, match=r"a waits for ConfigMap/shop/b.*wave 0 comes after wave -1"):
        graph_of(early, config("b"))


def test_an_object_that_depends_on_itself_is_a_circle() -> None:
    with pytest.raises(ConflictError, match="circle"):
        graph_of(after(config("a"), "/namespaces/shop/ConfigMap/a"))


def test_deletion_is_the_mirror_image() -> None:
    web = deployment()
    web["spec"]["template"]["spec"]["serviceAccountName"] = "runner"
    bodies = [NAMESPACE, CRD, TOY, web, body("ServiceAccount", "runner")]
    told = run(graph_of(*bodies, deleting=True))
    assert told.index("web") < told.index("runner") < told.index("shop")
    assert told.index("bear") < told.index("toys.shop.example")
    assert not any(item.startswith("(") for item in told), "nobody waits until they are gone"


def test_deletion_goes_through_the_waves_backwards_and_waits_until_each_is_gone() -> None:
    late = annotated(config("late"), **{WAVE: "2"})
    assert run(graph_of(config("early"), late, deleting=True)) == ["late", "(late)", "early"]


def test_deletion_waits_for_dependents_that_said_so() -> None:
    late = after(config("late"), "apps/namespaces/shop/Deployment/web")
    assert run(graph_of(late, deployment(), deleting=True)) == ["late", "(late)", "web"]


KINDS = {"Namespace": "", "ConfigMap": "shop", "Secret": "shop", "Job": "shop", "Toy": "shop"}
objects = st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from("abcd"))


@st.composite
def sets_of_objects(draw: st.DrawFn) -> list[Body]:
    """Objects with waves and dependencies of which each goes to one that comes later in the list: no circles."""
    chosen = draw(st.lists(objects, unique=True, min_size=1, max_size=8))
    waves = sorted((draw(st.integers(-2, 2)) for _ in chosen), reverse=True)
    bodies = []
    for place, (kind, name) in enumerate(chosen):
        needed = draw(st.sets(st.sampled_from(chosen[place + 1 :]), max_size=2)) if chosen[place + 1 :] else set()
        said = [f"/namespaces/shop/{k}/{n}" if KINDS[k] else f"/{k}/{n}" for k, n in sorted(needed)]
        metadata = {"annotations": {WAVE: str(waves[place]), DEPENDS_ON[0]: ",".join(said)}}
        bodies.append(body(kind, name, KINDS[kind] or None, metadata=metadata))
    return draw(st.permutations(bodies))


@given(sets_of_objects(), st.data())
def test_whatever_ends_first_everything_is_begun_once_and_never_too_early(
    bodies: list[Body], data: st.DataObject
) -> None:
    graph = Graph(Node(ref_of(content), content) for content in bodies)
    by_ref: Mapping[Ref, Body] = {ref_of(content): content for content in bodies}
    begun: list[Ref] = []
    settled: set[Ref] = set()
    running: list[Ref] = []
    waiting: list[list[Ref]] = []
    while True:
        while (ref := graph.take()) is not None:
            content = by_ref[ref]
            wave = int(content["metadata"]["annotations"][WAVE])
            assert {needed for needed in depends_on(content) if needed in by_ref} <= settled
            earlier = {r for r, b in by_ref.items() if int(b["metadata"]["annotations"][WAVE]) < wave}
            assert earlier <= settled
            begun.append(ref)
            running.append(ref)
        if told := graph.to_settle():
            waiting.append(told)
        if not running and not waiting:
            break
        if waiting and (not running or data.draw(st.booleans())):
            done = waiting.pop(data.draw(st.integers(0, len(waiting) - 1)))
            settled.update(done)
            graph.settled(done)
        else:
            graph.finished(running.pop(data.draw(st.integers(0, len(running) - 1))))
    assert sorted(begun) == sorted(by_ref)
    assert graph.left == []


def test_references_of_a_pod_are_found_wherever_they_are() -> None:
    job = body("Job", "migrate", api="batch/v1")
    job["spec"] = {
        "template": {
            "spec": {
                "serviceAccountName": "runner",
                "priorityClassName": "high",
                "imagePullSecrets": [{"name": "registry"}],
                "initContainers": [{"envFrom": [{"configMapRef": {"name": "from"}}, {"secretRef": {"name": "keys"}}]}],
                "containers": [
                    {
                        "env": [
                            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "password", "key": "a"}}},
                            {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "b"}}},
                        ]
                    }
                ],
                "volumes": [
                    {"projected": {"sources": [{"configMap": {"name": "ca"}}, {"secret": {"name": "token"}}]}},
                    {"persistentVolumeClaim": {"claimName": "data"}},
                ],
            }
        }
    }
    found = {f"{ref.kind}/{ref.name}" for ref in references(job)}
    assert found == {
        "ServiceAccount/runner", "PriorityClass/high", "Secret/registry", "ConfigMap/from", "Secret/keys", "Secret/password",
        "ConfigMap/one", "ConfigMap/ca", "Secret/token", "PersistentVolumeClaim/data",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            body(
                "Ingress",
                "web",
                api="networking.k8s.io/v1",
                spec={
                    "tls": [{"secretName": "cert"}],
                    "rules": [{"http": {"paths": [{"backend": {"service": {"name": "web"}}}]}}],
                },
            ),
            {Ref("", "Secret", "shop", "cert"), Ref("", "Service", "shop", "web")},
        ),
        (
            body(
                "RoleBinding",
                "b",
                api="rbac.authorization.k8s.io/v1",
                roleRef={"kind": "Role", "name": "r"},
                subjects=[
                    {"kind": "ServiceAccount", "name": "sa", "namespace": "other"},
                    {"kind": "User", "name": "ann"},
                ],
            ),
            {Ref("rbac.authorization.k8s.io", "Role", "shop", "r"), Ref("", "ServiceAccount", "other", "sa")},
        ),
        (
            body(
                "HorizontalPodAutoscaler",
                "h",
                api="autoscaling/v2",
                spec={"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}},
            ),
            {Ref("apps", "Deployment", "shop", "web")},
        ),
        (
            body(
                "ValidatingWebhookConfiguration",
                "guard",
                None,
                "admissionregistration.k8s.io/v1",
                webhooks=[{"clientConfig": {"service": {"namespace": "guards", "name": "guard"}}}],
            ),
            {Ref("", "Service", "guards", "guard")},
        ),
        (body("StatefulSet", "db", api="apps/v1", spec={"serviceName": "db"}), {Ref("", "Service", "shop", "db")}),
        (
            body(
                "Ingress", "broken", api="networking.k8s.io/v1", spec={"rules": "none", "tls": [7, {"secretName": 1}]}
            ),
            set(),
        ),
    ],
)
def test_references_of_other_kinds(content: Body, expected: set[Ref]) -> None:
    assert references(content) == expected


def test_what_depends_on_what_is_deleted() -> None:
    web = deployment()
    web["spec"]["template"]["spec"]["volumes"] = [{"name": "a", "configMap": {"name": "settings"}}]
    service = body("Service", "web", spec={"selector": {"app": "web"}})
    deleted = [config("settings"), CRD, body("Namespace", "old", None), config("unused")]
    kept = [web, service, TOY, config("left", namespace="old")]
    assert dependents_of({ref_of(content): content for content in deleted}, kept) == {
        Ref("", "ConfigMap", "shop", "settings"): [ref_of(web)],
        Ref("", "Namespace", "", "old"): [Ref("", "ConfigMap", "old", "left")],
        Ref("apiextensions.k8s.io", "CustomResourceDefinition", "", "toys.shop.example"): [ref_of(TOY)],
    }
    assert dependents_of({ref_of(web): web}, [service, config("settings")]) == {ref_of(web): [ref_of(service)]}
