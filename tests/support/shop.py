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


def push(world: World, *bodies: dict[str, Any], delete: tuple[str, ...] = ()) -> str:
    """Commit objects and deletions by name, and push them. Returns the sha."""
    files = {f"k8s/{one['metadata']['name']}.yaml": one for one in bodies}
    return world.push("next", files, delete=tuple(f"k8s/{name}.yaml" for name in delete))
