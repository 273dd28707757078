"""The rules that a policy can name: what each one finds in an object, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, NamedTuple

from sloth_ci.core.objects import Body, Ref
from sloth_ci.core.podspec import containers, pods_of
from sloth_ci.core.status import table
from sloth_ci.core.workflow import RuleSet
from sloth_ci.policy.images import comes_from, read_image
from sloth_ci.policy.podsecurity import breaches

Breaches = Iterable[str]
"""Sentences, each about one thing that is wrong."""

_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
_SERVERS: Final = frozenset({("apps", "Deployment"), ("apps", "StatefulSet"), ("apps", "DaemonSet")})


class Rule(NamedTuple):
    """One rule, with its settings."""

    name: str
    check: Callable[[Ref, Body], Breaches]
    way_out: str


def rules_of(asked: RuleSet) -> Iterator[Rule]:
    """The rules about the state of an object that are asked for. `keep` and a user's own are about changes."""
    if asked.image_tags:
        yield Rule("image_tags", _image_tags, "name a version, or a digest")
    if asked.registries:
        yield Rule("registries", partial(_registries, asked.registries), "take the image from one of the registries")
    if asked.resources:
        yield Rule("resources", _resources, "set resources.requests and a memory limit")
    if asked.probes:
        yield Rule("probes", _probes, "add a readinessProbe")
    if asked.pod_security:
        level = asked.pod_security
        check = partial(_pod_security, level)
        yield Rule("pod_security", check, f"the Pod Security Standard '{level}' says what is allowed")
    if asked.kinds:
        yield Rule("kinds", partial(_kinds, asked.kinds), "leave it to those who may deploy it")
    if asked.namespaces:
        yield Rule("namespaces", partial(_namespaces, asked.namespaces), "put it into one of them")


def _image_tags(ref: Ref, body: Body) -> Breaches:
    for container, image in _images(ref, body):
        if read_image(image).moves:
            yield f"container {container}: the image {image} names no version"


def _registries(places: list[str], ref: Ref, body: Body) -> Breaches:
    for container, image in _images(ref, body):
        if not comes_from(read_image(image), places):
            yield f"container {container}: the image {image} is not from {', '.join(places)}"


def _images(ref: Ref, body: Body) -> Iterator[tuple[str, str]]:
    pods = pods_of(ref, body)
    for container in containers(pods.spec, *_CONTAINERS) if pods else ():
        image = container.get("image")
        if isinstance(image, str) and image:
            yield _name(container), image
    for volume in containers(pods.spec, "volumes") if pods else ():
        image = table(volume.get("image")).get("reference")
        if isinstance(image, str) and image:
            yield f"volume {_name(volume)}", image


def _resources(ref: Ref, body: Body) -> Breaches:
    pods = pods_of(ref, body)
    if pods is None:
        return
    whole = table(pods.spec.get("resources"))  # of the pod, for all its containers
    for container in _running(pods.spec):
        own = table(container.get("resources"))
        # A limit without a request is a request, too.
        requests = {key for part in ("requests", "limits") for each in (own, whole) for key in table(each.get(part))}
        limits = {key for each in (own, whole) for key in table(each.get("limits"))}
        missing = [f"requests.{key}" for key in ("cpu", "memory") if key not in requests]
        missing += ["limits.memory"] if "memory" not in limits else []
        if missing:
            yield f"container {_name(container)} has no {', '.join(missing)}"


def _probes(ref: Ref, body: Body) -> Breaches:
    pods = pods_of(ref, body) if (ref.group, ref.kind) in _SERVERS else None
    for container in _running(pods.spec) if pods else ():
        if container.get("ports") and not container.get("readinessProbe"):
            yield f"container {_name(container)} has ports and no readinessProbe"


def _pod_security(level: str, ref: Ref, body: Body) -> Breaches:
    pods = pods_of(ref, body)
    return breaches(pods.spec, pods.metadata, "restricted" if level == "restricted" else "baseline") if pods else ()


def _kinds(kinds: list[str], ref: Ref, _body: Body) -> Breaches:
    full = f"{ref.kind}.{ref.group}" if ref.group else ref.kind
    if ref.kind in kinds or full in kinds:
        yield f"no {ref.kind} may be in this workflow"


def _namespaces(patterns: list[str], ref: Ref, _body: Body) -> Breaches:
    if ref.namespace and not any(fnmatchcase(ref.namespace, pattern) for pattern in patterns):
        yield f"the namespace {ref.namespace} is none of {', '.join(patterns)}"


def _running(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The containers that run beside each other: sidecars are init containers that are always started again."""
    yield from containers(spec)
    yield from (one for one in containers(spec, "initContainers") if one.get("restartPolicy") == "Always")


def _name(container: Mapping[str, Any]) -> str:
    return str(container.get("name") or "without a name")
