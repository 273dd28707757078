"""What the workflows of the tests of a cluster deploy: objects that name no namespace, each in a file of its name."""

from __future__ import annotations

from typing import Any

from support.bodies import body, deployment
from support.world import World


def config(name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return body("ConfigMap", name, None, data=data)


def web(image: str, name: str = "web", **annotations: str) -> dict[str, Any]:
    """A Deployment of one replica; the annotations are those of its pods."""
    made = deployment(name, image=image, replicas=1)
    del made["metadata"]["namespace"]
    made["spec"]["template"]["metadata"]["annotations"] = annotations
    return made


def slow(image: str) -> dict[str, Any]:
    """A Deployment whose pod is not ready for longer than any test takes."""
    return web(image, **{"sloth-test/ready-after": "300s"})


def failing(name: str = "check") -> dict[str, Any]:
    """A Job that fails, for good and at once: no sync waits for it to get better, as it would for a Deployment."""
    pods = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "check:fail"}]}
    return body("Job", name, None, api="batch/v1", spec={"backoffLimit": 0, "template": {"spec": pods}})


def push(world: World, *bodies: dict[str, Any], delete: tuple[str, ...] = ()) -> str:
    """Commit objects and deletions by name, and push them. Returns the sha."""
    files = {f"k8s/{one['metadata']['name']}.yaml": one for one in bodies}
    return world.push("next", files, delete=tuple(f"k8s/{name}.yaml" for name in delete))
